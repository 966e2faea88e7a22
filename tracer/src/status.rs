//! What the recorder says about itself: a small file in /run, rewritten when something changed.
//!
//! Invariant: the file is replaced whole, so a reader sees an old or a new one; what it lacks is
//! unknown. Nothing depends on it except what people are told, the counts of losses that were
//! reported already, and that the seal leaves a file system alone that is [`Status::read_only`].

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use crate::own;

/// Of a name of its own: an armed file may be made in the same directory meanwhile.
pub const TEMPORARY: &str = "status.new";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    pub pid: u32,
    pub ring: PathBuf,
    pub session: String,
    /// Boot time.
    pub attached_ns: u64,
    /// Nanoseconds since 1970.
    pub since_ns: u64,
    pub written_ns: u64,
    pub events: u64,
    /// Events that were lost, for any reason.
    pub lost: u64,
    /// What keeps the recorder from writing right now; empty if nothing does.
    pub problem: String,
    /// The last write failed because the file system is read-only. The recorder lives longer than any file system is left writable
    /// by a shutdown: whoever made it read-only before meant it.
    pub read_only: bool,
    /// `starting`, `recording`, `stopped`.
    pub phase: String,
    /// Losses by the probe that are on the recording: (CPU, kind) and count.
    pub reported: BTreeMap<(u32, u8), u64>,
    /// The same, of those that are being written: they are on the recording once it has events up to [`Status::told`].
    pub reporting: BTreeMap<(u32, u8), u64>,
    pub told: u64,
}

impl Status {
    pub fn path(run: &Path) -> PathBuf {
        run.join("status")
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let numbers = [
            ("pid", u64::from(self.pid)),
            ("attached_ns", self.attached_ns),
            ("since_ns", self.since_ns),
            ("written_ns", self.written_ns),
            ("events", self.events),
            ("lost", self.lost),
            ("read_only", self.read_only.into()),
            ("told", self.told),
        ];
        for (key, value) in numbers {
            let _ = writeln!(out, "{key}={value}");
        }
        let ring = self.ring.to_string_lossy();
        for (key, value) in
            [("ring", &*ring), ("session", &self.session), ("phase", &self.phase), ("problem", &self.problem)]
        {
            let _ = writeln!(out, "{key}={}", value.replace('\n', " "));
        }
        for ((cpu, kind), count) in &self.reported {
            let _ = writeln!(out, "reported={cpu} {kind} {count}");
        }
        for ((cpu, kind), count) in &self.reporting {
            let _ = writeln!(out, "reporting={cpu} {kind} {count}");
        }
        out
    }

    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let number = || value.parse().unwrap_or(0);
            match key {
                "pid" => status.pid = value.parse().unwrap_or(0),
                "attached_ns" => status.attached_ns = number(),
                "since_ns" => status.since_ns = number(),
                "written_ns" => status.written_ns = number(),
                "events" => status.events = number(),
                "lost" => status.lost = number(),
                "told" => status.told = number(),
                "read_only" => status.read_only = number() != 0,
                "ring" => status.ring = value.into(),
                "session" => value.clone_into(&mut status.session),
                "phase" => value.clone_into(&mut status.phase),
                "problem" => value.clone_into(&mut status.problem),
                "reported" => status.reported.extend(parse_reported(value)),
                "reporting" => status.reporting.extend(parse_reported(value)),
                _ => {}
            }
        }
        status
    }

    /// Of losses that somebody was about to report who did not come to say that he had: they are reported if the recording, which
    /// has `next_number` events, holds what he was writing.
    pub fn settle(&mut self, next_number: u64) {
        let reporting = std::mem::take(&mut self.reporting);
        if next_number >= std::mem::take(&mut self.told) {
            self.reported.extend(reporting);
        }
    }

    /// Makes sure that no earlier recorder's last word passes for that of the one to come, who needs to know all the same which losses
    /// are on the recording; and who is not to take himself for one that was killed and comes again.
    pub fn silence(run: &Path) {
        let Some(last) = Self::load(run) else { return };
        let status =
            Self { pid: 0, phase: "starting".into(), problem: String::new(), read_only: false, ..last };
        if status.store(run).is_err() {
            let _ = fs::remove_file(Self::path(run));
        }
    }

    /// Whether a recorder ran in this boot, of which nobody wanted that it is followed by another.
    pub fn is_left_in(run: &Path) -> bool {
        Self::load(run).is_some_and(|status| status.pid != 0)
    }

    pub fn store(&self, run: &Path) -> io::Result<()> {
        // For everybody to read: who is not root cannot see anything else of a recorder.
        own::write_volatile(&Self::path(run), &run.join(TEMPORARY), 0o644, self.text().as_bytes())
    }

    pub fn load(run: &Path) -> Option<Self> {
        fs::read_to_string(Self::path(run)).ok().map(|text| Self::parse(&text))
    }
}

fn parse_reported(value: &str) -> Option<((u32, u8), u64)> {
    let mut words = value.split(' ');
    let key = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((key, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded_again_and_noise_is_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Status::load(dir.path()), None);
        let status = Status {
            pid: 7,
            ring: "/r".into(),
            session: "s".into(),
            attached_ns: 1,
            since_ns: 2,
            written_ns: 3,
            events: 4,
            lost: 5,
            problem: "disk full".into(),
            read_only: true,
            phase: "recording".into(),
            reported: [((1, 2), 3), ((0, 5), 9)].into(),
            reporting: [((0, 5), 11)].into(),
            told: 12,
        };
        status.store(dir.path()).expect("stored");
        assert_eq!(Status::load(dir.path()), Some(status));
        assert_eq!(Status::parse("pid=x\nreported=1\n=\n\n\0"), Status::default());
    }

    /// Who armed while the machine went down got no recorder: it took itself for one that was killed, and left.
    #[test]
    fn who_is_started_anew_is_none_that_comes_again_and_knows_what_was_reported() {
        let dir = tempfile::tempdir().expect("a directory");
        Status::silence(dir.path());
        assert!(!Status::is_left_in(dir.path()));
        let killed = Status {
            pid: 7,
            phase: "recording".into(),
            problem: "disk full".into(),
            reported: [((1, 2), 3)].into(),
            ..Status::default()
        };
        killed.store(dir.path()).expect("stored");
        assert!(Status::is_left_in(dir.path()));
        Status::silence(dir.path());
        assert!(!Status::is_left_in(dir.path()));
        let silenced = Status { pid: 0, phase: "starting".into(), problem: String::new(), ..killed };
        assert_eq!(Status::load(dir.path()), Some(silenced));
    }

    #[test]
    fn what_was_being_reported_counts_if_the_recording_has_got_to_it() {
        let before = Status { reported: [((0, 5), 9)].into(), ..Status::default() };
        let killed = Status { reporting: [((0, 5), 11), ((1, 2), 3)].into(), told: 12, ..before.clone() };
        let settled = |next_number| {
            let mut status = killed.clone();
            status.settle(next_number);
            status
        };
        assert_eq!(settled(11), before);
        assert_eq!(settled(12), Status { reported: killed.reporting.clone(), ..Status::default() });
    }
}
