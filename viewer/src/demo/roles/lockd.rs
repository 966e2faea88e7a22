//! A database in miniature: takes a lock, needs seconds to come up, and gives the lock back when it is
//! stopped politely. A lock that is there already means that it died dirty.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use super::super::signals::Signals;

/// What a database does before it answers: replaying, checking, opening.
const STARTING: Duration = Duration::from_millis(2500);
/// What `mongod` ends with when its lock is stale.
const STALE: u8 = 100;

pub(super) fn play(lock: &Path) -> u8 {
    let signals = Signals::watch(&[libc::SIGTERM]);
    let taken = OpenOptions::new().write(true).create_new(true).open(lock);
    if taken.and_then(|mut file| writeln!(file, "{}", std::process::id())).is_err() {
        return STALE;
    }
    let up = Instant::now() + STARTING;
    while !signals.seen(libc::SIGTERM) {
        let left = up.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        signals.wait(None, Some(left));
    }
    let _ = std::io::stdout().write_all(b"\n").and_then(|()| std::io::stdout().flush());
    while !signals.seen(libc::SIGTERM) {
        signals.wait(None, None);
    }
    u8::from(fs::remove_file(lock).is_err())
}
