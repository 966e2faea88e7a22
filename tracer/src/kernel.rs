//! The kernel's rings behind the trait that the recorder works with, and the probe's pins.
//!
//! Invariant: whoever records asks [`pins_id`] first: positions in a ring file mean something only
//! for the very pins under which they were taken.

use std::{
    fmt::Write as _,
    io,
    os::{
        fd::BorrowedFd,
        unix::{fs::MetadataExt as _, process::CommandExt as _},
    },
    path::Path,
    process::{Command, Stdio},
};

use lastrites_traces::{
    abi::{Poll, PollKey},
    event::{ProcId, What},
    session::{Clock, Session},
};

use crate::{
    error::Error,
    kernel_ring::{Caught, KernelRing, STUCK_MAX, STUCK_MAX_LAST, sys},
    mounts, probe,
    recorder::{Patience, Rings, Taken},
};

/// Where BPF objects are pinned.
pub const BPFFS: &str = "/sys/fs/bpf";

/// Key of [`Session::extra`] that holds [`pins_id`].
pub const PINS_KEY: &str = "pins";

/// Names one loading of the probe: the pin directory's inode and when it was filled.
pub fn pins_id(dir: &Path) -> Option<String> {
    let meta = std::fs::metadata(dir).ok()?;
    Some(format!("{:x}-{:x}.{:09}", meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// Whether `session` was recorded from the pins in `dir`.
pub fn belongs(session: &Session, dir: &Path) -> bool {
    let id = pins_id(dir);
    id.is_some() && session.extra.iter().any(|(key, value)| key == PINS_KEY && Some(value) == id.as_ref())
}

/// The pinned rings.
#[derive(Debug)]
pub struct Kernel(KernelRing);

impl Kernel {
    pub fn open(dir: &Path) -> Result<Self, Error> {
        KernelRing::open(dir).map(Self).map_err(|e| {
            Error::failed(dir.display().to_string(), e, "run `lastrites disarm`, then arm again")
        })
    }

    pub fn bell_fd(&self) -> BorrowedFd<'_> {
        self.0.bell_fd()
    }

    /// Whether the probe whose rings these are is there still.
    pub fn is_attached(&self) -> bool {
        self.0.is_attached()
    }

    pub fn clear_bell(&mut self) {
        self.0.clear_bell();
    }
}

impl Rings for Kernel {
    fn heads(&self) -> Vec<u64> {
        self.0.positions_now()
    }

    fn read(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        patience: Patience,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String> {
        self.0.set_patience(match patience {
            Patience::Later => STUCK_MAX,
            Patience::Last => STUCK_MAX_LAST,
        });
        let read = self
            .0
            .read_cpu(cpu, from, until, &mut |record| f(record.head, record.bytes))
            .map_err(|e| e.to_string())?;
        Ok(Taken {
            next: read.next,
            overwritten_records: read.overwritten_records,
            overwritten_bytes: read.overwritten_bytes,
            stuck: read.stuck,
        })
    }

    fn lost(&self) -> Vec<((u32, u8), u64)> {
        self.0.lost()
    }

    fn slim(&mut self) {
        self.0.slim();
    }

    fn polls(&mut self, before_ns: u64) -> Vec<(u64, What)> {
        let mut polls = self.0.look();
        polls.retain(|(_, poll)| poll.last_ns < before_ns);
        let keys: Vec<PollKey> = polls.iter().map(|(key, _)| *key).collect();
        self.0.clear_polls(&keys);
        polls.iter().map(|(key, poll)| (poll.last_ns, polled(key, poll))).collect()
    }
}

/// Both clocks when the probe in `dir` was loaded: before that nothing was recorded. `now` when that
/// cannot be told.
pub fn loaded_at(dir: &Path, now: Clock) -> Clock {
    let Ok(meta) = std::fs::metadata(dir) else { return now };
    let made_ns = u64::try_from(meta.mtime()).unwrap_or(0) * 1_000_000_000 + meta.mtime_nsec() as u64;
    let age_ns = now.realtime_ns.saturating_sub(made_ns);
    if age_ns >= now.boottime_ns {
        return now;
    }
    Clock { boottime_ns: now.boottime_ns - age_ns, realtime_ns: now.realtime_ns - age_ns, ..now }
}

/// What a count of signal 0 says.
fn polled(key: &PollKey, poll: &Poll) -> What {
    What::Poll {
        process: ProcId { tgid: key.tgid, start_ns: key.start_ns },
        call: u8::try_from(key.call).unwrap_or(0),
        target: key.target,
        count: poll.count,
        first_ns: poll.first_ns,
        last_ret: poll.last_ret,
    }
}

/// Makes sure that a whole probe is pinned in `dir`; the rest of an attempt that was cut short is none.
pub fn ensure_loaded(dir: &Path) -> Result<(), Error> {
    if probe::load_report(dir).is_ok() { Ok(()) } else { load(dir, &[]) }
}

/// Loads the probe, `without` these hooks, and pins it in `dir`. A child process does it: what loading needs of memory is given
/// back with it. It goes with the thread that calls this.
pub fn load(dir: &Path, without: &[String]) -> Result<(), Error> {
    mounts::ensure_bpffs(Path::new(BPFFS)).map_err(|e| {
        Error::file(
            BPFFS,
            "mount a BPF file system",
            e,
            "check with `lastrites doctor` what this kernel allows",
        )
    })?;
    let next = "see `lastrites doctor` for what this kernel allows";
    let what = "loading the probe";
    let mut command = Command::new("/proc/self/exe");
    command.arg("load").arg(dir).args(without.iter().map(|hook| format!("--without={hook}")));
    // Who goes on by himself would pin it for nobody, and come into the way of whoever arms next.
    let parent = std::process::id();
    // SAFETY: both system calls are async-signal-safe and touch no memory.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // It may have gone before that.
            if libc::getppid().unsigned_abs() == parent {
                Ok(())
            } else {
                Err(io::ErrorKind::Interrupted.into())
            }
        });
    }
    let output = command.stdin(Stdio::null()).output().map_err(|e| Error::failed(what, e, next))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::failed(what, if said.trim().is_empty() { "its process died" } else { said.trim() }, next))
}

