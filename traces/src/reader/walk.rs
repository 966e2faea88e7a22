//! Going through the segments of a session, one at a time.
//!
//! Invariant: holds one segment and the state that its frames build, whatever the size of the
//! file. Everything that was counted when the trace was opened is either yielded or becomes a
//! gap: bytes that changed since then fail their checksums, and are never taken for events.

use std::ops::Range;

use super::index::{Place, Segment};
use super::scan::{DAMAGED, OVERWRITTEN, UNREADABLE, UNSEEN};
use super::{Gap, Trace};
use crate::codec::{State, decode_event, decode_positions, start_frame};
use crate::event::{Event, ProcId, What};
use crate::layout::{FrameHeader, Frames, SegmentHeader, kind};
use crate::wire::{Malformed, Reader};

/// An events frame of the segment that is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub header: FrameHeader,
    /// Where its payload lies in the segment.
    start: usize,
    end: usize,
    /// No later event of the stretch is older than this.
    pub floor_ns: u64,
}

#[derive(Debug)]
pub(super) struct Walk<'a> {
    trace: &'a Trace,
    place: &'a Place,
    /// The first segment that was asked for: what is missing before it is nobody's business.
    from: usize,
    /// The one behind the last that was asked for.
    to: usize,
    /// Segments that were taken or given up.
    done: usize,
    tail_told: bool,
    bytes: Vec<u8>,
    pub spans: Vec<Span>,
    pub state: State,
    /// Per segment: no event of a later one, up to the next gap, is older.
    floors: Vec<u64>,
    /// The next segment does not follow the one before: processes have to be made known again.
    fresh: bool,
}

/// Adds a gap, or lets the last one grow if it goes on there.
fn push(gaps: &mut Vec<Gap>, gap: Gap) {
    match gaps.last_mut() {
        Some(last) if last.to == gap.from && last.why == gap.why => last.to = gap.to,
        _ => gaps.push(gap),
    }
}

impl<'a> Walk<'a> {
    /// From segment `from` of `place` on.
    pub fn new(trace: &'a Trace, place: &'a Place, from: usize) -> Self {
        Self::between(trace, place, from..place.segments.len())
    }

    /// The segments `range` of `place`.
    pub fn between(trace: &'a Trace, place: &'a Place, range: Range<usize>) -> Self {
        let mut floors = vec![u64::MAX; place.segments.len()];
        for later in (1..place.segments.len()).rev() {
            let segment = &place.segments[later];
            if segment.gap.is_none() {
                floors[later - 1] = floors[later].min(segment.first_ns);
            }
        }
        let (bytes, spans, state) = Default::default();
        let Range { start: from, end: to } = range;
        Self {
            trace,
            place,
            from,
            to,
            done: from,
            tail_told: false,
            bytes,
            spans,
            state,
            floors,
            fresh: true,
        }
    }

    /// Takes the next segment that can be read. Gaps before it join `gaps`. Returns whether it
    /// begins a new stretch, `None` behind the last.
    pub fn advance(&mut self, gaps: &mut Vec<Gap>) -> Option<bool> {
        while let Some(segment) = self.place.segments.get(self.done).filter(|_| self.done < self.to) {
            if let Some(gap) = &segment.gap {
                if self.done != self.from || self.from == 0 {
                    push(gaps, gap.clone());
                }
                self.fresh = true;
            }
            self.done += 1;
            match self.take(segment, self.floors[self.done - 1]) {
                Ok(()) => return Some(std::mem::take(&mut self.fresh)),
                Err(why) => {
                    self.lose(segment.header.first_number, why).into_iter().for_each(|gap| push(gaps, gap))
                }
            }
        }
        if !std::mem::replace(&mut self.tail_told, true) && self.to >= self.place.segments.len() {
            self.place.tail.iter().for_each(|gap| push(gaps, gap.clone()));
        }
        None
    }

    /// Gives up the segment that was taken last, from event `from` on.
    pub fn lose(&mut self, from: u64, why: &'static str) -> Option<Gap> {
        let segment = self.done.checked_sub(1).and_then(|at| self.place.segments.get(at))?;
        self.fresh = true;
        self.spans.clear();
        (from < segment.next_number).then_some(Gap {
            from,
            to: segment.next_number,
            offset: segment.offset,
            why,
        })
    }

