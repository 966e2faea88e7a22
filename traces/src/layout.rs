//! Where every byte of the three headers lies (FORMAT.md, sections 1 to 4).
//!
//! Invariant: a header decodes only if its checksum, its magic and every claim it makes about
//! sizes hold; whoever holds a decoded one need not check again. The tables of fields are what
//! FORMAT.md is tested against, and the tests below hold the encoders to the tables.

use crate::session::SessionId;

/// A reader refuses any other.
pub const MAJOR: u16 = 1;
/// A larger one only adds what an older reader may skip.
pub const MINOR: u16 = 0;

/// How a file begins.
pub const FILE_MAGIC: [u8; 8] = *b"LASTRITE";
/// How a segment begins.
pub const SEGMENT_MAGIC: [u8; 8] = *b"LRITESEG";

/// Second copy of the file header: in another block of any disk.
pub const HEADER_COPY: u64 = 4096;
/// Where the first segment begins, in bytes.
pub const FIRST_SEGMENT: u64 = 8192;

/// Least and largest segment, in bytes.
pub const SEGMENT_SIZE_MIN: u32 = 128 << 10;
/// See [`SEGMENT_SIZE_MIN`].
pub const SEGMENT_SIZE_MAX: u32 = 1 << 20;
/// Least and largest number of slots of a ring file.
pub const SLOTS_MIN: u64 = 4;
/// See [`SLOTS_MIN`].
pub const SLOTS_MAX: u64 = 1 << 16;

/// Least and largest size of a ring file.
pub const SIZE_MIN: u64 = FIRST_SEGMENT + SLOTS_MIN * SEGMENT_SIZE_MIN as u64;
/// See [`SIZE_MIN`].
pub const SIZE_MAX: u64 = FIRST_SEGMENT + SLOTS_MAX * SEGMENT_SIZE_MAX as u64;

/// Most bytes of a frame's payload.
pub const PAYLOAD_MAX: u32 = 128 << 10;

/// Least bytes of an event: a tag, a time and a field.
pub const EVENT_LEN_MIN: u32 = 3;

/// Bytes of a slot in a ring file of `size` bytes.
pub fn segment_size_for(size: u64) -> u32 {
    let size = (size / 128).clamp(SEGMENT_SIZE_MIN.into(), SEGMENT_SIZE_MAX.into());
    (size as u32) & !4095
}

/// One row of a table in FORMAT.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// From the beginning of the header, in bytes.
    pub offset: usize,
    /// In bytes.
    pub size: usize,
    /// As the table calls it.
    pub name: &'static str,
}

const fn field(offset: usize, size: usize, name: &'static str) -> Field {
    Field { offset, size, name }
}

/// FORMAT.md, section 2.
pub const FILE_HEADER: [Field; 10] = [
    field(0, 8, "magic"),
    field(8, 2, "major"),
    field(10, 2, "minor"),
    field(12, 4, "kind"),
    field(16, 16, "file_id"),
    field(32, 8, "size"),
    field(40, 4, "segment_size"),
    field(44, 4, "first_segment"),
    field(48, 12, "reserved"),
    field(60, 4, "crc"),
];

/// FORMAT.md, section 3.
pub const SEGMENT_HEADER: [Field; 12] = [
    field(0, 8, "magic"),
    field(8, 8, "seq"),
    field(16, 16, "session"),
    field(32, 8, "first_number"),
    field(40, 8, "lost_before"),
    field(48, 8, "time_ns"),
    field(56, 4, "writer"),
    field(60, 4, "chain"),
    field(64, 4, "flags"),
    field(68, 4, "len"),
    field(72, 4, "reserved"),
    field(76, 4, "crc"),
];

/// FORMAT.md, section 4.
pub const FRAME_HEADER: [Field; 11] = [
    field(0, 4, "crc"),
    field(4, 4, "len"),
    field(8, 1, "kind"),
    field(9, 1, "flags"),
    field(10, 2, "reserved"),
    field(12, 4, "count"),
    field(16, 4, "lost"),
    field(20, 4, "writer"),
    field(24, 8, "first_number"),
    field(32, 8, "first_ns"),
    field(40, 8, "last_ns"),
];

