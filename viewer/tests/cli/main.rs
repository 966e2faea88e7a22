//! The real binary on recordings made by the real writer: exit codes, output, colours, pipes.

mod demo;
mod diff;
mod documented;
mod explain;
mod readme;
mod recorded;
mod samples;
mod shutdowns;

use std::{
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use recorded::{Recorded, recorded};

fn lastrites(args: &[&str], recorded: &Recorded) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastrites"));
    command.args(args).env_remove("NO_COLOR").env_remove("COLUMNS");
    command.env("LASTRITES_FILE", &recorded.ring).stdin(Stdio::null());
    command
}

fn run(args: &[&str], recorded: &Recorded) -> Output {
    lastrites(args, recorded).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

#[test]
fn list_shows_every_recording_and_who_asked() {
    let recorded = recorded();
    let output = run(&["list"], &recorded);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(out.contains("asked:   shutdown -r now (root, pts/0)"), "{out}");
    assert!(out.contains("sealed") && out.contains("no seal"), "{out}");
    // Lines are broken where the terminal's width ends.
    let flowing = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let unsealed = "ended without a seal: power cut, panic, hang, or the seal itself failed";
    assert!(flowing.contains(unsealed), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let json = run(&["list", "--json"], &recorded);
    let rows: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["requested"]["argv"][0], "shutdown");
    assert_eq!((rows[0]["end"].as_str(), rows[1]["end"].as_str()), (Some("sealed"), Some("no seal")));
    assert_eq!(rows[0]["lost"], 3);
}

#[test]
fn show_filters_and_says_so_when_nothing_matches() {
    let recorded = recorded();
    let output = run(&["show", "--recording", "previous", "--signal", "kill", "--kind", "signal"], &recorded);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(out.starts_with("# recording 1 of 2"), "{out}");
    assert!(out.contains("killall5         SIGKILL -> 2240 mongod: delivered"), "{out}");
    assert!(out.contains("*** LOST: 3 events"), "a loss is always shown: {out}");
    assert!(!out.contains("exec"), "{out}");
    let none = run(&["show", "--recording", "1", "--pid", "4000000", "--no-head"], &recorded);
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn show_json_is_one_object_a_line() {
    let output = run(&["show", "--json", "--recording", "1"], &recorded());
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["type"], "recording");
    let kill = lines.iter().find(|line| line["signal"] == "SIGKILL").expect("a kill");
    assert_eq!(
        (kill["sender"]["name"].as_str(), kill["target"]["pid"].as_u64()),
        (Some("killall5"), Some(2240))
    );
    let dead = lines.iter().find(|line| line["killed_by"] == "SIGKILL").expect("a death");
    assert_eq!((dead["process"]["name"].as_str(), dead["exit_code"].as_u64()), (Some("mongod"), None));
}

#[test]
fn nothing_of_a_traced_process_reaches_the_terminal_raw() {
    for args in [&["show", "--recording", "1"][..], &["show", "--json", "--recording", "1"], &["list"]] {
        let output = run(args, &recorded());
        let out = text(&output.stdout);
        assert!(!out.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{args:?}: {out:?}");
    }
    assert!(text(&run(&["show", "--recording", "1"], &recorded()).stdout).contains("\\x1b[2J"));
}

#[test]
fn colours_are_only_for_those_who_want_them() {
    let recorded = recorded();
    let escaped = |command: &mut Command| command.output().expect("runs").stdout.contains(&0x1b);
    assert!(!escaped(&mut lastrites(&["show"], &recorded)), "not on a terminal");
    assert!(escaped(&mut lastrites(&["show", "--color", "always"], &recorded)));
    assert!(!escaped(&mut lastrites(&["show", "--color", "never"], &recorded)));
    assert!(!escaped(lastrites(&["show"], &recorded).env("NO_COLOR", "1")));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let recorded = recorded();
    let mut child = lastrites(&["show", "--recording", "1"], &recorded)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Closed before the first byte: the write finds nobody.
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("read");
    assert_eq!((child.wait().expect("waited").code(), said.as_str()), (Some(0), ""));
}

#[test]
fn usage_errors_say_what_was_meant_and_end_with_2() {
    let recorded = recorded();
    for (args, hint) in [
        (&["show", "--signal", "FOO"][..], "not a signal"),
        (&["show", "--kind", "forks"], "cgroup-attach"),
        (&["show", "--recording", "9"], "it holds 1 to 2"),
        (&["show", "--from", "yesterday"], "not a time"),
        (&["show", "--from", "asked+soon"], "asked+2.5"),
        (&["show", "--pid", "mongod"], "a pid is a number"),
        (&["explain", "--pid", "-"], "a pid is a number"),
        (&["show", "--event", "first"], "the number of an event"),
        (&["frobnicate"], "frobnicate"),
        (&["explian"], "'explain'"),
    ] {
        let output = run(args, &recorded);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(hint), "{args:?}: {}", text(&output.stderr));
    }
}

/// The story: clap took a name for a command, and proposed one that only the last hook of a shutdown calls.
#[test]
fn a_file_without_a_command_is_opened_or_named_as_what_is_wrong() {
    let recorded = recorded();
    let home = recorded.dir.path().join("home");
    let file = recorded.dir.path().join("sent.lrt");
    let file = file.to_str().expect("UTF-8");
    let with_home = |args: &[&str]| lastrites(args, &recorded).env("HOME", &home).output().expect("runs");
    assert_eq!(with_home(&["save", file, "--recording", "1"]).status.code(), Some(0));
    assert_eq!(with_home(&["import", "--as", "bug", file]).status.code(), Some(0));
    let told = with_home(&["explain", file]).stdout;
    for args in [&[file][..], &["--color", "never", file], &["bug"], &["--color=never", "bug"]] {
        let output = with_home(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), text(&told), "{args:?}");
    }
    let output = with_home(&["mistyped.lrt"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.starts_with("lastrites: mistyped.lrt: cannot open it") && said.contains("check the name"),
        "{said}"
    );
    // What looks like nothing else is taken for a command; nobody is sent to the one that is for shutdowns.
    for word in ["sael", "seal.", "frobnicate"] {
        let output = with_home(&[word]);
        assert!(!text(&output.stderr).contains("'seal'"), "{word}: {}", text(&output.stderr));
        assert_ne!(output.status.code(), Some(0));
    }
}

#[test]
fn who_names_one_thing_of_two_is_told_which_is_missing() {
    let recorded = recorded();
    let ring = recorded.ring.to_str().expect("UTF-8");
    let said = |args: &[&str], code| {
        let output = lastrites(args, &recorded).env_remove("LASTRITES_FILE").output().expect("runs");
        let said = text(&output.stderr).to_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    };
    let save = said(&["save", ring], 4);
    assert!(save.contains("`--file` names the one to copy from"), "{save}");
    let nowhere = recorded.dir.path().join("none/report.tar.gz");
    let report = said(&["report", ring, "-o", nowhere.to_str().expect("UTF-8")], 4);
    assert_eq!(report.lines().count(), 1, "nothing else is said before: {report}");
    assert!(report.contains("none/report.tar.gz: cannot create it: No such file"), "{report}");
    let saved = said(&["save", "--file", ring, nowhere.to_str().expect("UTF-8")], 4);
    assert!(!saved.contains("/.lastrites-"), "{saved}");
    let shown = said(&["show", ring, "--event", "999999"], 1);
    assert!(shown.contains("no event that fits") && !shown.contains("names"), "{shown}");
    let shown = said(&["show", ring, "--name", "nobody"], 1);
    assert!(shown.contains("names are matched as they are written"), "{shown}");
}

#[test]
fn files_that_are_no_recordings_are_refused_by_name() {
    let recorded = recorded();
    let noise = recorded.dir.path().join("noise");
    std::fs::write(&noise, b"\x1b[2J noise ".repeat(1000)).expect("written");
    let empty = recorded.dir.path().join("empty");
    std::fs::write(&empty, b"").expect("written");
    for path in [&noise, &empty, &recorded.dir.path().join("not-there"), &recorded.dir.path().to_owned()] {
        for command in ["list", "show"] {
            let output = run(&[command, path.to_str().expect("UTF-8")], &recorded);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{command} {path:?}: {said}");
            assert!(said.starts_with("lastrites: ") && said.lines().count() == 1, "{said}");
            assert!(said.contains(path.file_name().and_then(|n| n.to_str()).expect("a name")), "{said}");
        }
    }
}

#[test]
fn a_saved_recording_is_taken_in_place_of_the_ring() {
    let recorded = recorded();
    let saved = recorded.dir.path().join("saved.lrt");
    let saved = saved.to_str().expect("UTF-8");
    let output = run(&["save", saved, "--recording", "1"], &recorded);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mode = std::fs::metadata(saved).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "recordings may hold secrets");
    let of_ring = run(&["show", "--recording", "1", "--no-head"], &recorded);
    let of_saved = run(&["show", saved, "--no-head"], &recorded);
    assert_eq!(text(&of_ring.stdout), text(&of_saved.stdout));
    let again = run(&["save", saved], &recorded);
    assert_eq!(again.status.code(), Some(4), "nothing is overwritten");
    assert!(text(&again.stderr).contains("nothing is overwritten"));
}

