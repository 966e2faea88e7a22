//! The seal: the last thing of ours that runs. It takes what the drainer could not, marks how the
//! recording ended, and leaves everything else as it was.
//!
//! Invariant: [`run`] returns within two seconds of reading the armed file, whatever the disk does after
//! that, and its caller exits with 0. What comes before (loading this program from the disk) is bounded by
//! the init: by its hooks' own alarm.
//! A mount that is read-only is made writable only if it is known to have been writable in this boot: whoever kept it
//! read-only from the beginning has a reason. After fsck(8) has repaired a root file system that is mounted read-only, what
//! the kernel still remembers of it is wrong, and whoever writes by that undoes the repair and destroys files of others.
//! Nor is it if the recorder met it read-only while it lived: a shutdown makes it so only when the recorder is gone, so that was
//! somebody who repairs it, or the kernel after an error.
//! The work is done by a child process; the parent only waits, and the mount is read-only again
//! before it returns, if it was read-only before: where that fails, as it does while somebody who was
//! started meanwhile writes to a file, it is tried until the two seconds are over, and then said.

use std::{
    fs, io,
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

/// The stage at which rc has not made / read-only yet: who did is somebody else, as in single-user mode, for which init ends the
/// recorder as well.
pub const STILL_WRITABLE: &str = "umountfs";

/// What is said first when the end is not stored. Whatever was stored before it is there.
const NOT_STORED: &str = "the last events of this shutdown are not stored";

/// Seals whatever is armed. Never fails: what does goes to the console, for there is nobody else left to be told.
pub fn run(stage: &str) {
    // A container made of an armed machine's files: what the kernel holds is of the machine that runs it, and goes on.
    if machine::refuse_container().is_err() {
        return;
    }
    let Some(armed) = state::load_complete(Path::new("/")) else {
        // One that is there and must not be believed is the only thing worth a word.
        if let Err(error) = state::refuse_damaged(Path::new("/")) {
            machine::say_on_console(&format!("{NOT_STORED}: {error}"));
        }
        return;
    };
    let no_memory = |error: io::Error| {
        machine::say_on_console(&format!("{NOT_STORED}: cannot start the process that would do it: {error}"));
    };
    let shared = match Shared::new() {
        Ok(shared) => shared,
        Err(error) => return no_memory(error),
    };
    // SAFETY: this process has one thread, so the child may go on as if it were the parent.
    match unsafe { libc::fork() } {
        -1 => no_memory(io::Error::last_os_error()),
        0 => {
            if let Err(error) = work(&armed, stage, &shared) {
                machine::say_on_console(&format!("{NOT_STORED}: {error}"));
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
            "{}: the last events of this shutdown may not be stored: writing them takes longer than {} ms, and the shutdown \
             does not wait for us any longer",
            armed.ring.display(),
            LIMIT.as_millis()
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
        let kept = if mounts::sync(ring).is_ok() { "is" } else { "may not be" };
        machine::say_on_console(&format!(
            "{}: its file system was read-only, was made writable for the end of the recording, and cannot be \
             made read-only again: {error}; what was written {kept} on the disk, and the next boot may check it (fsck)",
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
    fn new() -> io::Result<Self> {
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
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self(at.cast())) }
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

fn work(armed: &Armed, stage: &str, shared: &Shared) -> Result<(), Error> {
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
    if matches!(written, Ok(Written::All)) {
        return Ok(());
    }
    let read_only = mounts::is_read_only(&armed.ring);
    if read_only && !may_make_writable(&written, &armed.boot_id, &machine::boot_id()) {
        return Err(left_read_only(&armed.ring, &written));
    }
    if read_only && (stage == STILL_WRITABLE || was_read_only(run, &armed.ring)) {
        // For the seal that follows.
        note_read_only(run, &armed.ring);
        let why = "its file system was made read-only before the shutdown did that; it stays as it is, since writing to it could undo \
                   a repair by fsck";
        return Err(Error::failed(armed.ring.display().to_string(), why, "what was written before is there"));
    }
    // Set before and cleared after, so that the parent never misses the time between.
    shared.set_remounted(read_only);
    let writable = mounts::Writable::make(&armed.ring).map_err(|e| {
        Error::file(&armed.ring, "make its file system writable for a moment", e, "nothing was changed")
    })?;
    let note = if writable.was_read_only() {
        format!("{stage}; the file system was read-only and is again")
    } else {
        stage.to_owned()
    };
    let done = finish(kernel, &armed.ring, &armed.pins, How::Sealed, &note, began_ns);
    // Otherwise the parent goes on trying, and says when it fails.
    if writable.restore().is_ok() {
        shared.set_remounted(false);
    }
    done
}

/// Whether that was the recorder's last word of the file system of `ring`.
fn was_read_only(run: &Path, ring: &Path) -> bool {
    Status::load(run).is_some_and(|status| status.read_only && status.ring == ring)
}

fn note_read_only(run: &Path, ring: &Path) {
    let status = Status::load(run).unwrap_or_default();
    // Where there is no room for it in /run, none of the next one's work is stored there either.
    let _ = Status { read_only: true, ring: ring.to_owned(), ..status }.store(run);
}

/// What is said of a file system that is left as it is, and no more than is known of it.
fn left_read_only(ring: &Path, written: &Result<Written, lastrites_traces::Error>) -> Error {
    let known = match written {
        Ok(_) => "nothing of this boot is in the file".to_owned(),
        Err(error) => format!("what of this boot is in the file cannot be told ({error})"),
    };
    let why = format!(
        "its file system is read-only, and {known}, so it may never have been writable; it stays as it is, since writing \
         to it could undo a repair by fsck"
    );
    let next = "where it is read-only on purpose, make it writable, arm, and leave it so until the reboot: that boot's shutdown \
                is recorded to its end";
    Error::failed(ring.display().to_string(), why, next)
}

/// What the file holds of what these pins have recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    /// Not all of it.
    Some,
    All,
}

fn written(kernel: &Kernel, ring: &Path, pins: &Path) -> Result<Written, lastrites_traces::Error> {
    let writer = Writer::open(FileStorage::new(ring))?;
    let Some(found) = writer.resume().filter(|found| kernel::belongs(&found.session, pins)) else {
        return Ok(Written::Nothing);
    };
    Ok(match found.end {
        Some(end) if end.how != How::Sealed || kernel.heads() == found.positions => Written::All,
        _ => Written::Some,
    })
}

/// Whether a file system that is read-only now is known to have been writable in this boot: by what was written into the
/// file, or because arming itself needs that. Otherwise it is not made writable, see above.
fn may_make_writable<E>(written: &Result<Written, E>, armed_in: &str, boot_id: &str) -> bool {
    matches!(written, Ok(Written::Some)) || (armed_in == boot_id && !boot_id.is_empty())
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
        Error::failed(
            "writing the end of the recording",
            e,
            "what was written before it is there: see `lastrites list`",
        )
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
            let mut status = if ours { status } else { Status::default() };
            status.settle(found.next_number);
            Recorder::resume(kernel, ring, writer, &found, status)
        }
        None => {
            // The drainer never got to write, on a read-only root for instance.
            let mut session = machine::session();
            session.began = "seal".into();
            if let Some(armed) = state::load_complete(Path::new("/")).filter(|armed| armed.ring == ring) {
                (session.init, session.init_version) = (armed.init, armed.init_version);
            }
            kernel::describe(&mut session, pins);
            Recorder::new(kernel, ring, session, Status::default())
        }
    };
    recorder.run = Some(lock::RUN.into());
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
        let may = |written, armed_in, boot_id| may_make_writable(&written, armed_in, boot_id);
        let [some, nothing] = [Written::Some, Written::Nothing].map(Ok);
        assert!(may(some, "an-earlier-boot", "this-boot"), "the recorder has written to it");
        assert!(may(nothing, "this-boot", "this-boot"), "arming has written to it");
        assert!(!may(nothing, "an-earlier-boot", "this-boot"));
        assert!(!may(nothing, "", ""), "unknown is not the same");
        assert!(!may(Err(()), "an-earlier-boot", "this-boot"), "what cannot be read tells nothing");
        assert!(may(Err(()), "this-boot", "this-boot"));
    }

    /// "Read-only for all of this boot" was said where all that was known was that nothing had been written.
    #[test]
    fn a_file_system_that_is_left_as_it_is_is_told_no_more_of_than_is_known() {
        let ring = Path::new("/var/lib/lastrites/ring.lrt");
        let damaged = || lastrites_traces::Error::NotARing { path: ring.to_owned() };
        for (written, known) in [
            (Ok(Written::Nothing), "nothing of this boot is in the file, so it may never have been writable"),
            (Err(damaged()), "what of this boot is in the file cannot be told ("),
        ] {
            let said = left_read_only(ring, &written).to_string();
            assert!(said.contains(known) && said.contains("it stays as it is"), "{said}");
            assert!(!said.contains("all of this boot"), "{said}");
        }
    }
}
