//! Progress of what takes more than a second, on a terminal.
//!
//! Invariant: on standard error alone, only where that is a terminal, and gone when it is done.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Nothing is shown before.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many steps between two looks at the clock.
const STRIDE: u64 = 1 << 16;

#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    begun: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub fn new(what: &'static str, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { what, total, done: 0, begun: Instant::now(), shown: None, terminal }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.done += 1;
        if self.terminal && self.done.is_multiple_of(STRIDE) {
            self.show();
        }
    }

    fn show(&mut self) {
        let now = Instant::now();
        let due = match self.shown {
            Some(shown) => now - shown > PATIENCE / 5,
            None => now - self.begun > PATIENCE,
        };
        if due {
            self.shown = Some(now);
            let percent = (self.done.saturating_mul(100) / self.total.max(1)).min(100);
            // Nobody has to be there to see it.
            let _ = write!(std::io::stderr(), "\r{} {percent:3} %", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r{:20}\r", "");
        }
    }
}
