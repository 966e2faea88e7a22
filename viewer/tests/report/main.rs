//! Reports: what is removed, that the story stays, archives of friends and of enemies, and what is imported.

mod archives;
mod choice;
mod commands;
mod imports;
mod lines;
mod machine;
mod secrets;
mod size;
mod stories;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use lastrites::{
    explain::{Picked, pick},
    redact::Keep,
    report::{self, Report},
};
use lastrites_traces::reader::Trace;

pub fn samples() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/samples");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("samples").map(|entry| entry.expect("readable").path()).collect();
    all.sort();
    assert!(all.len() >= 4, "{all:?}");
    all
}

pub fn sample(name: &str) -> PathBuf {
    samples().into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)).expect("a sample")
}

/// A recording, what it tells, and the report of it.
pub fn reported(path: &Path, keep: Keep) -> (Trace, Picked, Report) {
    let trace = Trace::open(path).expect("a recording");
    let picked = pick::read(&trace, path, 1).expect("it reads");
    let report = report::make(&trace, &picked, keep, false).expect("a report");
    (trace, picked, report)
}

/// The command, in a home of its own.
pub fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastrites"));
    command.args(args).current_dir(home).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", home.join("data")).env("LASTRITES_FILE", home.join("ring.lrt"));
    command.env_remove("COLUMNS").env_remove("NO_COLOR");
    command
}

pub fn run(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().expect("the binary runs")
}

pub fn good(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// What it said when it failed with `code`.
pub fn bad(home: &Path, args: &[&str], code: i32) -> String {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
    // What it did until then stands before it.
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("lastrites: ") || code == 2, "{said}");
    said
}
