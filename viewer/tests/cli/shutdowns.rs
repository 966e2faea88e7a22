//! A ring file with two shutdowns of one made-up machine: a good one, and one in which much is different.

use lastrites_traces::{
    event::{Bytes, Disposition, Exec, ProcId, Process, Signal, What},
    ring::Writer,
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
    storage::FileStorage,
};

use crate::recorded::Recorded;

const MS: u64 = 1_000_000;
const START_NS: u64 = 100_000 * MS;
const RC: u32 = 600;

/// The daemons and their scripts.
pub const CRON: u32 = 301;
pub const MONGOD: u32 = 302;
pub const EXIM4: u32 = 303;

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

fn words(words: &[&str]) -> Bytes {
    words.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>().into()
}

fn id(pid: u32) -> ProcId {
    ProcId { tgid: pid, start_ns: START_NS - 50_000 * MS + u64::from(pid) * ProcId::TICK_NS }
}

/// What happened, by milliseconds since recording began.
#[derive(Default)]
struct Events(Vec<(u64, What)>);

impl Events {
    fn at(&mut self, ms: u64, what: What) {
        self.0.push((START_NS + ms * MS, what));
    }

    fn runs(&mut self, pid: u32, file: &str, argv: &[&str]) {
        self.at(
            0,
            What::Process(Box::new(Process {
                process: id(pid),
                ppid: u32::from(pid != 1),
                uid: 0,
                session: pid,
                comm: bytes(file.rsplit('/').next().unwrap_or(file)),
                filename: bytes(file),
                argv: words(argv),
                env: bytes(""),
                tty: bytes(""),
                cgroup_path: bytes(""),
                cgroup: 0,
            })),
        );
    }

    fn starts(&mut self, ms: u64, parent: u32, pid: u32, file: &str, argv: &[&str]) {
        let (parent, child) = (id(parent), id(pid));
        self.at(
            ms,
            What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 0, ns_level: 0, ns_pid: pid },
        );
        self.at(
            ms,
            What::Exec(Box::new(Exec {
                process: child,
                parent,
                uid: 0,
                session: 1,
                cgroup: 0,
                comm: bytes(file.rsplit('/').next().unwrap_or(file)),
                filename: bytes(file),
                argv: words(argv),
                env: bytes(""),
                tty: bytes(""),
                flags: 0,
            })),
        );
    }

    fn kills(&mut self, ms: u64, sender: u32, target: u32, sig: u8) {
        let (sender, target) = (id(sender), id(target));
        self.at(
            ms,
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
            }),
        );
        let disposition = if sig == 9 { Disposition::Default } else { Disposition::Handled };
        self.at(ms, What::Deliver { process: target, tid: target.tgid, sig, disposition });
    }

    fn exits(&mut self, ms: u64, pid: u32, status: u32) {
        self.at(ms, What::Exit { process: id(pid), status, cpu_ns: MS, peak_rss_kib: 2000 });
    }

    /// rc runs the script of a service, which tells its daemon to stop.
    fn stops(&mut self, script: (u32, &str), daemon: u32, from_ms: u64, to_ms: u64) {
        let (pid, name) = script;
        self.starts(from_ms, RC, pid, name, &["/bin/sh", name, "stop"]);
        self.kills(from_ms + 1, pid, daemon, 15);
        self.exits(to_ms, daemon, 0);
        self.exits(to_ms + 1, pid, 0);
    }

    /// The machine before, and the beginning of its shutdown.
    fn begin() -> Self {
        let mut events = Self::default();
        events.runs(1, "/sbin/init", &["init [2]"]);
        events.runs(CRON, "/usr/sbin/cron", &["cron"]);
        events.runs(MONGOD, "/usr/bin/mongod", &["mongod", "-f", "/etc/mongod.conf"]);
        events.starts(1000, 1, 500, "/sbin/shutdown", &["shutdown", "-r", "now"]);
        events.exits(1001, 500, 0);
        events.starts(1100, 1, RC, "/etc/init.d/rc", &["/bin/sh", "/etc/init.d/rc", "6"]);
        events
    }
}

