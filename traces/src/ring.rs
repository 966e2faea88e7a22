//! Writing the ring file.
//!
//! Invariant: a batch counts with everything before it in its session, or not at all; what
//! counted when [`Writer::sync`] returned is there after any crash, until its segment is the
//! oldest and makes way. No byte outside the file's fixed size is ever written.
//!
//! What is read back need not be stored: after an fdatasync(2) that failed, Linux keeps what it could not
//! write in its cache and calls it clean, so that the next one succeeds without it. So a writer writes
//! what it goes on behind once more, before anything else; what lies in older segments was synced
//! before the newest was begun.

mod recover;

use crate::codec::Encoder;
use crate::error::Error;
use crate::event::{ProcId, Process, What};
use crate::layout::{
    BadHeader, FILE_HEADER_LEN, FRAME_HEADER_LEN, FRAME_MORE, FileHeader, FileKind, FrameHeader, HEADER_COPY,
    MAJOR, SEGMENT_CONTINUES, SEGMENT_HEADER_LEN, SIZE_MAX, SIZE_MIN, SegmentHeader, kind, segment_size_for,
};
use crate::session::{Clock, Coverage, End, Session, SessionId};
use crate::storage::Storage;

/// A frame is closed when its payload has this many bytes: what is lost when one is damaged,
/// and what a reader holds at a time.
const PAYLOAD_FULL: usize = 64 << 10;

/// What the newest session in the file holds, for whoever goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// As its record says.
    pub session: Session,
    /// Per CPU the kernel ring's head counter up to which events are in the file; empty if none
    /// was ever given.
    pub positions: Vec<u64>,
    /// Number that the next event gets.
    pub next_number: u64,
    /// Events that it says were lost.
    pub lost: u64,
    /// Boot time of the newest event; of the session's start if there is none.
    pub last_time_ns: u64,
    /// How it ended, if it did.
    pub end: Option<End>,
}

/// The session that is being written, and where.
#[derive(Debug)]
struct Current {
    session: Session,
    clock: Clock,
    encoder: Encoder,
    slot: u64,
    seq: u64,
    /// Where the next frame goes, from the segment's header, and the checksum it continues.
    at: usize,
    chain: u32,
    next_number: u64,
    lost: u64,
    last_ns: u64,
    end: Option<End>,
}

/// Records into a ring file.
#[derive(Debug)]
pub struct Writer<S: Storage> {
    storage: S,
    header: FileHeader,
    /// Random: makes every frame of this writer differ from one of another in its place.
    nonce: u32,
    current: Option<Current>,
    /// Slot and sequence number of the next segment.
    next: (u64, u64),
    spent: bool,
    /// What counts of the last segment, as it was found and until it is written once more.
    doubtful: Vec<u8>,
    /// The frame being built.
    frame: Vec<u8>,
    written: u64,
}

/// Lays out an empty ring file of `size` bytes in `storage`, which reads as zeros. `file_id` is
/// random. Does not sync.
pub fn format<S: Storage>(storage: &mut S, size: u64, file_id: [u8; 16]) -> Result<(), Error> {
    check_size(size)?;
    let header =
        FileHeader { kind: FileKind::Ring, file_id, size, segment_size: segment_size_for(size) }.encode();
    for offset in [0, HEADER_COPY] {
        storage.write_at(offset, &header).map_err(|source| io_error(storage, "write its header", source))?;
    }
    Ok(())
}

pub(crate) fn check_size(size: u64) -> Result<(), Error> {
    if (SIZE_MIN..=SIZE_MAX).contains(&size) {
        Ok(())
    } else {
        Err(Error::Size { size, least: SIZE_MIN, most: SIZE_MAX })
    }
}

pub(crate) fn io_error<S: Storage + ?Sized>(
    storage: &S,
    action: &'static str,
    source: std::io::Error,
) -> Error {
    Error::Io { path: storage.path().to_owned(), action, source }
}