    fn take(&mut self, segment: &Segment, later_ns: u64) -> Result<(), &'static str> {
        self.spans.clear();
        self.state = State::default();
        if segment.unseen {
            return Err(UNSEEN);
        }
        self.trace.load(segment, &mut self.bytes)?;
        let mut begun = false;
        for frame in Frames::new(&self.bytes, &segment.header, &self.trace.header.file_id) {
            let result = match frame.header.kind {
                kind::EVENTS if begun => {
                    let (start, end) = (frame.end - frame.payload.len(), frame.end);
                    self.spans.push(Span { header: frame.header, start, end, floor_ns: 0 });
                    Ok(())
                }
                kind::STATE | kind::SNAPSHOT | kind::EVENTS => {
                    let events = !self.spans.is_empty();
                    start_frame(&mut self.state, &mut begun, events, &frame.header, frame.payload)
                }
                _ => Ok(()),
            };
            result.map_err(|Malformed(why)| why)?;
        }
        let mut floor_ns = later_ns;
        for span in self.spans.iter_mut().rev() {
            span.floor_ns = floor_ns;
            if span.header.count > 0 {
                floor_ns = floor_ns.min(span.header.first_ns);
            }
        }
        Ok(())
    }

    /// Calls `f` with every event of the segment, up to the first that does not decode.
    pub fn each(&mut self, f: &mut dyn FnMut(&Event)) -> Option<Gap> {
        // One event, filled anew each time: most need no memory of their own.
        let mut event = Event {
            number: 0,
            time_ns: 0,
            what: What::Oom { process: ProcId::KERNEL, victim: ProcId::KERNEL },
        };
        for at in 0..self.spans.len() {
            let Span { header, start, end, .. } = self.spans[at];
            let mut reader = Reader::at(&self.bytes[..end], start);
            event.time_ns = header.first_ns;
            event.number = header.first_number;
            for _ in 0..header.count {
                match decode_event(&mut self.state, &mut reader, &mut event.time_ns) {
                    Ok(what) => event.what = what,
                    Err(Malformed(why)) => return self.lose(event.number, why),
                }
                f(&event);
                event.number += 1;
            }
            if !header.more()
                && let Err(Malformed(why)) = decode_positions(&mut self.state, &mut reader)
            {
                return self.lose(event.number, why);
            }
        }
        None
    }

    /// The event of span `at` that begins at byte `from` of the segment; moves `from` and
    /// `time_ns` behind it.
    pub fn event(&mut self, at: usize, from: &mut usize, time_ns: &mut u64) -> Result<What, Malformed> {
        let mut reader = Reader::at(&self.bytes[..self.spans[at].end], *from);
        let what = decode_event(&mut self.state, &mut reader, time_ns)?;
        *from = reader.position();
        Ok(what)
    }

    /// Where the events of span `at` begin.
    pub fn start(&self, at: usize) -> usize {
        self.spans[at].start
    }

    /// What is left behind the last event of span `at` must be what belongs there.
    pub fn close(&mut self, at: usize, from: usize) -> Result<(), Malformed> {
        let span = self.spans[at];
        if span.header.more() {
            return Ok(());
        }
        decode_positions(&mut self.state, &mut Reader::at(&self.bytes[..span.end], from))
    }
}

impl Trace {
    /// Reads what counts of a segment, if that is still what is there.
    pub(super) fn load(&self, segment: &Segment, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        bytes.resize(segment.end, 0);
        let count = self.source.read(segment.offset, bytes).map_err(|_| UNREADABLE)?;
        bytes.truncate(count);
        let file_id = &self.header.file_id;
        let intact = SegmentHeader::decode(bytes, file_id) == Some(segment.header)
            && Frames::new(bytes, &segment.header, file_id)
                .last()
                .is_some_and(|frame| frame.end == segment.end);
        if intact {
            return Ok(());
        }
        let mut now = [0; crate::layout::SEGMENT_HEADER_LEN];
        let count = self.source.read(segment.offset, &mut now).map_err(|_| UNREADABLE)?;
        match SegmentHeader::decode(&now[..count], file_id) {
            Some(header) if header == segment.header => Err(DAMAGED),
            _ => Err(OVERWRITTEN),
        }
    }
}
