//! What was removed is not missed: the redacted recording tells the same story.

use lastrites::{explain::Picked, redact::Keep};
use lastrites_traces::{
    event::{Bytes, Event, Process, Signal, What},
    layout::SIZE_MIN,
    reader::{Item, Trace},
    ring::Writer,
    session::{End, How, Session, SessionId},
    storage::FileStorage,
};

use super::{
    machine::{START_NS, bytes, exec, id, session},
    reported, samples,
};

/// An event without its strings.
fn bare(event: &Event) -> Event {
    let none: Bytes = [].as_slice().into();
    let mut event = event.clone();
    match &mut event.what {
        What::Exec(exec) => {
            let tty = exec.tty.clone();
            (exec.comm, exec.filename, exec.argv) = (none.clone(), none.clone(), none.clone());
            (exec.env, exec.tty) = (none, tty);
        }
        What::Process(process) => **process = nameless(process),
        What::Rename { comm: path, .. }
        | What::Umount { path, .. }
        | What::Remount { path, .. }
        | What::CgroupMkdir { path, .. }
        | What::CgroupRmdir { path, .. }
        | What::CgroupAttach { path, .. } => *path = none,
        _ => {}
    }
    event
}

fn nameless(process: &Process) -> Process {
    let none: Bytes = [].as_slice().into();
    Process {
        comm: none.clone(),
        filename: none.clone(),
        argv: none.clone(),
        env: none.clone(),
        tty: none.clone(),
        cgroup_path: none,
        ..process.clone()
    }
}

/// What is said, without the words in which it is.
fn told(picked: &Picked) -> Vec<String> {
    let story = &picked.story;
    let mut out: Vec<String> = story
        .findings
        .iter()
        .map(|finding| {
            let steps: Vec<_> = finding.steps.iter().map(|step| (step.at, step.events.clone())).collect();
            format!(
                "{:?} {:?} {} {:?} {steps:?}",
                finding.rule, finding.confidence, finding.failed, finding.procs
            )
        })
        .collect();
    out.extend(story.fates.iter().map(|fate| format!("{fate:?}")));
    out.extend(story.restarts.iter().map(|restart| format!("{restart:?}")));
    out.extend(story.waits.iter().map(|wait| format!("{wait:?}")));
    let shutdown = story.shutdown.as_ref().expect("a shutdown");
    out.extend(shutdown.phases.iter().map(|phase| format!("{phase:?}")));
    out.push(format!("{:?} {:?} {:?}", shutdown.aim, shutdown.begin, shutdown.end));
    out.push(format!("{:?}", shutdown.asked.as_ref().map(|asked| (asked.at, asked.by, asked.how.clone()))));
    out.push(format!("{:?} {:?}", story.init, story.init_text));
    out.extend(story.services.list.iter().map(|service| format!("{:?} {}", service.kind, service.name)));
    out
}

#[test]
fn the_story_of_every_redacted_sample_is_that_of_the_original() {
    for path in samples() {
        let (_, picked, report) = reported(&path, Keep::default());
        assert!(!picked.story.findings.is_empty(), "{path:?}");
        assert_eq!(told(&report.picked), told(&picked), "{path:?}");
        assert!(!report.account.removed.is_empty(), "{path:?}");
    }
}

#[test]
fn every_event_of_every_sample_is_there_with_its_number_and_time() {
    for path in samples() {
        let (trace, picked, report) = reported(&path, Keep::default());
        let events = |trace: &Trace, id: SessionId| {
            let mut all = Vec::new();
            trace.for_each(id, &mut |event| all.push(bare(event))).expect("read");
            all
        };
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("r");
        let mut report = report;
        report.write_to(&target).expect("written");
        let opened = lastrites::report::archive::open(&target).expect("it opens");
        let (old, new) = (&picked.summary, &opened.trace.sessions()[0]);
        assert_eq!(events(&opened.trace, new.session.id), events(&trace, old.session.id), "{path:?}");
        assert_eq!((new.events, new.lost, &new.clocks), (old.events, old.lost, &old.clocks));
        assert_eq!(
            (new.first_number, new.next_number, &new.gaps),
            (old.first_number, old.next_number, &old.gaps)
        );
        assert_eq!((new.first_ns, new.last_ns), (old.first_ns, old.last_ns));
        let (how, coverage) = (old.end.as_ref().map(|end| end.how), old.coverage.len());
        assert_eq!((new.end.as_ref().map(|end| end.how), new.coverage.len()), (how, coverage));
    }
}

#[test]
fn what_is_on_every_machine_stays_readable() {
    let path = super::sample("sysvinit-respawn");
    let (_, _, report) = reported(&path, Keep::default());
    for part in [
        "mongod was restarted during the shutdown",
        "killall5 -15 sent SIGTERM to mongod",
        "`reboot`",
        "host-1",
    ] {
        assert!(report.markdown.contains(part), "{part}: {}", report.markdown);
    }
    assert!(!report.markdown.contains("db7"), "{}", report.markdown);
}

