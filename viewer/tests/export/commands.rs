//! `lastrites export` as a person uses it, and what it does when something is wrong.

use std::{
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use super::{FORMATS, command, exported, good, made, run, sample, samples, text};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// What it said when it failed with `code`.
fn bad(home: &Path, args: &[&str], code: i32) -> String {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert!(said.lines().last().is_some_and(|line| line.starts_with("lastrites: ")) || code == 2, "{said}");
    said
}

fn entries(home: &Path) -> usize {
    std::fs::read_dir(home).expect("readable").count()
}

#[test]
fn every_format_takes_every_sample_and_says_the_same_each_time() {
    for file in samples() {
        for format in FORMATS {
            let once = exported(&file, format, &[]);
            assert!(once.len() > 200, "{format} of {file:?}: {once:?}");
            assert_eq!(once, exported(&file, format, &[]), "{format} of {file:?}");
            if format != "parquet" {
                let text = text(once);
                assert!(text.ends_with('\n'), "{format}");
                let raw = text.chars().find(|c| !matches!(c, '\n' | '\r') && !lastrites::safe::is_plain(*c));
                assert_eq!(raw, None, "{format} of {file:?}");
            }
        }
    }
}

#[test]
fn a_file_is_whole_and_replaces_nothing() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let file = file.to_str().expect("UTF-8");
    for format in FORMATS {
        let name = format!("out.{format}");
        let args = [file, "--format", format, "-o", &name];
        let output = run(home.path(), &args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{said}");
        assert!(said.contains(&format!("wrote {name} (")), "{said}");
        let written = std::fs::read(home.path().join(&name)).expect("there");
        assert_eq!(written, exported(Path::new(file), format, &[]), "{format}");
        let mode = std::fs::metadata(home.path().join(&name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "recordings may hold secrets");
        assert!(bad(home.path(), &args, 4).contains("nothing is overwritten"));
        assert_eq!(std::fs::read(home.path().join(&name)).expect("there"), written);
    }
    assert_eq!(entries(home.path()), FORMATS.len(), "no temporary file stays behind");
    let said = bad(home.path(), &[file, "--format", "svg", "-o", "no/such/dir/x.svg"], 4);
    assert!(said.contains("cannot create it") && said.contains("choose a directory"), "{said}");
}

#[test]
fn what_is_made_of_a_report_has_none_of_its_names_and_is_for_the_umask_to_say() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let report = Command::new(env!("CARGO_BIN_EXE_lastrites"))
        .args(["report", file.to_str().expect("UTF-8"), "-o", "r.tar.gz"])
        .current_dir(home.path())
        .output()
        .expect("runs");
    assert_eq!(report.status.code(), Some(0));
    for format in FORMATS {
        let name = format!("out.{format}");
        let args = ["r.tar.gz", "--format", format, "-o", &name];
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 022; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_lastrites"), "export"]);
        let output = shell.args(args).current_dir(home.path()).stdin(Stdio::null()).output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let path = home.path().join(&name);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o644, "{format}");
        let written = std::fs::read(path).expect("there");
        let has = |word: &[u8]| written.windows(word.len()).any(|part| part == word);
        assert!(!has(b"db7"), "{format}");
        // Columns of tables are packed.
        assert!(has(b"host-1") || format == "parquet", "{format}");
    }
}

