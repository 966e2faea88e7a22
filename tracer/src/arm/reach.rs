//! How far arming and disarming reach: in a container or a chroot one sees pins, recorders and a /run that are not one's own.
//!
//! Invariant: the kernel's side of an arming (pins, recorder, what is in /run) is touched only where it is known to be of what
//! is armed below this root; files are always those of this root.

use std::path::{Path, PathBuf};

use super::pins;
use crate::{
    error::Error,
    machine,
    state::{self, Armed},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of it.
    Machine,
    /// What arming made below this root: what the kernel holds is somebody else's.
    Files,
}

impl Reach {
    /// Of what is armed here, or not (`found`).
    pub(super) fn of(found: Option<&(PathBuf, Armed)>) -> Self {
        if machine::refuse_container().is_err() {
            return Self::Files;
        }
        // A chroot in which somebody armed, with an armed file that is its own for sure: /run may be the machine's.
        let armed_here = found.is_some_and(|(path, armed)| {
            path.ends_with(state::ARMED) && !armed.boot_id.is_empty() && armed.boot_id == machine::boot_id()
        });
        if armed_here || machine::is_root_of_pid1() { Self::Machine } else { Self::Files }
    }

    /// Whether what seems armed in here (`found`) may be armed outside: a chroot often has the machine's /run.
    pub(super) fn is_foreign(self, found: Option<&(PathBuf, Armed)>) -> bool {
        let volatile = Path::new("/").join(state::ARMED_VOLATILE);
        self == Self::Files && found.is_some_and(|(path, _)| *path == volatile)
    }

    /// Arming takes the place of whatever is pinned: refused where that is somebody else's.
    pub(super) fn refuse_foreign(self, found: Option<&(PathBuf, Armed)>) -> Result<(), Error> {
        if self == Self::Machine || !(pins().exists() || self.is_foreign(found)) {
            return Ok(());
        }
        let why = "this is a chroot, and the machine outside is armed, or was";
        Err(Error::failed("arming", why, "run it outside: what happens in here is recorded there as well"))
    }
}
