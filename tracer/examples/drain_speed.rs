//! What the recorder itself costs per event, without a kernel: records as the probe writes them, from memory to
//! a ring file.
//!
//!     cargo run --release -p lastrites-tracer --example drain_speed [kill|storm] [MILLIONS]
//!
//! `kill` is one sender and one target on one CPU; `storm` is lives on two: forked, told TERM, killed, gone. Reading
//! the rings of a real kernel comes on top.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on is over")]

use std::time::Instant;

use lastrites_tracer::{
    machine,
    recorder::{Patience, Recorder, Rings, Taken},
    status::Status,
};
use lastrites_traces::{
    abi::{POS_BITS, POS_MASK, kind},
    event::What,
    session::{Session, SessionId},
    storage::FileStorage,
};

/// The records of some CPUs, one after another, as far as their heads are shown.
struct Memory {
    cpus: Vec<Vec<u8>>,
    heads: Vec<u64>,
}

impl Rings for Memory {
    fn heads(&self) -> Vec<u64> {
        self.heads.clone()
    }

    fn read(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        _patience: Patience,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String> {
        let mut next = from;
        while next & POS_MASK < until & POS_MASK {
            let record = &self.cpus[cpu as usize][(next & POS_MASK) as usize..];
            let len = u16::from_ne_bytes([record[16], record[17]]);
            f(next, &record[..len.into()]);
            next = after(next, len);
        }
        Ok(Taken { next, ..Taken::default() })
    }

    fn lost(&self) -> Vec<((u32, u8), u64)> {
        Vec::new()
    }

    fn polls(&mut self, _before_ns: u64) -> Vec<(u64, What)> {
        Vec::new()
    }
}

fn after(head: u64, len: u16) -> u64 {
    head + (u64::from(len) | 1 << POS_BITS)
}

const TERM: u64 = libc::SIGTERM as u64;
const KILL: u64 = libc::SIGKILL as u64;
const CHLD: u64 = libc::SIGCHLD as u64;
const USR1: u64 = libc::SIGUSR1 as u64;

/// One CPU's records, in the making.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
    count: u64,
}

impl Records {
    /// A record of `len` bytes: its header, and whole words behind it.
    fn put(&mut self, time_ns: u64, kind: u8, flags: u8, (tgid, start_ns): (u32, u64), body: &[u64]) {
        let len = (32 + 8 * body.len()) as u64;
        let word = len | u64::from(kind) << 16 | u64::from(flags) << 24 | u64::from(tgid) << 32;
        for word in [0, time_ns, word, start_ns].iter().chain(body) {
            self.bytes.extend_from_slice(&word.to_ne_bytes());
        }
        self.count += 1;
    }

    fn signal(&mut self, time_ns: u64, sender: (u32, u64), target: (u32, u64), sig: u64, code: u64) {
        let named = u64::from(target.0) | u64::from(target.0) << 32;
        self.put(time_ns, kind::SIGNAL, 1, sender, &[target.1, named, code | sig << 32]);
    }
}

/// `events` signals, or about as many events of short lives, on `cpus` CPUs.
fn made(storm: bool, events: u64) -> Vec<Records> {
    let mut cpus: Vec<Records> = (0..if storm { 2 } else { 1 }).map(|_| Records::default()).collect();
    let mut now_ns = machine::boottime_ns();
    let (mut count, mut turn) = (0, 0u64);
    while count < events {
        turn += 1;
        let records = &mut cpus[(turn % 97 % 2) as usize * usize::from(storm)];
        let parent = (1000 + (turn % 16) as u32, 5_000_000_000);
        if !storm {
            now_ns += 700;
            records.signal(now_ns, (1000, 5_000_000_000), (1001, 6_000_000_000), USR1, 0);
            count += 1;
            continue;
        }
        let child = (2000 + (turn % 30_000) as u32, now_ns);
        let pids = u64::from(child.0) | u64::from(parent.0) << 32;
        let step = 3_000 + turn % 700;
        records.put(now_ns + step, kind::FORK, 0, parent, &[child.1, pids, 1, u64::from(child.0) << 32]);
        records.signal(now_ns + 2 * step, parent, child, TERM, 0);
        records.signal(now_ns + 3 * step, parent, child, KILL, 0);
        records.put(now_ns + 4 * step, kind::DELIVER, 2, child, &[u64::from(child.0) | KILL << 32]);
        records.put(now_ns + 5 * step, kind::EXIT, 0, child, &[300_000 + turn % 9000, 400 + turn % 50, KILL]);
        records.signal(now_ns + 6 * step, child, parent, CHLD, 2);
        now_ns += 6 * step;
        count += 6;
    }
    cpus
}

fn main() {
    let storm = std::env::args().nth(1).is_none_or(|arg| arg == "storm");
    let millions: f64 = std::env::args().nth(2).map_or(2.0, |arg| arg.parse().unwrap());
    let made = made(storm, (millions * 1e6) as u64);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    FileStorage::create(&path, 32 << 20).unwrap();
    let session =
        Session { id: SessionId::random(), cpus: 2, started: machine::clock(), ..Session::default() };
    let total: u64 = made.iter().map(|records| records.count).sum();
    let cpus: Vec<Vec<u8>> = made.into_iter().map(|records| records.bytes).collect();
    let rings = Memory { heads: vec![0; cpus.len()], cpus };
    let mut recorder = Recorder::new(rings, &path, session, Status::default());
    recorder.drain(Patience::Later).unwrap();
    // An eighth of a ring of 8 MiB at a time, as the doorbell rings.
    let ends: Vec<u64> = recorder.rings().cpus.iter().map(|bytes| bytes.len() as u64).collect();
    let mut shown = 0;
    let before = (Instant::now(), cpu_ns());
    while recorder.status.events < total {
        shown += 1 << 20;
        let rings = recorder.rings_mut();
        for ((head, bytes), end) in rings.heads.iter_mut().zip(&rings.cpus).zip(&ends) {
            *head = whole(bytes, *head, shown.min(*end));
        }
        while recorder.drain(Patience::Later).unwrap().more {}
    }
    let per_event = |ns: u64| ns as f64 / total as f64;
    println!(
        "{total} events: {:.1} ns of CPU each, {:.1} ns in all",
        per_event(cpu_ns() - before.1),
        per_event(before.0.elapsed().as_nanos() as u64)
    );
}

/// The head behind the last record that ends before `end`.
fn whole(bytes: &[u8], mut head: u64, end: u64) -> u64 {
    loop {
        let Some(record) = bytes.get((head & POS_MASK) as usize..).filter(|rest| rest.len() >= 32) else {
            return head;
        };
        let len = u16::from_ne_bytes([record[16], record[17]]);
        if (head & POS_MASK) + u64::from(len) > end {
            return head;
        }
        head = after(head, len);
    }
}

/// CPU time of this process.
fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
