//! Which shutdown a report is about where nobody said so.

use std::path::Path;

use lastrites_traces::{
    event::{Signal, What},
    ring::Writer,
    session::{Clock, End, How, Session, SessionId},
    storage::FileStorage,
};

use super::{
    good,
    machine::{START_NS, bytes, exec, id, session},
    run,
};

#[derive(Clone, Copy)]
enum Went {
    Well,
    /// It was killed.
    Wrong,
    /// It stopped, after so many seconds.
    Long(u64),
}

/// What happened to a database in a shutdown.
fn events(went: Went) -> Vec<(u64, What)> {
    let fork = |parent, child| What::Fork {
        parent: id(parent),
        child: id(child),
        child_ppid: parent,
        cgroup: 1,
        ns_level: 0,
        ns_pid: child,
    };
    let told = |sig| {
        What::Signal(Signal {
            sender: id(521),
            target: id(302),
            target_tid: 302,
            sig,
            code: 0,
            group: true,
            result: 0,
            no_info: false,
            priv_info: false,
        })
    };
    let exit = |pid, status| What::Exit { process: id(pid), status, cpu_ns: 1, peak_rss_kib: 1 };
    let What::Exec(mut mongod) = exec(302, "/usr/bin/mongod", &["mongod"], &[]) else { panic!("an exec") };
    (mongod.parent, mongod.tty) = (id(1), bytes(""));
    let (sig, status, s) = match went {
        Went::Well => (15, 0, 1),
        Went::Wrong => (9, 9, 1),
        Went::Long(s) => (15, 0, s),
    };
    let script = "/etc/rc6.d/K01mongod";
    let all = [
        (100, fork(1, 302)),
        (101, What::Exec(mongod)),
        (1000, exec(500, "/sbin/shutdown", &["shutdown", "-r", "now"], &[])),
        (1100, fork(1, 510)),
        (1101, exec(510, "/etc/init.d/rc", &["/bin/sh", "/etc/init.d/rc", "6"], &["RUNLEVEL=6"])),
        (1200, fork(510, 521)),
        (1201, exec(521, script, &["/bin/sh", script, "stop"], &[])),
        (1300, told(sig)),
        (1300 + 1000 * s, exit(302, status)),
        (1301 + 1000 * s, exit(521, 0)),
        (1400 + 1000 * s, What::Reboot { process: id(510), cmd: 0x0123_4567, ns_level: 0 }),
    ];
    all.map(|(ms, what)| (START_NS + 1_000_000 * ms, what)).into()
}

/// A ring of shutdowns, and on which day each of them was.
fn ring(home: &Path, shutdowns: &[(u64, Went)]) {
    let (storage, _) = FileStorage::create(&home.join("ring.lrt"), 4 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    for (n, (day, went)) in shutdowns.iter().enumerate() {
        let realtime_ns = 1_794_449_640_000_000_000 + 86_400_000_000_000 * day;
        let session = Session {
            id: SessionId([n as u8 + 1; 16]),
            previous: (n > 0).then_some(SessionId([n as u8; 16])),
            boot_id: format!("{n:08}-2222-3333-4444-555555555555"),
            started: Clock { boottime_ns: START_NS, realtime_ns, utc_offset_s: 3600 },
            ..session("db7")
        };
        let events = events(*went);
        writer.begin(&session).expect("begun");
        writer.append(&events, &[]).expect("appended");
        let time_ns = events.last().map_or(0, |(ns, _)| *ns);
        writer.end(&End { how: How::Sealed, time_ns, note: String::new() }).expect("ended");
    }
    writer.sync().expect("synced");
}

/// What the command says of a ring of these shutdowns, and what of it is in the report.
fn said(shutdowns: &[(u64, Went)], args: &[&str]) -> (String, String) {
    let home = tempfile::tempdir().expect("a directory");
    ring(home.path(), shutdowns);
    let output = run(home.path(), &[&["report", "-o", "r"], args].concat());
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    (said, good(home.path(), &["list", "r"]))
}

/// A server that hung, was restarted, and reported: what was sent was the clean stop, or one of the year before.
#[test]
fn the_newest_shutdown_that_went_wrong_is_taken_and_the_newer_one_is_named() {
    let (said, listed) = said(&[(0, Went::Wrong), (1, Went::Well)], &[]);
    assert!(
        said.starts_with(
            "this is the shutdown of 12 Nov 2026 at 03:14:01 UTC+1 (recording 1 of 2): mongod was killed"
        ),
        "{said}"
    );
    assert!(
        said.contains(
            "\nthe shutdown of 13 Nov 2026 at 03:14:01 UTC+1 (recording 2) is newer, and nothing went wrong in it: \
             `--last` takes that one\n"
        ),
        "{said}"
    );
    assert!(!said.contains("db7"), "it may be pasted: {said}");
    assert!(listed.contains("2026-11-12"), "{listed}");
}

#[test]
fn what_was_asked_for_is_taken_and_named() {
    let both = [(0, Went::Wrong), (1, Went::Well)];
    for args in [&["--last"][..], &["--recording", "2"]] {
        let (said, listed) = said(&both, args);
        assert!(said.contains("(recording 2 of 2): nothing went wrong in it\n"), "{said}");
        assert!(!said.contains("is newer"), "{said}");
        assert!(listed.contains("2026-11-13"), "{listed}");
    }
}

#[test]
fn a_shutdown_that_waited_for_half_a_minute_went_wrong_although_it_stopped() {
    let (told, _) = said(&[(0, Went::Wrong), (1, Went::Long(31))], &[]);
    assert!(told.contains("(recording 2 of 2): the shutdown waited 31"), "{told}");
    let (told, _) = said(&[(0, Went::Wrong), (1, Went::Long(20))], &[]);
    assert!(told.contains("(recording 1 of 2): "), "{told}");
}

#[test]
fn nobody_means_a_shutdown_that_is_old_or_has_been_followed_by_many() {
    let well = |day| (day, Went::Well);
    let (told, _) = said(&[(0, Went::Wrong), well(6)], &[]);
    assert!(told.contains("(recording 1 of 2): "), "{told}");
    let (told, _) = said(&[(0, Went::Wrong), well(8)], &[]);
    assert!(told.contains("(recording 2 of 2): nothing went wrong in it"), "{told}");
    let (told, _) = said(&[(0, Went::Wrong), well(1), well(2)], &[]);
    assert!(told.contains("(recording 1 of 3): "), "{told}");
    let (told, _) = said(&[(0, Went::Wrong), well(1), well(2), well(3)], &[]);
    assert!(told.contains("(recording 4 of 4): nothing went wrong in it"), "{told}");
}

/// The boot after it is packed along, and may have gone down since: what opens is what the report tells of.
#[test]
fn what_opens_is_the_shutdown_that_the_report_is_about() {
    let home = tempfile::tempdir().expect("a directory");
    ring(home.path(), &[(0, Went::Wrong), (1, Went::Well)]);
    good(home.path(), &["report", "--recording", "1", "-o", "r"]);
    let listed = good(home.path(), &["list", "r"]);
    assert!(listed.contains("2026-11-12") && listed.contains("2026-11-13"), "both are in it: {listed}");
    for command in
        [&["explain", "r"][..], &["report", "r", "--markdown"], &["export", "r", "--format", "svg"]]
    {
        let told = good(home.path(), command);
        assert!(told.contains("12 Nov 2026") && !told.contains("13 Nov 2026"), "{command:?}: {told}");
    }
    let opened = lastrites::view::load::now(&home.path().join("r"), None).expect("the viewer reads it");
    assert_eq!(opened.picked.number, 1);
}