const fn length(fields: &[Field]) -> usize {
    let last = fields[fields.len() - 1];
    last.offset + last.size
}

/// Bytes of a file header.
pub const FILE_HEADER_LEN: usize = length(&FILE_HEADER);
/// Bytes of a segment header.
pub const SEGMENT_HEADER_LEN: usize = length(&SEGMENT_HEADER);
/// Bytes of a frame header.
pub const FRAME_HEADER_LEN: usize = length(&FRAME_HEADER);

/// A batch was open when the segment began.
pub const SEGMENT_CONTINUES: u32 = 1;
/// The batch goes on in the next events frame.
pub const FRAME_MORE: u8 = 1;

/// Bytes of a segment header that seed the chain of its frames: all that never changes.
const CHAINED: usize = 68;

/// What a frame holds.
pub mod kind {
    /// The [`Session`](crate::session::Session).
    pub const SESSION: u8 = 1;
    /// A [`Clock`](crate::session::Clock) reading.
    pub const CLOCK: u8 = 2;
    /// What the state of the codec begins with.
    pub const STATE: u8 = 3;
    /// Processes that are known when the segment begins.
    pub const SNAPSHOT: u8 = 4;
    /// Events; the last of a batch has positions behind them.
    pub const EVENTS: u8 = 5;
    /// A [`Coverage`](crate::session::Coverage).
    pub const COVERAGE: u8 = 6;
    /// The [`End`](crate::session::End).
    pub const END: u8 = 7;
    /// Names in the order of the numbers, from 1.
    pub const NAMES: [&str; 7] = ["SESSION", "CLOCK", "STATE", "SNAPSHOT", "EVENTS", "COVERAGE", "END"];
}

/// Which of the two kinds of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FileKind {
    /// Of fixed size; recorders write to it.
    Ring = 1,
    /// A copy of one session, or of a few.
    StandAlone = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// FORMAT.md, section 2.
pub struct FileHeader {
    /// Ring or stand-alone trace.
    pub kind: FileKind,
    /// Random; part of every checksum in the file.
    pub file_id: [u8; 16],
    /// Bytes of the whole ring file; 0 of a stand-alone trace.
    pub size: u64,
    /// Bytes of a slot.
    pub segment_size: u32,
}

