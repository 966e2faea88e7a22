//! Looking over a file once, without decoding an event: which segments are there, and how much of
//! each checks.
//!
//! Invariant: memory grows with the number of segments that check, each of which takes more
//! bytes of the file than what is kept of it: where a trace has more than there can be, what follows is damage.

use std::collections::HashMap;
use std::io;

use super::source::Source;
use crate::codec::{State, start_frame};
use crate::layout::{
    FIRST_SEGMENT, FileHeader, FileKind, Frames, SEGMENT_CONTINUES, SEGMENT_HEADER_LEN, SEGMENT_MAGIC,
    SegmentHeader, kind,
};
use crate::session::{Clock, Coverage, End, Session, SessionId};
use crate::storage::Storage;

/// Attempts at a segment that changes while it is read.
const TRIES: usize = 3;
/// Most sessions of a stand-alone trace.
pub const STAND_ALONE_MAX: usize = 4;
/// Bytes that are searched at a time for the next segment of a damaged trace: first and most. Where one is close, as in a file
/// of nothing but headers, no more is read than what there is to find.
const SEARCH_MIN: usize = 4 << 10;
const SEARCH_MAX: usize = 64 << 10;
/// Bytes of a stand-alone trace for each of its segments, but for the first few: less is kept of one.
const SEGMENT_LEAST: u64 = 1 << 10;
const FEW: u64 = 64;

/// What a segment holds up to some frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Bytes, header included.
    pub end: usize,
    /// Checksum of the last frame.
    pub crc: u32,
    pub next_number: u64,
    pub events: u64,
    /// Processes that it begins with, as its frames' headers claim: each takes memory of who keeps it, as an event does.
    pub known: u64,
    pub lost: u64,
    /// Least and largest time of an event; `u64::MAX` and 0 if there is none.
    pub first_ns: u64,
    pub last_ns: u64,
}

/// A segment whose header and start frames check.
#[derive(Debug)]
pub(super) struct Scan {
    pub header: SegmentHeader,
    /// Where it begins in the file.
    pub offset: u64,
    /// Up to the last frame that ends a batch.
    pub closed: Tally,
    /// Up to the last frame that checks: what is beyond `closed` counts if the next segment
    /// completes the batch.
    pub open: Tally,
    /// It holds the last frame of a batch of events.
    pub completes: bool,
    /// Only its header was looked at: the rest is believed until somebody reads it.
    pub unseen: bool,
    pub clocks: Vec<Clock>,
    pub coverage: Vec<Coverage>,
    pub end: Option<End>,
}

impl Scan {
    pub fn continues(&self) -> bool {
        self.header.flags & SEGMENT_CONTINUES != 0
    }

    /// The segment that these bytes begin with, and its session record; `None` if it is no use to
    /// anybody.
    fn of(bytes: &[u8], offset: u64, file_id: &[u8; 16]) -> Option<(Self, Session)> {
        let header = SegmentHeader::decode(bytes, file_id)?;
        let start = Tally {
            end: SEGMENT_HEADER_LEN,
            crc: 0,
            next_number: header.first_number,
            events: 0,
            known: 0,
            lost: header.lost_before,
            first_ns: u64::MAX,
            last_ns: 0,
        };
        let mut session = None;
        let (mut begun, mut sound) = (false, true);
        let (mut closed, mut open, mut completes) = (start, start, false);
        let (mut clocks, mut coverage, mut end) = (Vec::new(), Vec::new(), None);
        for frame in Frames::new(bytes, &header, file_id) {
            let head = frame.header;
            match head.kind {
                kind::SESSION => session = Session::decode(frame.payload).ok(),
                kind::STATE => {
                    let state = &mut State::default();
                    sound &= start_frame(state, &mut begun, false, &head, frame.payload).is_ok();
                }
                kind::SNAPSHOT => open.known = open.known.saturating_add(head.count.into()),
                kind::CLOCK => clocks.extend(Clock::decode(frame.payload).ok()),
                kind::COVERAGE => coverage.extend(Coverage::decode(frame.payload).ok()),
                kind::END => end = End::decode(frame.payload).ok().or(end),
                kind::EVENTS => {
                    if head.first_number != open.next_number {
                        break;
                    }
                    open.next_number += u64::from(head.count);
                    open.events += u64::from(head.count);
                    open.lost = open.lost.saturating_add(head.lost.into());
                    if head.count > 0 {
                        open.first_ns = open.first_ns.min(head.first_ns);
                        open.last_ns = open.last_ns.max(head.last_ns);
                    }
                    completes |= !head.more();
                }
                _ => {}
            }
            (open.end, open.crc) = (frame.end, frame.crc);
            if !head.more() {
                closed = open;
            }
        }
        let session = Session { id: header.session, ..session.filter(|_| begun && sound)? };
        let unseen = false;
        Some((Self { header, offset, closed, open, completes, unseen, clocks, coverage, end }, session))
    }