fn good() -> Vec<(u64, What)> {
    let mut events = Events::begin();
    events.stops((610, "/etc/rc6.d/K01cron"), CRON, 1200, 1300);
    events.stops((611, "/etc/rc6.d/K02mongod"), MONGOD, 1400, 2100);
    events.starts(2200, RC, 620, "/etc/rc6.d/K09reboot", &["/bin/sh", "/etc/rc6.d/K09reboot", "stop"]);
    events.at(2300, What::Reboot { process: id(620), cmd: 0x0123_4567, ns_level: 0 });
    events.0
}

/// mongod is stopped first, takes long, and is restarted; exim4 is new.
fn bad() -> Vec<(u64, What)> {
    let mut events = Events::begin();
    events.runs(EXIM4, "/usr/sbin/exim4", &["exim4", "-bd"]);
    events.stops((610, "/etc/rc6.d/K01mongod"), MONGOD, 1200, 13_200);
    events.starts(13_210, 1, 700, "/usr/bin/mongod", &["mongod", "-f", "/etc/mongod.conf"]);
    events.stops((611, "/etc/rc6.d/K02cron"), CRON, 13_300, 13_400);
    events.stops((612, "/etc/rc6.d/K02exim4"), EXIM4, 13_500, 13_600);
    events.starts(13_700, RC, 630, "/sbin/killall5", &["killall5", "-9"]);
    // A spree stops everybody first: who has ended by then is not one who was not seen to end.
    events.at(13_740, What::Call { process: id(630), call: 1, target: -1, tgid_arg: 0, sig: 19, ret: 0 });
    events.kills(13_741, 630, 700, 19);
    events.kills(13_750, 630, 700, 9);
    events.exits(13_751, 700, 9);
    events.exits(13_760, 630, 0);
    events.starts(13_800, RC, 620, "/etc/rc6.d/K09reboot", &["/bin/sh", "/etc/rc6.d/K09reboot", "stop"]);
    events.at(13_900, What::Reboot { process: id(620), cmd: 0x0123_4567, ns_level: 0 });
    events.0
}

/// Recording 1 is the good one, 2 a boot, 3 the bad one, 4 a boot.
pub fn good_and_bad() -> Recorded {
    let mut boot = Events::default();
    boot.runs(1, "/sbin/init", &["init [2]"]);
    write(&[(good(), true), (boot.0.clone(), false), (bad(), true), (boot.0, false)])
}

/// The good one twice.
pub fn twice_good() -> Recorded {
    write(&[(good(), true), (good(), true)])
}

/// A ring of recordings: their events, and whether they are shutdowns.
fn write(recordings: &[(Vec<(u64, What)>, bool)]) -> Recorded {
    let dir = tempfile::tempdir().expect("a directory");
    let ring = dir.path().join("ring.lrt");
    let (storage, _) = FileStorage::create(&ring, 4 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    let mut previous = None;
    for (number, (events, shutdown)) in recordings.iter().enumerate() {
        let session = session(number, *shutdown, previous);
        previous = Some(session.id);
        writer.begin(&session).expect("begun");
        writer.append(events, &[]).expect("appended");
        let end_ns = events.last().map_or(START_NS, |(ns, _)| *ns);
        let covered = Coverage { from_ns: START_NS, to_ns: end_ns, layer: Layer::Seal, note: String::new() };
        writer.cover(&covered).expect("covered");
        let how = if *shutdown { How::Sealed } else { How::Disarmed };
        writer.end(&End { how, time_ns: end_ns, note: String::new() }).expect("ended");
    }
    writer.sync().expect("synced");
    Recorded { dir, ring }
}

/// One a day.
fn session(number: usize, shutdown: bool, previous: Option<SessionId>) -> Session {
    Session {
        id: SessionId([number as u8 + 1; 16]),
        previous,
        boot_id: format!("boot-{number}"),
        hostname: "db7".into(),
        init: "sysvinit".into(),
        init_version: "3.06".into(),
        began: if shutdown { "armed" } else { "boot" }.into(),
        started: Clock {
            boottime_ns: START_NS,
            realtime_ns: 1_794_449_640_000_000_000 + 86_400_000_000_000 * number as u64,
            utc_offset_s: 3600,
        },
        ..Session::default()
    }
}