/// Reads and checks the file header, from whichever copy is intact. They are read apart, for a disk may not be able to
/// read one of them.
pub(crate) fn read_header<S: Storage + ?Sized>(storage: &mut S) -> Result<FileHeader, Error> {
    let mut copy = |offset| {
        let mut bytes = [0; FILE_HEADER_LEN];
        storage.read_at(offset, &mut bytes).map(|count| FileHeader::decode(&bytes[..count]))
    };
    let (first, second) = (copy(0), copy(HEADER_COPY));
    if let Some(header) = [&first, &second].into_iter().flatten().flatten().next() {
        return Ok(*header);
    }
    let path = || storage.path().to_owned();
    Err(match (first, second) {
        (Ok(Err(BadHeader::Version(found))), _) => Error::Version { path: path(), found, known: MAJOR },
        (Ok(Err(BadHeader::Claim(what))), _) => {
            Error::Damaged { path: path(), offset: 0, what: what.to_owned() }
        }
        (Err(source), _) | (_, Err(source)) => io_error(storage, "read it", source),
        (Ok(Err(BadHeader::Foreign(why))), _) => Error::NotARecording { path: path(), why: why.to_owned() },
        (Ok(Ok(_)), _) => Error::NotARecording { path: path(), why: "it has no header".to_owned() },
    })
}

/// Refuses a file that is shorter than it was made: writing to it would make it grow.
pub(crate) fn check_len<S: Storage + ?Sized>(storage: &mut S, header: &FileHeader) -> Result<(), Error> {
    let len = storage.len().map_err(|source| io_error(storage, "measure it", source))?;
    if len < header.size {
        let what = format!("it ends there, and was made with {} bytes", header.size);
        return Err(Error::Damaged { path: storage.path().to_owned(), offset: len, what });
    }
    Ok(())
}

impl<S: Storage> Writer<S> {
    /// Opens a ring file (one that [`format()`] or `FileStorage::create` made) and finds the end of
    /// what counts in it. Writes nothing.
    ///
    /// A segment that cannot be read is as if nothing were in it, unless it may be the newest: then this fails, for a
    /// disk may read it a moment later. Who has waited long enough for that has [`Writer::open_past_damage`].
    pub fn open(storage: S) -> Result<Self, Error> {
        Self::open_at(storage, false)
    }

    /// The same, but goes on behind segments that cannot be read and may be the newest: they are given up.
    pub fn open_past_damage(storage: S) -> Result<Self, Error> {
        Self::open_at(storage, true)
    }

    fn open_at(mut storage: S, past_damage: bool) -> Result<Self, Error> {
        let header = read_header(&mut storage)?;
        if header.kind != FileKind::Ring {
            return Err(Error::NotARing { path: storage.path().to_owned() });
        }
        check_len(&mut storage, &header)?;
        let recover::Recovered { current, tail, next } =
            recover::recover(&mut storage, &header, past_damage)?;
        let nonce = random() as u32;
        let frame = Vec::new();
        Ok(Self { storage, header, nonce, current, next, spent: false, doubtful: tail, frame, written: 0 })
    }

    /// The newest session, if the file holds one: appending goes on with it.
    pub fn resume(&self) -> Option<Resumed> {
        let current = self.current.as_ref()?;
        Some(Resumed {
            session: current.session.clone(),
            positions: current.encoder.state.positions.clone(),
            next_number: current.next_number,
            lost: current.lost,
            last_time_ns: current.last_ns,
            end: current.end.clone(),
        })
    }

    /// Begins a session, in a segment of its own; nothing of the one before is carried over.
    pub fn begin(&mut self, session: &Session) -> Result<(), Error> {
        self.begin_at(session, 0, 0, &[])
    }

