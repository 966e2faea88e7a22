//! The seal: the last thing of ours that runs. It takes what the drainer could not, marks how the
//! recording ended, and leaves everything else as it was.
//!
//! Invariant: [`run`] returns within two seconds of reading the armed file, whatever the disk does after
//! that, and its caller exits with 0. What comes before (loading this program from the disk) is bounded by
//! the init: by its hooks' own alarm.
//! A mount that is read-only is made writable only if it is known to have been writable in this boot: whoever kept it
//! read-only from the beginning has a reason. After fsck(8) has repaired a root file system that is mounted read-only, what
//! the kernel still remembers of it is wrong, and whoever writes by that undoes the repair and destroys files of others.
//! The work is done by a child process; the parent only waits, and the mount is read-only again
//! before it returns, if it was read-only before: where that fails, as it does while somebody who was
//! started meanwhile writes to a file, it is tried until the two seconds are over, and then said.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use lastrites_traces::{
    ring::Writer,
    session::{How, Layer},
    storage::FileStorage,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{
    error::Error,
    kernel::{self, Kernel},
    lock, machine, mounts,
    recorder::{Recorder, Rings as _},
    state::{self, Armed},
    status::Status,
};

/// What the work may take, and all of it.
const LIMIT: Duration = Duration::from_millis(1700);
const LIMIT_ALL: Duration = Duration::from_millis(1950);
/// What of it is for saying that it did not succeed.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Pause between two attempts to make the mount read-only again.
const AGAIN: Duration = Duration::from_millis(10);
/// How long the drainer is given to leave, should it still live.
const DRAINER_MS: u32 = 400;

/// Seals whatever is armed. Never fails: what does goes to the console, for there is nobody else left to be told.
pub fn run(stage: &str) {
    let Some(armed) = state::load_complete(Path::new("/")) else { return };
    let Some(shared) = Shared::new() else { return };
    // SAFETY: this process has one thread, so the child may go on as if it were the parent.
    match unsafe { libc::fork() } {
        -1 => {}
        0 => {
            if let Err(error) = work(&armed, stage, Some(&shared)) {
                machine::say_on_console(&format!("the end of the recording is not stored: {error}"));
            }
            // SAFETY: ends this process at once, with nothing left to flush.
            unsafe { libc::_exit(0) }
        }
        child => watch(child, &armed, &shared),
    }
}

/// Waits for the child, and cleans up behind it when it takes too long.
fn watch(child: libc::pid_t, armed: &Armed, shared: &Shared) {
    let until = Instant::now() + LIMIT_ALL;
    if !ended(child, LIMIT) {
        machine::say_on_console(&format!(
            "{}: the end of the recording is not stored: writing it took longer than the shutdown waits",
            armed.ring.display()
        ));
        // SAFETY: signals a child of ours that was not waited for yet.
        unsafe { libc::kill(child, libc::SIGKILL) };
        ended(child, Duration::from_millis(50));
    }
    if !shared.remounted() {
        return;
    }
    // Remounting waits for the disk as well: nobody waits for this one.
    // SAFETY: this process has one thread.
    let janitor = unsafe { libc::fork() };
    if janitor == 0 {
        restore(&armed.ring, until - LAST_WORDS, shared);
        // SAFETY: as above.
        unsafe { libc::_exit(0) }
    }
    ended(janitor, until.saturating_duration_since(Instant::now()));
}

/// Makes the mount of `ring` read-only again, as soon as nobody keeps it from that.
fn restore(ring: &Path, until: Instant, shared: &Shared) {
    loop {
        let Err(error) = mounts::make_read_only(ring) else { return shared.set_remounted(false) };
        if Instant::now() + AGAIN < until {
            thread::sleep(AGAIN);
            continue;
        }
        // What is written is to survive at least; and whoever reads the console knows who it was.
        let _ = mounts::sync(ring);
        machine::say_on_console(&format!(
            "{}: its file system was read-only, was made writable for the end of the recording, and cannot be \
             made read-only again: {error}; it will be checked at the next boot",
            ring.display()
        ));
        return;
    }
}

