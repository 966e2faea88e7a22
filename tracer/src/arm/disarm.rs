//! Disarming.
//!
//! Invariant: the armed file is the last to go, so that whoever comes next finishes what was begun; what somebody else made, and
//! recordings, stay. What cannot be told or written keeps nobody from disarming.

use std::{collections::BTreeSet, fs, path::Path};

use lastrites_traces::session::How;

use super::{LEAVE_MS, ROOM, Reach, alone::alone, pins, send_away};
use crate::{
    error::{self, Error},
    inits::{self, Init, RealRun, Run},
    kernel::Kernel,
    lock, machine, mounts, own, probe, record, say, seal,
    state::{self, Made},
    status::{self, Status},
};

/// What disarming found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disarmed {
    Armed,
    /// No armed file, but something that somebody had left: a recorder that was killed, or an arming whose armed file is gone.
    Leftovers,
    Nothing,
}

/// Undoes arming.
pub fn disarm() -> Result<Disarmed, Error> {
    error::require_root("disarming")?;
    let alone = alone()?;
    let root = Path::new("/");
    state::refuse_damaged(root)?;
    let found = state::load(root);
    let reach = Reach::of(found.as_ref());
    let is_foreign = reach.is_foreign(found.as_ref());
    let Some((path, armed)) = found.filter(|_| !is_foreign) else {
        let swept = record::sweep();
        let left = clear(root, &mut RealRun, reach)?;
        return Ok(if left || swept { Disarmed::Leftovers } else { Disarmed::Nothing });
    };
    // It is the last to go: where it cannot, all stays as it is, rather than armed and in parts.
    if path.parent().is_some_and(own::is_read_only) {
        let why = "its file system is read-only, so this machine is still armed, and nothing was changed";
        let next = "make it writable (mount -o remount,rw), then disarm again";
        return Err(Error::failed(path.display().to_string(), why, next));
    }
    record::sweep();
    if reach == Reach::Files {
        clean_up(root, &mut RealRun, reach, &alone)?;
        return Ok(Disarmed::Armed);
    }
    let began_ns = machine::boottime_ns();
    let (run_dir, init) = (Path::new(lock::RUN), inits::by_name(&armed.init));
    let gone = send_away(run_dir, &armed.ring, LEAVE_MS);
    init.stop(&mut RealRun);
    let gone = gone || send_away(run_dir, &armed.ring, 0);
    if !gone {
        say::remark("the recorder is still busy writing; it leaves as soon as it can");
    }
    // A ring file that cannot be written is no reason to stay armed, and one that is not there needs no end.
    let ended = match Kernel::open(&armed.pins) {
        Ok(kernel) if gone && armed.ring.exists() => {
            seal::finish(kernel, &armed.ring, &armed.pins, How::Disarmed, "disarmed", began_ns)
        }
        _ => Ok(()),
    };
    let cleaned = clean_up(root, &mut RealRun, reach, &alone);
    init.forget(&mut RealRun);
    cleaned?;
    if let Err(error) = ended {
        say::remark(&format!("disarmed, but the end could not be written to the recording: {error}"));
    }
    Ok(Disarmed::Armed)
}

/// Removes what an arming has left whose armed file is gone. Says whether there was anything.
fn clear(root: &Path, run: &mut dyn Run, reach: Reach) -> Result<bool, Error> {
    let strays = inits::strays(root);
    let mut left = !strays.is_empty();
    if reach == Reach::Machine {
        for pins in [pins(), probe::successor(&pins())] {
            left |= fs::symlink_metadata(&pins).is_ok();
            unpin(&pins)?;
        }
        if let Some(status) = Status::load(Path::new(lock::RUN)) {
            // Without pins and an armed file it would record for nobody.
            lock::dismiss_recorder(status.pid, LEAVE_MS);
        }
        forget();
    }
    if !strays.is_empty() {
        // What is not pid 1 in here is not to be told either.
        let init = (reach == Reach::Machine).then(|| inits::detect(root).0);
        if let Some(init) = init {
            init.stop(run);
        }
        let removed = inits::remove(root, &strays, run);
        if let Some(init) = init {
            tell_that_all_is_gone(init, run);
            init.forget(run);
        }
        for path in removed? {
            say::remark(&inits::stays(&path));
        }
    }
    // The power may have gone while the armed file itself was being made.
    sweep(&root.join(state::ARMED));
    Ok(left)
}

pub(super) fn unpin(dir: &Path) -> Result<(), Error> {
    probe::unpin(dir)
        .map_err(|e| Error::failed(dir.display().to_string(), e, "remove that directory, or reboot"))
}

/// Removes what is left beside the armed file, and its directory; the ones that others use as well stay.
fn sweep(armed: &Path) {
    // There need be nothing, and what cannot be removed is in nobody's way.
    let _ = own::remove_unfinished(armed);
    if let Some(dir) = armed.parent() {
        let _ = fs::remove_dir(dir);
    }
}

/// Removes everything that the armed file lists, the probe, and the armed file itself, as far as `reach` says; nobody arms
/// meanwhile, since the caller holds [`lock::arming`].
pub fn clean_up(root: &Path, run: &mut dyn Run, reach: Reach, _alone: &lock::Lock) -> Result<(), Error> {
    let Some((path, armed)) = state::load(root) else { return Ok(()) };
    let whole = reach == Reach::Machine;
    let removed = inits::remove(root, &armed.made, run);
    if whole {
        tell_that_all_is_gone(inits::by_name(&armed.init), run);
    }
    let unpinned =
        if whole { unpin(&armed.pins).and_then(|()| unpin(&probe::successor(&armed.pins))) } else { Ok(()) };
    let kept = removed?;
    unpinned?;
    for made in &armed.made {
        if let (true, Made::Mount(path)) = (whole, made) {
            // Where others use it by now it stays, as a directory does.
            let _ = mounts::remove_bpffs(path);
        }
    }
    // What the armed file lists is gone from the disk before it is.
    let dirs: BTreeSet<&Path> = armed.made.iter().filter_map(|made| made.name().parent()).collect();
    for dir in dirs {
        let _ = own::sync_dir(&inits::below(root, dir));
    }
    fs::remove_file(&path).map_err(|e| {
        let next = "this machine is still armed, and what there is of it works again from the next boot on: make its file system \
                    writable, then disarm again";
        Error::file(&path, "remove the armed file", e, next)
    })?;
    for path in kept {
        say::remark(&inits::stays(&path));
    }
    sweep(&path);
    if whole {
        forget();
    }
    Ok(())
}

/// One that cannot be told, as it no longer is pid 1 or hangs, keeps nobody from disarming.
fn tell_that_all_is_gone(init: &dyn Init, run: &mut dyn Run) {
    if let Err(error) = init.reload(run) {
        let why = if let Error::Failed { what, why, .. } = error {
            format!("{what}: {why}")
        } else {
            error.to_string()
        };
        say::remark(&format!("{why}; what was installed is disarmed all the same"));
    }
}

/// Removes what is ours in /run; the directory goes with the last lock in it.
fn forget() {
    for name in ["status", status::TEMPORARY, "armed", ROOM] {
        let _ = fs::remove_file(Path::new(lock::RUN).join(name));
    }
    lock::sweep(Path::new(lock::RUN));
}
