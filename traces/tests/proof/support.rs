//! What all proofs share: small rings, repeatable events, and a reading that distrusts the reader.

use std::path::Path;

use lastrites_traces::{
    Error,
    event::{Disposition, Event, Exec, ProcId, Signal, What},
    layout::SIZE_MIN,
    reader::{Gap, Item, Summary, Trace},
    ring::{self, Writer},
    session::{Clock, Session, SessionId},
    storage::{MemoryStorage, Storage},
};

/// The smallest ring there is, without a session.
pub fn empty_ring() -> MemoryStorage {
    let mut storage = MemoryStorage::new(SIZE_MIN as usize);
    ring::format(&mut storage, SIZE_MIN, [7; 16]).unwrap();
    storage.sync().unwrap();
    storage
}

pub fn session(number: u8) -> Session {
    Session {
        id: SessionId([number; 16]),
        hostname: "db7".into(),
        cpus: 2,
        started: Clock { boottime_ns: 1_000, realtime_ns: 1 << 60, utc_offset_s: 3600 },
        ..Session::default()
    }
}

/// Repeatable noise (SplitMix64).
#[derive(Debug, Clone)]
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// `count` events of a busy machine, from `now_ns` on.
    pub fn events(&mut self, now_ns: &mut u64, count: usize) -> Vec<(u64, What)> {
        (0..count)
            .map(|_| {
                *now_ns += self.below(50_000);
                (*now_ns, self.what(*now_ns))
            })
            .collect()
    }

    /// The same with command lines so long that a few hundred fill a ring.
    pub fn heavy(&mut self, now_ns: &mut u64, count: usize) -> Vec<(u64, What)> {
        let mut events = self.events(now_ns, count);
        for (_, what) in &mut events {
            if !matches!(what, What::Lost { .. }) {
                let argv: Vec<u8> =
                    (0..200 + self.below(1500)).map(|n| n as u8).chain(self.next().to_le_bytes()).collect();
                let comm = argv.into();
                let process = self.process();
                *what = What::Rename { process, comm };
            }
            if self.below(3) == 0 {
                *what = self.what(*now_ns);
            }
        }
        events
    }

    fn process(&mut self) -> ProcId {
        match self.below(20) {
            0 => ProcId::KERNEL,
            _ => {
                let tgid = 1 + self.below(200) as u32;
                ProcId { tgid, start_ns: u64::from(tgid) * 1_000_000_007 }
            }
        }
    }

    fn what(&mut self, now_ns: u64) -> What {
        let (process, other) = (self.process(), self.process());
        match self.below(8) {
            0 => {
                let child = ProcId { tgid: 1000 + self.below(4000) as u32, start_ns: now_ns };
                let ns_pid = child.tgid;
                What::Fork {
                    parent: process,
                    child,
                    child_ppid: process.tgid,
                    cgroup: 0,
                    ns_level: 0,
                    ns_pid,
                }
            }
            1 => What::Exec(Box::new(Exec {
                process,
                parent: other,
                uid: self.below(3) as u32,
                session: 1,
                cgroup: self.below(5),
                comm: format!("comm{}", self.below(30)).into_bytes().into(),
                filename: format!("/usr/bin/program-{}", self.below(100)).into_bytes().into(),
                argv: format!("program\0--number={}\0", self.next()).into_bytes().into(),
                env: b"INVOCATION_ID=1\0".as_slice().into(),
                tty: b"".as_slice().into(),
                flags: 0,
            })),
            2 => What::Exit {
                process,
                status: self.below(300) as u32,
                cpu_ns: self.below(1 << 30),
                peak_rss_kib: self.below(1 << 20),
            },
            3 => What::Deliver { process, tid: process.tgid, sig: 15, disposition: Disposition::Handled },
            4 => What::Lost { cpu: 1, kind: 0, count: self.below(5), bytes: 100 },
            _ => What::Signal(Signal {
                sender: process,
                target: other,
                target_tid: other.tgid,
                sig: self.below(64) as u8,
                code: 0,
                group: true,
                result: self.below(3) as u8,
                no_info: false,
                priv_info: false,
            }),
        }
    }
}

/// One session as everybody sees it.
#[derive(Debug, Clone)]
pub struct Reading {
    pub summary: Summary,
    /// In order of number.
    pub events: Vec<Event>,
    pub gaps: Vec<Gap>,
}

/// Reads all there is, in every way there is, and holds the ways against each other.
pub fn read(bytes: &[u8]) -> Result<Vec<Reading>, Error> {
    let trace = Trace::from_bytes(Path::new("memory"), bytes.to_vec())?;
    Ok(read_all(&trace))
}

pub fn read_all(trace: &Trace) -> Vec<Reading> {
    trace
        .sessions()
        .iter()
        .map(|summary| {
            let mut events = Vec::new();
            let gaps = trace.for_each(summary.session.id, &mut |event| events.push(event.clone())).unwrap();
            let reading = Reading { summary: summary.clone(), events, gaps };
            hold(trace, &reading);
            reading
        })
        .collect()
}

/// What must be true of any reading of any bytes.
fn hold(trace: &Trace, reading: &Reading) {
    let Reading { summary, events, gaps } = reading;
    assert!(events.is_sorted_by(|a, b| a.number < b.number), "numbers only grow");
    let told: u64 = gaps.iter().map(|gap| gap.to - gap.from).sum();
    let first = gaps.first().map_or(summary.first_number, |gap| gap.from.min(summary.first_number));
    assert_eq!(
        events.len() as u64 + told,
        summary.next_number - first,
        "every number is an event or in a gap"
    );
    assert!(summary.events >= events.len() as u64);
    let mut by_time = Vec::new();
    let mut walls = Vec::new();
    for item in trace.events(summary.session.id).unwrap() {
        match item.unwrap() {
            Item::Event(event) => by_time.push(event),
            Item::Gap(gap) => walls.push(gap),
            Item::Known(_) => {}
        }
    }
    assert_eq!(&walls, gaps, "both ways of reading tell the same gaps");
    if gaps.is_empty() {
        assert!(by_time.is_sorted_by_key(|event| (event.time_ns, event.number)), "in order of time");
    }
    by_time.sort_by_key(|event| event.number);
    assert_eq!(&by_time, events, "both ways of reading tell the same events");
}

/// Opens `storage` for recording, with a session in it.
pub fn recording(storage: MemoryStorage) -> Writer<MemoryStorage> {
    let mut writer = Writer::open(storage).unwrap();
    writer.begin(&session(1)).unwrap();
    writer
}

/// The same events, numbered from `first`, in the order in which they are stored.
pub fn numbered(first: u64, events: &[(u64, What)]) -> Vec<Event> {
    let mut sorted: Vec<_> = events.iter().collect();
    sorted.sort_by_key(|(time_ns, _)| *time_ns);
    let event = |(number, (time_ns, what)): (u64, &(u64, What))| Event {
        number,
        time_ns: *time_ns,
        what: what.clone(),
    };
    (first..).zip(sorted).map(event).collect()
}
