//! The heart of drainer and seal: kernel rings to ring file, each event exactly once.
//!
//! Invariant: [`Recorder::positions`] are those of the last batch that is *in the file*; they move
//! only with a batch that was appended and synced. After any failure the file is opened anew, and
//! what it says about itself counts, not what this process remembers; until that was written once more
//! and synced, the recorder is [`Recorder::behind`].

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use lastrites_traces::{
    Error as TraceError,
    abi::{POS_BITS, POS_MASK},
    event::What,
    ring::{Resumed, Writer},
    session::{Clock, Coverage, End, How, Layer, Session},
    storage::FileStorage,
};

use crate::{census, convert, machine, settle::Settle, status::Status};

/// What one CPU's ring had to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Head counter to go on at.
    pub next: u64,
    pub overwritten_records: u64,
    pub overwritten_bytes: u64,
    /// A record is reserved but not finished yet; reading stopped before it.
    pub stuck: bool,
}

/// The kernel's side, as the recorder needs it; tests put a made-up kernel here.
pub trait Rings {
    /// Head counters, one per CPU.
    fn heads(&self) -> Vec<u64>;

    /// Reads the records of `cpu` from head counter `from` to `until`, handing each one's head counter
    /// and bytes to `f`. An unfinished record ends it for as long as `patience` allows; one that is given
    /// up counts as overwritten.
    fn read(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        patience: Patience,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String>;

    /// What the probe could not store: (CPU, kind) and count since it was loaded.
    fn lost(&self) -> Vec<((u32, u8), u64)>;

    /// Hands back memory that only reading much at once needs.
    fn slim(&mut self) {}

    /// Signal 0, counted, of pollers that have been quiet since `before_ns`; forgets them.
    fn polls(&mut self, before_ns: u64) -> Vec<(u64, What)>;
}

/// Key of [`Session::extra`] that says that no seal was to be expected.
pub const NO_SEAL_KEY: &str = "seal";

/// Bytes that one batch takes of each CPU: bounds memory, not speed.
const BATCH_BYTES: u64 = 512 << 10;

/// Batches in one go at the end: bounds the time that a stop takes.
const LAST_ROUNDS: u32 = 64;
/// Pause when a last batch waits for a record that is unfinished: all rounds of it together are longer than such
/// a record is waited for.
const UNFINISHED_PAUSE: Duration = Duration::from_millis(1);

/// Counts of signal 0 are taken this often, once their caller has been quiet for so long: the probe has
/// room for a thousand of them.
const POLLS_EVERY_NS: u64 = 5_000_000_000;
const POLLS_QUIET_NS: u64 = 2_000_000_000;

/// Events of one batch: (time, what).
type Events = Vec<(u64, What)>;

/// What a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    pub events: u64,
    /// The rings hold more than one batch takes, or what a last batch waits for.
    pub more: bool,
}

#[derive(Debug)]
pub struct Recorder<R> {
    rings: R,
    path: PathBuf,
    session: Session,
    /// None after a failure, until the file could be opened again.
    writer: Option<Writer<FileStorage>>,
    /// The session is in the file.
    begun: bool,
    positions: Vec<u64>,
    /// To be written with the next batch: the census, and what failed batches had gathered besides events.
    pending: Events,
    /// What must not be said twice, should a batch that failed turn out to be in the file.
    failed: Option<Failed>,
    /// Is told of every exec, when the end of a boot is waited for.
    pub settle: Option<Settle>,
    pub status: Status,
    /// Boot time at which counts of signal 0 were last asked for.
    polled_ns: u64,
    /// Which ring could not be read for this batch, and why.
    unread: String,
    clock: Clock,
    page_kib: u64,
    /// Reused between batches while there is much to do.
    events: Events,
    heads: Vec<u64>,
}