#[test]
fn commands_of_the_tracer_are_handed_over_with_all_their_words() {
    let recorded = recorded();
    let here = recorded.dir.path();
    let exe = here.join("lastrites");
    // By another process: a program that this one has open for writing, or a child forked by another
    // test meanwhile, cannot be run ("text file busy").
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").args([from, to]).status().expect("cp runs").success());
    };
    copy(Path::new(env!("CARGO_BIN_EXE_lastrites")), &exe);
    let run = |args: &[&str]| Command::new(&exe).args(args).env("PATH", "").output().expect("runs");
    let output = run(&["arm", "--always"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("lastrites-tracer: not found"), "{}", text(&output.stderr));
    let tracer = here.join("lastrites-tracer");
    let script = here.join("script");
    std::fs::write(&script, "#!/bin/sh\necho \"$@\"\nexit 3\n").expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("set");
    copy(&script, &tracer);
    assert_eq!(text(&run(&["help", "arm"]).stdout).trim(), "arm --help");
    for args in [
        &["arm", "--always", "--size", "64M"][..],
        &["status", "--json"],
        &["doctor", "--help"],
        &["seal", "--stage", "x"],
    ] {
        let output = run(args);
        assert_eq!((output.status.code(), text(&output.stdout).trim()), (Some(3), args.join(" ").as_str()));
    }
}

