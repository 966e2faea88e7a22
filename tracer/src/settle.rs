//! When a boot has settled: nothing was executed for a while, or it has taken long enough.
//!
//! Invariant: pure; the same times give the same answer, and after `at_most_ns` it is always yes.

/// How long a quiet has to last, and the longest wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    pub quiet_ns: u64,
    pub at_most_ns: u64,
    /// Boot time at which recording began.
    began_ns: u64,
    last_exec_ns: u64,
}

/// Why a boot counts as settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Quiet,
    TookLong,
}

impl Settle {
    pub const QUIET_NS: u64 = 10_000_000_000;
    pub const AT_MOST_NS: u64 = 300_000_000_000;

    pub fn new(began_ns: u64, quiet_ns: u64) -> Self {
        Self { quiet_ns, at_most_ns: Self::AT_MOST_NS.max(quiet_ns), began_ns, last_exec_ns: began_ns }
    }

    /// Something was executed. Calls may come out of order.
    pub fn exec(&mut self, time_ns: u64) {
        self.last_exec_ns = self.last_exec_ns.max(time_ns);
    }

    pub fn settled(&self, now_ns: u64) -> Option<Settled> {
        if now_ns.saturating_sub(self.last_exec_ns) >= self.quiet_ns {
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

    #[test]
    fn ten_quiet_seconds_settle_a_boot_and_every_exec_starts_them_anew() {
        let mut settle = Settle::new(5 * SECOND, Settle::QUIET_NS);
        assert_eq!(settle.settled(14 * SECOND), None);
        settle.exec(9 * SECOND);
        settle.exec(7 * SECOND);
        assert_eq!(settle.settled(18 * SECOND), None);
        assert_eq!(settle.settled(19 * SECOND), Some(Settled::Quiet));
    }

    #[test]
    fn a_machine_that_is_never_quiet_settles_after_five_minutes() {
        let mut settle = Settle::new(0, Settle::QUIET_NS);
        for second in 0..300 {
            settle.exec(second * SECOND);
            assert_eq!(settle.settled(second * SECOND), None);
        }
        assert_eq!(settle.settled(300 * SECOND), Some(Settled::TookLong));
    }

    #[test]
    fn a_clock_behind_the_last_exec_is_no_reason_to_stop() {
        let mut settle = Settle::new(SECOND, Settle::QUIET_NS);
        settle.exec(100 * SECOND);
        assert_eq!(settle.settled(2 * SECOND), None);
        assert_eq!(settle.settled(0), None);
    }
}