/// Whether `child` ends within `limit`.
fn ended(child: libc::pid_t, limit: Duration) -> bool {
    let Some(process) = Pid::from_raw(child).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return true;
    };
    let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    // A failure counts as "not ended": what follows is bounded as well.
    poll(&mut polled, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// One word that parent and child share.
struct Shared(*mut AtomicU32);

impl Shared {
    fn new() -> Option<Self> {
        // SAFETY: a fresh anonymous mapping, at an address of the kernel's choosing.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        (at != libc::MAP_FAILED).then_some(Self(at.cast()))
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped, aligned, zeroed by the kernel, and never unmapped.
        unsafe { &*self.0 }
    }

    fn remounted(&self) -> bool {
        self.word().load(Ordering::SeqCst) != 0
    }

    fn set_remounted(&self, yes: bool) {
        self.word().store(yes.into(), Ordering::SeqCst);
    }
}

fn work(armed: &Armed, stage: &str, shared: Option<&Shared>) -> Result<(), Error> {
    let began_ns = machine::boottime_ns();
    // Without pins there is nothing to take, and whoever could not load the probe has said so.
    if !armed.pins.exists() {
        return Ok(());
    }
    // bpffs may have been made read-only with everything else.
    let kernel = Kernel::open(&armed.pins)?;
    let run = Path::new(lock::RUN);
    lock::dismiss(run, &armed.ring, DRAINER_MS);
    let written = written(&kernel, &armed.ring, &armed.pins);
    if written == Written::All {
        return Ok(());
    }
    let read_only = mounts::is_read_only(&armed.ring);
    if read_only && !may_make_writable(written, &armed.boot_id, &machine::boot_id()) {
        return Err(Error::failed(
            armed.ring.display().to_string(),
            "its file system was read-only for all of this boot, and stays so",
            "to record a shutdown, make it writable, arm, and make it read-only again",
        ));
    }
    // Set before and cleared after, so that the parent never misses the time between.
    let fail = |e| Error::file(&armed.ring, "make its file system writable", e, "nothing was changed");
    if let Some(shared) = shared {
        shared.set_remounted(read_only);
    }
    let writable = mounts::Writable::make(&armed.ring).map_err(fail)?;
    let note = if writable.was_read_only() {
        format!("{stage}; the file system was read-only and is again")
    } else {
        stage.to_owned()
    };
    let done = finish(kernel, &armed.ring, &armed.pins, How::Sealed, &note, began_ns);
    let restored = writable.restore().map_err(fail);
    // Otherwise the parent goes on trying.
    if let (Some(shared), Ok(())) = (shared, &restored) {
        shared.set_remounted(false);
    }
    done.and(restored)
}

/// What the file holds of what these pins have recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Nothing, or that cannot be told.
    Nothing,
    /// Not all of it.
    Some,
    All,
}

fn written(kernel: &Kernel, ring: &Path, pins: &Path) -> Written {
    let Ok(writer) = Writer::open(FileStorage::new(ring)) else { return Written::Nothing };
    let Some(found) = writer.resume().filter(|found| kernel::belongs(&found.session, pins)) else {
        return Written::Nothing;
    };
    match found.end {
        Some(end) if end.how != How::Sealed || kernel.heads() == found.positions => Written::All,
        _ => Written::Some,
    }
}

/// Whether a file system that is read-only now is known to have been writable in this boot: by what was written into the
/// file, or because arming itself needs that. Otherwise it is not made writable, see above.
fn may_make_writable(written: Written, armed_in: &str, boot_id: &str) -> bool {
    written == Written::Some || (armed_in == boot_id && !boot_id.is_empty())
}

/// Takes what is left in the kernel into the session that it belongs to, and ends that session.
pub fn finish(
    kernel: Kernel,
    ring: &Path,
    pins: &Path,
    how: How,
    note: &str,
    began_ns: u64,
) -> Result<(), Error> {
    let fail = |e: lastrites_traces::Error| {
        Error::failed("writing the end of the recording", e, "see `lastrites status`")
    };
    let writer = Writer::open(FileStorage::new(ring)).map_err(fail)?;
    let found = writer.resume().filter(|found| kernel::belongs(&found.session, pins));
    let status = Status::load(Path::new(lock::RUN)).unwrap_or_default();
    // What it takes now was recorded by the kernel since the last event that is in the file.
    let from_ns = found.as_ref().map_or(began_ns, |found| found.last_time_ns.min(began_ns));
    let mut recorder = match found {
        Some(found) if found.end.as_ref().is_some_and(|end| end.how != How::Sealed) => return Ok(()),
        Some(found) => {
            let ours = status.session == found.session.id.to_string();
            let status = if ours { status } else { Status::default() };
            Recorder::resume(kernel, ring, writer, &found, status)
        }
        None => {
            // The drainer never got to write, on a read-only root for instance.
            let mut session = machine::session();
            session.began = "seal".into();
            kernel::describe(&mut session, pins);
            Recorder::new(kernel, ring, session, Status::default())
        }
    };
    let layer = if how == How::Sealed { Layer::Seal } else { Layer::Drainer };
    recorder.drain_rest().map_err(fail)?;
    recorder.close(from_ns, layer, how, note).map_err(fail)?;
    let mut status = recorder.status.clone();
    status.phase = "stopped".into();
    // For a second seal, which must not report the same losses again.
    if fs::metadata(lock::RUN).is_ok() {
        let _ = status.store(Path::new(lock::RUN));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After fsck had repaired a root that was mounted read-only, and asked for a reboot, the seal of that reboot made it
    /// writable, and undid the repair.
    #[test]
    fn only_what_was_writable_in_this_boot_is_made_writable_again() {
        assert!(
            may_make_writable(Written::Some, "an-earlier-boot", "this-boot"),
            "the recorder has written to it"
        );
        assert!(may_make_writable(Written::Nothing, "this-boot", "this-boot"), "arming has written to it");
        assert!(!may_make_writable(Written::Nothing, "an-earlier-boot", "this-boot"));
        assert!(!may_make_writable(Written::Nothing, "", ""), "unknown is not the same");
    }
}
