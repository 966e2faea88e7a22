//! From segments to sessions: which of them follow each other, what counts of each, and what is
//! missing.
//!
//! Invariant: the numbers of a session's segments only grow. Whatever is between two of them is a
//! [`Gap`], with one exception: what was torn before anything was written behind it is as if
//! it had never been. So is the end of a session that another one says it followed: the end that it was given then is gone, and
//! nobody can tell how many events with it.

use std::collections::{HashMap, HashSet};

use super::scan::{Found, Scan, Tally};
use super::{Gap, Summary};
use crate::layout::{FileHeader, FileKind, SegmentHeader};
use crate::session::{Session, SessionId};

/// What reading a segment's events takes.
#[derive(Debug)]
pub(super) struct Segment {
    pub header: SegmentHeader,
    /// Where it begins in the file, and how many bytes of it count.
    pub offset: u64,
    pub end: usize,
    /// Number of the event that would come behind its last.
    pub next_number: u64,
    /// Processes that it begins with, unless it is unseen.
    pub known: u64,
    /// Least time of an event in it; `u64::MAX` if it holds none.
    pub first_ns: u64,
    /// What is missing before it.
    pub gap: Option<Gap>,
    /// Only its header was looked at: it cannot be read before the rest is.
    pub unseen: bool,
}

/// Where a session's events are.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub segments: Vec<Segment>,
    /// What is missing behind the last.
    pub tail: Option<Gap>,
}

/// Sessions, oldest first, and where their events are.
pub(super) fn index(found: Found, header: &FileHeader) -> (Vec<Summary>, Vec<Place>) {
    let Found { segments, sessions: mut records, lead, tail, why } = found;
    let mut order = Vec::new();
    let mut by_session: HashMap<SessionId, Vec<Scan>> = HashMap::new();
    for scan in segments {
        let scans = by_session.entry(scan.header.session).or_default();
        if scans.is_empty() {
            order.push(scan.header.session);
        }
        scans.push(scan);
    }
    let mut by_session: HashMap<_, _> =
        by_session.into_iter().map(|(id, scans)| (id, tally(scans))).collect();
    drop_cut(&mut by_session);
    let newest = by_session.iter().filter_map(|(id, parts)| Some((parts.last()?.scan.header.seq, *id))).max();
    let (newest_seq, newest_session) = newest.map_or((0, None), |(seq, id)| (seq, Some(id)));
    order.sort_by_key(|id| by_session.get(id).and_then(|parts| Some(parts.first()?.scan.header.seq)));
    // Whoever begins a session ends the one before, and syncs that first.
    let ended_by_next: HashSet<SessionId> = records.values().filter_map(|record| record.previous).collect();
    let mut sessions = Vec::new();
    let mut places = Vec::new();
    for id in order {
        let mut parts = by_session.remove(&id).unwrap_or_default();
        parts = settle_numbers(parts);
        let Some(Part { scan: first, .. }) = parts.first() else { continue };
        let missing = match header.kind {
            FileKind::Ring => (missing_before(first, newest_seq, header)).then_some((first.offset, why)),
            FileKind::StandAlone => lead.filter(|_| sessions.is_empty()),
        };
        let before = missing.map(|(offset, why)| {
            let to = first.header.first_number;
            // How much made way for newer events before that, nobody can tell any more.
            let from = if header.kind == FileKind::Ring && newest_seq <= header.slots() { 0 } else { to };
            Gap { from, to, offset, why }
        });
        let end_is_gone = ended_by_next.contains(&id) && parts.iter().all(|part| part.scan.end.is_none());
        let stops = parts.last().map(|last| (last.scan.offset + last.tally.end as u64, why));
        let tail = tail.filter(|_| newest_session == Some(id)).or(stops.filter(|_| end_is_gone));
        let record = records.remove(&id).unwrap_or_default();
        let (summary, place) = summarize(record, parts, before, tail, why);
        sessions.push(summary);
        places.push(place);
    }
    (sessions, places)
}

/// Numbers go back only behind segments that the disk could not read any more, and does again: a recorder had given them up, and went
/// on where they begin. So of those that claim a number the last one has it.
fn settle_numbers(parts: Vec<Part>) -> Vec<Part> {
    let mut until = u64::MAX;
    let mut settled = Vec::with_capacity(parts.len());
    for mut part in parts.into_iter().rev() {
        if part.tally.next_number > until {
            // A batch that one of those had completed.
            part.tally = part.scan.closed;
        }
        if part.tally.next_number <= until {
            until = part.scan.header.first_number;
            settled.push(part);
        }
    }
    settled.reverse();
    settled
}