    /// Begins the copy of a session whose beginning is missing: its first event has `number`, `lost` events were
    /// reported lost before it, and `living` are the processes that were known there.
    pub fn begin_at(
        &mut self,
        session: &Session,
        number: u64,
        lost: u64,
        living: &[Process],
    ) -> Result<(), Error> {
        self.guarded(|writer| {
            let session = session.clone();
            writer.current = Some(Current {
                clock: session.started,
                last_ns: session.started.boottime_ns,
                session,
                encoder: Encoder::knowing(living),
                slot: 0,
                seq: 0,
                at: 0,
                chain: 0,
                next_number: number,
                lost,
                end: None,
            });
            writer.roll(false)
        })
    }

    /// Goes on with event `number` in a new segment, so that readers see a gap before it; `living` are the processes
    /// that are known behind it. Numbers never go back: a smaller one is taken for the next.
    pub fn skip_to(&mut self, number: u64, living: &[Process]) -> Result<(), Error> {
        self.need_session()?;
        self.guarded(|writer| {
            let current = writer.need_session()?;
            current.next_number = current.next_number.max(number);
            current.encoder = Encoder::knowing(living);
            writer.roll(false)
        })
    }

    /// Appends one batch: events with their boot times, and per CPU the head counter up to which
    /// the kernel ring was drained for it (empty: as before). All of it counts, or nothing.
    /// Events are stored in order of time; those of the same time as given.
    pub fn append(&mut self, events: &[(u64, What)], positions: &[u64]) -> Result<(), Error> {
        self.append_each(events.iter().collect(), positions)
    }

    /// The same, of events that lie in several places.
    pub fn append_each(&mut self, mut events: Vec<&(u64, What)>, positions: &[u64]) -> Result<(), Error> {
        self.need_session()?;
        if !events.is_sorted_by_key(|(time_ns, _)| *time_ns) {
            events.sort_by_key(|(time_ns, _)| *time_ns);
        }
        self.guarded(|writer| writer.batch(&events, positions))
    }

    /// Says what stretch of time a layer vouches for.
    pub fn cover(&mut self, coverage: &Coverage) -> Result<(), Error> {
        self.small(kind::COVERAGE, &|out| coverage.encode(out))
    }

    /// Stores another reading of the clocks.
    pub fn clock(&mut self, clock: Clock) -> Result<(), Error> {
        self.small(kind::CLOCK, &|out| clock.encode(out))?;
        if let Some(current) = &mut self.current {
            current.clock = clock;
        }
        Ok(())
    }

    /// Says how the session ended.
    pub fn end(&mut self, end: &End) -> Result<(), Error> {
        self.small(kind::END, &|out| end.encode(out))?;
        if let Some(current) = &mut self.current {
            current.end = Some(end.clone());
        }
        Ok(())
    }

