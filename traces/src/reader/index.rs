//! From segments to sessions: which of them follow each other, what counts of each, and what is
//! missing.
//!
//! Invariant: the numbers of a session's segments only grow. Whatever is between two of them is a
//! [`Gap`], with one exception: what was torn before anything was written behind it is as if
//! it had never been.

use std::collections::HashMap;

use super::scan::{Found, Scan, Tally};
use super::{Gap, Summary};
use crate::layout::{FileHeader, FileKind, SegmentHeader};
use crate::session::SessionId;

/// What reading a segment's events takes.
#[derive(Debug)]
pub(super) struct Segment {
    pub header: SegmentHeader,
    /// Where it begins in the file, and how many bytes of it count.
    pub offset: u64,
    pub end: usize,
    /// Number of the event that would come behind its last.
    pub next_number: u64,
    /// Least time of an event in it; `u64::MAX` if it holds none.
    pub first_ns: u64,
    /// What is missing before it.
    pub gap: Option<Gap>,
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
    let Found { segments, lead, tail, why } = found;
    let newest_seq = segments.last().map_or(0, |segment| segment.header.seq);
    let newest_session = segments.last().map(|segment| segment.header.session);
    let present: std::collections::HashSet<u64> = segments.iter().map(|segment| segment.header.seq).collect();
    let mut order = Vec::new();
    let mut by_session: HashMap<SessionId, Vec<Scan>> = HashMap::new();
    for scan in segments {
        let scans = by_session.entry(scan.header.session).or_default();
        if scans.is_empty() {
            order.push(scan.header.session);
        }
        scans.push(scan);
    }
    let mut sessions = Vec::new();
    let mut places = Vec::new();
    for id in order {
        let scans = by_session.remove(&id).unwrap_or_default();
        let counted = count(scans, |seq| present.contains(&seq));
        let Some((first, _)) = counted.first() else { continue };
        let missing = match header.kind {
            FileKind::Ring => (missing_before(first, newest_seq, header)).then_some((first.offset, why)),
            FileKind::StandAlone => lead,
        };
        let before = missing.map(|(offset, why)| {
            let to = first.header.first_number;
            // How much made way for newer events before that, nobody can tell any more.
            let from = if header.kind == FileKind::Ring && newest_seq <= header.slots() { 0 } else { to };
            Gap { from, to, offset, why }
        });
        let tail = tail.filter(|_| newest_session == Some(id));
        let (summary, place) = summarize(counted, before, tail, why);
        sessions.push(summary);
        places.push(place);
    }
    (sessions, places)
}

/// Whether the segment before the first one of a session should still be there.
fn missing_before(first: &Scan, newest_seq: u64, header: &FileHeader) -> bool {
    let alone = first.header.chain == 0 && first.header.first_number == 0;
    // The slot after the newest one is the next to be written, and may be torn by it.
    !alone && u128::from(first.header.seq) + u128::from(header.slots()) > u128::from(newest_seq) + 2
}

/// What counts of each segment of a session. `present` tells whether a segment of a number is
/// there, of whatever session.
fn count(scans: Vec<Scan>, present: impl Fn(u64) -> bool) -> Vec<(Scan, Tally)> {
    let mut counted: Vec<(Scan, Tally)> = Vec::with_capacity(scans.len());
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
        // A recorder that found it like this went on in the segment before.
        let stale = cut && scan.header.seq.checked_sub(1).is_some_and(&present);
        if !stale {
            let tally = if completed { scan.open } else { scan.closed };
            counted.push((scan, tally));
        }
    }
    counted.reverse();
    // Numbers that go back cannot have been written by a recorder; the first to claim one has it.
    let mut next_number = 0;
    counted.retain(|(scan, tally)| {
        let fits = scan.header.first_number >= next_number;
        if fits {
            next_number = tally.next_number;
        }
        fits
    });
    counted
}

fn summarize(
    counted: Vec<(Scan, Tally)>,
    before: Option<Gap>,
    tail: Option<(u64, &'static str)>,
    why: &'static str,
) -> (Summary, Place) {
    let mut place = Place::default();
    let mut summary = Summary::default();
    let (mut first_ns, mut last_ns) = (u64::MAX, 0);
    let mut stopped_at = 0;
    for (at, (scan, tally)) in counted.into_iter().enumerate() {
        let gap = if at == 0 {
            summary.clocks.push(scan.session.started);
            summary.session = scan.session;
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
            first_ns: tally.first_ns,
            gap,
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
