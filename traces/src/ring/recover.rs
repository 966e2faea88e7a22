//! Finding the end of what counts, and the state that led there.
//!
//! Invariant: reads only. What it returns as the place to go on is behind a complete batch; all
//! bytes behind that place may be overwritten, for no reader takes them for events.

use std::collections::BTreeMap;

use super::{Current, io_error};
use crate::codec::{Encoder, State, decode_event, decode_positions, start_frame};
use crate::error::Error;
use crate::layout::{FileHeader, Frame, Frames, SEGMENT_CONTINUES, SEGMENT_HEADER_LEN, SegmentHeader, kind};
use crate::session::{Clock, End, Session};
use crate::storage::Storage;
use crate::wire::{Malformed, Reader};

/// What the file holds to go on with.
pub(super) struct Recovered {
    /// The newest session, if there is one.
    pub current: Option<Current>,
    /// What counts of its last segment, as it was read.
    pub tail: Vec<u8>,
    /// Slot and sequence number of the next segment.
    pub next: (u64, u64),
}

/// `past_damage`: where the end cannot be seen, because what may be newer than all that can be read cannot be read
/// itself, go on behind that. Else it is an error: a disk that reads again a moment later must find its newest
/// segments as they were.
pub(super) fn recover<S: Storage>(
    storage: &mut S,
    header: &FileHeader,
    past_damage: bool,
) -> Result<Recovered, Error> {
    // Where they are not at hand, the disk may fetch them in the order that suits it.
    for slot in 0..header.slots() {
        storage.will_read(header.slot_offset(slot), SEGMENT_HEADER_LEN as u64);
    }
    let (mut found, mut unreadable) = (Vec::new(), BTreeMap::new());
    for slot in 0..header.slots() {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        match storage.read_at(header.slot_offset(slot), &mut bytes) {
            Ok(count) => {
                let segment = SegmentHeader::decode(&bytes[..count], &header.file_id);
                found.extend(segment.map(|segment| (segment, slot)));
            }
            // One that cannot be read is as if nothing were in it, and is written again in its turn.
            Err(source) => {
                unreadable.insert(slot, source);
            }
        }
    }
    // A disk that reads nothing at all is gone, for now or for good: nothing is known of what it holds.
    if unreadable.len() as u64 == header.slots()
        && let Some((_, source)) = unreadable.pop_first()
    {
        return Err(io_error(storage, "read it", source));
    }
    found.sort_by_key(|(segment, _)| std::cmp::Reverse(segment.seq));
    // Slots are filled in turn: what is newer than the newest that can be read stands right behind it.
    let newest = found.first().map(|(_, slot)| *slot);
    let behind = |slot: u64| (slot + 1) % header.slots();
    let mut hidden = 0;
    let mut slot = newest.map(behind);
    while let Some(source) = slot.and_then(|slot| unreadable.remove(&slot)) {
        // And where there is nothing else, nothing is known of the disk.
        if !past_damage || hidden + 2 >= header.slots() {
            return Err(io_error(storage, "read it", source));
        }
        hidden += 1;
        slot = slot.map(behind);
    }
    let mut bytes = vec![0; header.segment_size as usize];
    // The newest that is whole; what is cut counts up to the end of that. Where a batch was so large
    // that everything before it made way, and was cut in the end, there is nothing but its oldest part.
    let mut chosen = None;
    for &(segment, slot) in &found {
        if let Some(loaded) = load(storage, header, segment, slot, &mut bytes)? {
            let whole = !loaded.cut;
            let tail = bytes.get(..loaded.current.at).unwrap_or_default().to_vec();
            chosen = Some((loaded.current, tail));
            if whole {
                break;
            }
        }
    }
    // What is hidden may be read again one day: whatever comes now is numbered beyond it, and so is newer to everybody.
    let beyond = found.first().map_or(1, |(newest, _)| newest.seq.saturating_add(1 + hidden));
    let Some((mut current, tail)) = chosen else {
        // Nothing to go on with. Headers may be intact all the same, and count as well.
        let slot = newest.map_or(0, |slot| (slot + 1 + hidden) % header.slots());
        return Ok(Recovered { current: None, tail: Vec::new(), next: (slot, beyond) });
    };
    let past = if Some(current.slot) == newest { hidden } else { 0 };
    // Among segments that are passed over, one that cannot be read may be the one to go on behind.
    let mut slot = current.slot;
    while Some(slot) != newest {
        slot = behind(slot);
        if let Some(source) = unreadable.remove(&slot) {
            if !past_damage {
                return Err(io_error(storage, "read it", source));
            }
            hidden += 1;
        }
    }
    let mut next = ((current.slot + 1 + past) % header.slots(), current.seq.saturating_add(1));
    if hidden > 0 {
        // What is hidden is given up, and stays as it is until its turn comes again. It may count on from the very event at
        // which we go on: only another segment can be newer than that.
        next.1 = beyond;
        current.at = header.segment_size as usize;
    }
    Ok(Recovered { current: Some(current), tail, next })
}

