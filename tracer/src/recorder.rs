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
    event::What,
    ring::{Resumed, Writer},
    session::{Clock, Coverage, Layer, Session},
    storage::FileStorage,
};

use crate::{census, machine, settle::Settle, status::Status};

mod edges;
mod gather;
mod rings;

pub use rings::{Patience, Rings, Taken};

use gather::{BATCH_BYTES, Batch, Lane, ROUND_BYTES};

/// Key of [`Session::extra`] that says that no seal was to be expected.
pub const NO_SEAL_KEY: &str = "seal";

/// So often, half a minute with the recorder's pauses, the file must fail to open before segments that cannot be read
/// and may be the newest are given up.
const OPENS_MAX: u32 = 20;

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
    /// Times in a row that the file could not be opened.
    failed_opens: u32,
    /// Is told of every exec, when the end of a boot is waited for.
    pub settle: Option<Settle>,
    pub status: Status,
    /// Where the status is kept for whoever goes on, should this process be killed: losses are noted there before they are
    /// written, so that nobody reports them again. None for who records alone.
    pub run: Option<PathBuf>,
    /// Boot time at which counts of signal 0 were last asked for.
    polled_ns: u64,
    /// Which ring could not be read for this batch, and why.
    unread: String,
    clock: Clock,
    page_kib: u64,
    /// Reused between batches while there is much to do.
    lanes: Vec<Lane>,
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
            failed_opens: 0,
            settle: None,
            polled_ns: machine::boottime_ns(),
            unread: String::new(),
            status,
            run: None,
            page_kib: machine::page_kib(),
            lanes: Vec::new(),
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
        let storage = FileStorage::new(&self.path);
        // A disk that does not read for a moment finds its newest as it was; one that never does must not end recording.
        let open = if self.failed_opens < OPENS_MAX { Writer::open } else { Writer::open_past_damage };
        let writer =
            open(storage).inspect_err(|_| self.failed_opens = self.failed_opens.saturating_add(1))?;
        self.failed_opens = 0;
        let found = writer.resume().filter(|found| found.session.id == self.session.id);
        match &found {
            Some(found) => self.adopt(found),
            None => self.begun = false,
        }
        if let Some(failed) = self.failed.take() {
            let number = found.map_or(0, |found| found.next_number);
            let lost = failed.lost.iter().filter(|(behind, _)| *behind <= number);
            self.status.lost += lost.map(|(_, count)| count).sum::<u64>();
            self.status.settle(number);
            if number < failed.told {
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
            edges::begin(writer, &mut self.session)?;
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
        let done = self.drain_batch(patience);
        self.note_read_only(done.as_ref().err());
        done
    }

    /// A write that succeeds clears it.
    fn note_read_only(&mut self, error: Option<&TraceError>) {
        self.status.read_only |= error.is_some_and(TraceError::is_read_only);
    }

    fn drain_batch(&mut self, patience: Patience) -> Result<Drained, TraceError> {
        // Where the last batch failed, the file may hold it all the same: what follows begins there.
        let anew = self.writer.is_none();
        self.open()?;
        let mut batch = Batch::new(self.rings.heads(), self.positions.clone());
        let now_ns = machine::boottime_ns();
        if patience == Patience::Last {
            batch.others.extend(self.rings.polls(u64::MAX));
        } else if self.polls_due(now_ns) {
            self.polled_ns = now_ns;
            batch.others.extend(self.rings.polls(now_ns.saturating_sub(POLLS_QUIET_NS)));
        }
        batch.reporting = self.losses(&mut batch.others);
        let mut lanes = std::mem::take(&mut self.lanes);
        let done = self.take(&mut batch, &mut lanes, patience, anew);
        lanes.iter_mut().for_each(Lane::forget);
        self.lanes = lanes;
        match done {
            Ok(()) => {
                self.note(batch.events, batch.lost.iter().map(|(_, count)| count).sum());
                self.positions = batch.next;
                let waits = batch.unfinished && patience == Patience::Last;
                if waits {
                    // Whoever has not finished a record may need this very processor for it.
                    std::thread::park_timeout(UNFINISHED_PAUSE);
                }
                Ok(Drained { events: batch.events, more: batch.capped || waits })
            }
            Err(error) => {
                self.writer = None;
                // What came out of the kernel rings is read again; the rest is only here.
                batch.others.retain(|(_, what)| only_here(what));
                let Batch { others: only_here, told, lost, .. } = batch;
                self.failed = Some(Failed { only_here, told, lost });
                Err(error)
            }
        }
    }

    /// Takes a batch from the rings to the file, round by round, and syncs it. With `anew` the file was opened anew,
    /// and what it holds has to be synced even if nothing is added.
    fn take(
        &mut self,
        batch: &mut Batch,
        lanes: &mut Vec<Lane>,
        patience: Patience,
        anew: bool,
    ) -> Result<(), TraceError> {
        // The census has to see all of the first batch.
        let round_bytes = if self.begun { ROUND_BYTES } else { BATCH_BYTES };
        let stepped = self.stepped();
        let mut untold = stepped;
        loop {
            let last = !self.gather(batch, lanes, round_bytes, patience);
            let mut events: Vec<&(u64, What)> = Vec::new();
            for lane in &*lanes {
                events.extend(lane.taken());
            }
            let overwritten = std::mem::take(&mut batch.overwritten);
            events.extend(&overwritten);
            let mut lost = lost_in(&overwritten);
            if last {
                if !self.begun {
                    let all: Vec<_> = events.iter().copied().chain(&batch.others).collect();
                    census::put_first(&all, &mut self.pending);
                }
                batch.others.append(&mut self.pending);
                events.extend(&batch.others);
                lost += lost_in(&batch.others);
                if events.is_empty() && batch.next == self.positions && self.begun && !anew {
                    return Ok(());
                }
            }
            let writer = self.writer()?;
            if let Some(clock) = untold.take() {
                writer.clock(clock)?;
            }
            batch.events += events.len() as u64;
            let number = writer.next_number() + events.len() as u64;
            if lost > 0 {
                batch.lost.push((number, lost));
            }
            if last {
                batch.told = number;
                self.foretell(std::mem::take(&mut batch.reporting), number);
            }
            let writer = self.writer()?;
            if last || !events.is_empty() {
                writer.append_each(events, &batch.next)?;
            }
            if last {
                return self.sync(stepped);
            }
        }
    }

    /// Notes that losses are about to be on the recording, once that has got to event `told`.
    fn foretell(&mut self, reporting: Vec<((u32, u8), u64)>, told: u64) {
        if reporting.is_empty() {
            return;
        }
        self.status.reporting.extend(reporting);
        self.status.told = told;
        if let Some(run) = &self.run {
            // Where there is no room for it, losses may be told twice of a recorder that is killed just then.
            let _ = self.status.store(run);
        }
    }

    /// What the clocks say, when that is not what was told of them.
    fn stepped(&self) -> Option<Clock> {
        let now = machine::clock();
        let apart_ns = self.clock.realtime_of(now.boottime_ns).abs_diff(now.realtime_ns);
        (apart_ns > 50_000_000 || self.clock.utc_offset_s != now.utc_offset_s).then_some(now)
    }

    fn sync(&mut self, stepped: Option<Clock>) -> Result<(), TraceError> {
        let writer = self.writer()?;
        writer.sync()?;
        writer.release();
        self.status.read_only = false;
        self.clock = stepped.unwrap_or(self.clock);
        Ok(())
    }

    /// Hands back what a storm needed of memory; idle, a recorder should hold next to nothing.
    pub fn slim(&mut self) {
        self.lanes = Vec::new();
        self.rings.slim();
    }

    fn note(&mut self, events: u64, lost: u64) {
        self.status.settle(u64::MAX);
        self.status.events += events;
        self.status.lost += lost;
        self.status.session = self.session.id.to_string();
        if events > 0 {
            self.status.written_ns = machine::realtime_ns();
        }
        self.status.problem = std::mem::take(&mut self.unread);
    }
}

/// What a batch that could not be synced had gathered.
#[derive(Debug)]
struct Failed {
    /// Events that nobody else has.
    only_here: Events,
    /// Number behind all of that, should it be in the file.
    told: u64,
    lost: Vec<(u64, u64)>,
}

/// How many events were lost, by what these say of it.
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

#[cfg(test)]
mod tests;
