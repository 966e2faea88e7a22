//! What a guest said on its console, and when, by the clock of the recordings.
//!
//! Invariant: only lines of the kernel's log have a time, by the kernel's own clock. How far that is from
//! `CLOCK_BOOTTIME` is bounded by events, not guessed: what a process says in the log, or what is said of one that is
//! there, it says before the coroner hears of its death; and the kernel's last words come after all deaths.

use super::judge::Death;

/// The clocks are never further apart; who died earlier was another one with that number.
const CLOCKS_NS: i64 = 1_000_000_000;

#[derive(Debug)]
pub struct Console {
    text: String,
    /// `CLOCK_BOOTTIME` is ahead of the kernel's clock by so much at least, and at most; `None`: nothing bounds it.
    least_ns: Option<i64>,
    most_ns: Option<i64>,
}

impl Console {
    /// `heard`: deaths, as the coroner heard of them.
    pub fn new(text: String, heard: &[Death]) -> Self {
        let difference = |death: &Death, said: u64| death.time_ns.cast_signed() - said.cast_signed();
        let most = |line: &str| {
            let (said, words) = timed(line)?;
            let pid = speaker(words)?;
            let its = heard.iter().filter(|death| death.pid == pid).map(|death| difference(death, said));
            its.filter(|difference| *difference > -CLOCKS_NS).min()
        };
        let last_words = text.lines().filter(|line| line.contains("] reboot: ")).find_map(timed);
        let least = last_words.and_then(|(said, _)| heard.iter().map(|death| difference(death, said)).max());
        let most_ns = text.lines().filter_map(most).min();
        Self { text, least_ns: least, most_ns }
    }

    pub fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// The earliest moment at which the kernel's log can have had its first line with these words.
    pub fn earliest(&self, words: &str) -> Option<u64> {
        self.said(words)?.checked_add_signed(self.least_ns?)
    }

    /// The latest one.
    pub fn latest(&self, words: &str) -> Option<u64> {
        self.said(words)?.checked_add_signed(self.most_ns?)
    }

    fn said(&self, words: &str) -> Option<u64> {
        self.text.lines().filter(|line| line.contains(words)).find_map(timed).map(|(said, _)| said)
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
[   92.000000] reboot: Restarting system
";

    fn death(pid: u64, time_ns: u64) -> Death {
        Death { pid, time_ns, status: 0 }
    }

    #[test]
    fn the_kernels_clock_is_bounded_by_deaths() {
        // The first one is of an earlier process with that number.
        let heard = [death(190, 5_000_000_000), death(138, 88_000_000_000), death(190, 91_500_000_000)];
        let console = Console::new(TEXT.into(), &heard);
        let said = 87_014_638_000;
        let latest = said + (91_500_000_000 - 91_449_329_000);
        assert_eq!(console.latest("Sending SIGTERM to remaining"), Some(latest));
        assert_eq!(
            console.earliest("Sending SIGTERM to remaining"),
            Some(said - 500_000_000),
            "the last words at 92 s"
        );
        let alone = Console::new(TEXT.into(), &[]);
        assert_eq!(
            (alone.earliest("Sending SIGTERM"), alone.latest("Sending SIGTERM")),
            (None, None),
            "no bounds"
        );
    }

    #[test]
    fn what_has_no_time_is_said_all_the_same() {
        let console = Console::new(TEXT.into(), &[death(138, 88_000_000_000)]);
        assert!(console.says("Switching to runlevel: ") && console.latest("Switching to runlevel").is_none());
        assert!(!console.says("Unmounting") && console.latest("Unmounting").is_none());
    }
}