    /// One of which only the header is known, and that the next begins with event `next_number`.
    fn believed(header: SegmentHeader, offset: u64, next_number: u64) -> Self {
        let tally = Tally {
            end: SEGMENT_HEADER_LEN,
            crc: 0,
            next_number,
            events: next_number.saturating_sub(header.first_number),
            known: 0,
            lost: header.lost_before,
            first_ns: u64::MAX,
            last_ns: 0,
        };
        let (clocks, coverage, end) = Default::default();
        let (closed, open) = (tally, tally);
        Self { header, offset, closed, open, completes: true, unseen: true, clocks, coverage, end }
    }
}

/// All that a look over the file finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order of the segments' numbers.
    pub segments: Vec<Scan>,
    /// One record of each session, however many segments repeat it.
    pub sessions: HashMap<SessionId, Session>,
    /// Something is missing before the first segment, or behind the last one: at which byte, and
    /// why. Only a file that is not a whole ring can know.
    pub lead: Option<(u64, &'static str)>,
    pub tail: Option<(u64, &'static str)>,
    /// What is missing in the middle is missing for this reason.
    pub why: &'static str,
}

impl Found {
    fn add(&mut self, (scan, session): (Scan, Session)) {
        self.sessions.entry(session.id).or_insert(session);
        self.segments.push(scan);
    }
}

pub(super) const DAMAGED: &str = "damaged";
pub(super) const CUT_OFF: &str = "the file is shorter than it was made";
pub(super) const UNREADABLE: &str = "the disk cannot read it";
pub(super) const UNSEEN: &str = "it was only glanced at";
pub(super) const OVERWRITTEN: &str = "it made way for newer events while it was being read";
/// Why something is missing in a [`super::Summary`].
pub const WHYS: [&str; 4] = [DAMAGED, CUT_OFF, UNREADABLE, OVERWRITTEN];

/// Looks at all of it, or of a ring only at the first and the last `glance` segments of each session.
pub(super) fn scan(source: &mut Source, header: &FileHeader, glance: Option<usize>) -> io::Result<Found> {
    let len = source.len()?;
    let mut found = match header.kind {
        FileKind::Ring => ring(source, header, len, glance),
        FileKind::StandAlone => stand_alone(source, header, len),
    };
    found.segments.sort_by_key(|segment| (segment.header.seq, segment.offset));
    Ok(found)
}

/// The segments of a ring that are no more than believed at a glance: by slot.
fn unseen(source: &Source, header: &FileHeader, len: u64, glance: usize) -> HashMap<u64, Scan> {
    let mut headers = Vec::new();
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    for slot in 0..header.slots() {
        let offset = header.slot_offset(slot);
        // What is not all there is looked at.
        if offset.saturating_add(header.segment_size.into()) > len {
            break;
        }
        let read = source.read(offset, &mut bytes);
        if read.is_ok_and(|count| count == SEGMENT_HEADER_LEN)
            && let Some(segment) = SegmentHeader::decode(&bytes, &header.file_id)
        {
            headers.push((segment, slot));
        }
    }
    headers.sort_by_key(|(segment, slot)| (segment.seq, *slot));
    let mut sessions: HashMap<SessionId, Vec<(SegmentHeader, u64)>> = HashMap::new();
    for (segment, slot) in headers {
        sessions.entry(segment.session).or_default().push((segment, slot));
    }
    let mut unseen = HashMap::new();
    for segments in sessions.values() {
        let last = segments.len().saturating_sub(glance);
        for pair in segments.windows(2).take(last).skip(1) {
            let ((segment, slot), (next, _)) = (pair[0], pair[1]);
            // Where the numbers do not tell that one follows the other, both are looked at.
            if segment.seq.checked_add(1) == Some(next.seq) && segment.first_number <= next.first_number {
                let offset = header.slot_offset(slot);
                unseen.insert(slot, Scan::believed(segment, offset, next.first_number));
            }
        }
    }
    unseen
}

fn ring(source: &Source, header: &FileHeader, len: u64, glance: Option<usize>) -> Found {
    let mut found = Found { why: DAMAGED, ..Found::default() };
    let mut bytes = vec![0; header.segment_size as usize];
    let mut newest = None;
    let mut unseen = glance.map(|glance| unseen(source, header, len, glance)).unwrap_or_default();
    for slot in 0..header.slots() {
        let offset = header.slot_offset(slot);
        if offset >= len {
            break;
        }
        if let Some(scan) = unseen.remove(&slot) {
            newest = newest.max(Some((scan.header.seq, slot)));
            found.segments.push(scan);
            continue;
        }
        for _ in 0..TRIES {
            let count = match source.read(offset, &mut bytes[..SEGMENT_HEADER_LEN]) {
                Ok(SEGMENT_HEADER_LEN) if SegmentHeader::decode(&bytes, &header.file_id).is_some() => {
                    source.read(offset, &mut bytes)
                }
                other => other,
            };
            let Ok(count) = count else {
                found.why = UNREADABLE;
                break;
            };
            let scan = Scan::of(&bytes[..count], offset, &header.file_id);
            // A recorder may have begun the slot anew in the middle of this.
            let mut again = [0; SEGMENT_HEADER_LEN];
            let settled =
                source.read(offset, &mut again).is_ok_and(|now| again[..now] == bytes[..now.min(count)]);
            if settled {
                if let Some(scan) = scan {
                    newest = newest.max(Some((scan.0.header.seq, slot)));
                    found.add(scan);
                }
                break;
            }
        }
    }
    if len < header.size {
        found.why = CUT_OFF;
        // What came last may be missing if the next slot is not all there.
        let next = newest.map_or(0, |(_, slot)| slot + 1);
        if next < header.slots() && header.slot_offset(next) + u64::from(header.segment_size) > len {
            found.tail = Some((len, CUT_OFF));
        }
    }
    found
}

fn stand_alone(source: &Source, header: &FileHeader, len: u64) -> Found {
    let mut found = Found { why: DAMAGED, ..Found::default() };
    let mut bytes = vec![0; header.segment_size as usize];
    let mut at = FIRST_SEGMENT;
    if len < at {
        found.tail = Some((len, CUT_OFF));
    }
    while at < len {
        let claimed = match source.read(at, &mut bytes[..SEGMENT_HEADER_LEN]) {
            Ok(count) => claimed(&bytes[..count], header),
            Err(_) => None,
        };
        let Some(claimed) = claimed else {
            let next = search(source, header, at + 1, len);
            found.tail = Some((at, DAMAGED));
            if found.segments.is_empty() {
                found.lead = found.tail;
            }
            at = next;
            continue;
        };
        let count = source.read(at, &mut bytes[..claimed]).unwrap_or(0);
        let scan = Scan::of(&bytes[..count], at, &header.file_id);
        // It holds a shutdown and what followed; who claims more sessions makes claims only.
        let scan = scan.filter(|(scan, _)| {
            found.sessions.contains_key(&scan.header.session) || found.sessions.len() < STAND_ALONE_MAX
        });
        let scan = scan.filter(|_| (found.segments.len() as u64) < FEW + at / SEGMENT_LEAST);
        let end = scan.as_ref().map_or(0, |(scan, _)| scan.open.end);
        found.tail = match (end == claimed, count == claimed) {
            (true, _) => None,
            (false, true) => Some((at + end as u64, DAMAGED)),
            (false, false) => Some((at + count as u64, CUT_OFF)),
        };
        if scan.is_none() && found.segments.is_empty() {
            found.lead = found.tail;
        }
        scan.into_iter().for_each(|scan| found.add(scan));
        at += claimed as u64;
    }
    found
}

/// The length of the segment whose header these bytes begin with, if it checks and there can be one of that length.
fn claimed(bytes: &[u8], file: &FileHeader) -> Option<usize> {
    let len = SegmentHeader::decode(bytes, &file.file_id)?.len as usize;
    (SEGMENT_HEADER_LEN..=file.segment_size as usize).contains(&len).then_some(len)
}

/// Where the next segment begins whose header checks and claims what can be, at `at` or later; `len` if there is none.
fn search(source: &Source, header: &FileHeader, mut at: u64, len: u64) -> u64 {
    let mut bytes = vec![0; SEARCH_MIN];
    while at < len {
        // In a file of nothing but holes this is the end.
        at = source.data_from(at);
        if at >= len {
            break;
        }
        let count = source.read(at, &mut bytes).unwrap_or(0);
        let window = &bytes[..count];
        for start in 0..count {
            let rest = &window[start..];
            if rest.starts_with(&SEGMENT_MAGIC) && claimed(rest, header).is_some() {
                return at + start as u64;
            }
        }
        // What could begin in the last bytes is looked at again with the next ones. A part that
        // the disk cannot read is stepped over.
        at += match count {
            0 => 4096,
            _ if count < SEGMENT_HEADER_LEN => count as u64,
            _ => (count - SEGMENT_HEADER_LEN + 1) as u64,
        };
        bytes.resize((bytes.len() * 2).min(SEARCH_MAX), 0);
    }
    len
}