/// Who typed `lastrites arm` must not read of a program that he never called.
#[test]
fn what_is_handed_over_speaks_as_what_was_typed() {
    let dir = tempfile::tempdir().expect("a directory");
    let copied =
        Command::new("cp").args([env!("CARGO_BIN_EXE_lastrites"), "/bin/cat"]).arg(dir.path()).status();
    assert!(copied.expect("cp runs").success());
    std::fs::rename(dir.path().join("cat"), dir.path().join("lastrites-tracer")).expect("renamed");
    let output = Command::new(dir.path().join("lastrites")).args(["arm"]).current_dir(dir.path()).output();
    // Of cat(1) it is known that it says how it was called.
    let said = output.expect("runs").stderr;
    assert!(text(&said).starts_with("lastrites: arm:"), "{}", text(&said));
}

#[test]
fn help_tells_the_exit_codes() {
    let output = run(&["--help"], &recorded());
    let out = text(&output.stdout);
    assert!(out.contains("Exit codes:") && out.contains("demo"), "{out}");
    let sentences = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(sentences.contains("`sudo lastrites explain` tells what happened"), "{out}");
    let first = ["  explain ", "  view ", "  report ", "  show ", "  arm "];
    let places = first.map(|word| out.find(word).unwrap_or_else(|| panic!("{word}: {out}")));
    assert!(places.is_sorted(), "what one needs comes first: {out}");
    assert_eq!(output.status.code(), Some(0));
}
