//! The proof that we are in the demonstration's own pid namespace.
//!
//! Invariant: kill(-1), reboot(2) and signals to process 1 are reached only through an [`Inside`], and there is one only
//! where three independent witnesses say that process 1 is ours. On a real machine they would kill
//! everybody and reboot it.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group},
    system::{RebootCommand, reboot},
};

#[derive(Debug)]
pub(super) struct Inside(());

impl Inside {
    /// `None` where there is the least doubt.
    pub(super) fn prove() -> Option<Self> {
        // Our namespace is not the one in which the demonstration was started.
        let outer = std::env::var_os(super::OUTER).filter(|outer| !outer.is_empty())?;
        let here = fs::read_link("/proc/self/ns/pid").ok()?;
        if here == Path::new(&outer) {
            return None;
        }
        // Process 1 is this very program.
        let (ours, first) = (fs::metadata("/proc/self/exe").ok()?, fs::metadata("/proc/1/exe").ok()?);
        if (ours.dev(), ours.ino()) != (first.dev(), first.ino()) {
            return None;
        }
        // And plays the init of the demonstration, in the directory that we were given.
        let dir = std::env::var_os(super::DIR)?;
        let environ = fs::read("/proc/1/environ").ok()?;
        let mut wanted = format!("{}=", super::DIR).into_bytes();
        wanted.extend_from_slice(dir.as_encoded_bytes());
        environ.split(|byte| *byte == 0).any(|pair| pair == wanted).then_some(Self(()))
    }

    /// Signals every process of the namespace but its init and ourselves.
    pub(super) fn signal_everybody(&self, signal: Signal) -> Result<(), Errno> {
        kill_process_group(Pid::INIT, signal)
    }

    /// Asks init for runlevel 6.
    pub(super) fn ask_init(&self) -> Result<(), Errno> {
        kill_process(Pid::INIT, Signal::USR1)
    }

    /// Whether there is anybody but init and ourselves.
    pub(super) fn anybody_left(&self) -> bool {
        test_kill_process_group(Pid::INIT).is_ok()
    }

    /// In a pid namespace this ends its init, and nothing else.
    pub(super) fn reboot(&self) -> Result<(), Errno> {
        reboot(RebootCommand::Restart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_there_is_no_proof() {
        assert!(Inside::prove().is_none());
    }
}
