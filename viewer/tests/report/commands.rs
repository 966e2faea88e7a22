//! `lastrites report` as a person uses it, and every command on what it wrote.

use std::os::unix::fs::PermissionsExt as _;

use super::{bad, good, run, sample};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn every_command_opens_a_report_as_it_is() {
    let home = home();
    for (name, to) in [("sysvinit-respawn", "bad.tar.gz"), ("runit-respawn", "other.tar.gz")] {
        let file = sample(name);
        let file = file.to_str().expect("UTF-8");
        let output = run(home.path(), &["report", file, "-o", to]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("removed ") && said.contains(&format!("wrote {to}")), "{said}");
        assert_eq!(output.stdout, b"", "nothing but messages");
    }
    // By what is in it, not by its name.
    std::fs::rename(home.path().join("bad.tar.gz"), home.path().join("attachment")).expect("renamed");
    let explained = good(home.path(), &["explain", "attachment"]);
    assert!(explained.contains("mongod was restarted during the shutdown"), "{explained}");
    assert!(explained.starts_with("host-1 rebooted on"), "{explained}");
    let listed = good(home.path(), &["list", "attachment"]);
    assert!(listed.contains("host:    host-1, sysvinit 3.06"), "{listed}");
    assert!(good(home.path(), &["show", "attachment", "--name", "mongod"]).contains("SIGKILL"));
    good(home.path(), &["save", "saved.lrt", "--file", "attachment"]);
    assert_eq!(good(home.path(), &["explain", "saved.lrt"]), explained);
    let compared = good(home.path(), &["diff", "attachment", "other.tar.gz"]);
    assert!(compared.contains("host-1"), "{compared}");
    let model =
        lastrites::view::load::now(&home.path().join("attachment"), None).expect("the viewer reads it");
    drop(model);
    // A report of a report is one as well.
    good(home.path(), &["report", "attachment", "-o", "again.tar.gz"]);
    assert!(good(home.path(), &["explain", "again.tar.gz"]).contains("mongod was restarted"));
}

#[test]
fn a_report_is_small_and_never_replaces_a_file() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let args = ["report", file.to_str().expect("UTF-8"), "-o", "r.tar.gz"];
    good(home.path(), &args);
    let written = std::fs::read(home.path().join("r.tar.gz")).expect("there");
    assert!(written.len() < 200 << 10, "{}", written.len());
    assert!(bad(home.path(), &args, 4).contains("nothing is overwritten"));
    assert_eq!(std::fs::read(home.path().join("r.tar.gz")).expect("there"), written);
    let left = std::fs::read_dir(home.path()).expect("readable").count();
    assert_eq!(left, 1, "no temporary file stays behind");
    let dir = bad(home.path(), &["report", args[1], "-o", "no/such/dir/r.tar.gz"], 4);
    assert!(dir.contains("cannot create it") && dir.contains("choose a directory"), "{dir}");
}

#[test]
fn a_full_disk_is_called_one_and_leaves_nothing_behind() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let file = file.to_str().expect("UTF-8");
    // A file may not grow: what a full disk and a quota look like from here.
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 1; exec \"$0\" report \"$1\" -o r.tar.gz",
            env!("CARGO_BIN_EXE_lastrites"),
            file,
        ])
        .current_dir(home.path())
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0, "{said}");
    let full = run(home.path(), &["report", file, "-o", "/dev/full"]);
    assert_eq!(full.status.code(), Some(4), "a device is no new file");
}

#[test]
fn without_a_name_the_file_is_called_after_the_time_of_the_shutdown() {
    let home = home();
    std::fs::copy(sample("sysvinit-respawn"), home.path().join("ring.lrt")).expect("copied");
    good(home.path(), &["report"]);
    assert!(home.path().join("lastrites-report-20261125-030807.tar.gz").is_file());
}

#[test]
fn markdown_alone_is_fit_to_be_pasted() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let text = good(home.path(), &["report", file.to_str().expect("UTF-8"), "--markdown"]);
    for part in [
        "# What happened in a shutdown",
        "```text\nhost-1 rebooted on",
        "## Phases",
        "| SIGKILL",
        "## Environment",
        "`sysvinit 3.06`",
        "6.1.0-50-cloud-amd64",
        "## Coverage and losses",
        "* 1327 events, 0 lost",
        "## What was removed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.starts_with('|') || line.chars().count() <= 240), "{text}");
    assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0, "nothing was written");
}