/// A recording whose beginning made way, whose events are not in order, and that lost some.
#[test]
fn a_recording_without_its_beginning_keeps_numbers_losses_and_who_was_alive() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("small.lrt");
    let (storage, _) = FileStorage::create(&path, SIZE_MIN).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    writer.begin(&session("db7")).expect("begun");
    writer.append(&[(START_NS, exec(7, "/usr/sbin/oldest", &["oldest"], &[]))], &[]).expect("appended");
    for round in 0..400_u64 {
        let at = START_NS + 1_000_000 * (round + 1);
        let mut batch = Vec::new();
        for n in 0..40_u32 {
            let comm = bytes(&format!("x{round}.{n}"));
            batch.push((at + u64::from(n % 3) * 900_000, What::Rename { process: id(7), comm }));
        }
        batch.push((at, What::Lost { cpu: 0, kind: 5, count: 2, bytes: 0 }));
        writer.append(&batch, &[]).expect("appended");
    }
    for round in 0..60_u64 {
        let long = vec![b'y'; 4000];
        let comm: Bytes = [long.as_slice(), &round.to_le_bytes()].concat().into();
        let at = START_NS + 1_000_000 * (500 + round);
        for n in 0..3 {
            let comm: Bytes = [comm.as_ref(), &[n]].concat().into();
            writer.append(&[(at, What::Rename { process: id(7), comm })], &[]).expect("appended");
        }
    }
    writer.sync().expect("synced");
    drop(writer);
    let (trace, picked, mut report) = reported(&path, Keep::default());
    assert!(picked.summary.first_number > 0, "the beginning has to be gone for this test");
    let target = dir.path().join("r");
    report.write_to(&target).expect("written");
    let opened = lastrites::report::archive::open(&target).expect("it opens");
    let (old, new) = (&picked.summary, &opened.trace.sessions()[0]);
    assert_eq!(
        (new.first_number, new.next_number, new.events),
        (old.first_number, old.next_number, old.events)
    );
    assert_eq!(new.lost, old.lost);
    let known = |trace: &Trace| {
        let items = trace.events(old.session.id).expect("there");
        let known = items.filter_map(|item| match item {
            Ok(Item::Known(process)) => Some(nameless(&process)),
            _ => None,
        });
        known.collect::<Vec<_>>()
    };
    assert!(known(&trace).iter().any(|process| process.process.tgid == 7));
    assert_eq!(known(&opened.trace), known(&trace));
}

/// A machine whose database was killed, and whose next boot found out; the ids of both recordings.
fn killed_and_failed(writer: &mut Writer<FileStorage>) -> (SessionId, SessionId) {
    let first = session("db7");
    let fork = |parent, child| What::Fork {
        parent: id(parent),
        child: id(child),
        child_ppid: parent,
        cgroup: 1,
        ns_level: 0,
        ns_pid: child,
    };
    let exit = |pid, status| What::Exit { process: id(pid), status, cpu_ns: 1, peak_rss_kib: 1 };
    let kill = |target| {
        What::Signal(Signal {
            sender: id(521),
            target: id(target),
            target_tid: target,
            sig: 9,
            code: 0,
            group: true,
            result: 0,
            no_info: false,
            priv_info: false,
        })
    };
    let database = |pid: u32| {
        let What::Exec(mut exec) = exec(pid, "/usr/bin/mongod", &["mongod", "--dbpath", "/srv/acme/db"], &[])
        else {
            panic!("an exec")
        };
        (exec.parent, exec.tty) = (id(1), bytes(""));
        What::Exec(exec)
    };
    writer.begin(&first).expect("begun");
    let shutdown = [
        fork(1, 302),
        database(302),
        exec(500, "/sbin/shutdown", &["shutdown", "-r", "now"], &[]),
        fork(1, 510),
        exec(510, "/etc/init.d/rc", &["/bin/sh", "/etc/init.d/rc", "6"], &["RUNLEVEL=6"]),
        fork(510, 521),
        exec(521, "/sbin/killall5", &["killall5", "-9"], &[]),
        kill(302),
        exit(302, 9),
        What::Reboot { process: id(510), cmd: 0x0123_4567, ns_level: 0 },
    ];
    let timed = |whats: &[What]| -> Vec<(u64, What)> {
        whats.iter().cloned().zip(1..).map(|(what, n)| (START_NS + 200_000_000 * n, what)).collect()
    };
    writer.append(&timed(&shutdown), &[]).expect("appended");
    writer
        .end(&End { how: How::Sealed, time_ns: START_NS + 3_000_000_000, note: "umountroot".into() })
        .expect("ended");
    let boot = Session {
        id: SessionId([2; 16]),
        previous: Some(first.id),
        boot_id: "99999999-2222-3333-4444-555555555555".into(),
        began: "boot".into(),
        ..first.clone()
    };
    writer.begin(&boot).expect("begun");
    writer.append(&timed(&[fork(1, 302), database(302), exit(302, 100 << 8)]), &[]).expect("appended");
    (first.id, boot.id)
}