#[test]
fn a_full_disk_is_called_one_and_leaves_nothing_behind() {
    let file = sample("sysvinit-respawn");
    for format in FORMATS {
        let home = home();
        // A file may not grow: what a full disk and a quota look like from here.
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" export \"$1\" --format \"$2\" -o out";
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_lastrites")])
            .arg(&file)
            .arg(format)
            .current_dir(home.path())
            .output()
            .expect("sh runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{format}: {said}");
        assert!(said.contains("out: cannot write it: File too large"), "{format}: {said}");
        assert_eq!(entries(home.path()), 0, "{format}: {said}");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let output = command(home.path(), &[file.to_str().expect("UTF-8"), "--format", format])
            .stdout(full)
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{format}: {said}");
        assert!(said.contains("cannot write the output: No space left"), "{format}: {said}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = home();
    let file = sample("systemd252-reboot");
    for format in FORMATS {
        let mut child = command(home.path(), &[file.to_str().expect("UTF-8"), "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        // Closed before the first byte: the write finds nobody.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("read");
        assert_eq!((child.wait().expect("waited").code(), said.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_table_of_bytes_is_not_for_a_terminal() {
    let home = home();
    let file = sample("power-cut");
    let on_terminal = |format: &str| {
        let line =
            format!("'{}' export '{}' --format {format}", env!("CARGO_BIN_EXE_lastrites"), file.display());
        // script(1) gives it a terminal.
        let output =
            Command::new("script").args(["-qec", &line, "/dev/null"]).current_dir(home.path()).output();
        let output = output.expect("script runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = on_terminal("parquet");
    assert!(code == Some(2) && said.contains("not for a terminal: name a file with -o"), "{said}");
    assert_eq!(on_terminal("dot").0, Some(0));
}

#[test]
fn usage_errors_say_what_was_meant() {
    let home = home();
    let file = sample("power-cut");
    let file = file.to_str().expect("UTF-8");
    for (args, hint) in [
        (&[file][..], "--format"),
        (&[file, "--format", "xlsx"], "parquet"),
        (&[file, "--format", "svg", "--table", "events"], "--table goes with"),
        (&[file, "--format", "csv", "--table", "signals"], "processes"),
        (&[file, file, "--format", "svg"], "holds one recording"),
        (&[file, "--format", "dot", "--all"], "holds one recording"),
        (&[file, "--format", "csv", "--all", "--recording", "1"], "--recording"),
        (&[file, "--format", "json", "--recording", "7"], "it holds one"),
    ] {
        assert!(bad(home.path(), args, 2).contains(hint), "{args:?}");
    }
    assert_eq!(entries(home.path()), 0);
    let help = run(home.path(), &["--help"]);
    let help = text(help.stdout);
    assert!(help.contains("holds what the recording holds") && help.contains("lastrites report"), "{help}");
}

#[test]
fn a_file_that_is_no_recording_is_refused_by_name_and_nothing_is_written() {
    let home = home();
    std::fs::write(home.path().join("noise"), b"\x1b[2J noise ".repeat(1000)).expect("written");
    let sample = sample("power-cut");
    let sample = sample.to_str().expect("UTF-8");
    for format in FORMATS {
        let said = bad(home.path(), &["noise", "--format", format, "-o", "out"], 4);
        assert!(said.contains("noise"), "{said}");
        assert!(bad(home.path(), &["not-there", "--format", format], 4).contains("check the name"));
    }
    for format in ["csv", "jsonl", "parquet"] {
        // One of many that cannot be read: better none than one that seems to hold all.
        let said = bad(home.path(), &[sample, "noise", "--format", format, "-o", "out"], 4);
        assert!(said.contains("noise"), "{said}");
    }
    assert_eq!(entries(home.path()), 1);
    assert!(bad(home.path(), &["--format", "svg"], 4).contains("ring.lrt"));
}

#[test]
fn a_recording_without_a_shutdown_is_one_as_well() {
    let home = home();
    made::boot(&home.path().join("ring.lrt"));
    let svg = text(good(home.path(), &["--format", "svg"]));
    assert!(svg.contains("no shutdown in this recording"), "{svg}");
    let json = super::json(&good(home.path(), &["--format", "json"]));
    assert!(
        json["story"]["shutdown"].is_null() && json["processes"].as_array().is_some_and(|all| all.len() >= 3)
    );
    assert!(text(good(home.path(), &["--format", "dot"])).starts_with("digraph"));
    let output = run(home.path(), &["--format", "csv"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(output.stdout).lines().count(), 1, "names of columns alone");
    assert!(text(output.stderr).contains("has no shutdown in it, so it adds no row"));
    let events = text(good(home.path(), &["--format", "csv", "--table", "events"]));
    assert_eq!(events.lines().count(), 1 + 4);
}

#[test]
fn what_is_damaged_is_exported_as_far_as_it_can_be_read_and_says_so() {
    let home = home();
    let mut bytes = std::fs::read(sample("sysvinit-respawn")).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xaa);
    std::fs::write(home.path().join("ring.lrt"), bytes).expect("written");
    for format in FORMATS {
        good(home.path(), &["--format", format]);
    }
    let json = super::json(&good(home.path(), &["--format", "json"]));
    assert!(json["story"]["recording"]["gaps"].as_array().is_some_and(|gaps| !gaps.is_empty()));
    assert!(text(good(home.path(), &["--format", "jsonl"])).contains("\"type\":\"gap\""));
    assert!(text(good(home.path(), &["--format", "csv", "--table", "events"])).contains("\"gap\""));
    assert!(text(good(home.path(), &["--format", "svg"])).contains("cannot be read"));
    assert!(text(good(home.path(), &["--format", "dot"])).contains("cannot be read"));
}
