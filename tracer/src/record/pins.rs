//! Pins of a recorder that is not armed.
//!
//! Invariant: they are called after the process to which they belong, so that whoever finds them knows whether they still record
//! for anybody.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{kernel, lock, machine, probe, say};

/// Pins of processes that were killed before they could remove them: their probes record for nobody.
pub fn leftovers() -> Vec<PathBuf> {
    // In a container their owners have other pids, and without /proc nobody is seen at all.
    if machine::refuse_container().is_err() || !lock::sees(std::process::id()) {
        return Vec::new();
    }
    let entries = fs::read_dir(kernel::BPFFS).into_iter().flatten().flatten();
    let left = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str().and_then(owner).is_some_and(|pid| !lock::is_recorder(pid))
    });
    left.map(|entry| entry.path()).collect()
}

/// Whose private pins these are, of whatever version.
fn owner(name: &str) -> Option<u32> {
    let (version, pid) = name.strip_prefix("lastrites-v")?.split_once('-')?;
    version.parse::<u32>().ok()?;
    pid.parse().ok()
}

/// Removes [`leftovers`]. Says whether there were any.
pub fn sweep() -> bool {
    let mut swept = false;
    for pins in leftovers() {
        // Whoever cannot be removed is only a nuisance.
        swept |= probe::unpin(&pins).is_ok();
    }
    swept
}

/// Pins that belong to this process, and go when it does.
pub(super) struct Private(pub(super) PathBuf);

impl Private {
    pub(super) fn new() -> Self {
        let version = lastrites_traces::abi::VERSION;
        Self(Path::new(kernel::BPFFS).join(format!("lastrites-v{version}-{}", std::process::id())))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Err(error) = probe::unpin(&self.0) {
            say::error(&format!("{}: cannot remove the pins: {error}", self.0.display()));
        }
    }
}