#[test]
fn the_boot_that_followed_is_in_the_report_and_in_its_story() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring.lrt");
    let (storage, _) = FileStorage::create(&path, 1 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    let (first, boot) = killed_and_failed(&mut writer);
    writer
        .end(&End { how: How::Disarmed, time_ns: START_NS + 1_000_000_000, note: String::new() })
        .expect("ended");
    writer.sync().expect("synced");
    drop(writer);
    let (_, picked, mut report) = reported(&path, Keep::default());
    assert!(picked.story.next.is_some() && picked.story.findings.iter().any(|finding| finding.failed));
    assert_eq!(told(&report.picked), told(&picked));
    let target = dir.path().join("r.tar.gz");
    report.write_to(&target).expect("written");
    let opened = lastrites::report::archive::open(&target).expect("it opens");
    assert_eq!(opened.trace.sessions().iter().map(|s| s.session.id).collect::<Vec<_>>(), [first, boot]);
    let explained = super::good(dir.path(), &["explain", "r.tar.gz"]);
    assert!(explained.contains("Next boot: mongod 302 exited 100"), "{explained}");
    assert!(!explained.contains("acme"), "{explained}");
}

/// The boot that followed went on for days, and was recorded.
#[test]
fn of_a_boot_that_went_on_only_its_beginning_is_in_the_report_and_the_report_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring.lrt");
    let (storage, _) = FileStorage::create(&path, 8 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    let (first, boot) = killed_and_failed(&mut writer);
    for round in 0..80_u64 {
        let at = START_NS + 400_000_000_000 + 20_000_000_000 * round;
        let batch: Vec<_> = (0..500_u64)
            .map(|n| (at + n, What::Rename { process: id(302), comm: bytes(&format!("a name {round}.{n}")) }))
            .collect();
        writer.append(&batch, &[]).expect("appended");
    }
    writer.sync().expect("synced");
    drop(writer);
    let (_, picked, mut report) = reported(&path, Keep::default());
    assert_eq!(told(&report.picked), told(&picked));
    assert!(report.picked.story.next.is_some());
    let target = dir.path().join("r.tar.gz");
    report.write_to(&target).expect("written");
    let opened = lastrites::report::archive::open(&target).expect("it opens");
    let [_, left] = opened.trace.sessions() else { panic!("{:?}", opened.trace.sessions()) };
    assert_eq!((left.session.id, left.session.previous), (boot, Some(first)));
    assert!(left.events > 3 && left.events < 20_000, "{}", left.events);
    assert!(left.last_ns < START_NS + 900_000_000_000, "{}", left.last_ns);
    let end = left.end.as_ref().expect("an end");
    assert!(end.how == How::Stopped && end.note.contains("only its beginning"), "{end:?}");
    assert_eq!((&left.gaps[..], left.lost), (&[][..], 0));
    assert!(report.markdown.contains("only its beginning is in this report"), "{}", report.markdown);
    assert_eq!(report.limits.len(), 1);
}

#[test]
fn what_cannot_be_read_of_the_original_is_a_gap_in_the_report() {
    let dir = tempfile::tempdir().expect("a directory");
    for (at, path) in samples().iter().enumerate() {
        let whole = std::fs::read(path).expect("there");
        for cut in [whole.len() * 6 / 10, whole.len() * 9 / 10] {
            let damaged = dir.path().join(format!("{at}-{cut}.lrt"));
            std::fs::write(&damaged, &whole[..cut]).expect("written");
            let (_, picked, mut report) = reported(&damaged, Keep::default());
            assert!(!picked.summary.gaps.is_empty(), "{damaged:?}");
            let target = dir.path().join(format!("{at}-{cut}.tar.gz"));
            report.write_to(&target).expect("written");
            let opened = lastrites::report::archive::open(&target).expect("it opens");
            let (old, new) = (&picked.summary, &opened.trace.sessions()[0]);
            let gaps = |summary: &lastrites_traces::reader::Summary| {
                summary.gaps.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>()
            };
            assert_eq!((gaps(new), new.events, new.next_number), (gaps(old), old.events, old.next_number));
            if picked.story.shutdown.is_some() {
                assert_eq!(told(&report.picked), told(&picked), "as sure as before, and no surer");
            }
            assert!(report.markdown.contains("missing: "), "{}", report.markdown);
        }
    }
}

