//! The kernel's rings without a recorder, and a recorder that vanishes.

use std::collections::BTreeMap;

use lastrites_tracer::{
    kernel::{self, Kernel},
    kernel_ring::KernelRing,
    machine,
    probe::LoadOptions,
    recorder::{Patience, Recorder},
    seal,
    status::Status,
};
use lastrites_traces::{
    abi::{POS_BITS, POS_MASK},
    event::What,
    session::{Coverage, How, Layer, Session},
    storage::FileStorage,
};
use rustix::mount::{MountFlags, mount_remount};

use crate::{child::Child, recording::Probe, sandbox::Sandbox, story::Story, sys};

/// A small ring: one chunk for each CPU.
fn small() -> LoadOptions {
    LoadOptions { chunks: Some(1), ..LoadOptions::default() }
}

/// Signals to itself on CPU `cpu`: `many` of one kind, then `last` of another.
fn storm_on(cpu: usize, many: u32, last: u32) -> Child {
    Child::fork(|| {
        sys::pin_to(cpu);
        for n in 0..many + last {
            let sig = if n < many { libc::SIGWINCH } else { libc::SIGURG };
            assert_eq!(sys::kill(sys::getpid(), sig), 0);
        }
        0
    })
}

/// What reading a ring from its very beginning gave.
#[derive(Debug, Default)]
struct Sum {
    read: u64,
    read_bytes: u64,
    overwritten: u64,
    overwritten_bytes: u64,
    next: u64,
}

impl Sum {
    /// Reads on, up to what is there now.
    fn read_on(&mut self, ring: &mut KernelRing, cpu: u32, f: &mut dyn FnMut(u64, What)) {
        let until = ring.positions_now()[cpu as usize];
        loop {
            let (read, read_bytes) = (&mut self.read, &mut self.read_bytes);
            let done = ring.read_cpu(cpu, self.next, until, &mut |record| {
                *read += 1;
                *read_bytes += record.bytes.len() as u64;
                if let Some((time_ns, what)) = lastrites_tracer::convert::convert(record.bytes, 4) {
                    f(time_ns, what);
                }
            });
            let done = done.unwrap_or_else(|e| panic!("{e}"));
            self.overwritten += done.overwritten_records;
            self.overwritten_bytes += done.overwritten_bytes;
            self.next = done.next;
            if !done.stuck {
                break;
            }
        }
    }

    /// Everything that was reserved was either read or overwritten.
    fn must_add_up(&self) {
        let reserved = self.next >> POS_BITS;
        assert_eq!(self.read + self.overwritten, reserved, "read + overwritten == reserved: {self:?}");
        assert_eq!(self.read_bytes + self.overwritten_bytes, self.next & POS_MASK, "{self:?}");
    }
}

#[test]
fn with_nobody_draining_a_small_ring_keeps_the_newest_events_and_counts_the_others() {
    let sandbox = Sandbox::new();
    let probe = Probe::load(&sandbox, "bpf", &small());
    assert_eq!(probe.report.chunks, 1);
    let mut ring = probe.open();
    for cpu in sys::cpus() {
        let (many, last) = (20_000, 100);
        // The machine lives on and writes into the same ring: it may bury a burst before it is read, but
        // not again and again.
        let found = (0..50).any(|_| {
            let mut child = storm_on(cpu, many, last);
            child.succeed();
            let (mut sum, mut marks, mut others, mut times) = (Sum::default(), 0, 0, Vec::new());
            sum.read_on(&mut ring, cpu as u32, &mut |time_ns, what| {
                times.push(time_ns);
                if let What::Signal(signal) = what
                    && signal.target.tgid == child.pid as u32
                {
                    marks += u32::from(signal.sig == libc::SIGURG as u8);
                    others += u32::from(signal.sig == libc::SIGWINCH as u8);
                }
            });
            sum.must_add_up();
            assert!(sum.overwritten > 0, "the ring was lapped: {sum:?}");
            assert!(sum.read_bytes <= ring.capacity());
            assert!(others < many, "not all of them fit");
            marks == last
        });
        assert!(found, "CPU {cpu}: the newest events are there");
    }
    assert_eq!(ring.lost(), [], "what is overwritten was stored first");
}