/// Whether the segment before the first one of a session should still be there.
fn missing_before(first: &Scan, newest_seq: u64, header: &FileHeader) -> bool {
    let alone = first.header.chain == 0 && first.header.first_number == 0;
    // The slot after the newest one is the next to be written, and may be torn by it.
    !alone && u128::from(first.header.seq) + u128::from(header.slots()) > u128::from(newest_seq) + 2
}

/// A segment and what counts of it.
#[derive(Debug)]
struct Part {
    scan: Scan,
    tally: Tally,
    /// It continues a batch, and the batch never ends.
    cut: bool,
}

/// What counts of each segment of a session.
fn tally(scans: Vec<Scan>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(scans.len());
    // From the newest to the oldest: whether a batch that is open at the end of one is completed
    // is known from what comes behind it.
    let mut next: Option<(u64, u32, bool)> = None;
    for scan in scans.into_iter().rev() {
        let goes_on = scan.open.end > scan.closed.end;
        let completed = goes_on
            && next.is_some_and(|(seq, chain, completes)| {
                completes && scan.header.seq.checked_add(1) == Some(seq) && chain == scan.open.crc
            });
        let cut = scan.continues() && !scan.completes && !completed;
        let completes = scan.continues() && !cut;
        next = Some((scan.header.seq, scan.header.chain, completes));
        let tally = if completed { scan.open } else { scan.closed };
        parts.push(Part { scan, tally, cut });
    }
    parts.reverse();
    parts
}

/// Takes out what a recorder passes over when it goes on: see `ring::recover`.
fn drop_cut(by_session: &mut HashMap<SessionId, Vec<Part>>) {
    let all = || by_session.values().flatten();
    // A recorder fills the places behind the newest whole segment one after another, so that what it
    // has passed over comes behind that. Anything cut before it is so by damage, which is a gap.
    let newest_whole = all().filter(|part| !part.cut).map(|part| part.scan.header.seq).max();
    let oldest = all().map(|part| part.scan.header.seq).min();
    for parts in by_session.values_mut() {
        parts.retain(|part| match newest_whole {
            Some(newest) => !part.cut || part.scan.header.seq < newest,
            None => Some(part.scan.header.seq) == oldest,
        });
    }
}

fn summarize(
    session: Session,
    parts: Vec<Part>,
    before: Option<Gap>,
    tail: Option<(u64, &'static str)>,
    why: &'static str,
) -> (Summary, Place) {
    let mut place = Place::default();
    let mut summary = Summary { clocks: vec![session.started], session, ..Summary::default() };
    let (mut first_ns, mut last_ns) = (u64::MAX, 0);
    let mut stopped_at = 0;
    for (at, Part { scan, tally, .. }) in parts.into_iter().enumerate() {
        let gap = if at == 0 {
            summary.first_segment = scan.header.seq;
            summary.first_number = scan.header.first_number;
            before.clone()
        } else {
            let (from, to) = (summary.next_number, scan.header.first_number);
            (from < to).then_some(Gap { from, to, offset: stopped_at, why })
        };
        summary.gaps.extend(gap.clone());
        summary.last_segment = scan.header.seq;
        summary.next_number = tally.next_number;
        summary.events += tally.events;
        summary.lost = summary.lost.max(tally.lost);
        (first_ns, last_ns) = (first_ns.min(tally.first_ns), last_ns.max(tally.last_ns));
        for clock in scan.clocks {
            if summary.clocks.last() != Some(&clock) {
                summary.clocks.push(clock);
            }
        }
        summary.coverage.extend(scan.coverage);
        summary.end = scan.end.or(summary.end);
        stopped_at = scan.offset + tally.end as u64;
        place.segments.push(Segment {
            header: scan.header,
            offset: scan.offset,
            end: tally.end,
            next_number: tally.next_number,
            known: tally.known,
            first_ns: tally.first_ns,
            gap,
            unseen: scan.unseen,
        });
    }
    if let Some((offset, why)) = tail {
        place.tail = Some(Gap { from: summary.next_number, to: summary.next_number, offset, why });
        summary.gaps.extend(place.tail.clone());
    }
    let started_ns = summary.session.started.boottime_ns;
    (summary.first_ns, summary.last_ns) =
        if summary.events > 0 { (first_ns, last_ns) } else { (started_ns, started_ns) };
    (summary, place)
}
