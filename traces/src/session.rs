//! What frames a recording: who recorded what machine, how its clocks stood, from when to when,
//! and how it ended.
//!
//! Invariant: an unknown is an empty string, a zero or `None`; a pair with an unknown key
//! survives in [`Session::extra`].

use std::fmt;
use std::str::FromStr;

use crate::wire::{Malformed, Reader, put_bytes, put_varint, put_zigzag};

/// Names one session: sixteen random bytes, drawn by the recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    /// 32 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for SessionId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Malformed("a session id is 32 hex digits"));
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Ok(Self(id))
    }
}

/// Both clocks read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub boottime_ns: u64,
    /// `CLOCK_REALTIME`, nanoseconds since 1970.
    pub realtime_ns: u64,
    /// The machine's local time minus UTC, seconds.
    pub utc_offset_s: i32,
}

impl Clock {
    /// Nanoseconds since 1970 at boot time `boottime_ns`, by this reading; saturates.
    pub fn realtime_of(&self, boottime_ns: u64) -> u64 {
        let since = i128::from(boottime_ns) - i128::from(self.boottime_ns);
        (i128::from(self.realtime_ns) + since).clamp(0, u64::MAX.into()) as u64
    }
}

/// The session record: the first thing in every segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// Random: names the session.
    pub id: SessionId,
    /// The session that this one follows, in the same file.
    pub previous: Option<SessionId>,
    /// /proc/sys/kernel/random/boot_id, as text.
    pub boot_id: String,
    /// `uname -n`.
    pub hostname: String,
    /// `uname -r`, `uname -v`, `uname -m`.
    pub kernel_release: String,
    /// `uname -v`.
    pub kernel_version: String,
    /// `uname -m`.
    pub machine: String,
    /// `PRETTY_NAME` of os-release(5), as it was when the session began.
    pub distribution: String,
    /// `systemd`, `sysvinit`, ... and its version as it says itself.
    pub init: String,
    /// Empty if it could not be found out.
    pub init_version: String,
    /// Of the recorder.
    pub tool_version: String,
    /// Why it began: `armed`, `boot`, ...
    pub began: String,
    /// `once` or `always`.
    pub mode: String,
    /// Kernel rings of the probe, one per CPU.
    pub cpus: u32,
    /// Attached hooks, one text each.
    pub hooks: Vec<String>,
    /// What this kernel lacks, one text each.
    pub missing: Vec<String>,
    /// The clocks when recording began: nothing was seen before.
    pub started: Clock,
    /// Pairs with keys that are not above, in order.
    pub extra: Vec<(String, String)>,
}

impl Session {
    /// Most bytes of a record. Pairs that do not fit are left out, in the order of
    /// [`Session::pairs`]: the extra ones first.
    pub const BYTES_MAX: usize = 12 << 10;
    /// Most pairs of a record, likewise.
    pub const PAIRS_MAX: u64 = 1024;

    /// Keys of the record, in the order in which they are written.
    pub const KEYS: [&str; 17] = [
        "id",
        "previous",
        "boot_id",
        "hostname",
        "kernel_release",
        "kernel_version",
        "machine",
        "distribution",
        "init",
        "init_version",
        "tool_version",
        "began",
        "mode",
        "cpus",
        "started",
        "hook",
        "missing",
    ];