/// Why bytes are no file header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadHeader {
    /// Not ours at all; says what is there instead.
    Foreign(&'static str),
    /// Of another major version, this one.
    Version(u16),
    /// Intact by its checksum, but with a claim that cannot be.
    Claim(&'static str),
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn id_at(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[at..at + 16]);
    id
}

impl FileHeader {
    /// Its bytes, checksum and all.
    pub fn encode(&self) -> [u8; FILE_HEADER_LEN] {
        let mut bytes = [0; FILE_HEADER_LEN];
        bytes[0..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..10].copy_from_slice(&MAJOR.to_le_bytes());
        bytes[10..12].copy_from_slice(&MINOR.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.file_id);
        bytes[32..40].copy_from_slice(&self.size.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.segment_size.to_le_bytes());
        bytes[44..48].copy_from_slice(&(FIRST_SEGMENT as u32).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header that `bytes` begin with.
    ///
    /// # Errors
    /// If they are none of ours; see [`BadHeader`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let Some(bytes) = bytes.get(..FILE_HEADER_LEN) else {
            return Err(BadHeader::Foreign(if bytes.is_empty() { "it is empty" } else { "it is too short" }));
        };
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(BadHeader::Foreign("it begins with zeros"));
        }
        if bytes[0..8] != FILE_MAGIC {
            return Err(BadHeader::Foreign("it begins with something else"));
        }
        // The version comes before the checksum: another version may keep it elsewhere.
        if u16_at(bytes, 8) != MAJOR {
            return Err(BadHeader::Version(u16_at(bytes, 8)));
        }
        if u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err(BadHeader::Foreign("the checksum of its header is wrong"));
        }
        let kind = match u32_at(bytes, 12) {
            1 => FileKind::Ring,
            2 => FileKind::StandAlone,
            _ => return Err(BadHeader::Claim("unknown kind of file")),
        };
        let header = Self {
            kind,
            file_id: id_at(bytes, 16),
            size: u64_at(bytes, 32),
            segment_size: u32_at(bytes, 40),
        };
        if !(SEGMENT_SIZE_MIN..=SEGMENT_SIZE_MAX).contains(&header.segment_size) {
            return Err(BadHeader::Claim("impossible segment size"));
        }
        if u64::from(u32_at(bytes, 44)) != FIRST_SEGMENT {
            return Err(BadHeader::Claim("its segments begin elsewhere"));
        }
        if kind == FileKind::Ring && header.slots() < SLOTS_MIN || header.slots() > SLOTS_MAX {
            return Err(BadHeader::Claim("impossible size"));
        }
        Ok(header)
    }

    /// Segments that a ring file of this header holds.
    pub fn slots(&self) -> u64 {
        self.size.saturating_sub(FIRST_SEGMENT) / u64::from(self.segment_size)
    }

    /// Byte at which a slot begins.
    pub fn slot_offset(&self, slot: u64) -> u64 {
        FIRST_SEGMENT + slot * u64::from(self.segment_size)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// FORMAT.md, section 3.
pub struct SegmentHeader {
    /// Its place in the order of all segments, from 1.
    pub seq: u64,
    /// Whose events are in it.
    pub session: SessionId,
    /// Number of its first event.
    pub first_number: u64,
    /// Events of the session that were reported lost in earlier segments.
    pub lost_before: u64,
    /// Boot time of the last event before it, or of the session's start.
    pub time_ns: u64,
    /// Random, drawn by each writer when it opens the file.
    pub writer: u32,
    /// Checksum of the last frame before it, if that is of the same session; else 0.
    pub chain: u32,
    /// [`SEGMENT_CONTINUES`] or 0.
    pub flags: u32,
    /// Stand-alone: bytes of the segment, header included; ring: 0.
    pub len: u32,
}

impl SegmentHeader {
    /// Its bytes, checksum and all, in the file called `file_id`.
    pub fn encode(&self, file_id: &[u8; 16]) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..16].copy_from_slice(&self.seq.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.session.0);
        bytes[32..40].copy_from_slice(&self.first_number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.lost_before.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.writer.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.chain.to_le_bytes());
        bytes[64..68].copy_from_slice(&self.flags.to_le_bytes());
        bytes[68..72].copy_from_slice(&self.len.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(file_id), &bytes[..76]);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header, if these bytes begin with an intact one of this file.
    pub fn decode(bytes: &[u8], file_id: &[u8; 16]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_LEN)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(file_id), &bytes[..76]);
        if bytes[0..8] != SEGMENT_MAGIC || u32_at(bytes, 76) != crc {
            return None;
        }
        Some(Self {
            seq: u64_at(bytes, 8),
            session: SessionId(id_at(bytes, 16)),
            first_number: u64_at(bytes, 32),
            lost_before: u64_at(bytes, 40),
            time_ns: u64_at(bytes, 48),
            writer: u32_at(bytes, 56),
            chain: u32_at(bytes, 60),
            flags: u32_at(bytes, 64),
            len: u32_at(bytes, 68),
        })
    }

    /// What the checksum of the segment's first frame continues.
    pub fn seed(&self, file_id: &[u8; 16]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(file_id), &self.encode(file_id)[..CHAINED])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
/// FORMAT.md, section 4.
pub struct FrameHeader {
    /// One of [`kind`].
    pub kind: u8,
    /// [`FRAME_MORE`] or 0.
    pub flags: u8,
    /// Events, of a snapshot processes, in it.
    pub count: u32,
    /// Losses that its events report, at most `u32::MAX`.
    pub lost: u32,
    /// As in [`SegmentHeader`], of the writer that wrote the frame.
    pub writer: u32,
    /// Number of its first event.
    pub first_number: u64,
    /// Boot time of its first event.
    pub first_ns: u64,
    /// Boot time of its last event.
    pub last_ns: u64,
}

