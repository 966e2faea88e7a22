//! One batch: what the rings of all CPUs have, in order of time, and what is lost.
//!
//! Invariant: what is gathered up to the positions in `next` is complete on every CPU; what waits for something
//! that is not finished is read again, and counted by nobody until then.

use lastrites_traces::{abi::POS_MASK, event::What};

use super::{Events, Patience, Recorder, Rings};
use crate::{convert, machine};

/// Bytes that one batch takes of each CPU: bounds memory, not speed.
const BATCH_BYTES: u64 = 512 << 10;

/// What a batch left in the rings.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// More than a batch takes.
    pub(super) capped: bool,
    /// A record that its writer has not finished, and what is behind it.
    pub(super) unfinished: bool,
}

impl<R: Rings> Recorder<R> {
    /// Reads all CPUs, in order of time as far as bounded batches allow.
    pub(super) fn gather(
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
