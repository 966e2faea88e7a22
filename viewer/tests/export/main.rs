//! `lastrites export`: every format in the hands of a program that knows nothing of us: Python's csv, expat and jsonschema,
//! DuckDB, Graphviz, Perfetto's own engine. `tests/run` installs them.

mod commands;
mod documents;
mod hostile;
mod made;
#[path = "../story/nonsense.rs"]
mod nonsense;
mod perfetto;
mod pictures;
#[path = "../story/random.rs"]
mod random;
mod tables;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

pub const FORMATS: [&str; 7] = ["json", "jsonl", "csv", "perfetto", "svg", "dot", "parquet"];

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

/// The command, in a directory of its own.
pub fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastrites"));
    command.arg("export").args(args).current_dir(home).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", home.join("data")).env("LASTRITES_FILE", home.join("ring.lrt"));
    command.env_remove("COLUMNS").env_remove("NO_COLOR");
    command
}

pub fn run(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().expect("the binary runs")
}

/// What it wrote to standard output.
pub fn good(home: &Path, args: &[&str]) -> Vec<u8> {
    let output = run(home, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    output.stdout
}

/// The same of one file in one format.
pub fn exported(file: &Path, format: &str, args: &[&str]) -> Vec<u8> {
    let home = tempfile::tempdir().expect("a directory");
    let file = file.to_str().expect("UTF-8");
    good(home.path(), &[&[file, "--format", format], args].concat())
}

pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Where `tests/run` puts Python and its packages: below the directory of builds.
fn python_home() -> PathBuf {
    let builds =
        Path::new(env!("CARGO_BIN_EXE_lastrites")).ancestors().nth(2).expect("a directory of builds");
    builds.join("python")
}

/// Runs another program's reader on `input`; its answer is JSON.
fn ask(mut command: Command, input: &[u8]) -> Value {
    let program = command.get_program().to_owned();
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!("cannot run {program:?} ({error}): tests/run installs what these tests need")
    });
    let mut to = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || to.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let written = writer.join().expect("no panic");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {said}");
    written.expect("it reads all");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// `reader.py`: see there.
pub fn reader(args: &[&str], input: &[u8]) -> Value {
    let mut command = Command::new(python_home().join("bin/python3"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/reader.py")).args(args);
    ask(command, input)
}

/// What Perfetto's engine answers to these queries of SQL on a trace.
pub fn engine(trace: &[u8], queries: &[&str]) -> Vec<Vec<Value>> {
    let found = reader(&["engine"], b"");
    let dir = found.as_str().expect("a directory");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(trace).expect("written");
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/perfetto.mjs"))
        .arg(dir)
        .arg(file.path());
    let answers = ask(command, &serde_json::to_vec(queries).expect("JSON"));
    serde_json::from_value(answers).expect("lists of rows")
}
