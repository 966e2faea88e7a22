//! How long a story takes to tell, and how much memory: figures for the README, never a test.
//!
//!     cargo run --release -p lastrites --example story_speed
//!
//! Each measurement is made in a process of its own, so that peak memory is that of one.

use std::{
    io,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use lastrites::{
    ahead, explain,
    story::{Story, world::World},
};
use lastrites_traces::{
    event::{Bytes, Event, Exec, ProcId, Signal, What},
    reader::{Item, Summary, Trace},
    ring::Writer,
    session::{Clock, End, How, Session, SessionId},
    storage::FileStorage,
};

const S: u64 = 1_000_000_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let result = match args.get(1).map(String::as_str) {
        None => all(),
        Some("storm") => storm(),
        Some("ring") => ring(Path::new(args.get(2).map_or("ring.lrt", String::as_str))),
        Some(other) => {
            Err(io::Error::other(format!("{other}: no such measurement; run it without arguments")))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("story_speed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all() -> io::Result<()> {
    let this = std::env::current_exe()?;
    let dir = tempfile::tempdir()?;
    let ring = dir.path().join("ring.lrt");
    fill(&ring)?;
    for run in 1..=3 {
        println!("run {run}");
        for args in [&["storm"][..], &["ring", &ring.to_string_lossy()]] {
            if !Command::new(&this).args(args).status()?.success() {
                return Err(io::Error::other("a measurement failed"));
            }
        }
    }
    Ok(())
}

fn id(pid: u32, start_ns: u64) -> ProcId {
    ProcId { tgid: pid, start_ns }
}

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

/// A machine that does nothing but fork, exec, signal and exit while it goes down: three million processes.
struct Storm {
    next: u64,
    time_ns: u64,
    step: u8,
    number: u64,
    names: Vec<(Bytes, Bytes, Bytes)>,
    most: u64,
}

impl Storm {
    fn new(most: u64) -> Self {
        let names = (0..200)
            .map(|n| {
                (
                    bytes(&format!("tool{n}")),
                    bytes(&format!("/usr/bin/tool{n}")),
                    bytes(&format!("tool{n}\0-x\0")),
                )
            })
            .collect();
        Self { next: 0, time_ns: 100 * S, step: 0, number: 0, names, most }
    }

    fn what(&mut self) -> What {
        let (parent, me) = (
            id(1, 0),
            id(2 + (self.next % 4_000_000) as u32, self.time_ns / 100_000_000 * 100_000_000 + self.next * 10),
        );
        let child = id(me.tgid, 50 * S + self.next * 10_000_000);
        let (comm, filename, argv) = self.names[(self.next % 200) as usize].clone();
        self.step += 1;
        match self.step {
            1 => What::Fork { parent, child, child_ppid: 1, cgroup: 1, ns_level: 0, ns_pid: child.tgid },
            // Every third is a fork that only exits.
            2 if !self.next.is_multiple_of(3) => What::Exec(Box::new(Exec {
                process: child,
                parent,
                uid: 0,
                session: 1,
                cgroup: 1,
                comm,
                filename,
                argv,
                env: bytes(""),
                tty: bytes(""),
                flags: 0,
            })),
            2 | 3 if self.next.is_multiple_of(2) && self.step == 3 => What::Signal(Signal {
                sender: parent,
                target: child,
                target_tid: child.tgid,
                sig: 15,
                code: 0,
                group: true,
                result: 0,
                no_info: false,
                priv_info: false,
            }),
            _ => {
                self.step = 0;
                self.next += 1;
                What::Exit {
                    process: child,
                    status: if self.next.is_multiple_of(2) { 15 } else { 0 },
                    cpu_ns: 1000,
                    peak_rss_kib: 100,
                }
            }
        }
    }
}

impl Iterator for Storm {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.number >= self.most {
            return None;
        }
        let what = match self.number {
            0 => request(),
            1 => rc(),
            2 => exec(id(4_100_002, 30), id(4_100_001, 20), "/usr/bin/make", "make\0"),
            _ => self.what(),
        };
        self.time_ns += 2_000;
        let event = Event { number: self.number, time_ns: self.time_ns, what };
        self.number += 1;
        Some(event)
    }
}

fn exec(process: ProcId, parent: ProcId, filename: &str, argv: &str) -> What {
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 0,
        session: 1,
        cgroup: 1,
        comm: bytes(filename.rsplit('/').next().unwrap_or(filename)),
        filename: bytes(filename),
        argv: bytes(argv),
        env: bytes(""),
        tty: bytes(""),
        flags: 0,
    }))
}

