//! One batch: what the rings of all CPUs have, in order of time, and what is lost.
//!
//! Invariant: what has been taken up to the positions in [`Batch::next`] is complete on every CPU; what waits for
//! something that is not finished is read again, and counted by nobody until then.
//!
//! A batch is what is synced at once, and is taken in rounds: what one reads, converts and encodes stays in the
//! processor's cache, and going through a whole batch several times would cost more than all the rest.

use lastrites_traces::{abi::POS_MASK, event::What};

use super::{Events, Patience, Recorder, Rings};
use crate::{convert, machine};

/// Bytes that one batch takes of each CPU: bounds the time to the next look at the signals, and how often is synced.
pub(super) const BATCH_BYTES: u64 = 1 << 20;
/// Bytes that one round reads of each CPU: bounds memory.
pub(super) const ROUND_BYTES: u64 = 128 << 10;

/// A batch in the making.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Head counters at its beginning: it goes no further.
    heads: Vec<u64>,
    /// Up to where it was taken.
    pub(super) next: Vec<u64>,
    /// What did not come out of the rings; told in the last round.
    pub(super) others: Events,
    /// What the rings have lost, of this round.
    pub(super) overwritten: Events,
    /// The rings hold more than a batch takes.
    pub(super) capped: bool,
    /// A record that its writer has not finished, and what is behind it.
    pub(super) unfinished: bool,
    /// Events so far, and what they say is lost: (number of the event behind, how many).
    pub(super) events: u64,
    pub(super) lost: Vec<(u64, u64)>,
    /// Number behind `others`.
    pub(super) told: u64,
    /// The losses by the probe among them, as they are to be noted.
    pub(super) reporting: Vec<((u32, u8), u64)>,
}

impl Batch {
    pub(super) fn new(heads: Vec<u64>, next: Vec<u64>) -> Self {
        Self { heads, next, told: u64::MAX, ..Self::default() }
    }
}

/// What has been read of one CPU's ring.
#[derive(Debug, Default)]
pub(super) struct Lane {
    events: Events,
    /// Head counter of each.
    heads: Vec<u64>,
    /// Which of them this round takes; those before are taken, those behind wait.
    from: usize,
    to: usize,
    /// The latest time that was read for this batch.
    latest_ns: u64,
    /// Something between them is lost.
    lapped: bool,
    /// Head counter to read on at, and bytes read for this batch.
    at: u64,
    bytes: u64,
    stuck: bool,
    failed: bool,
}

impl Lane {
    /// What this round takes.
    pub(super) fn taken(&self) -> &[(u64, What)] {
        &self.events[self.from..self.to]
    }

    /// Ready for the next batch, which begins where this one was taken to.
    pub(super) fn forget(&mut self) {
        self.empty();
        (self.latest_ns, self.bytes, self.stuck, self.failed) = (0, 0, false, false);
    }

    fn empty(&mut self) {
        self.events.clear();
        self.heads.clear();
        (self.from, self.to, self.lapped) = (0, 0, false);
    }

    fn waits(&self) -> bool {
        self.to < self.events.len()
    }

    /// Whether there is more up to `head` than has been read, as far as anybody can tell now.
    fn has_more(&self, head: u64) -> bool {
        self.at & POS_MASK != head & POS_MASK && !self.stuck && !self.failed
    }
}

