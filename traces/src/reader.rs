//! Reading recordings: a ring file or a saved trace, from anybody.

use std::io::Write;
use std::path::Path;

use crate::error::Error;
use crate::event::{Event, Process};
use crate::session::{Clock, Coverage, End, Session, SessionId};

/// An open recording.
#[derive(Debug)]
pub struct Trace {
    sessions: Vec<Summary>,
}

/// One session at a glance, without decoding its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub session: Session,
    /// Sequence numbers of its first and last segment that are still there.
    pub first_segment: u64,
    pub last_segment: u64,
    /// Number of the first event still there, and of the one that would come next. Before
    /// `first_number` everything made way for newer events.
    pub first_number: u64,
    pub next_number: u64,
    /// Events that are there.
    pub events: u64,
    /// Boot time of the first and last event that are there; the session's start if none is.
    pub first_ns: u64,
    pub last_ns: u64,
    /// Events that the recorder could not store, in the whole session.
    pub lost: u64,
    /// Every clock reading still there, the session's start first.
    pub clocks: Vec<Clock>,
    pub coverage: Vec<Coverage>,
    pub end: Option<End>,
    /// Stretches that cannot be read.
    pub gaps: Vec<Gap>,
}

/// Events that were recorded and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Numbers `from..to` are missing.
    pub from: u64,
    pub to: u64,
    /// Where in the file reading stopped, in bytes.
    pub offset: u64,
    pub why: &'static str,
}

/// What reading a session yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A process that was living where the readable part begins (or goes on after a gap), as the
    /// recording knew it. Its own events may have been overwritten.
    Known(Box<Process>),
    Event(Event),
    Gap(Gap),
}

/// Items of one session in order of time (ties: by number).
#[derive(Debug)]
pub struct Events<'a> {
    #[expect(dead_code, reason = "signatures first")]
    trace: &'a Trace,
}

impl Iterator for Events<'_> {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
    }
}

#[expect(unused_variables, reason = "signatures first")]
impl Trace {
    /// Opens a ring file or a saved trace: looks which it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Oldest first.
    pub fn sessions(&self) -> &[Summary] {
        &self.sessions
    }
    /// The items of one session, in order of time.
    pub fn events(&self, session: SessionId) -> Result<Events<'_>, Error> {
        unimplemented!()
    }
    /// Calls `f` with every event in order of number, without reordering: the fast path.
    pub fn for_each(&self, session: SessionId, f: &mut dyn FnMut(&Event)) -> Result<Vec<Gap>, Error> {
        unimplemented!()
    }
    /// Copies one session out as a stand-alone trace.
    pub fn save(&self, session: SessionId, out: &mut dyn Write) -> Result<u64, Error> {
        unimplemented!()
    }
}
