//! How a session begins in the file, and how it ends there.
//!
//! Invariant: a session begins behind whatever the file holds, which has an end by then; and what is said at the end is
//! synced, or said to have failed.

use lastrites_traces::{
    Error as TraceError,
    abi::{POS_BITS, POS_MASK},
    event::What,
    ring::Writer,
    session::{Coverage, End, How, Layer, Session},
    storage::FileStorage,
};

use super::{Events, NO_SEAL_KEY, Patience, Recorder, Rings, lost_in};
use crate::machine;

/// Batches in one go at the end: bounds the time that a stop takes.
const LAST_ROUNDS: u32 = 64;

impl<R: Rings> Recorder<R> {
    /// Drains for the last time: until nothing is left, and what is left after all rounds is counted as lost.
    pub fn drain_rest(&mut self) -> Result<(), TraceError> {
        for _ in 0..LAST_ROUNDS {
            if !self.drain(Patience::Last)?.more {
                return Ok(());
            }
        }
        let time_ns = machine::boottime_ns();
        let heads = self.rings.heads();
        let dropped = heads.iter().zip(&self.positions).enumerate().filter(|(_, (head, at))| head != at);
        let lost = dropped.map(|(cpu, (head, at))| {
            let count = (head >> POS_BITS).wrapping_sub(at >> POS_BITS) & (u64::MAX >> POS_BITS);
            let bytes = head.wrapping_sub(*at) & POS_MASK;
            (time_ns, What::Lost { cpu: cpu as u32, kind: 0, count, bytes })
        });
        let lost: Events = lost.collect();
        self.writer()?.append(&lost, &heads)?;
        self.sync(None)?;
        self.note(lost.len() as u64, lost_in(&lost));
        self.positions = heads;
        Ok(())
    }

    /// Says from when to when a layer recorded.
    pub fn cover(&mut self, from_ns: u64, layer: Layer, note: &str) -> Result<(), TraceError> {
        self.cover_until(from_ns, machine::boottime_ns(), layer, note)
    }

    /// The same for a layer that no longer did.
    pub fn cover_until(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        layer: Layer,
        note: &str,
    ) -> Result<(), TraceError> {
        self.settle_on(|writer| writer.cover(&Coverage { from_ns, to_ns, layer, note: note.to_owned() }))
    }

    /// Ends the session.
    pub fn end(&mut self, how: How, note: &str) -> Result<(), TraceError> {
        let time_ns = machine::boottime_ns();
        self.settle_on(|writer| writer.end(&End { how, time_ns, note: note.to_owned() }))
    }

    /// Says from when to when a layer recorded, and ends the session, with one sync for both.
    pub fn close(&mut self, from_ns: u64, layer: Layer, how: How, note: &str) -> Result<(), TraceError> {
        let to_ns = machine::boottime_ns();
        self.settle_on(|writer| {
            writer.cover(&Coverage { from_ns, to_ns, layer, note: note.to_owned() })?;
            writer.end(&End { how, time_ns: to_ns, note: note.to_owned() })
        })
    }

    fn settle_on(
        &mut self,
        f: impl FnOnce(&mut Writer<FileStorage>) -> Result<(), TraceError>,
    ) -> Result<(), TraceError> {
        let writer = self.writer()?;
        let done = f(writer).and_then(|()| writer.sync());
        writer.release();
        match &done {
            Ok(()) => self.status.read_only = false,
            Err(_) => self.writer = None,
        }
        self.note_read_only(done.as_ref().err());
        done
    }
}

/// Begins `session` behind whatever the file holds, which is ended if nobody has done that.
pub(super) fn begin(writer: &mut Writer<FileStorage>, session: &mut Session) -> Result<(), TraceError> {
    if let Some(previous) = writer.resume().filter(|previous| previous.session.id != session.id) {
        session.previous = Some(previous.session.id);
        if previous.end.is_none() {
            let same_boot = previous.session.boot_id == session.boot_id;
            let (how, note) = if same_boot {
                (
                    How::Stopped,
                    "the recorder was stopped without an end; another recording began in the same boot",
                )
            } else if previous.session.extra.iter().any(|(key, _)| key == NO_SEAL_KEY) {
                (How::NoSeal, "ended without a seal, as foreseen: nothing could run last when this was armed")
            } else {
                (How::NoSeal, "ended without a seal: power cut, panic, hang, or the seal itself failed")
            };
            let time_ns = previous.last_time_ns;
            writer.end(&End { how, time_ns, note: note.to_owned() })?;
        }
    }
    writer.begin(session)
}
