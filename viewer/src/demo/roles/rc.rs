//! Runlevel 6 in short: TERM to everybody, some grace, KILL to whoever is left, unmount, reboot.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    mount::{UnmountFlags, unmount},
    process::Signal,
};

use super::{
    super::{inside::Inside, signals::Signals},
    complain,
};

/// What sendsigs gives, in miniature: it looks again and again, and ends early when all are gone.
const GRACE: Duration = Duration::from_millis(1200);
const LOOK: Duration = Duration::from_millis(100);

/// reboot(8), as sysvinit has it: it only asks init.
pub(super) fn ask() -> u8 {
    let Some(inside) = Inside::prove() else {
        return complain("reboot", "this is not the demonstration's own namespace: nothing was done");
    };
    match inside.ask_init() {
        Ok(()) => 0,
        Err(errno) => complain("reboot", &format!("cannot ask init: {errno}")),
    }
}

pub(super) fn play(dir: &Path) -> u8 {
    let signals = Signals::watch(&[]);
    let Some(inside) = Inside::prove() else {
        return complain("rc", "this is not the demonstration's own namespace: nothing was done");
    };
    let wait = || {
        let until = Instant::now() + GRACE;
        while inside.anybody_left() && Instant::now() < until {
            signals.wait(None, Some(LOOK));
        }
    };
    let _ = inside.signal_everybody(Signal::TERM);
    wait();
    let _ = inside.signal_everybody(Signal::KILL);
    // Who is sent that dies in its own time, and not after the machine.
    wait();
    if let Err(errno) = unmount(dir.join("run"), UnmountFlags::DETACH) {
        complain("rc", &format!("cannot unmount: {errno}"));
    }
    match inside.reboot() {
        Ok(()) => 0,
        Err(errno) => complain("rc", &format!("cannot reboot the namespace: {errno}")),
    }
}
