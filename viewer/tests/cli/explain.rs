//! `lastrites explain` as a user runs it.

use std::path::Path;

use crate::{
    lastrites,
    recorded::recorded,
    samples::{good, run, sample, samples},
    shutdowns::{MONGOD, good_and_bad},
    text,
};

/// What every page of text keeps to.
pub fn keeps_to(out: &str, width: usize) {
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
    for line in out.lines() {
        let is_word = !line.trim().contains(' ');
        assert!(line.chars().count() <= width || is_word, "{width}: {line:?}");
        assert!(line.trim_end() == line, "blanks at the end: {line:?}");
    }
}

fn page(args: &[&str], file: &Path, width: usize) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lastrites"));
    command.arg("explain").args(args).arg("--file").arg(file).env_remove("NO_COLOR");
    let output = command.env("COLUMNS", width.to_string()).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{args:?} {file:?}: {}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

#[test]
fn every_way_to_explain_takes_every_sample_at_every_width() {
    for file in samples() {
        let json = good(&["explain", "--json"], &file);
        assert_eq!(json.lines().count(), 1);
        let story: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let ends = story["ends"].as_array().expect("a list");
        let mut pids = ends.iter().map(|end| end["process"]["pid"].to_string());
        let (first, last) = (pids.clone().next().expect("an end"), pids.next_back().expect("an end"));
        let program = ends[0]["process"]["name"].as_str().expect("a name");
        for width in [40, 80, 200] {
            for args in [
                &[][..],
                &["--all"],
                &["--finding", "1"],
                &["--pid", &first],
                &["--pid", &last],
                &["--pid", "1"],
                &["--service", program],
            ] {
                let out = page(args, &file, width);
                assert!(out.starts_with("db7 "), "{out}");
                keeps_to(&out, width);
            }
            assert_eq!(page(&["--json"], &file, width), json, "JSON has no width");
        }
        assert_eq!(page(&["--all"], &file, 1), page(&["--all"], &file, 40), "narrower is not readable");
    }
}

#[test]
fn colours_are_for_terminals() {
    let file = sample("sysvinit-respawn");
    assert!(!good(&["explain", "--all"], &file).contains('\x1b'));
    assert!(!good(&["explain", "--color", "never"], &file).contains('\x1b'));
    assert!(good(&["explain", "--color", "always"], &file).contains("\x1b["));
}

