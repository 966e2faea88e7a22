//! Makes the namespaces, starts init in them, and waits for the end of their world.

use std::{os::unix::process::ExitStatusExt as _, path::Path};

use rustix::{
    mount::{MountPropagationFlags, mount_change},
    process::{Signal, set_parent_process_death_signal},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{complain, role, start};

/// What the init of a pid namespace dies of when reboot(2) asks for a restart in it (pid_namespaces(7)).
const RESTART: i32 = 1;

pub(super) fn play(dir: &Path, act: &str) -> u8 {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: this process has one thread, and shares nothing that these flags would tear apart.
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWPID | UnshareFlags::NEWNS) };
    if let Err(errno) = unshared {
        return complain("stage", &format!("no namespaces: {errno}"));
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    if let Err(errno) = mount_change("/", private) {
        return complain("stage", &format!("cannot make the mounts private: {errno}"));
    }
    let Some(mut init) = start("stage", role(dir, "init").arg(act)) else { return 1 };
    match init.wait() {
        Ok(status) if status.success() || status.signal() == Some(RESTART) => 0,
        Ok(status) => complain("stage", &format!("init ended with {status}")),
        Err(e) => complain("stage", &e.to_string()),
    }
}
