//! `lastrites`: everything about recordings that needs no root.

use std::process::ExitCode;

fn main() -> ExitCode {
    match lastrites::demo::role() {
        Some(code) => code,
        None => lastrites::cli::main(),
    }
}
