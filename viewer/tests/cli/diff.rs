//! `lastrites diff` as a user runs it.

use std::process::Output;

use crate::{
    recorded::{Recorded, recorded},
    run,
    samples::{sample, samples},
    shutdowns::{good_and_bad, twice_good},
    text,
};

/// What it prints in good order, which is checked.
fn page(args: &[&str], recorded: &Recorded) -> String {
    let output = run(&[&["diff"], args].concat(), recorded);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(out.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{out:?}");
    out.to_owned()
}

fn refused(output: &Output, code: i32, parts: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("lastrites: ") && said.lines().count() == 1, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn the_bad_shutdown_is_told_by_what_the_good_one_had_not() {
    let recorded = good_and_bad();
    let out = page(&[], &recorded);
    let mut lines = out.lines();
    assert!(
        lines.next().is_some_and(|line| line.starts_with("A  db7 rebooted on 12 Nov 2026 at 03:14:01 UTC+1")),
        "{out}"
    );
    assert!(
        out.contains(
            "\nB  db7 rebooted on 14 Nov 2026 at 03:14:01 UTC+1 · 12.9 s to reboot(2), 11.6 s longer"
        ),
        "{out}"
    );
    let expected = "
found in B only:
    [1] mongod was restarted during the shutdown, then killed";
    assert!(out.contains(expected), "{out}");
    for part in [
        "\ntook longer to stop in B:\n    mongod: 0.7 s in A, 12.0 s in B (11.3 s longer)\n",
        "\nended differently:\n    mongod\n      A: exit 0 after SIGTERM from rc",
        "      B: in life 2 of 2 killed by SIGKILL, sent by rc",
        "\nrestarted during the shutdown in one only:\n    B only: mongod, by init\n",
        "\nthere in one only:\n    B only: exim4\n",
        "\nstopped in another order:\n    cron: first in A, after mongod in B\n",
        " --recording 3 --finding 1\n",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    assert!(!out.contains("found in A only") && !out.contains("sooner"), "{out}");
}

#[test]
fn without_a_name_the_newest_two_shutdowns_are_meant() {
    let recorded = good_and_bad();
    let ring = recorded.ring.to_str().expect("UTF-8");
    let out = page(&[], &recorded);
    for same in [
        &["previous", "newest"][..],
        &["1", "3"],
        &["1"],
        &["01010101", "03030303"],
        &["--file", ring, "1", "3"],
        &[&format!("{ring}:1"), ring],
        &[&format!("{ring}:previous"), "3"],
    ] {
        assert_eq!(page(same, &recorded), out, "{same:?}");
    }
}

#[test]
fn the_other_way_round_everything_is_the_other_ones() {
    let out = page(&["3", "1"], &good_and_bad());
    for part in [
        "11.6 s shorter",
        "stopped sooner in B:\n    mongod: 12.0 s in A, 0.7 s in B (11.3 s sooner)\n",
        "A only: mongod, by init\n",
        "A only: exim4\n",
        "found in A only:\n    [1] mongod was restarted",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
}

#[test]
fn a_saved_copy_is_the_same_recording() {
    let recorded = good_and_bad();
    let saved = recorded.dir.path().join("saved.lrt");
    let saved = saved.to_str().expect("UTF-8");
    assert_eq!(run(&["save", saved, "--recording", "1"], &recorded).status.code(), Some(0));
    refused(&run(&["diff", "1", saved], &recorded), 2, &["recording 1 twice"]);
    assert!(page(&[saved, "3"], &recorded).contains("11.6 s longer"));
}

#[test]
fn two_shutdowns_alike_have_no_difference_that_matters() {
    let out = page(&["1", "2"], &twice_good());
    assert!(out.contains(", as long ·") && out.ends_with("\n\nNo difference that matters.\n"), "{out}");
    let json = page(&["1", "2", "--json"], &twice_good());
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["differs"], false, "{value}");
}

#[test]
fn errors_say_which_to_name_instead() {
    let two = good_and_bad();
    let one = recorded();
    refused(&run(&["diff", "3", "3"], &two), 2, &["recording 3 twice", "lastrites list"]);
    refused(&run(&["diff", "newest"], &two), 2, &["recording 3 twice"]);
    refused(&run(&["diff", "2", "3"], &two), 2, &["recording 2 has no shutdown", "lastrites list"]);
    refused(&run(&["diff", "9", "3"], &two), 2, &["it holds 1 to 4"]);
    refused(&run(&["diff", "ffff", "3"], &two), 2, &["no recording in this file has an id like ffff"]);
    refused(
        &run(&["diff", "nothing-there", "3"], &two),
        2,
        &["nothing-there: neither a file nor a recording"],
    );
    refused(&run(&["diff", "\u{1b}[2J", "3"], &two), 2, &["\\x1b[2J"]);
    refused(
        &run(&["diff"], &one),
        4,
        &["only one recording in it has a shutdown", "lastrites diff GOOD BAD"],
    );
    let broken = one.dir.path().join("broken");
    std::fs::write(&broken, b"no ring ".repeat(999)).expect("written");
    refused(&run(&["diff", broken.to_str().expect("UTF-8"), "3"], &two), 4, &["broken"]);
    std::fs::write(&broken, b"").expect("written");
    refused(&run(&["diff", "1", broken.to_str().expect("UTF-8")], &two), 4, &["broken"]);
    let away = one.dir.path().join("away");
    refused(&run(&["diff", "--file", away.to_str().expect("UTF-8")], &two), 4, &["away"]);
}

#[test]
fn every_sample_is_compared_with_every_other_at_every_width() {
    let recorded = recorded();
    for a in samples() {
        for b in samples() {
            let names = [a.to_str().expect("UTF-8"), b.to_str().expect("UTF-8")];
            if a == b {
                refused(&run(&["diff", names[0], names[1]], &recorded), 2, &["twice"]);
                continue;
            }
            for width in [40, 80, 200] {
                let mut command = crate::lastrites(&["diff", names[0], names[1]], &recorded);
                let output = command.env("COLUMNS", width.to_string()).output().expect("runs");
                assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
                crate::explain::keeps_to(text(&output.stdout), width);
            }
        }
    }
}

#[test]
fn a_recording_that_was_cut_off_is_said_to_be() {
    let recorded = recorded();
    let (a, b) = (sample("sysvinit-respawn"), sample("power-cut"));
    let out = page(&[a.to_str().expect("UTF-8"), b.to_str().expect("UTF-8")], &recorded);
    assert!(out.contains("B was recorded to +9.59 s, not to its end"), "{out}");
    assert!(out.contains("[1] how the shutdown ended was not recorded"), "{out}");
    assert!(
        !out.contains("longer\n") && !out.contains("shorter"),
        "nobody knows how long it would have been: {out}"
    );
}

#[test]
fn hostile_names_stay_names() {
    let recorded = recorded();
    let other = sample("sysvinit-respawn");
    let args = ["previous", other.to_str().expect("UTF-8")];
    // Of the made-up ring one recording has a shutdown.
    refused(&run(&[&["diff"], &args[..]].concat(), &recorded), 4, &["only one recording"]);
    for args in [&["1", args[1]][..], &[args[1], "1"], &["1", args[1], "--json"]] {
        let out = page(args, &recorded);
        assert!(out.contains("\\x1b[31m") || out.contains("\\u001b[31m"), "{out}");
    }
}
