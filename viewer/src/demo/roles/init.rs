//! An init that respawns: whatever dies is started again, in runlevel 6 too. That is the disease.

use std::{
    collections::HashMap,
    io::{PipeReader, PipeWriter, Read as _, pipe},
    path::Path,
};

use rustix::{
    mount::{MountFlags, mount},
    process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, wait},
};

use super::{super::signals::Signals, INITTAB, argument, complain, role, start};

/// How often a service is started again before it is given up.
const RESPAWN_LIMIT: u32 = 1;

struct Service {
    name: &'static str,
    respawns: u32,
}

struct Init<'a> {
    dir: &'a Path,
    signals: Signals,
    /// Services write one byte once they are up, as with any readiness protocol.
    ready: PipeReader,
    report: PipeWriter,
    services: Vec<Service>,
    running: HashMap<Pid, usize>,
}

pub(super) fn play(dir: &Path, act: &str) -> u8 {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if std::process::id() != 1 {
        return complain("init", "not the first process of a namespace");
    }
    let none = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = mount("proc", "/proc", "proc", none, None)
        .and_then(|()| mount("run", dir.join("run"), "tmpfs", none, None));
    if let Err(errno) = mounted {
        return complain("init", &format!("cannot mount: {errno}"));
    }
    let Ok((ready, report)) = pipe() else { return complain("init", "no pipe") };
    // The next boot shows no more than what came of the lock.
    let wanted = if act == "next-boot" { &INITTAB[..1] } else { &INITTAB[..] };
    let services = wanted.iter().map(|(_, name)| Service { name, respawns: 0 }).collect();
    let signals = Signals::watch(&[libc::SIGCHLD, libc::SIGUSR1]);
    Init { dir, signals, ready, report, services, running: HashMap::new() }.live(act)
}

impl Init<'_> {
    fn live(mut self, act: &str) -> u8 {
        (0..self.services.len()).for_each(|at| self.start(at));
        let mut up = 0;
        while up < self.services.len() {
            if self.running.is_empty() {
                // Nothing came up, and everything was given up: that is how the next boot ends.
                return u8::from(act != "next-boot");
            }
            if self.signals.wait(Some(&self.ready), None) {
                let mut byte = [0];
                up += self.ready.read(&mut byte).unwrap_or(0);
            }
            self.reap(None);
        }
        if act == "next-boot" {
            return complain("init", "the lock did no harm: was it not stale?");
        }
        let Some(asking) = start("init", &mut role(self.dir, "reboot")) else { return 1 };
        let asking = Pid::from_child(&asking);
        while !self.signals.seen(libc::SIGUSR1) {
            self.signals.wait(None, None);
            if self.reap(Some(asking)) && !self.signals.seen(libc::SIGUSR1) {
                return complain("init", "reboot ended and has not asked for it");
            }
        }
        self.signals.forget(libc::SIGUSR1);
        let Some(rc) = start("init", role(self.dir, "rc").arg("6")) else { return 1 };
        let rc = Pid::from_child(&rc);
        loop {
            self.signals.wait(None, None);
            if self.reap(Some(rc)) {
                return complain("init", "rc left without a reboot");
            }
        }
    }

    fn start(&mut self, at: usize) {
        let service = &self.services[at];
        let Ok(report) = self.report.try_clone() else { return };
        let mut command = role(self.dir, service.name);
        command.args(argument(self.dir, service.name));
        if let Some(child) = start("init", command.stdout(report)) {
            self.running.insert(Pid::from_child(&child), at);
        }
    }

    /// Buries the dead, and starts services again; true when `rc` was among them.
    fn reap(&mut self, rc: Option<Pid>) -> bool {
        self.signals.forget(libc::SIGCHLD);
        let mut rc_died = false;
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            rc_died |= Some(pid) == rc;
            let Some(at) = self.running.remove(&pid) else { continue };
            if self.services[at].respawns < RESPAWN_LIMIT {
                self.services[at].respawns += 1;
                self.start(at);
            }
        }
        rc_died
    }
}