fn request() -> What {
    exec(id(4_100_000, 10), id(4_000_010, 5), "/sbin/reboot", "reboot\0")
}

fn rc() -> What {
    exec(id(4_100_001, 20), id(1, 0), "/etc/init.d/rc", "rc\x006\0")
}

fn session() -> Session {
    Session {
        id: SessionId([1; 16]),
        boot_id: "boot".into(),
        hostname: "bench".into(),
        init: "sysvinit".into(),
        began: "armed".into(),
        cpus: 2,
        started: Clock { boottime_ns: 99 * S, realtime_ns: 1_800_000_000 * S, utc_offset_s: 0 },
        ..Session::default()
    }
}

fn storm() -> io::Result<()> {
    let most: u64 = std::env::args().nth(2).and_then(|most| most.parse().ok()).unwrap_or(10_000_000);
    let begun = Instant::now();
    let items = Storm::new(most).map(|event| Ok::<_, io::Error>(Item::Event(event)));
    let made = {
        let begun = Instant::now();
        let count = Storm::new(most).map(|event| event.number).fold(0, u64::max);
        (begun.elapsed(), count)
    };
    let read = Instant::now();
    // Made up in a thread beside, as what is in a file is decoded.
    let mut world = World::default();
    ahead::each(items, |item: &Item| {
        world.item(item);
        Ok(())
    })?;
    world.close();
    let (read, tell) = (read.elapsed(), Instant::now());
    let procs = world.procs.len();
    let summary = Summary { session: session(), events: most, ..Summary::default() };
    let story = Story::tell(world, &summary, None);
    println!(
        "  {} events, {procs} processes: read in {:.2} s (of which making them up {:.2} s), told in {:.2} s, {} findings, peak {} MiB, {:.2} s in all",
        made.1 + 1,
        read.as_secs_f64(),
        made.0.as_secs_f64(),
        tell.elapsed().as_secs_f64(),
        story.findings.len(),
        peak_mib()?,
        begun.elapsed().as_secs_f64()
    );
    for finding in story.findings.iter().take(3) {
        println!("    {}", finding.headline);
    }
    Ok(())
}

/// A 64 MiB ring file, full of an ordinary life that ends in a shutdown.
fn fill(path: &Path) -> io::Result<()> {
    let fail = |error| io::Error::other(format!("{error}"));
    let (storage, _) = FileStorage::create(path, 64 << 20).map_err(fail)?;
    let mut writer = Writer::open(storage).map_err(fail)?;
    writer.begin(&session()).map_err(fail)?;
    let mut life = Storm::new(12_000_000);
    life.number = 2;
    let mut batch = Vec::new();
    for event in life.by_ref() {
        // An event each millisecond: an uptime of hours.
        batch.push((99 * S + event.number * 1_000_000, event.what));
        if batch.len() == 4096 {
            writer.append(&batch, &[]).map_err(fail)?;
            batch.clear();
        }
    }
    let mut time_ns = 99 * S + 12_000_100 * 1_000_000;
    let mut down = vec![request(), rc()];
    let mut storm = Storm::new(20_000);
    storm.next = 8_000_000;
    storm.number = 2;
    down.extend(storm.map(|event| event.what));
    let down: Vec<(u64, What)> = down
        .into_iter()
        .map(|what| {
            time_ns += 500_000;
            (time_ns, what)
        })
        .collect();
    writer.append(&down, &[]).map_err(fail)?;
    writer.end(&End { how: How::Sealed, time_ns: time_ns + 1, note: "umountroot".into() }).map_err(fail)?;
    Ok(())
}

fn ring(path: &Path) -> io::Result<()> {
    let fail = |error: &dyn std::fmt::Display| io::Error::other(format!("{error}"));
    let begun = Instant::now();
    let trace = Trace::open(path).map_err(|e| fail(&e))?;
    let opened = begun.elapsed();
    let picked = explain::pick::pick(&trace, path, None).map_err(|e| fail(&e))?;
    println!(
        "  a full 64 MiB ring, {} events: opened in {:.0} ms, its last shutdown ({} events read) told in {:.0} ms, peak {} MiB",
        picked.summary.events,
        opened.as_secs_f64() * 1e3,
        picked.story.world.events,
        begun.elapsed().as_secs_f64() * 1e3 - opened.as_secs_f64() * 1e3,
        peak_mib()?
    );
    Ok(())
}

fn peak_mib() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib >> 10).ok_or_else(|| io::Error::other("no VmHWM in /proc/self/status"))
}
