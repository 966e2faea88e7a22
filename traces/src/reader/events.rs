//! Events in order of time.
//!
//! Invariant: memory holds one segment and at most [`WINDOW`] events. Each frame is in order by
//! itself; frames overlap because the kernel's rings are drained one after another. An event is
//! yielded as soon as no frame still to come can hold an older one, which the frames' headers
//! tell. So only overlaps wait, and order holds exactly while an overlap has no more than
//! [`WINDOW`] events; beyond that the oldest of the window comes first. A gap is a wall: what
//! was read before it is yielded before it.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::walk::Walk;
use super::{Gap, Item, Trace};
use crate::error::Error;
use crate::event::Event;
use crate::reader::index::Place;

/// Most events that wait for their turn, about 16 MiB of them.
pub(super) const WINDOW: usize = 1 << 17;

/// Items of one session in order of time (ties: by number).
#[derive(Debug)]
pub struct Events<'a> {
    walk: Walk<'a>,
    /// The frame that is being read, if any, and how many of the segment were begun.
    frame: Option<Frame>,
    begun: usize,
    /// No event that is still to be read, up to the next wall, is older.
    floor_ns: u64,
    waiting: BinaryHeap<Reverse<ByTime>>,
    window: usize,
    /// Reading has come to a wall: all that waits is yielded first, then what stands in `told`.
    wall: bool,
    told: VecDeque<Item>,
    ended: bool,
}

#[derive(Debug)]
struct Frame {
    at: usize,
    /// Byte of the segment where the next event begins.
    from: usize,
    left: u32,
    number: u64,
    time_ns: u64,
    floor_ns: u64,
}

#[derive(Debug)]
struct ByTime(Event);

impl ByTime {
    fn key(&self) -> (u64, u64) {
        (self.0.time_ns, self.0.number)
    }
}

impl PartialEq for ByTime {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByTime {}

impl PartialOrd for ByTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTime {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<'a> Events<'a> {
    /// From segment `from` of `place` on.
    pub(super) fn new(trace: &'a Trace, place: &'a Place, from: usize) -> Self {
        Self {
            walk: Walk::new(trace, place, from),
            frame: None,
            begun: 0,
            floor_ns: 0,
            waiting: BinaryHeap::new(),
            window: WINDOW,
            wall: false,
            told: VecDeque::new(),
            ended: false,
        }
    }

    /// One step in the order in which events were recorded; not each of them yields one.
    fn step(&mut self) -> Option<Event> {
        let Some(frame) = &mut self.frame else {
            self.next_frame();
            return None;
        };
        if frame.left == 0 {
            let (at, from, number) = (frame.at, frame.from, frame.number);
            match self.walk.close(at, from) {
                Ok(()) => self.next_frame(),
                Err(malformed) => self.lose(number, malformed.0),
            }
            return None;
        }
        match self.walk.event(frame.at, &mut frame.from, &mut frame.time_ns) {
            Ok(what) => {
                let event = Event { number: frame.number, time_ns: frame.time_ns, what };
                frame.left -= 1;
                frame.number += 1;
                self.floor_ns =
                    if frame.left == 0 { frame.floor_ns } else { frame.floor_ns.min(frame.time_ns) };
                Some(event)
            }
            Err(malformed) => {
                let number = frame.number;
                self.lose(number, malformed.0);
                None
            }
        }
    }

    fn next_frame(&mut self) {
        let Some(span) = self.walk.spans.get(self.begun) else {
            self.frame = None;
            return self.next_segment();
        };
        let header = &span.header;
        self.floor_ns = if header.count == 0 { span.floor_ns } else { span.floor_ns.min(header.first_ns) };
        self.frame = Some(Frame {
            at: self.begun,
            from: self.walk.start(self.begun),
            left: header.count,
            number: header.first_number,
            time_ns: header.first_ns,
            floor_ns: span.floor_ns,
        });
        self.begun += 1;
    }

    fn next_segment(&mut self) {
        let mut gaps = Vec::new();
        let fresh = self.walk.advance(&mut gaps);
        self.begun = 0;
        if fresh == Some(false) {
            return;
        }
        self.build_wall(gaps);
        self.ended = fresh.is_none();
        if !self.ended {
            let state = &self.walk.state;
            self.told.extend(state.living().map(|known| Item::Known(Box::new(state.process(known)))));
        }
    }

    fn lose(&mut self, from: u64, why: &'static str) {
        let gap = self.walk.lose(from, why);
        self.frame = None;
        self.begun = 0;
        self.build_wall(gap);
    }

    fn build_wall(&mut self, gaps: impl IntoIterator<Item = Gap>) {
        self.told.extend(gaps.into_iter().map(Item::Gap));
        self.wall = true;
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.waiting.peek().map(|Reverse(first)| first.0.time_ns);
            if first.is_some_and(|time_ns| {
                self.wall || time_ns <= self.floor_ns || self.waiting.len() > self.window
            }) {
                return self.waiting.pop().map(|Reverse(ByTime(event))| Ok(Item::Event(event)));
            }
            if self.wall {
                if let Some(item) = self.told.pop_front() {
                    return Some(Ok(item));
                }
                if self.ended {
                    return None;
                }
                self.wall = false;
            }
            if let Some(event) = self.step() {
                if self.waiting.is_empty() && event.time_ns <= self.floor_ns {
                    return Some(Ok(Item::Event(event)));
                }
                self.waiting.push(Reverse(ByTime(event)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use crate::event::What;
    use crate::layout::SIZE_MIN;
    use crate::ring::{self, Writer};
    use crate::session::Session;
    use crate::storage::MemoryStorage;

    #[test]
    fn an_overlap_that_is_wider_than_the_window_yields_the_oldest_of_the_window() {
        let mut storage = MemoryStorage::new(SIZE_MIN as usize);
        ring::format(&mut storage, SIZE_MIN, [7; 16]).unwrap();
        let mut writer = Writer::open(storage).unwrap();
        writer.begin(&Session::default()).unwrap();
        for batch in [&[10, 20, 30, 40, 50][..], &[45, 60], &[5, 70]] {
            let lost = What::Lost { cpu: 0, kind: 0, count: 0, bytes: 0 };
            let batch: Vec<_> = batch.iter().map(|&time_ns| (time_ns, lost.clone())).collect();
            writer.append(&batch, &[]).unwrap();
        }
        let bytes = writer.storage().bytes().to_vec();
        let trace = Trace::from_bytes("memory".as_ref(), bytes).unwrap();
        let order = |window| {
            let mut events = trace.events(Session::default().id).unwrap();
            events.window = window;
            let time = |item| match item {
                Ok(Item::Event(event)) => event.time_ns,
                other => panic!("{other:?}"),
            };
            events.map(time).collect::<Vec<_>>()
        };
        assert_eq!(order(WINDOW), [5, 10, 20, 30, 40, 45, 50, 60, 70]);
        assert_eq!(order(3), [10, 20, 30, 40, 5, 45, 50, 60, 70]);
    }
}
