//! A recording of more than any report holds: what is left out, and that it is said.

use lastrites::redact::Keep;
use lastrites_traces::{
    event::{Signal, What},
    ring::Writer,
    session::{End, How, Session, SessionId},
    storage::FileStorage,
};

use super::{
    good,
    machine::{START_NS, bytes, exec, id, session},
    reported,
};

/// What a report holds of a recording, and of the boot that followed it, in events and processes (REPORT.md).
const MOST: u64 = 6_000_000;
const MOST_OF_BOOT: u64 = 1_000_000;
/// What every tracker takes.
const LARGE: u64 = 10 << 20;

/// So many events of a script that waits for somebody, from `from_ns` on, a microsecond each.
fn storm(writer: &mut Writer<FileStorage>, from_ns: u64, count: u64) {
    let poll = |n: u64| {
        let target = i64::from(300 + (n % 7) as u32);
        let (time_ns, last_ret) = (from_ns + n * 1000, -3);
        let what =
            What::Poll { process: id(510), call: 0, target, count: 1 + n % 3, first_ns: time_ns, last_ret };
        (time_ns, what)
    };
    for first in (0..count).step_by(1 << 16) {
        let batch: Vec<_> = (first..count.min(first + (1 << 16))).map(poll).collect();
        writer.append(&batch, &[]).expect("appended");
    }
}

/// The shutdown that matters is at the end of a storm of 6.3 million events; the boot that followed had one of 1.2 million.
fn filled(writer: &mut Writer<FileStorage>) {
    let first = session("db7");
    writer.begin(&first).expect("begun");
    let fork = |parent: u32, child: u32| What::Fork {
        parent: id(parent),
        child: id(child),
        child_ppid: parent,
        cgroup: 1,
        ns_level: 0,
        ns_pid: child,
    };
    let of_init = |mut what: What| {
        if let What::Exec(exec) = &mut what {
            (exec.parent, exec.tty) = (id(1), bytes(""));
        }
        what
    };
    let database = of_init(exec(302, "/usr/bin/mongod", &["mongod", "--dbpath", "/srv/acme/db"], &[]));
    let exit = |pid, status| What::Exit { process: id(pid), status, cpu_ns: 1, peak_rss_kib: 1 };
    let began = [
        fork(1, 302),
        database.clone(),
        exec(500, "/sbin/shutdown", &["shutdown", "-r", "now"], &[]),
        fork(1, 510),
        exec(510, "/etc/init.d/rc", &["/bin/sh", "/etc/init.d/rc", "6"], &["RUNLEVEL=6"]),
        fork(510, 521),
    ];
    let timed = |from_ns: u64, whats: &[What]| -> Vec<(u64, What)> {
        whats.iter().cloned().zip(0..).map(|(what, n)| (from_ns + n * 1_000_000, what)).collect()
    };
    writer.append(&timed(START_NS + 1_000_000, &began), &[]).expect("appended");
    storm(writer, START_NS + 1_000_000_000, MOST + 300_000);
    let kill = What::Signal(Signal {
        sender: id(521),
        target: id(302),
        target_tid: 302,
        sig: 9,
        code: 0,
        group: true,
        result: 0,
        no_info: false,
        priv_info: false,
    });
    let ended = [
        exec(521, "/sbin/killall5", &["killall5", "-9"], &[]),
        kill,
        exit(302, 9),
        What::Reboot { process: id(510), cmd: 0x0123_4567, ns_level: 0 },
    ];
    writer.append(&timed(START_NS + 9_000_000_000, &ended), &[]).expect("appended");
    let time_ns = START_NS + 10_000_000_000;
    writer.end(&End { how: How::Sealed, time_ns, note: "umountroot".into() }).expect("ended");
    let boot = Session {
        id: SessionId([2; 16]),
        previous: Some(first.id),
        boot_id: "99999999-2222-3333-4444-555555555555".into(),
        began: "boot".into(),
        ..first
    };
    writer.begin(&boot).expect("begun");
    let fails = [fork(1, 302), database, exit(302, 100 << 8)];
    writer.append(&timed(START_NS + 1_000_000, &fails), &[]).expect("appended");
    storm(writer, START_NS + 1_000_000_000, MOST_OF_BOOT + 200_000);
    let last = What::Rename { process: id(510), comm: bytes("quite the last") };
    writer.append(&[(START_NS + 9_000_000_000, last)], &[]).expect("appended");
    writer.sync().expect("synced");
}

#[test]
fn a_report_of_a_huge_recording_is_small_and_says_what_it_left_out_and_where_that_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("huge.lrt");
    let (storage, _) = FileStorage::create(&path, 256 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    filled(&mut writer);
    drop(writer);
    let (trace, picked, mut report) = reported(&path, Keep::default());
    let [whole, boot] = trace.sessions() else { panic!("{:?}", trace.sessions()) };
    assert!(whole.events > MOST + 300_000 && boot.events > MOST_OF_BOOT + 200_000, "{whole:?} {boot:?}");
    let told = |picked: &lastrites::explain::Picked| -> Vec<String> {
        picked.story.findings.iter().map(|finding| finding.headline.clone()).collect()
    };
    assert!(told(&picked).iter().any(|line| line.contains("mongod")), "{:?}", told(&picked));
    let target = dir.path().join("r.tar.gz");
    let size = report.write_to(&target).expect("written");
    assert!(size < LARGE, "{size} bytes");
    // It opens, and what it is about is in it: the end of the recording, the beginning of the boot.
    let opened = lastrites::report::archive::open(&target).expect("it opens");
    let [left, after] = opened.trace.sessions() else { panic!("{:?}", opened.trace.sessions()) };
    assert!(left.events <= MOST && left.events > MOST - 500_000, "{left:?}");
    assert!(after.events <= MOST_OF_BOOT && after.events > MOST_OF_BOOT - 500_000, "{after:?}");
    assert_eq!((left.last_ns, left.next_number), (whole.last_ns, whole.next_number));
    assert_eq!(after.first_number, boot.first_number);
    let said = format!("Only the last {} events of the recording are in this report", left.events);
    let [of_recording, of_boot] = &report.limits[..] else { panic!("{:?}", report.limits) };
    assert!(of_recording.starts_with(&said) && of_recording.contains("`lastrites save`"), "{of_recording}");
    assert!(of_boot.contains("only its beginning"), "{of_boot}");
    for limit in &report.limits {
        assert!(report.markdown.contains(limit.as_str()), "{limit}: {}", report.markdown);
    }
    let explained = good(dir.path(), &["explain", "r.tar.gz"]);
    assert!(explained.contains("killall5 -9") && !explained.contains("acme"), "{explained}");
}
