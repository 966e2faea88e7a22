//! A ring file with two recordings, written by the real writer: a shutdown that was sealed, with
//! hostile names and a loss in it, and a boot that nobody ended.

use std::path::PathBuf;

use lastrites_traces::{
    event::{Bytes, Exec, ProcId, Signal, What},
    ring::Writer,
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
    storage::FileStorage,
};

pub struct Recorded {
    pub dir: tempfile::TempDir,
    pub ring: PathBuf,
}

const START_NS: u64 = 100_000_000_000;

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

fn id(pid: u32) -> ProcId {
    ProcId { tgid: pid, start_ns: START_NS - 1_000_000_000 + u64::from(pid) * 10_000 }
}

fn exec(process: ProcId, parent: ProcId, filename: &str, argv: &[&str]) -> What {
    let base = filename.rsplit('/').next().unwrap_or(filename);
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 0,
        session: 1,
        cgroup: 1,
        comm: bytes(base),
        filename: bytes(filename),
        argv: argv.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>().into(),
        env: bytes(""),
        tty: bytes("pts/0"),
        flags: 0,
    }))
}

fn fork(parent: ProcId, child: ProcId) -> What {
    What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 1, ns_level: 0, ns_pid: child.tgid }
}

fn signal(sender: ProcId, target: ProcId, sig: u8) -> What {
    What::Signal(Signal {
        sender,
        target,
        target_tid: target.tgid,
        sig,
        code: 0,
        group: true,
        result: 0,
        no_info: false,
        priv_info: false,
    })
}

fn exit(process: ProcId, status: u32) -> What {
    What::Exit { process, status, cpu_ns: 1_000_000, peak_rss_kib: 2000 }
}

fn session(began: &str, id: u8, previous: Option<SessionId>) -> Session {
    Session {
        id: SessionId([id; 16]),
        previous,
        boot_id: format!("boot-{id}"),
        hostname: "db7\x1b[31m\u{202e}".into(),
        kernel_release: "6.1.0-28-amd64".into(),
        init: "sysvinit".into(),
        init_version: "3.06".into(),
        began: began.into(),
        mode: "once".into(),
        cpus: 1,
        started: Clock { boottime_ns: START_NS, realtime_ns: 1_794_449_640_000_000_000, utc_offset_s: 3600 },
        ..Session::default()
    }
}

fn timed(whats: Vec<What>) -> Vec<(u64, What)> {
    whats.into_iter().enumerate().map(|(n, what)| (START_NS + 1_000_000 * (n as u64 + 1), what)).collect()
}

pub fn recorded() -> Recorded {
    let dir = tempfile::tempdir().expect("a directory");
    let ring = dir.path().join("ring.lrt");
    let (storage, _) = FileStorage::create(&ring, 4 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    let first = session("armed", 1, None);
    writer.begin(&first).expect("begun");
    let evil = "\x1b[2J\u{202e}\nevil";
    let shutdown = timed(vec![
        exec(id(500), id(400), "/sbin/shutdown", &["shutdown", "-r", "now"]),
        fork(id(1), id(2240)),
        exec(id(2240), id(1), "/usr/bin/mongod", &["mongod", "-f", "/etc/mongod.conf"]),
        exec(id(2241), id(1), "/usr/bin/x", &[evil]),
        What::Rename { process: id(2241), comm: bytes("\x1b]0;pwned") },
        What::Lost { cpu: 0, kind: 5, count: 3, bytes: 0 },
        exec(id(2300), id(400), "/sbin/killall5", &["killall5", "-9"]),
        signal(id(2300), id(2240), 9),
        exit(id(2240), 9),
        What::Reboot { process: id(2300), cmd: 0x0123_4567, ns_level: 0 },
    ]);
    writer.append(&shutdown, &[]).expect("appended");
    let covered = |note: &str| Coverage {
        from_ns: START_NS,
        to_ns: START_NS + 11_800_000_000,
        layer: Layer::Seal,
        note: note.into(),
    };
    writer
        .cover(&covered("the last hook; it found the file system writable, and took what was left"))
        .expect("covered");
    let end = End { how: How::Sealed, time_ns: START_NS + 11_800_000_000, note: "umountroot".into() };
    writer.end(&end).expect("ended");
    writer.begin(&session("boot", 2, Some(first.id))).expect("begun");
    let boot = timed(vec![exec(id(702), id(1), "/usr/bin/mongod", &["mongod"]), exit(id(702), 100 << 8)]);
    writer.append(&boot, &[]).expect("appended");
    writer.sync().expect("synced");
    Recorded { dir, ring }
}