impl<R: Rings> Recorder<R> {
    /// A recorder for a new session; it is written to the file with the first batch.
    pub fn new(rings: R, path: &Path, session: Session, status: Status) -> Self {
        let positions = vec![0; rings.heads().len()];
        Self {
            rings,
            path: path.to_owned(),
            clock: session.started,
            session,
            writer: None,
            begun: false,
            positions,
            pending: Vec::new(),
            failed: None,
            settle: None,
            polled_ns: machine::boottime_ns(),
            unread: String::new(),
            status,
            page_kib: machine::page_kib(),
            events: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// A recorder that goes on with the newest session of the file, as `writer` found it.
    pub fn resume(
        rings: R,
        path: &Path,
        writer: Writer<FileStorage>,
        resumed: &Resumed,
        status: Status,
    ) -> Self {
        let mut recorder = Self::new(rings, path, resumed.session.clone(), status);
        recorder.adopt(resumed);
        recorder.writer = Some(writer);
        recorder
    }

    fn adopt(&mut self, resumed: &Resumed) {
        self.begun = true;
        self.status.events = resumed.next_number;
        for (mine, theirs) in self.positions.iter_mut().zip(&resumed.positions) {
            *mine = *theirs;
        }
    }

    /// To be recorded with the next batch, before everything else.
    pub fn add(&mut self, events: impl IntoIterator<Item = (u64, What)>) {
        self.pending.extend(events);
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn rings(&self) -> &R {
        &self.rings
    }

    pub fn rings_mut(&mut self) -> &mut R {
        &mut self.rings
    }

    /// Whether the kernel has something that is not in the file.
    pub fn behind(&self) -> bool {
        !self.begun
            || self.writer.is_none()
            || !self.pending.is_empty()
            || self.polls_due(machine::boottime_ns())
            || self.rings.heads() != self.positions
    }

    fn polls_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.polled_ns) >= POLLS_EVERY_NS
    }

    /// Makes sure that the file is open, and that we are where it says.
    fn open(&mut self) -> Result<(), TraceError> {
        if self.writer.is_some() {
            return Ok(());
        }
        let writer = Writer::open(FileStorage::new(&self.path))?;
        let found = writer.resume().filter(|found| found.session.id == self.session.id);
        let numbered = self.status.events;
        match &found {
            Some(found) => self.adopt(found),
            None => self.begun = false,
        }
        if let Some(failed) = self.failed.take() {
            if found.is_some_and(|found| found.next_number > numbered) {
                self.status.reported.extend(failed.reported);
                self.status.lost += failed.lost;
            } else {
                self.pending.splice(0..0, failed.only_here);
            }
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Makes sure that the file is open and holds our session.
    fn writer(&mut self) -> Result<&mut Writer<FileStorage>, TraceError> {
        self.open()?;
        let Some(writer) = self.writer.as_mut() else {
            return Err(TraceError::Spent { path: self.path.clone() });
        };
        if !self.begun {
            begin(writer, &mut self.session)?;
            // Said at once, for who loses power says nothing later: what came before, while one hook after
            // the other was attached, is not all there.
            let from_ns = self.status.attached_ns;
            if from_ns > 0 {
                let note = "all of the probe is attached".to_owned();
                writer.cover(&Coverage {
                    from_ns,
                    to_ns: machine::boottime_ns(),
                    layer: Layer::Kernel,
                    note,
                })?;
            }
            self.begun = true;
        }
        Ok(writer)
    }

    /// Takes one batch from the kernel to the disk. After an error everything is still in the kernel;
    /// call it again.
    pub fn drain(&mut self, patience: Patience) -> Result<Drained, TraceError> {
        // Where the last batch failed, the file may hold it all the same: what follows begins there.
        let anew = self.writer.is_none();
        self.open()?;
        let heads = self.rings.heads();
        let mut next = self.positions.clone();
        let mut left = Left::default();
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        self.gather(&heads, &mut next, &mut events, &mut left, patience);
        let reported = self.losses(&mut events);
        let now_ns = machine::boottime_ns();
        if patience == Patience::Last {
            events.extend(self.rings.polls(u64::MAX));
        } else if self.polls_due(now_ns) {
            self.polled_ns = now_ns;
            events.extend(self.rings.polls(now_ns.saturating_sub(POLLS_QUIET_NS)));
        }
        if !self.begun {
            census::put_first(&events, &mut self.pending);
        }
        events.append(&mut self.pending);
        let done = self.write(&mut events, &next, anew);
        match done {
            Ok(()) => {
                let count = events.len() as u64;
                self.note(&events, reported);
                self.positions = next;
                events.clear();
                self.events = events;
                let waits = left.unfinished && patience == Patience::Last;
                if waits {
                    // Whoever has not finished a record may need this very processor for it.
                    std::thread::park_timeout(UNFINISHED_PAUSE);
                }
                Ok(Drained { events: count, more: left.capped || waits })
            }
            Err(error) => {
                self.writer = None;
                // What came out of the kernel rings is read again; the rest is only here.
                let lost = lost_in(&events);
                let only_here = events.into_iter().filter(|(_, what)| only_here(what)).collect();
                self.failed = Some(Failed { only_here, reported, lost });
                Err(error)
            }
        }
    }

    /// With `anew` the file was opened anew, and what it holds has to be synced even if nothing is added.
    fn write(&mut self, events: &mut Events, next: &[u64], anew: bool) -> Result<(), TraceError> {
        if events.is_empty() && next == self.positions && self.begun && !anew {
            return Ok(());
        }
        let clock = machine::clock();
        let stepped = self.clock.realtime_of(clock.boottime_ns).abs_diff(clock.realtime_ns) > 50_000_000
            || self.clock.utc_offset_s != clock.utc_offset_s;
        let writer = self.writer()?;
        if stepped {
            writer.clock(clock)?;
        }
        events.sort_by_key(|(time_ns, _)| *time_ns);
        writer.append(events, next)?;
        writer.sync()?;
        writer.release();
        if stepped {
            self.clock = clock;
        }
        Ok(())
    }

    /// Reads all CPUs, in order of time as far as bounded batches allow.
    fn gather(
        &mut self,
        heads: &[u64],
        next: &mut [u64],
        events: &mut Events,
        left: &mut Left,
        patience: Patience,
    ) {
        // Up to this time the batch is complete on every CPU; what is later waits for the next one.
        let mut horizon_ns = u64::MAX;
        let mut at = std::mem::take(&mut self.heads);
        at.clear();
        // Where the events of each CPU end.
        let mut ends = Vec::with_capacity(heads.len());
        let mut losses = Vec::new();
        for (cpu, (head, from)) in heads.iter().zip(next.iter_mut()).enumerate() {
            let begin = events.len();
            let available = head.wrapping_sub(*from) & POS_MASK;
            let capped = available > BATCH_BYTES;
            let until = if capped { advance(*from, BATCH_BYTES) } else { *head };
            let page_kib = self.page_kib;
            let read = self.rings.read(cpu as u32, *from, until, patience, &mut |head, record| {
                if let Some(event) = convert::convert(record, page_kib) {
                    events.push(event);
                    at.push(head);
                }
            });
            match read {
                Ok(taken) => {
                    if taken.overwritten_records > 0 || taken.overwritten_bytes > 0 {
                        let time_ns = events.get(begin).map_or_else(machine::boottime_ns, |(time, _)| *time);
                        let (count, bytes) = (taken.overwritten_records, taken.overwritten_bytes);
                        losses.push((time_ns, What::Lost { cpu: cpu as u32, kind: 0, count, bytes }));
                    }
                    left.capped |= capped;
                    left.unfinished |= taken.stuck;
                    if capped || taken.stuck {
                        let last = events[begin..].iter().map(|(time, _)| *time).max();
                        horizon_ns = horizon_ns.min(last.unwrap_or(u64::MAX));
                    }
                    *from = taken.next;
                }
                Err(why) => {
                    self.unread = format!("CPU {cpu}: cannot read its ring: {why}");
                    events.truncate(begin);
                    at.truncate(begin);
                }
            }
            ends.push(events.len());
        }
        // What waits is read again, so it goes; the last CPU first, lest the places of the others move.
        for (cpu, end) in ends.iter().enumerate().rev() {
            let begin = if cpu == 0 { 0 } else { ends[cpu - 1] };
            if let Some(first) = (begin..*end).find(|index| events[*index].0 > horizon_ns) {
                next[cpu] = at[first];
                events.drain(first..*end);
            }
        }
        if let Some(settle) = &mut self.settle {
            for (time_ns, what) in events.iter() {
                if let What::Exec(exec) = what {
                    settle.exec(*time_ns, &exec.filename);
                }
            }
        }
        events.append(&mut losses);
        self.heads = at;
    }

    /// Hands back what a storm needed of memory; idle, a recorder should hold next to nothing.
    pub fn slim(&mut self) {
        self.events = Vec::new();
        self.heads = Vec::new();
        self.rings.slim();
    }

    /// What the probe could not store since it was last reported.
    fn losses(&self, events: &mut Events) -> Vec<((u32, u8), u64)> {
        let mut reported = Vec::new();
        for ((cpu, kind), count) in self.rings.lost() {
            let before = self.status.reported.get(&(cpu, kind)).copied().unwrap_or(0);
            if count > before {
                let lost = What::Lost { cpu, kind, count: count - before, bytes: 0 };
                events.push((machine::boottime_ns(), lost));
                reported.push(((cpu, kind), count));
            }
        }
        reported
    }

    fn note(&mut self, events: &Events, reported: Vec<((u32, u8), u64)>) {
        self.status.reported.extend(reported);
        self.status.events += events.len() as u64;
        self.status.lost += lost_in(events);
        self.status.session = self.session.id.to_string();
        if !events.is_empty() {
            self.status.written_ns = machine::realtime_ns();
        }
        self.status.problem = std::mem::take(&mut self.unread);
    }

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
        let mut lost: Events = lost.collect();
        self.write(&mut lost, &heads, false)?;
        self.note(&lost, Vec::new());
        self.positions = heads;
        Ok(())
    }

    /// Says from when to when a layer recorded.
    pub fn cover(&mut self, from_ns: u64, layer: Layer, note: &str) -> Result<(), TraceError> {
        let to_ns = machine::boottime_ns();
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
        if done.is_err() {
            self.writer = None;
        }
        done
    }
}

/// What a batch left in the rings.
#[derive(Debug, Default)]
struct Left {
    /// More than a batch takes.
    capped: bool,
    /// A record that its writer has not finished, and what is behind it.
    unfinished: bool,
}

/// What a batch that could not be synced had gathered.
#[derive(Debug)]
struct Failed {
    /// Events that nobody else has.
    only_here: Events,
    reported: Vec<((u32, u8), u64)>,
    lost: u64,
}

/// What to do about a record that its writer has not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// There will be another batch: what is later than the unfinished record waits for it.
    Later,
    /// Nobody comes after this: it is waited for, a moment only, and what is behind it is taken all the same.
    Last,
}

/// Begins `session` behind whatever the file holds, which is ended if nobody has done that.
fn begin(writer: &mut Writer<FileStorage>, session: &mut Session) -> Result<(), TraceError> {
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
                (How::NoSeal, "ended without a seal: power cut, panic or hang")
            };
            let time_ns = previous.last_time_ns;
            writer.end(&End { how, time_ns, note: note.to_owned() })?;
        }
    }
    writer.begin(session)
}

/// How many events were lost, by what a batch says of it.
fn lost_in(events: &Events) -> u64 {
    let lost = events.iter().map(|(_, what)| if let What::Lost { count, .. } = what { *count } else { 0 });
    lost.sum()
}

/// Whether an event has no other source that would give it again.
fn only_here(what: &What) -> bool {
    match what {
        What::Process(_) | What::Poll { .. } => true,
        What::CgroupMkdir { process, .. } => process.tgid == 0,
        _ => false,
    }
}

/// The head counter `bytes` further on. How many records that is is not known, and not needed where
/// only the position counts.
fn advance(head: u64, bytes: u64) -> u64 {
    (head & !POS_MASK) | (head.wrapping_add(bytes) & POS_MASK)
}

#[cfg(test)]
mod tests;
