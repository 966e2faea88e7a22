//! How fast a ring file is written, opened and decoded, and how small it is: the figures that
//! DESIGN and FORMAT promise, on this machine.
//!
//!     cargo run --release -p lastrites-traces --example speed [MiB]

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on is over")]

use std::time::Instant;

use lastrites_traces::{
    event::{Disposition, ProcId, Signal, What},
    reader::{Item, Trace},
    ring::Writer,
    session::{Clock, Session, SessionId},
    storage::FileStorage,
};

/// One life in a storm: forked, asked, killed, gone, and its parent told.
fn storm(turn: u64, now_ns: &mut u64) -> Vec<(u64, What)> {
    let parent = ProcId { tgid: 1000 + (turn % 16) as u32, start_ns: 5_000_000_000 };
    let child = ProcId { tgid: 2000 + (turn % 30_000) as u32, start_ns: *now_ns };
    let signal = |sender, target: ProcId, sig, code, group| {
        What::Signal(Signal {
            sender,
            target,
            target_tid: target.tgid,
            sig,
            code,
            group,
            result: 0,
            no_info: false,
            priv_info: false,
        })
    };
    let whats = [
        What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 0, ns_level: 0, ns_pid: child.tgid },
        signal(parent, child, 15, 0, true),
        What::Deliver { process: child, tid: child.tgid, sig: 15, disposition: Disposition::Handled },
        signal(parent, child, 9, 0, true),
        What::Exit {
            process: child,
            status: 9,
            cpu_ns: 300_000 + turn % 9000,
            peak_rss_kib: 1500 + turn % 200,
        },
        signal(child, parent, 17, 2, true),
    ];
    let mut next = || {
        *now_ns += 3_000 + turn % 700;
        *now_ns
    };
    whats.map(|what| (next(), what)).into()
}

fn main() {
    let mib: u64 = std::env::args().nth(1).map_or(64, |arg| arg.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let (storage, _) = FileStorage::create(&path, mib << 20).unwrap();
    let mut writer = Writer::open(storage).unwrap();
    let id = SessionId::random();
    let started = Clock { boottime_ns: 10_000_000_000, realtime_ns: 1 << 60, utc_offset_s: 0 };
    writer.begin(&Session { id, cpus: 2, started, ..Session::default() }).unwrap();
    let (mut now_ns, mut turn, mut events, mut appending) = (started.boottime_ns, 0, 0, 0.0);
    while writer.bytes_written() < (mib << 20) * 9 / 8 {
        let batch: Vec<_> = (0..2000).flat_map(|n| storm(turn + n, &mut now_ns)).collect();
        turn += 2000;
        events += batch.len();
        let start = Instant::now();
        writer.append(&batch, &[turn * 64, turn * 65]).unwrap();
        appending += start.elapsed().as_secs_f64();
    }
    writer.sync().unwrap();
    let written = writer.bytes_written();
    println!("append      {:6.1} M events/s, segment syncs included", events as f64 / appending / 1e6);
    println!("size        {:6.2} bytes/event", written as f64 / events as f64);

    let timed = |what: &str, turns: u32, act: &mut dyn FnMut() -> u64| {
        let best = (0..turns)
            .map(|_| {
                let start = Instant::now();
                (start.elapsed().as_secs_f64(), act(), start.elapsed().as_secs_f64())
            })
            .min_by(|a, b| a.2.total_cmp(&b.2))
            .unwrap();
        println!("{what:11} {:6.1} ms, {:.1} M events/s", best.2 * 1e3, best.1 as f64 / best.2 / 1e6);
    };
    timed("recover", 5, &mut || Writer::open(FileStorage::new(&path)).unwrap().next_number());
    timed("open", 5, &mut || Trace::open(&path).unwrap().sessions()[0].events);
    let trace = Trace::open(&path).unwrap();
    timed("for_each", 5, &mut || {
        let mut count = 0;
        assert!(trace.for_each(id, &mut |event| count += u64::from(event.time_ns > 0)).unwrap().is_empty());
        count
    });
    timed("events", 3, &mut || {
        trace.events(id).unwrap().filter(|item| matches!(item, Ok(Item::Event(_)))).count() as u64
    });
    timed("save", 3, &mut || {
        trace.save(id, &mut std::io::sink()).unwrap();
        trace.sessions()[0].events
    });
}
