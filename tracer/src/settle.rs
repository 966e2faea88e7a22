//! When a boot has settled: for a while nothing was executed that had not been executed before, or it
//! has taken long enough. What comes again and again (a monitor's check, a service that an init tries to
//! start for ever) is no part of booting.
//!
//! Invariant: pure; the same execs give the same answer, and after `at_most_ns` it is always yes.

use std::collections::HashSet;

use lastrites_traces::event::Bytes;

/// Most programs that are remembered; a boot that executes more is not settled by them.
const PROGRAMS_MAX: usize = 10_000;

/// How long a quiet has to last, and the longest wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    pub quiet_ns: u64,
    pub at_most_ns: u64,
    /// Boot time at which recording began.
    began_ns: u64,
    last_new_ns: u64,
    programs: HashSet<Bytes>,
}

/// Why a boot counts as settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Quiet,
    TookLong,
}

impl Settle {
    pub const QUIET_NS: u64 = 30_000_000_000;
    pub const AT_MOST_NS: u64 = 600_000_000_000;

    pub fn new(began_ns: u64, quiet_ns: u64) -> Self {
        let at_most_ns = Self::AT_MOST_NS.max(quiet_ns);
        Self { quiet_ns, at_most_ns, began_ns, last_new_ns: began_ns, programs: HashSet::new() }
    }

    /// `program` was executed. Calls may come out of order.
    pub fn exec(&mut self, time_ns: u64, program: &Bytes) {
        let new = !self.programs.contains(program);
        if new && self.programs.len() < PROGRAMS_MAX {
            self.programs.insert(program.clone());
        }
        if new {
            self.last_new_ns = self.last_new_ns.max(time_ns);
        }
    }

    pub fn settled(&self, now_ns: u64) -> Option<Settled> {
        if now_ns.saturating_sub(self.last_new_ns) >= self.quiet_ns {
            Some(Settled::Quiet)
        } else if now_ns.saturating_sub(self.began_ns) >= self.at_most_ns {
            Some(Settled::TookLong)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn program(n: u64) -> Bytes {
        format!("/usr/bin/{n}").into_bytes().into()
    }

    #[test]
    fn quiet_seconds_settle_a_boot_and_every_new_program_starts_them_anew() {
        let mut settle = Settle::new(5 * SECOND, 10 * SECOND);
        assert_eq!(settle.settled(14 * SECOND), None);
        settle.exec(9 * SECOND, &program(1));
        settle.exec(7 * SECOND, &program(2));
        assert_eq!(settle.settled(18 * SECOND), None);
        assert_eq!(settle.settled(19 * SECOND), Some(Settled::Quiet));
    }

    /// The database of the founding story fails at the next boot, and its init tries it again every
    /// second: the boot took five minutes to settle for it.
    #[test]
    fn what_is_tried_again_and_again_does_not_keep_a_boot_from_settling() {
        let mut settle = Settle::new(0, 10 * SECOND);
        for second in 0..10 {
            settle.exec(second * SECOND, &program(1));
        }
        assert_eq!(settle.settled(10 * SECOND), Some(Settled::Quiet));
    }

    #[test]
    fn a_machine_that_always_runs_something_new_settles_after_ten_minutes() {
        let mut settle = Settle::new(0, Settle::QUIET_NS);
        for second in 0..600 {
            settle.exec(second * SECOND, &program(second));
            assert_eq!(settle.settled(second * SECOND), None);
        }
        assert_eq!(settle.settled(600 * SECOND), Some(Settled::TookLong));
    }

    #[test]
    fn a_clock_behind_the_last_exec_is_no_reason_to_stop() {
        let mut settle = Settle::new(SECOND, Settle::QUIET_NS);
        settle.exec(100 * SECOND, &program(1));
        assert_eq!(settle.settled(2 * SECOND), None);
        assert_eq!(settle.settled(0), None);
    }
}