struct Loaded {
    current: Current,
    /// It continues a batch that it does not complete: what counts ends before it.
    cut: bool,
}

/// Decodes what counts of a segment; `None` if it is no use without its start frames.
fn load<S: Storage>(
    storage: &mut S,
    header: &FileHeader,
    segment: SegmentHeader,
    slot: u64,
    bytes: &mut [u8],
) -> Result<Option<Loaded>, Error> {
    let offset = header.slot_offset(slot);
    let count = storage.read_at(offset, bytes).map_err(|source| io_error(storage, "read it", source))?;
    let bytes = &bytes[..count];
    let frames = || Frames::new(bytes, &segment, &header.file_id);
    let mut limit = frames().filter(|frame| !frame.header.more()).map(|frame| frame.end).last().unwrap_or(0);
    loop {
        match replay(frames().take_while(|frame| frame.end <= limit), &segment) {
            Ok(None) => return Ok(None),
            Ok(Some(mut loaded)) => {
                loaded.current.slot = slot;
                return Ok(Some(loaded));
            }
            // A frame that checks and does not decode: what counts ends before it.
            Err((before, _)) => limit = before,
        }
    }
}

/// Runs frames through a state. The error names the byte up to which they are sound.
fn replay<'a>(
    frames: impl Iterator<Item = Frame<'a>>,
    segment: &SegmentHeader,
) -> Result<Option<Loaded>, (usize, Malformed)> {
    let mut session = None;
    let mut clock = None;
    let mut state = State::default();
    let (mut begun, mut any_events) = (false, false);
    let mut end = None;
    let mut place = (SEGMENT_HEADER_LEN, 0);
    let (mut next_number, mut lost, mut last_ns) =
        (segment.first_number, segment.lost_before, segment.time_ns);
    let mut sound = SEGMENT_HEADER_LEN;
    let mut completes = false;
    for frame in frames {
        let header = frame.header;
        let result = match header.kind {
            kind::SESSION => Session::decode(frame.payload).map(|read| session = Some(read)),
            kind::CLOCK => Clock::decode(frame.payload).map(|read| clock = Some(read)),
            kind::END => End::decode(frame.payload).map(|read| end = Some(read)),
            kind::EVENTS if begun && header.first_number == next_number => {
                // It checks, so that the sum is no more than a u64.
                next_number += u64::from(header.count);
                lost = lost.saturating_add(header.lost.into());
                last_ns = last_ns.max(header.last_ns);
                completes |= !header.more();
                any_events = true;
                events(&mut state, &frame)
            }
            kind::STATE | kind::SNAPSHOT | kind::EVENTS => {
                start_frame(&mut state, &mut begun, any_events, &header, frame.payload)
            }
            _ => Ok(()),
        };
        result.map_err(|malformed| (sound, malformed))?;
        if !header.more() {
            sound = frame.end;
        }
        place = (frame.end, frame.crc);
    }
    let (Some(session), true) = (session, begun) else { return Ok(None) };
    let session = Session { id: segment.session, ..session };
    let current = Current {
        clock: clock.unwrap_or(session.started),
        session,
        encoder: Encoder::resume(state),
        slot: 0,
        seq: segment.seq,
        at: place.0,
        chain: place.1,
        next_number,
        lost,
        last_ns,
        end,
    };
    let cut = segment.flags & SEGMENT_CONTINUES != 0 && !completes;
    Ok(Some(Loaded { current, cut }))
}

fn events(state: &mut State, frame: &Frame<'_>) -> Result<(), Malformed> {
    let mut reader = Reader::new(frame.payload);
    let mut time_ns = frame.header.first_ns;
    for _ in 0..frame.header.count {
        decode_event(state, &mut reader, &mut time_ns)?;
    }
    if frame.header.more() { Ok(()) } else { decode_positions(state, &mut reader) }
}