/// Demands the parts in this order.
fn tells(out: &str, parts: &[&str]) {
    let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = flat.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not, or not there, in\n{out}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn the_founding_story_is_on_the_first_screen() {
    let out = page(&[], &sample("sysvinit-respawn"), 80);
    assert!(out.lines().count() <= 24, "{out}");
    tells(
        &out,
        &[
            "db7 rebooted on 25 Nov 2026 at 03:08:07 UTC, asked for by `reboot` (root) · sysvinit 3.06, runlevel 6",
            "0 lost",
            "[1] mongod was restarted during the shutdown, then killed",
            "rc -> startpar -> sendsigs -> killall5 -15 sent SIGTERM to mongod 872",
            "mongod 872 exited 0, a clean stop,",
            "init started mongod again as 990",
            "rc -> startpar -> sendsigs -> killall5 -9 sent SIGKILL to mongod 990",
            "To change: take 6 out of the runlevels of mongod's entry in inittab",
            "evidence: events ",
            "phases: +0.00 s requested",
            "SIGKILL spree",
            "waited for: mongod 990 to end 13.1 s",
        ],
    );
}

#[test]
fn the_supervisor_that_was_restarted_took_its_child_along() {
    let out = page(&[], &sample("runit-respawn"), 80);
    assert!(out.lines().count() <= 32, "{out}");
    tells(
        &out,
        &[
            "[1] runsvdir was restarted during the shutdown, then killed",
            "and mongod with it",
            "killall5 -15 sent SIGTERM to runsvdir 871",
            "init started runsvdir again as 979",
            "runsv 985 started mongod again as 986: runit service mongod",
            "killall5 -9 sent SIGKILL to mongod 986",
            "killall5 -9 sent SIGKILL to runsvdir 979",
            "To change: take 6 out of",
        ],
    );
}

#[test]
fn one_service_and_one_process_are_told_in_order_of_time() {
    let file = sample("sysvinit-respawn");
    for args in [["--service", "mongod"], ["--pid", "990"]] {
        tells(
            &page(&args, &file, 100),
            &[
                "mongod 990",
                "born, a child of init 1",
                "took the place of mongod 872",
                "runs /usr/sbin/mongod",
                "frozen and thawed 10 times",
                "sent SIGKILL to mongod 990",
                "init started mongod again as 1011",
            ],
        );
    }
    let killer = page(&["--pid", "1010"], &file, 100);
    tells(&killer, &["killall5 1010", "runs killall5 -9", "sent SIGKILL to mongod 990", "exited 0"]);
}

#[test]
fn a_finding_is_named_by_number_or_kind() {
    let file = sample("systemd252-reboot");
    let (first, all) = (page(&["--finding", "1"], &file, 80), page(&["--finding", "killed"], &file, 80));
    assert!(first.contains("[1] leftover was killed") && !first.contains("[2] "), "{first}");
    assert!(all.contains("[1] leftover was killed") && all.contains("[2] stubborn was killed"), "{all}");
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let file = sample("systemd252-reboot");
    for (args, hint) in [
        (["--finding", "99"], "there are findings 1 to "),
        (["--finding", "no-such"], "no finding no-such"),
        (["--finding", "\x1b[2J"], "no finding \\x1b[2J"),
        (["--pid", "4000000"], "`lastrites show` lists them"),
        (["--pid", "0"], "`lastrites show` lists them"),
        (["--pid", "x"], "invalid value"),
        (["--service", "no-such"], "there are cron.service"),
        (["--service", ""], "there are cron.service"),
        (["--service", "no-such"], "rsyslog.service (rsyslogd)"),
        (["--service", "system"], "system is in the names of several; say which: systemd-"),
        (["--recording", "2"], "it holds one"),
        (["--recording", "previous"], "there is no previous recording"),
        (["--recording", "newer"], "give newest, previous"),
    ] {
        let output = run(&[&["explain"], &args[..]].concat(), &file);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(hint), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    for together in
        [&["--pid", "1", "--service", "x"][..], &["--finding", "1", "--json"], &["--all", "--pid", "1"]]
    {
        assert_eq!(run(&[&["explain"], together].concat(), &file).status.code(), Some(2), "{together:?}");
    }
}

#[test]
fn a_part_of_a_name_is_enough_and_what_concerns_it_is_told() {
    let file = sample("systemd252-reboot");
    let whole = run(&["explain", "--service", "postgresql"], &file);
    let part = run(&["explain", "--service", "postgr"], &file);
    assert!(part.status.success(), "{}", text(&part.stderr));
    assert_eq!(text(&part.stdout), text(&whole.stdout));
    // Its finding, and what to change, as `explain` has them without a name.
    let out = text(&whole.stdout);
    assert!(out.contains("] the shutdown waited"), "{out}");
    assert!(out.contains("To change: see what pg_ctlcluster waits for"), "{out}");
    assert!(!out.contains("was running when recording began"), "{out}");
    assert!(out.contains("born before recording began, a child of"), "{out}");
}

#[test]
fn empty_and_damaged_files_are_refused_or_read_as_far_as_they_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file.lrt");
    for what in [&b""[..], b"\x1b[2J", &b"noise ".repeat(5000)] {
        std::fs::write(&file, what).expect("written");
        let output = run(&["explain"], &file);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.starts_with("lastrites: ") && said.contains("file.lrt"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let whole = std::fs::read(sample("sysvinit-respawn")).expect("read");
    for part in 1..16 {
        // Cut off, and with a hole in it.
        let mut holed = whole.clone();
        let at = whole.len() * part / 16;
        holed[at..at + 64].fill(0xa5);
        for damaged in [&whole[..at], &holed] {
            std::fs::write(&file, damaged).expect("written");
            for args in [&["explain", "--all"][..], &["explain", "--json"]] {
                let output = run(args, &file);
                let said = text(&output.stderr);
                // 1: nothing is left of it.
                assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{part} {args:?}: {said}");
                if output.status.code() == Some(0) && args[1] == "--all" {
                    keeps_to(text(&output.stdout), 100);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_said_on_the_first_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file.lrt");
    let mut bytes = std::fs::read(sample("sysvinit-respawn")).expect("read");
    let at = bytes.len() / 2;
    bytes[at..at + 64].fill(0xa5);
    std::fs::write(&file, bytes).expect("written");
    let out = page(&[], &file, 100);
    assert!(out.contains("\nmissing: "), "{out}");
    assert!(out.contains("likely") || out.contains("cannot be excluded"), "{out}");
}

#[test]
fn the_newest_recording_with_a_shutdown_is_meant() {
    let recorded = recorded();
    let out = crate::run(&["explain"], &recorded);
    assert!(text(&out.stdout).contains("recording 1 of 2"), "{}", text(&out.stdout));
    let boot = crate::run(&["explain", "--recording", "newest"], &recorded);
    assert_eq!(boot.status.code(), Some(0));
    assert!(text(&boot.stdout).contains("no shutdown in this recording"), "{}", text(&boot.stdout));
    let two = good_and_bad();
    let newest = crate::run(&["explain"], &two);
    assert!(text(&newest.stdout).contains("recording 3 of 4"), "{}", text(&newest.stdout));
    let evidence = text(&newest.stdout).lines().find(|line| line.contains("evidence: ")).expect("evidence");
    assert!(evidence.ends_with("of --recording 3"), "{evidence}");
    let good = crate::run(&["explain", "--recording", "1"], &two);
    assert!(text(&good.stdout).contains("Nothing went wrong"), "{}", text(&good.stdout));
}

#[test]
fn hostile_names_are_spelt_out() {
    let recorded = recorded();
    let pid = MONGOD.to_string();
    for args in [
        &["explain", "--recording", "1"][..],
        &["explain", "--recording", "1", "--all"],
        &["explain", "--recording", "1", "--pid", "2241"],
        &["explain", "--recording", "1", "--finding", "1"],
        &["explain", "--recording", "1", "--json"],
        &["explain", "--recording", "2", "--pid", &pid],
    ] {
        for width in ["40", "80", "200"] {
            let output = lastrites(args, &recorded).env("COLUMNS", width).output().expect("runs");
            let out = text(&output.stdout);
            assert!(
                out.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'),
                "{args:?}: {out:?}"
            );
            assert!(!text(&output.stderr).contains('\x1b'), "{args:?}");
        }
    }
    let out = crate::run(&["explain", "--recording", "1", "--pid", "2241"], &recorded);
    assert!(text(&out.stdout).contains("db7\\x1b[31m"), "{}", text(&out.stdout));
    assert!(text(&out.stdout).contains("\\x1b[2J\\u{202e}\\nevil"), "{}", text(&out.stdout));
}

/// Half a file was said to have rebooted, and to have been cut off, in the same breath; and a larger ring was advised.
#[test]
fn half_a_copy_was_going_down_and_has_to_be_copied_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("cut.lrt");
    let bytes = std::fs::read(sample("sysvinit-respawn")).expect("read");
    std::fs::write(&file, &bytes[..18000]).expect("written");
    let out = page(&[], &file, 100);
    assert!(out.starts_with("db7 was going down on 25 Nov 2026"), "{out}");
    tells(&out, &["its file is cut or damaged", "copy the file again"]);
    // What is not there tells nothing about how the machine went down.
    assert!(!out.contains("larger ring") && !out.contains("never ended"), "{out}");
}