    /// The record as pairs; unknowns are left out.
    pub fn pairs(&self) -> Vec<(&str, String)> {
        let mut pairs = vec![("id", self.id.to_string())];
        pairs.extend(self.previous.map(|id| ("previous", id.to_string())));
        let texts = [
            ("boot_id", &self.boot_id),
            ("hostname", &self.hostname),
            ("kernel_release", &self.kernel_release),
            ("kernel_version", &self.kernel_version),
            ("machine", &self.machine),
            ("distribution", &self.distribution),
            ("init", &self.init),
            ("init_version", &self.init_version),
            ("tool_version", &self.tool_version),
            ("began", &self.began),
            ("mode", &self.mode),
        ];
        pairs.extend(texts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k, v.clone())));
        pairs.push(("cpus", self.cpus.to_string()));
        let Clock { boottime_ns, realtime_ns, utc_offset_s } = self.started;
        pairs.push(("started", format!("{boottime_ns} {realtime_ns} {utc_offset_s}")));
        pairs.extend(self.hooks.iter().map(|v| ("hook", v.clone())));
        pairs.extend(self.missing.iter().map(|v| ("missing", v.clone())));
        pairs.extend(self.extra.iter().map(|(k, v)| (k.as_str(), v.clone())));
        pairs
    }

    /// The record that [`Session::pairs`] are of.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut session = Self::default();
        pairs.into_iter().for_each(|(key, value)| session.set(&key, value));
        session
    }

    fn set(&mut self, key: &str, value: String) {
        match key {
            "id" => self.id = value.parse().unwrap_or_default(),
            "previous" => self.previous = value.parse().ok(),
            "boot_id" => self.boot_id = value,
            "hostname" => self.hostname = value,
            "kernel_release" => self.kernel_release = value,
            "kernel_version" => self.kernel_version = value,
            "machine" => self.machine = value,
            "distribution" => self.distribution = value,
            "init" => self.init = value,
            "init_version" => self.init_version = value,
            "tool_version" => self.tool_version = value,
            "began" => self.began = value,
            "mode" => self.mode = value,
            "cpus" => self.cpus = value.parse().unwrap_or(0),
            "started" => self.started = parse_clock(&value).unwrap_or_default(),
            "hook" => self.hooks.push(value),
            "missing" => self.missing.push(value),
            _ => self.extra.push((key.to_owned(), value)),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let mut count = 0;
        for (key, value) in self.pairs() {
            let room = Self::BYTES_MAX.saturating_sub(body.len() + 16);
            if count < Self::PAIRS_MAX && key.len() + value.len() <= room {
                put_bytes(&mut body, key.as_bytes());
                put_bytes(&mut body, value.as_bytes());
                count += 1;
            }
        }
        put_varint(out, count);
        out.extend_from_slice(&body);
    }

    /// Most bytes of a payload: the pairs and how many there are.
    const PAYLOAD_MAX: usize = Self::BYTES_MAX + 10;

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        if payload.len() > Self::PAYLOAD_MAX {
            return Err(Malformed("a session record of more than 12 KiB"));
        }
        let mut reader = Reader::new(payload);
        let mut session = Self::default();
        let count = reader.varint()?;
        if count > Self::PAIRS_MAX {
            return Err(Malformed("a session record of more than 1024 pairs"));
        }
        for _ in 0..count {
            let key = reader.text()?;
            let value = reader.text()?;
            session.set(&key, value);
        }
        Ok(session)
    }
}

fn parse_clock(text: &str) -> Option<Clock> {
    let mut words = text.split(' ');
    Some(Clock {
        boottime_ns: words.next()?.parse().ok()?,
        realtime_ns: words.next()?.parse().ok()?,
        utc_offset_s: words.next()?.parse().ok()?,
    })
}

impl Clock {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.boottime_ns);
        put_varint(out, self.realtime_ns);
        put_zigzag(out, self.utc_offset_s.into());
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        Ok(Self {
            boottime_ns: reader.varint()?,
            realtime_ns: reader.varint()?,
            utc_offset_s: reader.zigzag()? as i32,
        })
    }
}

/// Which layer of the recorder vouches for a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layer {
    /// The probe records, whether or not anybody takes it.
    Kernel = 1,
    /// The recorder writes to the file.
    Drainer = 2,
    /// The seal took what the recorder had not.
    Seal = 3,
    /// What /proc told of those who were running.
    Census = 4,
}

/// From when to when something was recorded, by which layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Boot time.
    pub from_ns: u64,
    /// Boot time.
    pub to_ns: u64,
    /// Who vouches.
    pub layer: Layer,
    /// For people: why it begins or ends there, what is missing.
    pub note: String,
}

impl Coverage {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.from_ns);
        put_varint(out, self.to_ns);
        out.push(self.layer as u8);
        put_bytes(out, cut(&self.note).as_bytes());
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        Ok(Self {
            from_ns: reader.varint()?,
            to_ns: reader.varint()?,
            layer: match reader.byte()? {
                1 => Layer::Kernel,
                2 => Layer::Drainer,
                3 => Layer::Seal,
                4 => Layer::Census,
                _ => return Err(Malformed("unknown layer")),
            },
            note: reader.text()?,
        })
    }
}

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum How {
    /// The seal ran at the last hook.
    Sealed = 1,
    /// Recording was switched off.
    Disarmed = 2,
    /// The next boot found no seal: power cut, panic, hang, or the seal itself failed.
    NoSeal = 3,
    /// Recording was stopped, by its owner or at the end of a demonstration.
    Stopped = 4,
}

/// The last word of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// In which way.
    pub how: How,
    /// Boot time; for [`How::NoSeal`] that of the last event known.
    pub time_ns: u64,
    /// For people.
    pub note: String,
}

impl End {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.how as u8);
        put_varint(out, self.time_ns);
        put_bytes(out, cut(&self.note).as_bytes());
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        Ok(Self {
            how: match reader.byte()? {
                1 => How::Sealed,
                2 => How::Disarmed,
                3 => How::NoSeal,
                4 => How::Stopped,
                _ => return Err(Malformed("unknown kind of end")),
            },
            time_ns: reader.varint()?,
            note: reader.text()?,
        })
    }
}

/// At most 1 KiB of `note`, so that a note always fits into a fresh segment.
fn cut(note: &str) -> &str {
    let mut end = note.len().min(1 << 10);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}
