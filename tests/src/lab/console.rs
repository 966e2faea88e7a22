//! What a guest said on its console, and when, by the clock of the recordings.
//!
//! Invariant: only lines of the kernel's log have a time, by the kernel's own clock. How far that is behind
//! `CLOCK_BOOTTIME` is bounded by events, not guessed: it is not ahead of it, and what a process says in the log, or what
//! is said of one that is there, it says before the coroner hears of its death.

use super::judge::{Death, EDGE_NS};

#[derive(Debug)]
pub struct Console {
    text: String,
    /// The kernel's clock is behind by so much at most; `None`: nothing bounds it.
    behind_ns: Option<u64>,
}

impl Console {
    /// `heard`: deaths, as the coroner heard of them.
    pub fn new(text: String, heard: &[Death]) -> Self {
        let bound = |line: &str| {
            let (said, words) = timed(line)?;
            let pid = speaker(words)?;
            let death = heard.iter().filter(|death| death.pid == pid && death.time_ns + EDGE_NS >= said);
            death.map(|death| (death.time_ns + EDGE_NS).saturating_sub(said)).min()
        };
        let behind_ns = text.lines().filter_map(bound).min();
        Self { text, behind_ns }
    }

    pub fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// Between which times the kernel's log first had a line with these words; the later one is `None` where nothing
    /// bounds it.
    pub fn when(&self, words: &str) -> Option<(u64, Option<u64>)> {
        let (said, _) = self.text.lines().filter(|line| line.contains(words)).find_map(timed)?;
        Some((said, self.behind_ns.map(|behind| said + behind)))
    }
}

/// Time and words of a line of the kernel's log: `[   87.014638] systemd-shutdown[1]: ...`.
fn timed(line: &str) -> Option<(u64, &str)> {
    let (time, words) = line.trim_start().strip_prefix('[')?.split_once("] ")?;
    let (seconds, micros) = time.trim_start().split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let time_us = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    Some((time_us * 1000, words))
}

/// Who is there when this is said: `(sd-remount)[294]: ...`, `...: Sending SIGKILL to PID 190 (leftover).`
fn speaker(words: &str) -> Option<u64> {
    let number = |text: &str, end: char| text.split_once(end).and_then(|(number, _)| number.parse().ok());
    let named = words.split_once("Sending SIGKILL to PID ").and_then(|(_, rest)| number(rest, ' '));
    let (before, rest) = words.split_once('[')?;
    let itself = number(rest, ']').filter(|_| !before.contains(' '));
    // pid 1 is there to the end.
    named.or(itself).filter(|pid| *pid != 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
[    0.000000] Linux version 6.1
INIT: Switching to runlevel: 6
[   87.014638] systemd-shutdown[1]: Sending SIGTERM to remaining processes...
[   87.195211] systemd-journald[138]: Received SIGTERM from PID 1 (systemd-shutdow).
[   91.449329] systemd-shutdown[1]: Sending SIGKILL to PID 190 (leftover).
[   91.634406] (sd-remount)[294]: Remounting '/' read-only.
";

    fn death(pid: u64, time_ns: u64) -> Death {
        Death { pid, time_ns, status: 0 }
    }

    #[test]
    fn the_kernels_clock_is_bounded_by_deaths() {
        // The first one is of an earlier process with that number.
        let heard = [death(190, 5_000_000_000), death(138, 88_000_000_000), death(190, 91_500_000_000)];
        let console = Console::new(TEXT.into(), &heard);
        let behind = 91_500_000_000 + EDGE_NS - 91_449_329_000;
        let said = 87_014_638_000;
        assert_eq!(console.when("Sending SIGTERM to remaining"), Some((said, Some(said + behind))));
        assert_eq!(Console::new(TEXT.into(), &[]).when("Sending SIGTERM"), Some((said, None)), "no bound");
    }

    #[test]
    fn what_has_no_time_is_said_all_the_same() {
        let console = Console::new(TEXT.into(), &[]);
        assert!(console.says("Switching to runlevel: ") && console.when("Switching to runlevel").is_none());
        assert!(!console.says("Unmounting") && console.when("Unmounting").is_none());
    }
}
