//! A ring file with a shutdown of a machine whose processes are called as an attacker would call them.

use std::path::Path;

use lastrites_traces::{
    event::{Bytes, Exec, ProcId, Process, Signal, What},
    ring::Writer,
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
    storage::FileStorage,
};

const MS: u64 = 1_000_000;
pub const START_NS: u64 = 100_000 * MS;

/// Names that are markup, script, formulas, control characters, quotes of every format, text that runs backwards, and
/// no text at all.
pub const NAMES: [&[u8]; 14] = [
    b"=cmd|' /C calc'!A0",
    b"-2+3+cmd|' /C calc'!A0",
    b"@SUM(1+1)*cmd",
    b"a;=1+1",
    b"</text><script>alert(1)</script>",
    b"<![CDATA[x]]>&amp;<!--",
    b"\"];evil[label=\"x",
    b"\\N\\G\\\"&quot;",
    b"x\",\"args\":{},\"ph\":\"X",
    b"\x1b[2J\x1b]0;pwned\x07",
    "\u{202e}dcod.exe\u{200b}".as_bytes(),
    b"\xff\xfe\xc3\x28",
    b"line\nbreak\ttab\rreturn",
    "größe数据🦀".as_bytes(),
];

fn id(pid: u32) -> ProcId {
    ProcId { tgid: pid, start_ns: START_NS - 50_000 * MS + u64::from(pid) * ProcId::TICK_NS }
}

/// What is behind the last slash is what people call a program.
fn file(name: &[u8]) -> Bytes {
    b"/opt/"
        .iter()
        .chain(name)
        .enumerate()
        .map(|(at, byte)| if at > 4 && *byte == b'/' { b'_' } else { *byte })
        .collect()
}

fn runs(pid: u32, filename: Bytes, comm: &[u8]) -> What {
    What::Process(Box::new(Process {
        process: id(pid),
        ppid: u32::from(pid != 1),
        uid: 0,
        session: pid,
        comm: comm[..comm.len().min(15)].into(),
        argv: [&filename[..], b"\0", comm, b"\0"].concat().into(),
        filename,
        env: b"".as_slice().into(),
        tty: b"".as_slice().into(),
        cgroup_path: b"".as_slice().into(),
        cgroup: 0,
    }))
}

fn exec(pid: u32, parent: u32, filename: &str, argv: &[&str]) -> What {
    let base = filename.rsplit('/').next().unwrap_or(filename);
    What::Exec(Box::new(Exec {
        process: id(pid),
        parent: id(parent),
        uid: 0,
        session: 1,
        cgroup: 0,
        comm: base.as_bytes().into(),
        filename: filename.as_bytes().into(),
        argv: argv.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>().into(),
        env: b"".as_slice().into(),
        tty: b"".as_slice().into(),
        flags: 0,
    }))
}

fn kills(sender: u32, target: u32, sig: u8) -> What {
    What::Signal(Signal {
        sender: id(sender),
        target: id(target),
        target_tid: target,
        sig,
        code: 0,
        group: true,
        result: 0,
        no_info: false,
        priv_info: false,
    })
}

fn exits(pid: u32, status: u32) -> What {
    What::Exit { process: id(pid), status, cpu_ns: MS, peak_rss_kib: 2000 }
}

pub fn session(hostname: &str) -> Session {
    Session {
        id: SessionId([7; 16]),
        boot_id: "11111111-2222-3333-4444-555555555555".into(),
        hostname: hostname.into(),
        kernel_release: "6.1.0-28-amd64".into(),
        init: "sysvinit".into(),
        init_version: "3.06".into(),
        began: "armed".into(),
        mode: "once".into(),
        cpus: 1,
        started: Clock { boottime_ns: START_NS, realtime_ns: 1_794_449_640_000_000_000, utc_offset_s: 3600 },
        ..Session::default()
    }
}

/// Everybody is told to stop and does not, but for the last, and is killed.
pub fn hostile(path: &Path) {
    let mut whats = vec![(0, runs(1, b"/sbin/init".as_slice().into(), b"init"))];
    let pids = 300..300 + NAMES.len() as u32;
    whats.extend(pids.clone().zip(NAMES).map(|(pid, name)| (0, runs(pid, file(name), name))));
    whats.push((1000, exec(500, 1, "/sbin/shutdown", &["shutdown", "-r", "now"])));
    whats.push((1100, exec(600, 1, "/etc/init.d/rc", &["/bin/sh", "/etc/init.d/rc", "6"])));
    whats.push((1200, exec(610, 600, "/sbin/killall5", &["killall5", "-15"])));
    whats.extend(pids.clone().map(|pid| (1201, kills(610, pid, 15))));
    let call = |sig| What::Call {
        process: id(if sig == 15 { 610 } else { 620 }),
        call: 1,
        target: -1,
        tgid_arg: 0,
        sig,
        ret: 0,
    };
    whats.push((1202, call(15)));
    whats.push((1300, exits(pids.end - 1, 0)));
    whats.push((1301, exits(610, 0)));
    whats.push((6300, exec(620, 600, "/sbin/killall5", &["killall5", "-9"])));
    whats.extend((pids.start..pids.end - 1).map(|pid| (6301, kills(620, pid, 9))));
    whats.push((6302, call(9)));
    whats.extend((pids.start..pids.end - 1).map(|pid| (6303, exits(pid, 9))));
    whats.push((6400, exec(630, 600, "/etc/rc6.d/K09reboot", &["/bin/sh", "/etc/rc6.d/K09reboot", "stop"])));
    whats.push((6500, What::Reboot { process: id(630), cmd: 0x0123_4567, ns_level: 0 }));
    recorded(path, &session("</title>=1\u{202e}"), whats, true);
}

/// A recording of what happened, by milliseconds since it began.
pub fn recorded(path: &Path, session: &Session, whats: Vec<(u64, What)>, sealed: bool) {
    let (storage, _) = FileStorage::create(path, 4 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    writer.begin(session).expect("begun");
    let last_ms = whats.last().map_or(0, |(ms, _)| *ms);
    let events: Vec<(u64, What)> = whats.into_iter().map(|(ms, what)| (START_NS + ms * MS, what)).collect();
    for some in events.chunks(1000) {
        writer.append(some, &[]).expect("appended");
    }
    let end_ns = START_NS + last_ms * MS;
    let coverage = Coverage { from_ns: START_NS, to_ns: end_ns, layer: Layer::Seal, note: "<b>".into() };
    writer.cover(&coverage).expect("covered");
    if sealed {
        writer.end(&End { how: How::Sealed, time_ns: end_ns, note: "umountroot".into() }).expect("ended");
    }
    writer.sync().expect("synced");
}

/// A recording of a boot: nobody goes down.
pub fn boot(path: &Path) {
    let whats = vec![
        (0, runs(1, b"/sbin/init".as_slice().into(), b"init")),
        (10, exec(700, 1, "/usr/sbin/cron", &["cron"])),
        (20, exec(701, 1, "/usr/bin/mongod", &["mongod"])),
        (900, exits(701, 100 << 8)),
    ];
    recorded(path, &Session { began: "boot".into(), ..session("db7") }, whats, false);
}
