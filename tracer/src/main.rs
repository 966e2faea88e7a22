//! `lastrites-tracer`: the only program of lastrites that runs as root.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser as _;
use lastrites_tracer::{cli, say, seal};

fn main() -> ExitCode {
    // The seal has the least time and the fewest friends: it goes past everything else.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "seal")
        && words.next().is_some_and(|word| word == "--stage")
        && let (Some(stage), None) = (words.next(), words.next())
    {
        seal::run(&stage.to_string_lossy());
        return ExitCode::SUCCESS;
    }
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code.into(),
        Err(error) => {
            say::error(&error.to_string());
            error.exit_code().into()
        }
    }
}