#[test]
fn a_reader_that_is_lapped_again_and_again_accounts_for_every_record() {
    let sandbox = Sandbox::new();
    let probe = Probe::load(&sandbox, "bpf", &small());
    let mut ring = probe.open();
    let cpus = sys::cpus();
    let mut children: Vec<_> = cpus.iter().map(|cpu| storm_on(*cpu, 60_000, 0)).collect();
    let mut sums: BTreeMap<usize, Sum> = cpus.iter().map(|cpu| (*cpu, Sum::default())).collect();
    let ended = |child: &Child| {
        let flags = i64::from(libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
        let mut info = [0i32; 32];
        let args = [libc::P_PID.into(), child.pid.into(), info.as_mut_ptr() as i64, flags];
        sys::call(libc::SYS_waitid, &args) == 0 && info[0] == libc::SIGCHLD
    };
    while !children.iter().all(ended) {
        for (cpu, sum) in &mut sums {
            let mut before = 0;
            sum.read_on(&mut ring, *cpu as u32, &mut |time_ns, _| before = before.max(time_ns));
        }
    }
    for child in &mut children {
        child.succeed();
    }
    for (cpu, mut sum) in sums {
        sum.read_on(&mut ring, cpu as u32, &mut |_, _| {});
        sum.must_add_up();
    }
}

/// Forks `count` children that end at once, each with a code; with their wait statuses.
fn forks(count: usize) -> Vec<(Child, i32)> {
    (0..count)
        .map(|n| {
            let mut child = Child::fork(|| n as i32);
            let status = child.wait().status;
            (child, status)
        })
        .collect()
}

/// Rings are for the CPUs that a machine has; one that is plugged in later has none.
#[test]
fn what_happens_on_a_cpu_without_a_ring_is_counted_as_lost_and_the_others_go_on() {
    let cpus = sys::cpus();
    assert!(cpus.len() > 1, "this takes two processors");
    let sandbox = Sandbox::new();
    let options = LoadOptions { ring_cpus: Some(1), ..LoadOptions::default() };
    let probe = Probe::load(&sandbox, "bpf", &options);
    assert_eq!((probe.report.ring_cpus, probe.report.cpus as usize), (1, cpus.len()));
    let mut ring = probe.open();
    let mut storms = [0, 1].map(|cpu| storm_on(cpu, 100, 1));
    storms.iter_mut().for_each(Child::succeed);
    let heads = ring.positions_now();
    let without = ring.read_cpu(1, 0, heads[1], &mut |_| panic!("there is no ring")).expect("it is known");
    assert_eq!((without.next, without.overwritten_records, without.stuck), (heads[1], 0, false));
    let signals: u64 = ring
        .lost()
        .into_iter()
        .map(|((cpu, kind), count)| {
            assert_eq!(cpu, 1, "no other CPU loses anything");
            if kind == lastrites_traces::abi::kind::SIGNAL { count } else { 0 }
        })
        .sum();
    assert!(signals >= 101, "{signals} of 101 signals");
    let mut sum = Sum::default();
    let mut seen = 0;
    sum.read_on(&mut ring, 0, &mut |_, what| {
        if let What::Signal(signal) = what {
            seen += u32::from(signal.target.tgid == storms[0].pid as u32);
        }
    });
    sum.must_add_up();
    assert!(seen >= 101, "{seen} of 101 signals");
}

#[test]
fn when_a_drainer_vanishes_the_seal_takes_the_rest_and_every_event_is_there_once() {
    let sandbox = Sandbox::new();
    let probe = Probe::load(&sandbox, "bpf", &LoadOptions::default());
    let ring = sandbox.path("ring");
    FileStorage::create(&ring, 16 << 20).expect("a ring file");
    let open = || Kernel::open(&probe.dir).unwrap_or_else(|e| panic!("{e}"));

    let mut session = machine::session();
    session.began = "test".into();
    kernel::describe(&mut session, &probe.dir);
    let first: Session = session.clone();
    let mut recorder = Recorder::new(open(), &ring, session, Status::default());
    let mut children = forks(50);
    while recorder.drain(Patience::Later).expect("written").more {}
    children.extend(forks(50));
    recorder.drain(Patience::Later).expect("written");
    children.extend(forks(50));
    // Gone without a word, as by SIGKILL.
    drop(recorder);
    children.extend(forks(100));
    let began_ns = sys::boottime_ns();
    seal::finish(open(), &ring, &probe.dir, How::Sealed, "test", began_ns).unwrap_or_else(|e| panic!("{e}"));

    let story = Story::read(&ring);
    story.must_be_whole();
    assert_eq!(story.summary.session.id, first.id);
    assert_eq!(story.summary.session.distribution, machine::distribution(std::path::Path::new("/")));
    assert_eq!(story.summary.end.as_ref().map(|end| end.how), Some(How::Sealed));
    // The kernel kept for it what came after the last event that the drainer had written.
    let vouches = |c: &Coverage| c.layer == Layer::Seal && c.from_ns < began_ns && c.to_ns >= began_ns;
    assert!(story.summary.coverage.iter().any(vouches), "{:?}", story.summary.coverage);
    for (child, status) in &children {
        assert_eq!(story.exit(story.id(child)).status, *status as u32);
    }
}

#[test]
fn pins_on_a_read_only_bpffs_can_be_opened_and_read() {
    let sandbox = Sandbox::new();
    let probe = Probe::load(&sandbox, "bpf", &LoadOptions::default());
    let mut before = forks(1);
    mount_remount(sandbox.path("bpf"), MountFlags::RDONLY, "").expect("remounted read-only");
    let refused = std::fs::create_dir(sandbox.path("bpf/another")).expect_err("read-only");
    assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    before.extend(forks(1));
    Kernel::open(&probe.dir).unwrap_or_else(|e| panic!("{e}"));
    let story = probe.story();
    for (child, status) in &before {
        assert_eq!(story.exit(story.id(child)).status, *status as u32);
    }
}
