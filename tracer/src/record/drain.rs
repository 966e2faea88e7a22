//! What a recorder does as long as it lives: it waits for the kernel's doorbell, and takes batch by batch to the file.
//!
//! Invariant: SIGTERM is looked at between any two batches, and a failed one is tried again for as long as it takes.

use std::{os::fd::AsFd as _, path::Path, time::Duration};

use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior},
};

use super::{Purpose, Stop};
use crate::{
    error::Error,
    kernel::Kernel,
    lock, machine,
    recorder::{Patience, Recorder},
    say,
    settle::{Settle, Settled},
    state::{self, Mode},
    status::Status,
};

/// How often the kernel is looked at when its doorbell is silent.
const TICK: Duration = Duration::from_millis(100);
/// Pause after a failed write; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Events in a batch that make a storm, and how long after the last one memory is given back: while it
/// lasts, taking the same memory anew for each batch costs more than reading it.
const STORM: u64 = 1024;
const CALM: Duration = Duration::from_secs(1);
/// How often it is looked whether the probe is there still.
const LOOK: Duration = Duration::from_secs(1);
/// How long an armed recorder that cannot write keeps that to itself: at each boot / is read-only for a while.
const TROUBLE_TOLD: Duration = Duration::from_secs(30);

pub(super) struct Loop<'a> {
    recorder: &'a mut Recorder<Kernel>,
    purpose: Purpose<'a>,
    pause: Duration,
    /// No write is tried before.
    not_before: Instant,
    /// When there was last so much to do that memory had to grow.
    storm: Option<Instant>,
    stored: Instant,
    stored_status: Status,
    /// Since when it cannot write, and the problem that was last told.
    trouble: Option<Instant>,
    told: String,
    /// What keeps it from ending a boot that has settled, as it was told.
    kept: String,
    ready: bool,
    /// When it was last looked whether the probe is there, and the last boot time at which it was.
    looked: Instant,
    pub seen_ns: u64,
}

impl<'a> Loop<'a> {
    pub fn new(recorder: &'a mut Recorder<Kernel>, purpose: Purpose<'a>) -> Self {
        recorder.settle = match purpose {
            // The end of the boot ends the recording.
            // Not that of a session which began with the boot: it may have been armed again since.
            Purpose::Armed(armed) if armed.mode == Mode::Once && armed.boot_id != machine::boot_id() => {
                Some(Settle::new(recorder.status.attached_ns, armed.settle_ns()))
            }
            _ => None,
        };
        let now = Instant::now();
        Self {
            recorder,
            purpose,
            pause: PAUSE_MIN,
            not_before: now,
            storm: Some(now),
            stored: now,
            stored_status: Status::default(),
            trouble: None,
            told: String::new(),
            kept: String::new(),
            ready: false,
            looked: now,
            seen_ns: machine::boottime_ns(),
        }
    }

