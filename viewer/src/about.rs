//! A recording at a glance, in words: how it ended, what was covered, what is missing.
//!
//! Invariant: no loss and no gap that the recording knows of goes unsaid.

use lastrites_traces::{
    reader::{Gap, Summary},
    session::{End, How, Layer},
};

use crate::{safe, time};

/// How a recording ended, the unsaid included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Sealed,
    Disarmed,
    Stopped,
    /// No seal: power cut, panic, hang, or the seal itself failed.
    Cut,
    /// No seal, and the recorder was told to stop before: nothing of what came then was seen.
    Unseen,
    /// What is left of the file does not reach to its end.
    Damaged,
    /// Its machine is this one, its boot is this one, and nothing ended it.
    Recording,
}

impl Ending {
    /// `newest`: no other recording follows in the file. `boot_id`: of the boot we run in.
    pub fn of(summary: &Summary, newest: bool, boot_id: Option<&str>) -> Self {
        // Where something is missing behind all that can be read, an end that was read is not the last that was said.
        let breaks_off = summary.gaps.iter().any(|gap| gap.to >= summary.next_number);
        match &summary.end {
            Some(_) if breaks_off => Self::Damaged,
            Some(End { how: How::Sealed, .. }) => Self::Sealed,
            Some(End { how: How::Disarmed, .. }) => Self::Disarmed,
            Some(End { how: How::Stopped, .. }) => Self::Stopped,
            Some(End { how: How::NoSeal, .. }) => Self::unsealed(summary),
            None if newest
                && !summary.session.boot_id.is_empty()
                && boot_id == Some(&summary.session.boot_id) =>
            {
                Self::Recording
            }
            None if breaks_off => Self::Damaged,
            None => Self::unsealed(summary),
        }
    }

    fn unsealed(summary: &Summary) -> Self {
        if stopped_unsealed(summary) { Self::Unseen } else { Self::Cut }
    }

    pub const fn has_no_seal(self) -> bool {
        matches!(self, Self::Cut | Self::Unseen)
    }

    /// For tables and programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Disarmed => "disarmed",
            Self::Stopped => "stopped",
            Self::Cut | Self::Unseen => "no seal",
            Self::Damaged => "damaged",
            Self::Recording => "recording",
        }
    }

    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Sealed => "sealed at its last hook",
            Self::Disarmed => "recording was switched off",
            Self::Stopped => "recording was stopped",
            Self::Cut => "ended without a seal: power cut, panic, hang, or the seal itself failed",
            Self::Unseen => {
                "ended without a seal: the recorder was told to stop, and what came then was not seen"
            }
            Self::Damaged => "its file is cut or damaged: how it ended cannot be read",
            Self::Recording => "still recording",
        }
    }
}

/// Whether nothing followed the drainer's own end, which it says only when it was told to stop: the machine went on for
/// a while that nobody has written down.
pub fn stopped_unsealed(summary: &Summary) -> bool {
    summary.coverage.iter().any(|c| c.layer == Layer::Drainer && c.to_ns >= summary.last_ns)
}

/// The boot that this program runs in.
pub fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

pub const fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Kernel => "kernel",
        Layer::Drainer => "drainer",
        Layer::Seal => "seal",
        Layer::Census => "census",
    }
}

/// Nanoseconds from its first to its last moment known.
pub fn lasted_ns(summary: &Summary) -> u64 {
    let end = summary.end.as_ref().map_or(0, |end| end.time_ns);
    let covered = summary.coverage.iter().map(|coverage| coverage.to_ns).max().unwrap_or(0);
    end.max(covered).max(summary.last_ns).saturating_sub(summary.session.started.boottime_ns)
}

/// `sysvinit 3.06`, as the recording says.
pub fn init(summary: &Summary) -> String {
    let session = &summary.session;
    let mut out = String::new();
    safe::push(&mut out, session.init.as_bytes());
    if !session.init_version.is_empty() {
        out.push(' ');
        safe::push(&mut out, session.init_version.as_bytes());
    }
    if out.is_empty() { "init unknown".into() } else { out }
}

/// `none`, `12 events not stored`.
pub fn lost(count: u64) -> String {
    match count {
        0 => "none".into(),
        1 => "1 event not stored".into(),
        _ => format!("{count} events not stored"),
    }
}

/// One line per stretch that a layer vouches for, and per stretch that is missing.
pub fn coverage(summary: &Summary) -> Vec<String> {
    let relative = |ns: u64| {
        let since = i128::from(ns) - i128::from(summary.session.started.boottime_ns);
        format!("{}{:.3} s", if since < 0 { "-" } else { "+" }, since.unsigned_abs() as f64 / 1e9)
    };
    let mut lines: Vec<String> = summary
        .coverage
        .iter()
        .map(|c| {
            let note = if c.note.is_empty() {
                String::new()
            } else {
                format!(" ({})", safe::text(c.note.as_bytes()))
            };
            format!("{} {} to {}{note}", layer(c.layer), relative(c.from_ns), relative(c.to_ns))
        })
        .collect();
    if lines.is_empty() {
        lines.push("not stated: recording was cut off before its recorder could say".into());
    }
    if summary.first_number > 0 {
        lines.push(format!("missing: events 0 to {} made way for newer ones", summary.first_number - 1));
    }
    lines.extend(summary.gaps.iter().map(|found| format!("missing: {}", gap(found))));
    lines.extend(summary.session.missing.iter().map(|m| format!("missing: {}", safe::text(m.as_bytes()))));
    lines
}

/// `events 12 to 40 cannot be read (damaged, at byte 4096)`.
pub fn gap(gap: &Gap) -> String {
    let why = safe::text(gap.why.as_bytes());
    match gap.to.saturating_sub(gap.from) {
        0 if gap.to == 0 => {
            format!("something at its beginning cannot be read ({why}, at byte {})", gap.offset)
        }
        // At the very end, or where numbers do not tell how many there were.
        0 => format!("something after event {} cannot be read ({why}, at byte {})", gap.to - 1, gap.offset),
        1 => format!("event {} cannot be read ({why}, at byte {})", gap.from, gap.offset),
        _ => format!("events {} to {} cannot be read ({why}, at byte {})", gap.from, gap.to - 1, gap.offset),
    }
}

/// `11.8 s`; for a recording that is going on so far.
pub fn lasted(summary: &Summary) -> String {
    time::duration(lasted_ns(summary))
}