#[test]
fn what_would_be_removed_is_shown_line_by_line_and_nothing_is_written() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let file = file.to_str().expect("UTF-8");
    let text = good(home.path(), &["report", file, "--list-removed"]);
    assert!(text.contains("host-1  db7  (") && text.contains("session record"), "{text}");
    // What nobody knows by itself is told by what is around it, and how often it was there.
    assert!(text.contains("arg-1  ") && text.contains(" text, arguments; as in: "), "{text}");
    for line in text.lines() {
        let (_, told) = line.split_once("  (").unwrap_or_else(|| panic!("{line}"));
        let count: u64 = told.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
        assert!(count >= 1 && told.contains("; as in: ") && told.ends_with(')'), "{line}");
    }
    assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0, "nothing was written");
    let kept = good(home.path(), &["report", file, "--list-removed", "--keep", "hosts,args", "-o", "r"]);
    assert!(!kept.contains("db7"), "{kept}");
    assert!(good(home.path(), &["list", "r"]).contains("db7"), "asked for");
}

#[test]
fn a_report_goes_into_a_pipe_but_not_to_a_terminal() {
    let home = home();
    let file = sample("power-cut");
    let output = run(home.path(), &["report", file.to_str().expect("UTF-8"), "-o", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    std::fs::write(home.path().join("piped"), &output.stdout).expect("written");
    assert!(good(home.path(), &["list", "piped"]).contains("host-1"));
}

#[test]
fn usage_errors_and_unreadable_recordings_say_what_to_do() {
    let home = home();
    let file = sample("power-cut");
    let file = file.to_str().expect("UTF-8");
    let said = run(home.path(), &["report", file, "--keep", "everything"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&said.stderr).contains("hosts, users, args"));
    assert!(bad(home.path(), &["report", "not-there"], 4).contains("check the name"));
    assert!(bad(home.path(), &["report", file, "--recording", "7"], 2).contains("it holds one"));
    assert_eq!(run(home.path(), &["report", file, "--markdown", "-o", "x"]).status.code(), Some(2));
}

#[test]
fn who_may_read_a_report_is_for_the_umask_to_say() {
    let home = home();
    let file = sample("power-cut");
    let script = "umask $2; exec \"$0\" report \"$1\" -o r$2";
    for (umask, wanted) in [("022", 0o644), ("077", 0o600)] {
        let output = std::process::Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_lastrites"), file.to_str().expect("UTF-8"), umask])
            .current_dir(home.path())
            .output()
            .expect("sh runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let made = home.path().join(format!("r{umask}"));
        assert_eq!(std::fs::metadata(made).expect("there").permissions().mode() & 0o777, wanted);
    }
}

#[test]
fn what_was_removed_never_goes_into_the_file_that_is_sent() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let file = file.to_str().expect("UTF-8");
    let output = run(home.path(), &["report", file, "--list-removed", "-o", "-"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(output.stdout, b"");
}

/// `lastrites` with a shell's `before`, in `home`.
fn after(home: &std::path::Path, before: &str, args: &[&str]) -> std::process::Output {
    let script = format!("{before}; exec \"$0\" \"$@\"");
    std::process::Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_lastrites")])
        .args(args)
        .current_dir(home)
        .env("XDG_DATA_HOME", home.join("data"))
        .output()
        .expect("sh runs")
}

#[test]
fn no_room_for_temporary_files_is_nobodys_fault_but_ours() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let file = file.to_str().expect("UTF-8");
    good(home.path(), &["report", file, "-o", "r.tar.gz"]);
    for before in ["trap '' XFSZ; ulimit -f 1", "TMPDIR=/nowhere/at/all; export TMPDIR"] {
        for args in [&["list", "r.tar.gz"][..], &["report", file, "--markdown"]] {
            let output = after(home.path(), before, args);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{args:?}: {said}");
            assert!(
                said.contains("TMPDIR") && !said.contains("damaged") && !said.contains("do not open"),
                "{said}"
            );
        }
    }
    assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 1);
}

/// `--keep args` printed what every report prints.
#[test]
fn who_keeps_arguments_is_told_that_unknown_secrets_stay() {
    let home = home();
    let file = sample("power-cut");
    let file = file.to_str().expect("UTF-8");
    for (keep, warned) in [("args", true), ("hosts,args", true), ("hosts", false)] {
        for how in [&["-o", keep][..], &["--markdown"], &["--list-removed"]] {
            let output = run(home.path(), &[&["report", file, "--keep", keep], how].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert_eq!(said.contains("every secret that no rule knows"), warned, "{keep} {how:?}: {said}");
        }
    }
}

/// It was read from the machine that made the report, and missing from those of every saved recording.
#[test]
fn the_distribution_is_that_of_the_recording() {
    use lastrites_traces::{ring::Writer, session::Session, storage::FileStorage};
    let home = home();
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let write = |name: &str, host: &str, distribution: &str| {
        let (storage, _) = FileStorage::create(&home.path().join(name), 1 << 20).expect("a ring file");
        let mut writer = Writer::open(storage).expect("opened");
        let session = Session { distribution: distribution.into(), ..super::machine::session(host) };
        writer.begin(&session).expect("begun");
        writer.sync().expect("synced");
    };
    write("x.lrt", &here, "Plan 9 (fourth edition)");
    let text = good(home.path(), &["report", "x.lrt", "--markdown"]);
    assert!(text.contains("| distribution | `Plan 9 (fourth edition)` |"), "{text}");
    let json = good(home.path(), &["list", "x.lrt", "--json"]);
    assert!(json.contains("\"distribution\":\"Plan 9 (fourth edition)\""), "{json}");
    // One that a recorder has not noted is nobody's: LASTRITES_FILE, which this is, may be of any machine.
    write("ring.lrt", &here, "");
    let text = good(home.path(), &["report", "--markdown"]);
    assert!(text.contains("| distribution | unknown |"), "{text}");
    // Whoever made it gave it a name of his own.
    write("y.lrt", "prod-berlin7", "Linux of prod-berlin7");
    let text = good(home.path(), &["report", "y.lrt", "--markdown"]);
    assert!(text.contains("| distribution | `Linux of host-1` |"), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = home();
    let file = sample("sysvinit-respawn");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = super::command(home.path(), &["report", file.to_str().expect("UTF-8"), "-o", "-"])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("lastrites: "), "{said}");
}

#[test]
fn a_link_that_leads_nowhere_and_a_directory_are_no_new_files() {
    let home = home();
    let file = sample("power-cut");
    let file = file.to_str().expect("UTF-8");
    std::os::unix::fs::symlink("elsewhere", home.path().join("link")).expect("made");
    assert!(bad(home.path(), &["report", file, "-o", "link"], 4).contains("it is there already"));
    assert!(bad(home.path(), &["report", file, "-o", "."], 4).contains("it is a directory"));
    assert!(!home.path().join("elsewhere").exists());
}

#[test]
fn what_root_makes_by_sudo_belongs_to_who_asked() {
    use std::os::unix::fs::MetadataExt as _;
    let home = home();
    let file = sample("power-cut");
    let before = "SUDO_UID=4711 SUDO_GID=4712; export SUDO_UID SUDO_GID";
    let output = after(home.path(), before, &["report", file.to_str().expect("UTF-8"), "-o", "r"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let made = std::fs::metadata(home.path().join("r")).expect("there");
    let own = std::fs::metadata(home.path()).expect("there");
    let wanted = if own.uid() == 0 { (4711, 4712) } else { (own.uid(), own.gid()) };
    assert_eq!((made.uid(), made.gid()), wanted);
}

/// A recording of millions of events was read, redacted and drawn before it was said that the file cannot be made.
#[test]
fn a_file_that_cannot_be_made_is_refused_before_the_work() {
    let home = home();
    let file = sample("power-cut");
    let file = file.to_str().expect("UTF-8");
    good(home.path(), &["report", file]);
    for (args, why) in [
        (&["report", file][..], "it is there already"),
        (
            &["report", file, "-o", "none/x"],
            "none/x: cannot create it: No such file or directory (os error 2); choose",
        ),
    ] {
        let said = bad(home.path(), args, 4);
        assert!(said.contains(why) && !said.contains("removed"), "{said}");
    }
    // These write none.
    good(home.path(), &["report", file, "--markdown"]);
    good(home.path(), &["report", file, "--list-removed"]);
}
