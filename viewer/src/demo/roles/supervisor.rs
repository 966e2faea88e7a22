//! A supervisor with a child. Asked to stop, it stops its child first; killed, it cannot.

use std::{fs, io::Write as _, path::Path};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use super::{super::signals::Signals, role, start};

pub(super) fn play(dir: &Path) -> u8 {
    let signals = Signals::watch(&[libc::SIGTERM, libc::SIGCHLD]);
    let pid_file = dir.join("run/worker.pid");
    let spawn = || {
        start("supervisor", role(dir, "worker").arg(&pid_file).stdout(std::process::Stdio::null()))
            .map(|child| Pid::from_child(&child))
    };
    let mut worker = spawn();
    let _ = std::io::stdout().write_all(b"\n").and_then(|()| std::io::stdout().flush());
    while !signals.seen(libc::SIGTERM) {
        signals.wait(None, None);
        signals.forget(libc::SIGCHLD);
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            if Some(pid) == worker && !signals.seen(libc::SIGTERM) {
                worker = spawn();
            }
        }
    }
    if let Some(worker) = worker
        && kill_process(worker, Signal::TERM).is_ok()
    {
        let _ = wait(WaitOptions::empty());
    }
    0
}

pub(super) fn play_worker(pid_file: &Path) -> u8 {
    let signals = Signals::watch(&[libc::SIGTERM]);
    let _ = fs::write(pid_file, std::process::id().to_string());
    while !signals.seen(libc::SIGTERM) {
        signals.wait(None, None);
    }
    let _ = fs::remove_file(pid_file);
    0
}
