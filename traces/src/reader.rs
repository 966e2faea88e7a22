//! Reading recordings: a ring file or a saved trace, from anybody.
//!
//! Invariant: every byte may be hostile, torn, or changing under our eyes, for a recorder may be
//! writing the same file. Only what checks is counted, only what is decoded is an event, and
//! what was counted and cannot be had is a [`Gap`]. Memory is bounded by the size of a segment,
//! not of the file.

mod events;
mod index;
mod scan;
mod source;
mod walk;

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

pub use events::Events;
pub use scan::{STAND_ALONE_MAX, WHYS};

use self::index::Place;
use self::source::Source;
use self::walk::Walk;
use crate::error::Error;
use crate::event::{Event, Process};
use crate::layout::{FIRST_SEGMENT, FileHeader, FileKind, SEGMENT_HEADER_LEN, SegmentHeader};
use crate::ring::{io_error, read_header};
use crate::session::{Clock, Coverage, End, Session, SessionId};

/// An open recording, as it was when opened: what a recorder appends later is seen by opening it
/// again.
#[derive(Debug)]
pub struct Trace {
    source: Source,
    header: FileHeader,
    sessions: Vec<Summary>,
    /// Where the events of each session are.
    places: Vec<Place>,
}

/// One session at a glance, without decoding its events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// What recorded it, on what.
    pub session: Session,
    /// Sequence numbers of its first and last segment that are still there.
    pub first_segment: u64,
    /// See `first_segment`.
    pub last_segment: u64,
    /// Number of the first event still there, and of the one that would come next. Before
    /// `first_number` everything made way for newer events.
    pub first_number: u64,
    /// See `first_number`.
    pub next_number: u64,
    /// Events that are there.
    pub events: u64,
    /// Boot time of the first and last event that are there; the session's start if none is.
    pub first_ns: u64,
    /// See `first_ns`.
    pub last_ns: u64,
    /// Events that the recorder could not store, in the whole session.
    pub lost: u64,
    /// Every clock reading still there, the session's start first.
    pub clocks: Vec<Clock>,
    /// What stretches of time each layer vouches for.
    pub coverage: Vec<Coverage>,
    /// How it ended, if it says so.
    pub end: Option<End>,
    /// Stretches that cannot be read.
    pub gaps: Vec<Gap>,
}

/// Events that were recorded and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Numbers `from..to` are missing. If both are the same, something is missing there, and
    /// nobody knows how much.
    pub from: u64,
    /// See `from`.
    pub to: u64,
    /// Where in the file reading stopped, in bytes.
    pub offset: u64,
    /// For people.
    pub why: &'static str,
}

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Events that count in it.
    pub events: u64,
    /// Processes that it begins with. They are told ([`Item::Known`]) where the segment before it cannot be read.
    pub known: u64,
    /// Boot time of its earliest event; `u64::MAX` if it holds none.
    pub first_ns: u64,
}

/// What reading a session yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A process that was living where the readable part begins (or goes on after a gap), as the
    /// recording knew it. Its own events may have been overwritten.
    Known(Box<Process>),
    /// The next event, in order of time.
    Event(Event),
    /// Something is missing here.
    Gap(Gap),
}

impl Stretch {
    /// What it may make somebody keep who reads it: its events, and the processes that it begins with.
    pub fn items(&self) -> u64 {
        self.events.saturating_add(self.known)
    }
}