/// Notes in `session` what is attached, and what this kernel lacks.
pub fn describe(session: &mut Session, dir: &Path) {
    session.extra.extend(pins_id(dir).map(|id| (PINS_KEY.to_owned(), id)));
    if let Ok(report) = probe::load_report(dir) {
        session.cpus = report.cpus;
        session.extra.push(("probe".into(), report.object.to_owned()));
        session.hooks = report.hooks.iter().map(describe_hook).collect();
        session.missing = report.missing_fields;
    }
}

/// The same of a probe that is at work; `caught` says of a kind of events how many second programs have recorded.
fn describe_working(hook: &probe::Hook, caught: &dyn Fn(u8) -> u64) -> String {
    let mut said = describe_hook(hook);
    let Some(missed) = hook.program.and_then(|id| sys::prog_misses(id).ok()).flatten() else { return said };
    let caught = hook.kinds.first().map_or(0, |kind| caught(*kind));
    if caught > 0 {
        let _ = write!(said, " ({caught} recorded by its second program, this being at work on that CPU)");
    }
    match missed.saturating_sub(caught) {
        0 => {}
        n => {
            let _ = write!(said, " (missed {n} times, being at work on that CPU already)");
        }
    }
    said
}

fn describe_hook(hook: &probe::Hook) -> String {
    match &hook.why {
        Some(why) => format!("{} {:?}: {why}", hook.name, hook.how),
        None => format!("{} {:?}", hook.name, hook.how),
    }
}

/// The memory of the rings, in words.
pub fn rings(dir: &Path) -> Option<String> {
    probe::load_report(dir).ok().map(|report| report.rings())
}

/// What is attached, one text per hook.
pub fn hooks(dir: &Path) -> Vec<String> {
    let Ok(report) = probe::load_report(dir) else { return Vec::new() };
    let caught = Caught::open(dir, report.cpus).ok().flatten();
    let caught = |kind| caught.as_ref().map_or(0, |caught| caught.of(kind));
    report.hooks.iter().map(|hook| describe_working(hook, &caught)).collect()
}
