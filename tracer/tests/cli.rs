//! What the program says, and to whom.

use std::{
    fs::{self, File},
    io::pipe,
    os::unix::fs::MetadataExt as _,
    process::{Command, Stdio},
};

fn tracer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastrites-tracer"));
    command.args(arguments).env_remove("RUNLEVEL").env_remove("JOURNAL_STREAM").stdin(Stdio::null());
    command
}

/// `lastrites doctor | head -1` ended with a panic and 101, and so did `arm`, with the machine armed.
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let usual = tracer(&["status"]).output().expect("it runs").status.code();
    assert!(matches!(usual, Some(0 | 3)), "{usual:?}");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let output = tracer(&["status"]).stdout(writer).output().expect("it runs");
    assert_eq!((output.status.code(), output.stderr), (usual, Vec::new()));
}

#[test]
fn what_cannot_be_said_is_an_error_with_a_reason() {
    let full = File::options().write(true).open("/dev/full").expect("there");
    let output = tracer(&["status"]).stdout(full).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("standard output") && !said.contains("panicked"), "{said}");
    // Nobody hears anything of it.
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let full = File::options().write(true).open("/dev/full").expect("there");
    let status = tracer(&["status"]).stdout(full).stderr(writer).status().expect("it runs");
    assert_eq!(status.code(), Some(4));
}

/// The unit lets the journal have warnings and worse; without a level every error counted as less, and nobody ever read one.
#[test]
fn an_error_is_one_to_the_journal_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("stderr");
    let says = |stream: &dyn Fn(&fs::Metadata) -> String| {
        let stderr = File::create(&path).expect("made");
        let stream = stream(&stderr.metadata().expect("there"));
        // Refused, since this machine is not going down.
        let status = tracer(&["seal"]).env("JOURNAL_STREAM", stream).stderr(stderr).status();
        assert_eq!(status.expect("it runs").code(), Some(4));
        fs::read_to_string(&path).expect("text")
    };
    let journal = says(&|meta| format!("{}:{}", meta.dev(), meta.ino()));
    assert!(journal.starts_with("<3>lastrites-tracer: sealing"), "{journal}");
    let file = says(&|meta| format!("{}:{}", meta.dev(), meta.ino() + 1));
    assert!(file.starts_with("lastrites-tracer: sealing"), "{file}");
}

/// `lastrites arm` failed, and it was a program that nobody had started that said why.
#[test]
fn whoever_hands_over_to_it_finds_his_own_name_in_what_it_says() {
    use std::os::unix::process::CommandExt as _;
    for (called, arguments) in [("lastrites", &["seal"][..]), ("/usr/bin/lastrites", &["seal"])] {
        let output = tracer(arguments).arg0(called).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("lastrites: sealing"), "{said}");
    }
    let usage = tracer(&["arm", "--nonsense"]).arg0("lastrites").output().expect("it runs");
    let said = String::from_utf8_lossy(&usage.stderr);
    assert!(said.contains("Usage: lastrites arm"), "{said}");
}