impl FrameHeader {
    /// Whether its batch goes on in the next events frame.
    pub fn more(&self) -> bool {
        self.flags & FRAME_MORE != 0
    }

    /// Whether `len` bytes can hold the events that the header of their frame claims.
    fn possible(&self, len: u32) -> bool {
        self.count <= len / EVENT_LEN_MIN
            && self.first_ns <= self.last_ns
            && self.first_number.checked_add(self.count.into()).is_some()
    }

    /// Fills in the header of `frame`, whose first [`FRAME_HEADER_LEN`] bytes are set aside for
    /// it, and returns its checksum, which continues `chain`.
    pub fn seal(&self, frame: &mut [u8], chain: u32) -> u32 {
        let len = (frame.len() - FRAME_HEADER_LEN) as u32;
        assert!(len <= PAYLOAD_MAX, "a frame of {len} bytes");
        frame[4..8].copy_from_slice(&len.to_le_bytes());
        frame[8] = self.kind;
        frame[9] = self.flags;
        frame[10..12].fill(0);
        frame[12..16].copy_from_slice(&self.count.to_le_bytes());
        frame[16..20].copy_from_slice(&self.lost.to_le_bytes());
        frame[20..24].copy_from_slice(&self.writer.to_le_bytes());
        frame[24..32].copy_from_slice(&self.first_number.to_le_bytes());
        frame[32..40].copy_from_slice(&self.first_ns.to_le_bytes());
        frame[40..48].copy_from_slice(&self.last_ns.to_le_bytes());
        let crc = crc32c::crc32c_append(chain, &frame[4..]);
        frame[0..4].copy_from_slice(&crc.to_le_bytes());
        crc
    }
}

/// A frame that checks.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What it says of itself.
    pub header: FrameHeader,
    /// What it holds.
    pub payload: &'a [u8],
    /// Its checksum, which the next frame continues.
    pub crc: u32,
    /// The byte behind its last, counted from the segment's header.
    pub end: usize,
}

/// The frames of one segment, up to the first that does not check or makes a claim that cannot be.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    segment: &'a [u8],
    at: usize,
    chain: u32,
}

impl<'a> Frames<'a> {
    /// `segment` begins with `header`, and holds no byte beyond the segment.
    pub fn new(segment: &'a [u8], header: &SegmentHeader, file_id: &[u8; 16]) -> Self {
        Self::after(segment, SEGMENT_HEADER_LEN, header.seed(file_id))
    }

    /// The frames from byte `at` on, behind a frame whose checksum was `chain`.
    pub fn after(segment: &'a [u8], at: usize, chain: u32) -> Self {
        Self { segment, at, chain }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let rest = self.segment.get(self.at..)?;
        let head = rest.get(..FRAME_HEADER_LEN)?;
        let len = u32_at(head, 4);
        if len > PAYLOAD_MAX || head[8] == 0 {
            return None;
        }
        let whole = rest.get(..FRAME_HEADER_LEN + len as usize)?;
        let crc = u32_at(head, 0);
        if crc32c::crc32c_append(self.chain, &whole[4..]) != crc {
            return None;
        }
        let header = FrameHeader {
            kind: head[8],
            flags: head[9],
            count: u32_at(head, 12),
            lost: u32_at(head, 16),
            writer: u32_at(head, 20),
            first_number: u64_at(head, 24),
            first_ns: u64_at(head, 32),
            last_ns: u64_at(head, 40),
        };
        if header.kind == kind::EVENTS && !header.possible(len) {
            return None;
        }
        self.at += whole.len();
        self.chain = crc;
        Some(Frame { header, payload: &whole[FRAME_HEADER_LEN..], crc, end: self.at })
    }
}

#[cfg(test)]
mod tests;
