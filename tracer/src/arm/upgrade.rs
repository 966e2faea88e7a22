//! Another version takes the place of the one that is armed.
//!
//! Invariant: whatever fails, a whole probe records, and what the armed file names is of one version: the new one is
//! loaded and installed beside the old one, which goes only when nothing of that can fail any more.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use lastrites_traces::session::How;

use super::{LEAVE_MS, copy_binary, send_away, unpin};
use crate::{
    error::Error,
    inits::{self, Init, Item, Layout, Run},
    kernel::{self, Kernel},
    lock, machine, own, probe, seal,
    state::{Armed, Made},
};

/// One arming that follows another.
pub(super) struct Upgrade<'a> {
    pub root: &'a Path,
    pub run_dir: &'a Path,
    pub old: &'a Armed,
    pub old_path: &'a Path,
    pub new: &'a Armed,
    pub new_path: &'a Path,
    pub init: &'a dyn Init,
    pub layout: &'a Layout<'a>,
    pub items: &'a [Item],
}

impl Upgrade<'_> {
    /// What is armed, and the probe that records, are the new ones then; a recorder there may be none.
    pub(super) fn carry_out(&self, run: &mut dyn Run, warnings: &mut Vec<String>) -> Result<(), Error> {
        let pins = &self.new.pins;
        if self.old.pins != *pins {
            self.replace(pins, run, warnings)?;
            // A crash just here leaves a probe that records for nobody until the next boot.
            warnings.extend(unpin(&self.old.pins).err().map(|error| error.to_string()));
            return Ok(());
        }
        if probe::load_report(pins).is_ok_and(|report| !report.current) {
            let next = probe::successor(pins);
            unpin(&next)?;
            return self.replace(&next, run, warnings);
        }
        if self.old.ring != self.new.ring || lock::holder(self.run_dir, &self.new.ring).is_none() {
            self.dismiss()?;
        }
        self.new.store(self.new_path)
    }

    /// Sends the old recorder away.
    fn dismiss(&self) -> Result<(), Error> {
        if send_away(self.run_dir, &self.old.ring, LEAVE_MS) {
            return Ok(());
        }
        Err(Error::failed(
            "putting the new version in the place of the old one",
            "the recorder is still busy writing; it leaves when that is done",
            "run this again when the disk is less busy (behind an upgrade of the package that is `lastrites-tracer refresh`); \
             until then the old version stays armed, and its probe keeps the newest events",
        ))
    }

    /// Puts this version's probe, pinned in `next`, and all that knows it in the place of the old ones. From its loading on both
    /// probes record, until the old one is gone, so that nothing happens between the two.
    fn replace(&self, next: &Path, run: &mut dyn Run, warnings: &mut Vec<String>) -> Result<(), Error> {
        let former = Former::of(self)?;
        let mut dismissed = false;
        if let Err(error) = self.take_over(next, &mut dismissed, run, warnings) {
            self.go_back(next, &former, dismissed, run).map_err(|e| {
                let why = format!("{e} (it was tried because of this: {error})");
                Error::failed(
                    "going back to the version that was armed",
                    why,
                    "make room, and run this again",
                )
            })?;
            return Err(error);
        }
        Ok(())
    }

    fn take_over(
        &self,
        next: &Path,
        dismissed: &mut bool,
        run: &mut dyn Run,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        kernel::ensure_loaded(next)?;
        // Listed before it is made, while the old one is what is armed.
        let both = Armed { made: self.new.made.clone(), ..self.old.clone() };
        both.store(self.old_path)?;
        copy_binary(&self.new.binary)?;
        inits::install(self.root, self.items, run)?;
        let began_ns = machine::boottime_ns();
        self.dismiss()?;
        *dismissed = true;
        if *next != self.new.pins {
            self.succeed(began_ns, warnings)?;
        }
        self.new.store(self.new_path)
    }

    /// The old probe ends, and its successor, which has the same layout, gets its place.
    fn succeed(&self, began_ns: u64, warnings: &mut Vec<String>) -> Result<(), Error> {
        let (pins, ring) = (&self.new.pins, &self.new.ring);
        let note = "another version's probe took its place";
        let ended = Kernel::open(pins)
            .and_then(|kernel| seal::finish(kernel, ring, pins, How::Stopped, note, began_ns));
        // Then the next session says of this one that it has no end.
        warnings.extend(ended.err().map(|error| error.to_string()));
        probe::succeed(pins)
            .map_err(|e| Error::failed(pins.display().to_string(), e, "remove that directory, or reboot"))
    }

    /// Undoes what [`Self::take_over`] did before it failed: the old version is armed as it was.
    fn go_back(&self, next: &Path, former: &Former, dismissed: bool, run: &mut dyn Run) -> Result<(), Error> {
        // Whatever fails of this, the rest is done.
        let unpinned = unpin(next);
        let put_back = former.put_back(self.root, run);
        let stored = self.old.store(self.old_path);
        let reloaded = self.init.reload(run);
        unpinned.and(put_back).and(stored).and(reloaded)?;
        if !dismissed {
            return Ok(());
        }
        let layout = Layout { binary: &self.old.binary, ..*self.layout };
        if self.items.is_empty() {
            inits::start_detached(&layout, run)
        } else {
            self.init.start(&layout, run)
        }
    }
}

/// The files that an upgrade changes, as they were, and the list of those that there were not.
struct Former {
    files: Vec<(PathBuf, u32, Vec<u8>)>,
    fresh: Vec<Made>,
}

impl Former {
    fn of(upgrade: &Upgrade<'_>) -> Result<Self, Error> {
        let fresh: Vec<Made> =
            upgrade.new.made.iter().filter(|made| !upgrade.old.made.contains(made)).cloned().collect();
        let mut files = Vec::new();
        for made in &upgrade.old.made {
            let Made::File(path) = made else { continue };
            let at = inits::below(upgrade.root, path);
            let read = || io::Result::Ok((fs::metadata(&at)?.permissions().mode() & 0o7777, fs::read(&at)?));
            match read() {
                Ok((mode, bytes)) => files.push((at, mode, bytes)),
                // Somebody has removed it; then there is nothing to keep.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(Error::file(at, "read what is installed", e, "disarm, then arm again"));
                }
            }
        }
        Ok(Self { files, fresh })
    }

    fn put_back(&self, root: &Path, run: &mut dyn Run) -> Result<(), Error> {
        let mut done = inits::remove(root, &self.fresh, run).map(drop);
        for (path, mode, bytes) in &self.files {
            if fs::read(path).is_ok_and(|there| there == *bytes) {
                continue;
            }
            let put = own::write(path, *mode, bytes).map_err(|e| {
                Error::file(path, "put the old file back", e, "make room there, then arm again")
            });
            done = done.and(put);
        }
        done
    }
}
