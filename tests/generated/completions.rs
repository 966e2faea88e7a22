//! Completions, one file for each shell, named as the shell wants it.

use clap_complete::{Shell, generate};

use crate::commands;

pub const FILES: &[(Shell, &str)] =
    &[(Shell::Bash, "lastrites.bash"), (Shell::Zsh, "_lastrites"), (Shell::Fish, "lastrites.fish")];

pub fn all() -> Vec<(String, String)> {
    let one = |(shell, name): &(Shell, &str)| {
        let mut out = Vec::new();
        generate(*shell, &mut commands::offered(), "lastrites", &mut out);
        ((*name).to_owned(), String::from_utf8(out).expect("definitions are text"))
    };
    FILES.iter().map(one).collect()
}