#[test]
fn damage_before_the_first_event_that_is_left_is_a_gap_in_the_report() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = std::fs::read(super::sample("sysvinit-respawn")).expect("there");
    let damaged = dir.path().join("x.lrt");
    // Nothing can be read of the first bytes behind the header.
    let bytes = [&whole[..8192], b"damage", &whole[8192..]].concat();
    std::fs::write(&damaged, bytes).expect("written");
    let (_, picked, report) = reported(&damaged, Keep::default());
    assert_eq!(picked.summary.gaps.len(), 1);
    assert_eq!(report.picked.summary.gaps.len(), 1);
    assert_eq!(told(&report.picked), told(&picked));
}

#[test]
fn a_report_of_a_recording_that_goes_on_says_so_and_is_no_power_cut() {
    let Some(boot_id) = lastrites::about::boot_id() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring.lrt");
    let (storage, _) = FileStorage::create(&path, 1 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    writer.begin(&Session { boot_id: boot_id.clone(), ..session("db7") }).expect("begun");
    writer.append(&[(START_NS + 1, exec(7, "/usr/bin/tool", &["tool"], &[]))], &[]).expect("appended");
    writer.sync().expect("synced");
    let (_, picked, report) = reported(&path, Keep::default());
    assert_eq!(picked.summary.end, None);
    assert!(report.markdown.contains("recording was stopped"), "{}", report.markdown);
    let end = report.picked.summary.end.expect("an end");
    assert!(end.how == How::Stopped && end.note.contains("still being recorded"), "{end:?}");
    assert!(!report.picked.summary.session.boot_id.contains(&boot_id));
}

/// What a report says of `secret-1` was not true of the report of that report, where it was called `secret-2`.
#[test]
fn a_report_of_a_report_keeps_the_stand_ins() {
    let dir = tempfile::tempdir().expect("a directory");
    let strings = |trace: &Trace| {
        let mut all = Vec::new();
        for summary in trace.sessions() {
            let mut session = summary.session.clone();
            session.extra.sort();
            all.push(format!("{session:?}"));
            let each = &mut |event: &Event| all.push(format!("{:?}", event.what));
            trace.for_each(summary.session.id, each).expect("read");
        }
        all
    };
    let planted = super::machine::Planted::new("Quail.77pw", "adaqxer", "prod-berlin7");
    let made = super::machine::ring(dir.path(), &planted);
    for (at, path) in samples().into_iter().chain([made]).enumerate() {
        let (_, _, mut report) = reported(&path, Keep::default());
        let first = dir.path().join(format!("{at}.tar.gz"));
        report.write_to(&first).expect("written");
        let opened = lastrites::report::archive::open(&first).expect("it opens");
        let picked = lastrites::explain::pick::read(&opened.trace, &first, 1).expect("it reads");
        let mut again =
            lastrites::report::make(&opened.trace, &picked, Keep::default(), true).expect("a report");
        // What stood in the middle of a name that nobody knows goes with that name.
        let odd =
            |removed: &&lastrites::redact::Removed| removed.kind == lastrites::redact::Kind::Name && at == 4;
        let gone: Vec<_> = again.account.removed.iter().filter(|removed| !odd(removed)).collect();
        assert!(gone.is_empty(), "{path:?}: {gone:?}");
        assert!(again.markdown.contains("report of a report"), "{}", again.markdown);
        let second = dir.path().join(format!("{at}-again.tar.gz"));
        again.write_to(&second).expect("written");
        let reopened = lastrites::report::archive::open(&second).expect("it opens");
        let (before, after) = (strings(&opened.trace), strings(&reopened.trace));
        let differing: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        let odd = again.account.removed.len();
        assert!(differing.len() <= odd && before.len() == after.len(), "{path:?}: {differing:#?}");
    }
}

/// A report that was made with `--keep` is reported again without it: its new stand-ins are no other's.
#[test]
fn what_goes_from_a_report_has_numbers_that_nobody_has() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_, _, mut report) =
        reported(&super::sample("sysvinit-respawn"), Keep { hosts: true, ..Keep::default() });
    let first = dir.path().join("r.tar.gz");
    report.write_to(&first).expect("written");
    let opened = lastrites::report::archive::open(&first).expect("it opens");
    let picked = lastrites::explain::pick::read(&opened.trace, &first, 1).expect("it reads");
    let old: Vec<String> = report.account.removed.iter().map(|removed| removed.pseudonym.clone()).collect();
    let again = lastrites::report::make(&opened.trace, &picked, Keep::default(), true).expect("a report");
    assert!(again.picked.summary.session.hostname.starts_with("host-"), "{:?}", again.picked.summary.session);
    assert!(!again.account.removed.is_empty());
    for removed in &again.account.removed {
        assert!(!old.contains(&removed.pseudonym), "{removed:?}");
    }
}