    pub async fn run(&mut self) -> Result<Stop, Error> {
        let fail = |e| Error::failed("starting the recorder", e, "see `lastrites doctor`");
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        // A copy, since the recorder is needed mutably while waiting.
        let bell = self.recorder.rings().bell_fd().as_fd().try_clone_to_owned().map_err(fail)?;
        // SAFETY: the descriptor is the copy's own, and stays open as long as it.
        let bell = unsafe { AsyncFd::register_with_interest(bell, Interest::READABLE) };
        let bell = bell.map_err(|e| fail(e.into_parts().1))?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => return Ok(Stop::Signal),
                _ = interrupt.recv() => return Ok(Stop::Signal),
                ready = bell.readable() => {
                    self.recorder.rings_mut().clear_bell();
                    ready.map_err(fail)?.clear_ready();
                }
                _ = tick.tick() => {}
            }
            // A storm is drained batch by batch, with a look at the signals between.
            while self.once() {
                tokio::task::yield_now().await;
                tokio::select! {
                    biased;
                    _ = terminate.recv() => return Ok(Stop::Signal),
                    _ = interrupt.recv() => return Ok(Stop::Signal),
                    () = std::future::ready(()) => {}
                }
            }
            if let Some((why, alone)) = self.settled() {
                return Ok(Stop::Settled(why, alone));
            }
            if self.is_lost() {
                return Ok(Stop::Lost);
            }
        }
    }

    /// One batch, if there is something to take. True when there is more.
    fn once(&mut self) -> bool {
        let now = Instant::now();
        if now < self.not_before {
            return false;
        }
        let mut more = false;
        if self.recorder.behind() {
            match self.recorder.drain(Patience::Later) {
                Ok(drained) => {
                    more = drained.more;
                    self.pause = PAUSE_MIN;
                    if drained.events > STORM {
                        self.storm = Some(now);
                    }
                }
                Err(error) => {
                    self.recorder.status.problem = error.to_string();
                    self.not_before = now + self.pause;
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
        if self.storm.is_some_and(|storm| now.duration_since(storm) > CALM) {
            self.storm = None;
            self.recorder.slim();
            give_back();
        }
        self.tell(now);
        more
    }

    /// Whether the probe is gone. As long as something of it is not in the file, this goes on: its rings are gone with whoever
    /// holds them.
    fn is_lost(&mut self) -> bool {
        if self.looked.elapsed() < LOOK {
            return false;
        }
        self.looked = Instant::now();
        let now_ns = machine::boottime_ns();
        if self.recorder.rings().is_attached() {
            self.seen_ns = now_ns;
            return false;
        }
        self.recorder.status.problem.is_empty() && !self.recorder.behind()
    }

    /// Keeps the status file about right.
    fn tell(&mut self, now: Instant) {
        let status = &mut self.recorder.status;
        "recording".clone_into(&mut status.phase);
        self.trouble = if status.problem.is_empty() { None } else { self.trouble.or(Some(now)) };
        let (tell, patience): (fn(&str), _) = match self.purpose {
            Purpose::Foreground => (say::error, Duration::ZERO),
            Purpose::Armed(_) => (say::error_of_service, TROUBLE_TOLD),
        };
        let lasts = self.trouble.is_none_or(|since| now.duration_since(since) >= patience);
        if status.problem != self.told && lasts {
            self.told.clone_from(&status.problem);
            match status.problem.as_str() {
                "" => tell("writing again; nothing of what the kernel still held is lost"),
                problem => tell(&format!("{problem}; the kernel keeps the newest events meanwhile")),
            }
        }
        if !self.ready {
            self.ready = true;
            say::word("ready");
        } else if *status == self.stored_status
            || (now < self.stored + Duration::from_secs(1) && status.problem == self.stored_status.problem)
        {
            return;
        }
        self.stored = now;
        self.stored_status = status.clone();
        if let Purpose::Armed(_) = self.purpose {
            // Only people read it; recording goes on without.
            let _ = status.store(Path::new(lock::RUN));
        }
    }

    /// Whether the boot has settled, and then the lock of those who arm and disarm.
    fn settled(&mut self) -> Option<(Settled, lock::Lock)> {
        let settle = self.recorder.settle.as_ref()?;
        // Nothing is over before it is on the disk.
        if !self.recorder.status.problem.is_empty() {
            return None;
        }
        let settled = settle.settled(machine::boottime_ns())?;
        let alone = match lock::arming(Duration::ZERO) {
            // Whoever arms or disarms just now decides what follows: it is looked at again when he is through.
            Ok(alone) => alone?,
            Err(error) => {
                let kept = format!("the boot has settled, and recording goes on: {error}");
                if kept != self.kept {
                    say::error_of_service(&kept);
                    self.kept = kept;
                }
                return None;
            }
        };
        if let Purpose::Armed(armed) = self.purpose
            && state::load_complete(Path::new("/")).is_some_and(|now| !now.is_same_arming(armed))
        {
            // Somebody has armed anew meanwhile: the end of this boot no longer ends it.
            self.recorder.settle = None;
            return None;
        }
        Some((settled, alone))
    }
}

/// Hands memory that a storm needed back to the kernel.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number and touches only the allocator's own state.
    unsafe {
        libc::malloc_trim(0);
    }
}