impl<R: Rings> Recorder<R> {
    /// Reads the next round of all CPUs, in order of time as far as bounded batches allow. False when it is the last.
    pub(super) fn gather(
        &mut self,
        batch: &mut Batch,
        lanes: &mut Vec<Lane>,
        round_bytes: u64,
        patience: Patience,
    ) -> bool {
        lanes.resize_with(batch.heads.len(), Lane::default);
        // Up to this time the round is complete on every CPU; what is later waits for the next one.
        let mut horizon_ns = u64::MAX;
        for (cpu, lane) in lanes.iter_mut().enumerate() {
            lane.from = lane.to;
            if !lane.waits() {
                lane.empty();
                if lane.bytes == 0 {
                    lane.at = batch.next[cpu];
                }
                self.fill(cpu, lane, batch, round_bytes, patience);
            }
            // An unfinished record is later than what was before it, be that of another round.
            let follows = lane.has_more(batch.heads[cpu]) && !lane.events.is_empty();
            if follows || lane.stuck && lane.latest_ns > 0 {
                horizon_ns = horizon_ns.min(lane.latest_ns);
            }
        }
        let (mut waits, mut more, mut full) = (false, false, false);
        for (cpu, lane) in lanes.iter_mut().enumerate() {
            // What is told as lost with this round must not be read again, and what is behind it may be gone by then.
            let later = if lane.latest_ns > horizon_ns && !lane.lapped {
                lane.events[lane.from..].iter().position(|(time_ns, _)| *time_ns > horizon_ns)
            } else {
                None
            };
            lane.to = later.map_or(lane.events.len(), |later| lane.from + later);
            batch.next[cpu] = lane.heads.get(lane.to).copied().unwrap_or(lane.at);
            let has_more = lane.has_more(batch.heads[cpu]);
            waits |= lane.waits();
            more |= has_more;
            full |= has_more && lane.bytes >= BATCH_BYTES;
            batch.unfinished |= lane.stuck;
        }
        batch.capped = more;
        if let Some(settle) = &mut self.settle {
            for (time_ns, what) in lanes.iter().flat_map(Lane::taken) {
                if let What::Exec(exec) = what {
                    settle.exec(*time_ns, &exec.filename);
                }
            }
        }
        (waits || more) && !full && !batch.unfinished
    }

    /// Reads on in the ring of `cpu`.
    fn fill(&mut self, cpu: usize, lane: &mut Lane, batch: &mut Batch, round_bytes: u64, patience: Patience) {
        let head = batch.heads[cpu];
        let room = round_bytes.min(BATCH_BYTES.saturating_sub(lane.bytes));
        if !lane.has_more(head) || room == 0 {
            return;
        }
        let available = head.wrapping_sub(lane.at) & POS_MASK;
        let until = if available > room { advance(lane.at, room) } else { head };
        let page_kib = self.page_kib;
        // Of an unknown kind, or overwritten while it was read: it is gone, and has to be counted.
        let (mut unreadable_records, mut unreadable_bytes) = (0, 0);
        let Lane { events, heads, latest_ns, .. } = lane;
        let read = self.rings.read(cpu as u32, lane.at, until, patience, &mut |head, record| {
            let Some(event) = convert::convert(record, page_kib) else {
                unreadable_records += 1;
                unreadable_bytes += record.len() as u64;
                return;
            };
            *latest_ns = event.0.max(*latest_ns);
            events.push(event);
            heads.push(head);
        });
        match read {
            Ok(taken) => {
                let count = taken.overwritten_records + unreadable_records;
                let bytes = taken.overwritten_bytes + unreadable_bytes;
                if count > 0 || bytes > 0 {
                    lane.lapped = true;
                    let time_ns = lane.events.first().map_or_else(machine::boottime_ns, |(time, _)| *time);
                    batch.overwritten.push((time_ns, What::Lost { cpu: cpu as u32, kind: 0, count, bytes }));
                }
                lane.bytes += taken.next.wrapping_sub(lane.at) & POS_MASK;
                lane.at = taken.next;
                lane.stuck = taken.stuck;
            }
            Err(why) => {
                self.unread = format!("CPU {cpu}: cannot read its ring: {why}");
                lane.empty();
                lane.failed = true;
            }
        }
    }

    /// What the probe could not store since it was last reported.
    pub(super) fn losses(&self, events: &mut Events) -> Vec<((u32, u8), u64)> {
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
}

/// The head counter `bytes` further on. How many records that is is not known, and not needed where
/// only the position counts.
fn advance(head: u64, bytes: u64) -> u64 {
    (head & !POS_MASK) | (head.wrapping_add(bytes) & POS_MASK)
}
