//! Recordings that are made up: ones that are larger than a sample should be.

use std::{path::Path, sync::Arc};

use lastrites::{
    about::Ending,
    explain::Picked,
    story::{Story, world::World},
    view::model::Model,
};
use lastrites_traces::{
    event::{Bytes, Event, Exec, ProcId, Signal, What},
    reader::Summary,
    ring::Writer,
    session::{Clock, End, How, Session, SessionId},
    storage::FileStorage,
};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

pub fn id(tgid: u32) -> ProcId {
    ProcId { tgid, start_ns: S + u64::from(tgid) * 20 * MS }
}

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

pub fn fork(parent: ProcId, child: ProcId) -> What {
    What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 0, ns_level: 0, ns_pid: child.tgid }
}

/// `file` with its last part as comm and as argv, and `argv` behind it.
pub fn exec(process: ProcId, parent: ProcId, file: &str, argv: &str) -> What {
    let name = file.rsplit('/').next().unwrap_or(file);
    let argv = if argv.is_empty() { String::new() } else { format!("{argv}\0") };
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 0,
        session: 1,
        cgroup: 0,
        comm: bytes(name),
        filename: bytes(file),
        argv: bytes(&format!("{name}\0{argv}")),
        env: bytes(""),
        tty: bytes(""),
        flags: 0,
    }))
}

pub fn signal(sender: ProcId, target: ProcId, sig: u8) -> What {
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

pub fn exit(process: ProcId, status: u32) -> What {
    What::Exit { process, status, cpu_ns: 1, peak_rss_kib: 1 }
}

/// A kill(-1) in which so many processes are hit and die.
pub fn crowd(count: u32) -> Arc<Model> {
    let mut world = World::default();
    let mut number = 0;
    let mut ns = S;
    let mut see = |what: What| {
        ns += 1000;
        world.see(&Event { number, time_ns: ns, what });
        number += 1;
    };
    let (init, killer) = (id(1), id(count + 1));
    see(exec(init, ProcId::KERNEL, "/sbin/init", ""));
    for n in 2..count {
        see(fork(init, id(n)));
        see(exec(id(n), init, "/usr/sbin/worker", "-x"));
    }
    see(fork(init, killer));
    see(exec(killer, init, "/sbin/killall5", "-15"));
    for n in 2..count {
        see(signal(killer, id(n), 15));
    }
    see(What::Call { process: killer, call: 1, target: -1, tgid_arg: 0, sig: 15, ret: 0 });
    for n in 2..count {
        see(exit(id(n), 15));
    }
    see(What::Reboot { process: init, cmd: 0x0123_4567, ns_level: 0 });
    world.close();
    let summary = Summary { events: world.events, last_ns: world.last.ns, ..Summary::default() };
    let story = Story::tell(world, &summary, None);
    let picked =
        Picked { path: "made up".into(), number: 1, count: 1, summary, requests: Default::default(), story };
    Arc::new(Model::new(picked, Ending::Sealed))
}

/// A ring file that is being written.
pub struct Ring {
    writer: Writer<FileStorage>,
    pub time_ns: u64,
    last: Option<SessionId>,
    busy: u32,
    batch: Vec<(u64, What)>,
}

impl Ring {
    pub fn create(path: &Path) -> Self {
        Self::of_size(path, 32 << 20)
    }

    pub fn of_size(path: &Path, bytes: u64) -> Self {
        let (storage, _) = FileStorage::create(path, bytes).expect("a ring");
        let writer = Writer::open(storage).expect("a writer");
        Self { writer, time_ns: 0, last: None, busy: 0, batch: Vec::new() }
    }

    /// Begins recording number `n`, a boot of its own.
    pub fn begin(&mut self, n: u8) {
        self.time_ns = S;
        let session = Session {
            id: SessionId([n; 16]),
            previous: self.last,
            boot_id: format!("boot-{n}"),
            hostname: "db7".into(),
            init: "sysvinit".into(),
            began: "armed".into(),
            cpus: 2,
            started: Clock {
                boottime_ns: S,
                realtime_ns: (1_800_000_000 + u64::from(n) * 86_400) * S,
                utc_offset_s: 0,
            },
            ..Session::default()
        };
        self.last = Some(session.id);
        self.writer.begin(&session).expect("begun");
        self.after(1, exec(id(1), ProcId::KERNEL, "/sbin/init", ""));
        self.after(1, fork(id(1), MONGOD));
        self.after(1, exec(MONGOD, id(1), "/usr/bin/mongod", ""));
        self.flush();
    }

    /// `ms` after what was last.
    pub fn after(&mut self, ms: u64, what: What) {
        self.time_ns += ms * MS;
        self.batch.push((self.time_ns, what));
        if self.batch.len() == 4096 {
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        self.writer.append(&self.batch, &[]).expect("appended");
        self.writer.sync().expect("synced");
        self.batch.clear();
    }

    /// So many tools that are run one after the other: four events each, 40 ms.
    pub fn live(&mut self, tools: u32) {
        for n in 0..tools {
            let tool = ProcId { tgid: 10_000 + n % 50_000, start_ns: self.time_ns };
            let file = format!("/usr/bin/tool{}", n % 90);
            self.after(10, fork(id(1), tool));
            self.after(10, exec(tool, id(1), &file, &format!("--nth={n}")));
            self.after(10, signal(id(1), tool, 15));
            self.after(10, exit(tool, 15));
        }
        self.flush();
    }

    /// The same with so many tools run by rc before it kills anybody.
    pub fn shut_down_slowly(&mut self, tools: u32) {
        self.busy = tools;
        self.shut_down(None);
    }

    /// reboot, rc 6, killall5 -15; mongod stops by itself after `stop_ms`, or is killed by killall5 -9 after 5 s.
    pub fn shut_down(&mut self, stop_ms: Option<u64>) {
        let (shell, rc, sendsigs) = (id(4000), id(4002), id(4003));
        self.after(40_000, fork(id(1), shell));
        self.after(1, exec(shell, id(1), "/bin/sh", ""));
        self.after(1, exec(shell, id(1), "/sbin/reboot", ""));
        self.after(50, fork(id(1), rc));
        self.after(1, exec(rc, id(1), "/etc/init.d/rc", "6"));
        self.live(self.busy);
        self.after(50, fork(rc, sendsigs));
        self.after(1, exec(sendsigs, rc, "/sbin/killall5", "-15"));
        self.after(1, signal(sendsigs, MONGOD, 15));
        self.after(1, What::Call { process: sendsigs, call: 1, target: -1, tgid_arg: 0, sig: 15, ret: 0 });
        if let Some(stop_ms) = stop_ms {
            self.after(stop_ms, exit(MONGOD, 0));
        }
        let killer = id(4004);
        self.after(if stop_ms.is_some() { 500 } else { 5_000 }, fork(rc, killer));
        self.after(1, exec(killer, rc, "/sbin/killall5", "-9"));
        if stop_ms.is_none() {
            self.after(1, signal(killer, MONGOD, 9));
            self.after(1, exit(MONGOD, 9));
        }
        self.after(1, What::Call { process: killer, call: 1, target: -1, tgid_arg: 0, sig: 9, ret: 0 });
        self.after(100, exec(rc, id(1), "/sbin/reboot", "-f"));
        self.after(1, What::Reboot { process: rc, cmd: 0x0123_4567, ns_level: 0 });
        self.flush();
        let end = End { how: How::Sealed, time_ns: self.time_ns + 1, note: "umountroot".into() };
        self.writer.end(&end).expect("ended");
    }
}

/// The database of the machine.
pub const MONGOD: ProcId = ProcId { tgid: 800, start_ns: 17 * S };
