//! The recorder at work: the real program, and the probe by itself.
//!
//! Invariant: a recorder that a test started is told to stop when its [`Recording`] goes, whether or not
//! the test fails.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{ChildStderr, Command, ExitStatus, Stdio},
};

use lastrites_tracer::{
    convert,
    kernel_ring::KernelRing,
    machine,
    probe::{self, LoadOptions, LoadReport},
};
use lastrites_traces::{
    event::{Event, What},
    reader::Summary,
};

use crate::{sandbox::Sandbox, story::Story, sys};

/// The program under test.
pub const TRACER: &str = env!("CARGO_BIN_EXE_lastrites-tracer");

/// `lastrites-tracer record --output FILE`, running.
#[derive(Debug)]
pub struct Recording {
    process: std::process::Child,
    pub ring: PathBuf,
    stderr: BufReader<ChildStderr>,
}

/// How a recorder ended.
#[derive(Debug)]
pub struct Stopped {
    pub status: ExitStatus,
    /// What it said on stderr after "ready".
    pub said: String,
}

/// The command that records into `ring`.
pub fn record_into(ring: &Path) -> Command {
    let mut command = Command::new(TRACER);
    command.args(["record", "--size", "16M", "--output"]).arg(ring);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Recording {
    /// Starts recording, and returns when every event from now on is seen.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_into(&sandbox.path("ring"))
    }

    pub fn start_into(ring: &Path) -> Self {
        let mut process = record_into(ring).spawn().expect("the recorder starts");
        let mut stderr = BufReader::new(process.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.ends_with("ready\n") {
            let read = stderr.read_line(&mut said).expect("the recorder speaks UTF-8");
            assert!(read > 0, "the recorder ended before it was ready: {said}{:?}", process.wait());
        }
        Self { process, ring: ring.to_owned(), stderr }
    }

    pub fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// Where its probe is pinned.
    pub fn pins(&self) -> PathBuf {
        let version = lastrites_traces::abi::VERSION;
        PathBuf::from(format!("/sys/fs/bpf/lastrites-v{version}-{}", self.pid()))
    }

    /// The next thing that it says on stderr.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("the recorder speaks UTF-8");
        line
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("it can be asked").is_none()
    }

    /// Sends `sig` and waits for the end.
    pub fn end_by(mut self, sig: i32) -> Stopped {
        assert!(self.is_running(), "the recorder has ended by itself: {:?}", self.process.wait());
        assert_eq!(sys::kill(self.pid(), sig), 0, "the recorder can be signalled");
        self.ends()
    }

    /// Waits for the end that comes by itself.
    pub fn ends(mut self) -> Stopped {
        let mut said = String::new();
        while self.stderr.read_line(&mut said).expect("the recorder speaks UTF-8") > 0 {}
        Stopped { status: self.process.wait().expect("it ends"), said }
    }

    /// Stops it as its owner would, and reads what it recorded.
    pub fn stop(self) -> Story {
        let ring = self.ring.clone();
        let stopped = self.end_by(libc::SIGTERM);
        assert!(stopped.status.success(), "{:?}: {}", stopped.status, stopped.said);
        Story::read(&ring)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            sys::kill(self.pid(), libc::SIGTERM);
            // Nothing can be done about a failure here.
            let _ = self.process.wait();
        }
    }
}

/// The probe without a recorder, pinned in a bpffs of its own.
#[derive(Debug)]
pub struct Probe {
    pub dir: PathBuf,
    pub report: LoadReport,
    /// What was taken out of its rings so far, and where to go on.
    taken: Vec<(u64, What)>,
    next: Vec<u64>,
}

/// Rings that hold a storm of another test too, which may run meanwhile: 32 MiB for each of two CPUs.
pub fn ample() -> LoadOptions {
    let cpus = sys::cpus().len() as u32;
    LoadOptions { chunks: Some((256 / cpus).clamp(16, 128)), ..LoadOptions::default() }
}

impl Probe {
    pub fn load(sandbox: &Sandbox, name: &str, options: &LoadOptions) -> Self {
        let dir = sandbox.mount(name, "bpf").join("pins");
        let report = probe::load_and_pin(&dir, options).unwrap_or_else(|e| panic!("{e}"));
        let next = vec![0; report.cpus as usize];
        Self { dir, report, taken: Vec::new(), next }
    }

    pub fn open(&self) -> KernelRing {
        KernelRing::open(&self.dir).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Lets go of what happened up to now.
    pub fn begin(&mut self) {
        self.next = self.open().positions_now();
        self.taken.clear();
    }

    /// Takes what happened since the last time, all of which must still be there.
    pub fn take(&mut self) {
        let mut ring = self.open();
        let until = ring.positions_now();
        for (cpu, (next, until)) in self.next.iter_mut().zip(until).enumerate() {
            // A record that is being written is waited for.
            loop {
                let read = ring
                    .read_cpu(cpu as u32, *next, until, &mut |record| {
                        self.taken.extend(convert::convert(record.bytes, machine::page_kib()));
                    })
                    .unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(read.overwritten_records, 0, "CPU {cpu}: the ring is large enough");
                *next = read.next;
                if !read.stuck {
                    break;
                }
            }
        }
        assert_eq!(ring.lost(), [], "nothing lost");
    }

    /// Everything since it was begun.
    pub fn story(mut self) -> Story {
        self.take();
        self.taken.sort_by_key(|(time_ns, _)| *time_ns);
        let number = |(number, (time_ns, what))| Event { number: number as u64, time_ns, what };
        Story::new(self.taken.into_iter().enumerate().map(number).collect(), Summary::default())
    }
}