    /// Returns once all that was appended, and what was found, survives a power cut.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.guarded(Self::flush)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.storage.sync().map_err(|source| io_error(&self.storage, "write it to the disk", source))
    }

    /// Closes the file between batches; the next call opens it again.
    pub fn release(&mut self) {
        self.storage.release();
    }

    /// Number that the next event gets; 0 before the first session.
    pub fn next_number(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.next_number)
    }

    /// Bytes written since it was opened, headers and snapshots included.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    /// The name of a process, as far as the recording knows it.
    pub fn comm(&self, process: ProcId) -> Option<&[u8]> {
        let encoder = &self.current.as_ref()?.encoder;
        let comm = encoder.state.string(encoder.find(process)?.comm);
        (!comm.is_empty()).then_some(comm)
    }

    /// Where it writes to.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// After an error the state is ahead of the file, so that nothing more may be written.
    fn guarded<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.spent {
            return Err(Error::Spent { path: self.storage.path().to_owned() });
        }
        let result = self.settle_doubt().and_then(|()| act(self));
        self.spent = result.is_err();
        result
    }

    /// Writes what was found once more: the very bytes that were read, so that a power cut in between
    /// changes nothing.
    fn settle_doubt(&mut self) -> Result<(), Error> {
        let tail = std::mem::take(&mut self.doubtful);
        match &self.current {
            Some(current) if !tail.is_empty() => self.write(self.header.slot_offset(current.slot), &tail),
            _ => Ok(()),
        }
    }

    fn need_session(&mut self) -> Result<&mut Current, Error> {
        match &mut self.current {
            Some(current) => Ok(current),
            None => Err(Error::NoSession { path: self.storage.path().to_owned() }),
        }
    }

    /// A frame with one small payload, which is a batch of its own.
    fn small(&mut self, kind: u8, encode: &dyn Fn(&mut Vec<u8>)) -> Result<(), Error> {
        self.need_session()?;
        self.guarded(|writer| {
            writer.frame.clear();
            writer.frame.resize(FRAME_HEADER_LEN, 0);
            encode(&mut writer.frame);
            if writer.room() < writer.frame.len() {
                let frame = std::mem::take(&mut writer.frame);
                writer.roll(false)?;
                writer.frame = frame;
            }
            let current = writer.need_session()?;
            let (first_number, time_ns) = (current.next_number, current.last_ns);
            writer.put(FrameHeader {
                kind,
                first_number,
                first_ns: time_ns,
                last_ns: time_ns,
                ..Default::default()
            })
        })
    }

    fn batch(&mut self, mut events: &[&(u64, What)], positions: &[u64]) -> Result<(), Error> {
        let reserve = 3 + 10 * positions.len().min(crate::codec::POSITIONS_MAX);
        let mut frames = 0;
        loop {
            let full = self.room().min(PAYLOAD_FULL + FRAME_HEADER_LEN);
            let mut frame = std::mem::take(&mut self.frame);
            frame.clear();
            frame.resize(FRAME_HEADER_LEN, 0);
            let current = self.need_session()?;
            let mut header = FrameHeader {
                kind: kind::EVENTS,
                first_number: current.next_number,
                first_ns: events.first().map_or(current.last_ns, |(time_ns, _)| *time_ns),
                ..Default::default()
            };
            let mut time_ns = header.first_ns;
            while let [(event_ns, what), rest @ ..] = events {
                if frame.len() + Encoder::bound(what) + reserve > full {
                    break;
                }
                current.encoder.event(&mut frame, event_ns - time_ns, *event_ns, what);
                time_ns = *event_ns;
                header.count += 1;
                if let What::Lost { count, .. } = what {
                    header.lost = header.lost.saturating_add(u32::try_from(*count).unwrap_or(u32::MAX));
                }
                events = rest;
            }
            header.last_ns = time_ns;
            let done = events.is_empty() && frame.len() + reserve <= full;
            if done {
                current.encoder.positions(positions, &mut frame);
            } else {
                header.flags = FRAME_MORE;
            }
            let Some(next_number) = current.next_number.checked_add(header.count.into()) else {
                return Err(self.exhausted(0, "its events are numbered to the end"));
            };
            current.next_number = next_number;
            current.lost = current.lost.saturating_add(header.lost.into());
            current.last_ns = current.last_ns.max(time_ns);
            self.frame = frame;
            if done || header.count > 0 {
                self.put(header)?;
                frames += 1;
            }
            if done {
                return Ok(());
            }
            if full <= PAYLOAD_FULL {
                self.roll(frames > 0)?;
            }
        }
    }

    /// A claim that no recorder gets to in a lifetime: somebody made the file so.
    fn exhausted(&self, offset: u64, what: &str) -> Error {
        Error::Damaged { path: self.storage.path().to_owned(), offset, what: what.to_owned() }
    }

    /// Bytes left in the segment.
    fn room(&self) -> usize {
        let at = self.current.as_ref().map_or(0, |current| current.at);
        (self.header.segment_size as usize).saturating_sub(at)
    }

    /// Writes the frame that was built, behind the one before.
    fn put(&mut self, header: FrameHeader) -> Result<(), Error> {
        let header = FrameHeader { writer: self.nonce, ..header };
        let mut frame = std::mem::take(&mut self.frame);
        let current = self.need_session()?;
        let chain = header.seal(&mut frame, current.chain);
        let (slot, at) = (current.slot, current.at);
        assert!(frame.len() <= self.room(), "a frame across the end of its segment");
        let offset = self.header.slot_offset(slot) + at as u64;
        self.write(offset, &frame)?;
        let current = self.need_session()?;
        current.chain = chain;
        current.at += frame.len();
        self.frame = frame;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.written += bytes.len() as u64;
        self.storage.write_at(offset, bytes).map_err(|source| io_error(&self.storage, "write to it", source))
    }

    /// Begins the next segment of the current session, in the place of the oldest.
    ///
    /// The segment before is on the disk by then. So a power cut takes from a session only its
    /// end, and whoever finds a segment whose predecessor is incomplete knows it for damage.
    fn roll(&mut self, continues: bool) -> Result<(), Error> {
        let (slot, seq) = self.next;
        let Some(following) = seq.checked_add(1) else {
            return Err(self.exhausted(self.header.slot_offset(slot), "its segments are numbered to the end"));
        };
        self.flush()?;
        self.next = ((slot + 1) % self.header.slots(), following);
        let (file_id, nonce) = (self.header.file_id, self.nonce);
        let budget = self.header.segment_size as usize / 4;
        let current = self.need_session()?;
        let header = SegmentHeader {
            seq,
            session: current.session.id,
            first_number: current.next_number,
            lost_before: current.lost,
            time_ns: current.last_ns,
            writer: nonce,
            chain: current.chain,
            flags: if continues { SEGMENT_CONTINUES } else { 0 },
            len: 0,
        };
        let mut start =
            Start { bytes: header.encode(&file_id).to_vec(), chain: header.seed(&file_id), current };
        assert_eq!(start.bytes.len(), SEGMENT_HEADER_LEN);
        start.put(nonce, kind::SESSION, 0, &|current, out| current.session.encode(out));
        start.put(nonce, kind::CLOCK, 0, &|current, out| current.clock.encode(out));
        let mut snapshot = Vec::new();
        let last_ns = start.current.last_ns;
        start.current.encoder.restart(budget, &mut |payload, count| snapshot.push((payload.to_vec(), count)));
        if let Some(end) = start.current.end.clone() {
            start.put(nonce, kind::END, 0, &|_, out| end.encode(out));
        }
        let mut state = Vec::new();
        start.current.encoder.start(last_ns, &mut state);
        start.put(nonce, kind::STATE, 0, &|_, out| out.extend_from_slice(&state));
        for (payload, count) in &snapshot {
            start.put(nonce, kind::SNAPSHOT, *count, &|_, out| out.extend_from_slice(payload));
        }
        let Start { bytes, chain, current } = start;
        (current.slot, current.seq, current.at, current.chain) = (slot, seq, bytes.len(), chain);
        self.write(self.header.slot_offset(slot), &bytes)
    }
}

/// The start frames of a segment, written in one go.
struct Start<'a> {
    bytes: Vec<u8>,
    chain: u32,
    current: &'a mut Current,
}

impl Start<'_> {
    fn put(&mut self, writer: u32, kind: u8, count: u32, encode: &dyn Fn(&Current, &mut Vec<u8>)) {
        let at = self.bytes.len();
        self.bytes.resize(at + FRAME_HEADER_LEN, 0);
        encode(self.current, &mut self.bytes);
        let (first_number, time_ns) = (self.current.next_number, self.current.last_ns);
        let header = FrameHeader {
            kind,
            count,
            writer,
            first_number,
            first_ns: time_ns,
            last_ns: time_ns,
            ..Default::default()
        };
        self.chain = header.seal(&mut self.bytes[at..], self.chain);
    }
}

/// Sixteen random bytes, for the id of a file or a session.
pub fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random().to_le_bytes());
    id[8..].copy_from_slice(&random().to_le_bytes());
    id
}

/// Random enough to tell writers and files apart: the keys that the standard library draws from
/// the operating system for its hash maps.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// A new session's id.
impl SessionId {
    /// A new one, drawn at random.
    pub fn random() -> Self {
        Self(random_id())
    }
}