impl Trace {
    /// Opens a ring file or a saved trace: looks which it is, and at every frame once, which takes
    /// as long as reading the file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(Source::open(path)?, None)
    }

    /// The same at a glance, for who wants to see the end of a large ring at once: of each session only the first and
    /// the last `segments` segments are looked at, and can be read ([`Trace::seen`]); those in between are believed
    /// to hold what their headers say, and a batch that goes on in one of them to be whole. Where a ring has no more than that, and in a saved trace, everything is looked at.
    pub fn glance(path: &Path, segments: usize) -> Result<Self, Error> {
        Self::of(Source::open(path)?, Some(segments))
    }

    /// A ring file or a saved trace that is in memory, from a pipe, say. `name` is for messages.
    pub fn from_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::of(Source::memory(name, bytes), None)
    }

    /// A ring file or a saved trace that is open already. `name` is for messages.
    pub fn from_file(name: &Path, file: File) -> Result<Self, Error> {
        Self::of(Source::file(name, file), None)
    }

    fn of(mut source: Source, glance: Option<usize>) -> Result<Self, Error> {
        let header = read_header(&mut source)?;
        let found =
            scan::scan(&mut source, &header, glance).map_err(|error| io_error(&source, "read it", error))?;
        let (sessions, places) = index::index(found, &header);
        Ok(Self { source, header, sessions, places })
    }

    /// Oldest first.
    pub fn sessions(&self) -> &[Summary] {
        &self.sessions
    }

    /// Whether it is a ring file, in which the oldest makes way for the newest; else it is a saved recording.
    pub fn is_ring(&self) -> bool {
        self.header.kind == FileKind::Ring
    }

    fn place(&self, session: SessionId) -> Result<&Place, Error> {
        let at = self.sessions.iter().position(|summary| summary.session.id == session);
        at.and_then(|at| self.places.get(at)).ok_or_else(|| self.gone())
    }

    fn gone(&self) -> Error {
        Error::Gone { path: crate::storage::Storage::path(&self.source).to_owned() }
    }

    /// The items of one session, in order of time: see [`Events`] for how far that holds. What has
    /// made way for newer events since the trace was opened is a gap.
    pub fn events(&self, session: SessionId) -> Result<Events<'_>, Error> {
        Ok(Events::new(self, self.place(session)?, 0))
    }

    /// In how many segments the events of a session are.
    pub fn segments(&self, session: SessionId) -> Result<usize, Error> {
        Ok(self.place(session)?.segments.len())
    }

    /// How many of the last segments of a session can be read: all of them, but for a session that was only glanced at.
    pub fn seen(&self, session: SessionId) -> Result<usize, Error> {
        let segments = &self.place(session)?.segments;
        Ok(segments.iter().rev().take_while(|segment| !segment.unseen).count())
    }

    /// What each segment of a session holds, as its frames' headers have it: nothing is decoded for it.
    pub fn stretches(&self, session: SessionId) -> Result<Vec<Stretch>, Error> {
        let stretch = |segment: &index::Segment| Stretch {
            events: segment.next_number.saturating_sub(segment.header.first_number),
            known: segment.known,
            first_ns: segment.first_ns,
        };
        Ok(self.place(session)?.segments.iter().map(stretch).collect())
    }

    /// The same as [`Trace::events`] from the last `segments` segments alone, which begin with the processes that
    /// lived there: a shutdown at the end of days costs no days to read.
    pub fn last_events(&self, session: SessionId, segments: usize) -> Result<Events<'_>, Error> {
        let place = self.place(session)?;
        Ok(Events::new(self, place, place.segments.len().saturating_sub(segments)))
    }

    /// Calls `f` with every event in order of number, without reordering: the fast path.
    pub fn for_each(&self, session: SessionId, f: &mut dyn FnMut(&Event)) -> Result<Vec<Gap>, Error> {
        let mut walk = Walk::new(self, self.place(session)?, 0);
        let mut gaps = Vec::new();
        loop {
            // Gaps grow together only where no segment is between them.
            let mut met = Vec::new();
            let taken = walk.advance(&mut met).is_some();
            gaps.append(&mut met);
            if !taken {
                return Ok(gaps);
            }
            gaps.extend(walk.each(f));
        }
    }

    /// Calls `f` with every item of the segments `range` of a session (of those that it has), events in order of number:
    /// for whoever copies them.
    pub fn copy_each(
        &self,
        session: SessionId,
        range: Range<usize>,
        f: &mut dyn FnMut(Item),
    ) -> Result<(), Error> {
        let place = self.place(session)?;
        let end = range.end.min(place.segments.len());
        let mut walk = Walk::between(self, place, range.start.min(end)..end);
        loop {
            let mut met = Vec::new();
            let taken = walk.advance(&mut met);
            met.into_iter().for_each(|gap| f(Item::Gap(gap)));
            match taken {
                None => return Ok(()),
                Some(true) => {
                    walk.state.living().for_each(|known| f(Item::Known(Box::new(walk.state.process(known)))));
                }
                Some(false) => {}
            }
            if let Some(gap) = walk.each(&mut |event| f(Item::Event(event.clone()))) {
                f(Item::Gap(gap));
            }
        }
    }

    /// Copies one session out as a stand-alone trace; returns its bytes. Segments that have made
    /// way since the trace was opened are left out.
    pub fn save(&self, session: SessionId, out: &mut dyn Write) -> Result<u64, Error> {
        self.save_all(&[session], out)
    }

    /// The same of several sessions, in the order in which they follow each other; a reader takes at most
    /// [`STAND_ALONE_MAX`] of them.
    pub fn save_all(&self, sessions: &[SessionId], out: &mut dyn Write) -> Result<u64, Error> {
        let mut segments = Vec::new();
        for session in sessions {
            segments.extend(self.place(*session)?.segments.iter());
        }
        if segments.iter().any(|segment| segment.unseen) {
            return Err(io_error(&self.source, "copy a recording out of it", io::Error::other(scan::UNSEEN)));
        }
        let mut put = Copy { trace: self, out, written: 0 };
        let mut begun = false;
        let mut bytes = Vec::new();
        for segment in segments {
            if self.load(segment, &mut bytes).is_err() {
                continue;
            }
            if !std::mem::replace(&mut begun, true) {
                let header = FileHeader { kind: FileKind::StandAlone, size: 0, ..self.header };
                let mut start = vec![0; FIRST_SEGMENT as usize];
                let header = header.encode();
                start[..header.len()].copy_from_slice(&header);
                put.all(&start)?;
            }
            // Within the size of a segment, which a u32 holds.
            let header = SegmentHeader { len: segment.end as u32, ..segment.header };
            put.all(&header.encode(&self.header.file_id))?;
            put.all(&bytes[SEGMENT_HEADER_LEN..])?;
        }
        if begun { Ok(put.written) } else { Err(self.gone()) }
    }
}

struct Copy<'a> {
    trace: &'a Trace,
    out: &'a mut dyn Write,
    written: u64,
}

impl Copy<'_> {
    fn all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let result: io::Result<()> = self.out.write_all(bytes);
        result.map_err(|source| io_error(&self.trace.source, "copy a recording out of it", source))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
