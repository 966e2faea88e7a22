//! Rings of several CPUs that go by position as the kernel's do: a read may end inside a record, which is then the
//! last; records can be unfinished, never finished, overwritten, or unreadable.

use std::collections::BTreeSet;

use super::super::{Patience, Rings, Taken};
use super::{LEN, disk::Disk, exit};
use lastrites_traces::{
    abi::{POS_BITS, POS_MASK},
    event::What,
};

/// Who made the record `index` of `cpu`.
pub fn tgid(cpu: u32, index: usize) -> u32 {
    cpu << 24 | index as u32
}

/// The CPU and index of what [`tgid`] names.
pub fn made_by(tgid: u32) -> (usize, usize) {
    ((tgid >> 24) as usize, (tgid & 0xff_ffff) as usize)
}

fn head(index: usize) -> u64 {
    (index as u64) << POS_BITS | (index as u64 * LEN)
}

#[derive(Debug, Clone, Copy)]
pub struct Stuck {
    pub index: usize,
    /// Reads that find it unfinished.
    pub reads: u32,
    /// It is given up then.
    pub lost: bool,
}

#[derive(Debug, Default)]
pub struct Cpu {
    /// Time of each record.
    pub times: Vec<u64>,
    /// How many have been made by now.
    pub shown: usize,
    pub stuck: Option<Stuck>,
    /// Which read of this CPU fails, counted from now on and behind some records.
    pub fails: Option<u32>,
    /// When reading comes to the first, all before the second is overwritten.
    pub laps: Option<(usize, usize)>,
    /// Records before this one are overwritten.
    kept: usize,
    given_up: BTreeSet<usize>,
    /// What each read was asked for: bytes.
    pub asked: Vec<u64>,
}

impl Cpu {
    pub fn new(times: impl IntoIterator<Item = u64>) -> Self {
        Self { times: times.into_iter().collect(), ..Self::default() }
    }

    fn read(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String> {
        let fails = self.fails.map(|reads| reads == 0);
        self.fails = self.fails.and_then(|reads| reads.checked_sub(1));
        let mut taken = Taken { next: from, ..Taken::default() };
        let end = until & POS_MASK;
        self.asked.push(end - (from & POS_MASK));
        let mut handed = 0;
        while taken.next & POS_MASK < end {
            let position = taken.next & POS_MASK;
            let index = (position / LEN) as usize;
            if let Some((at, kept)) = self.laps
                && at <= index
            {
                self.kept = self.kept.max(kept);
                self.laps = None;
            }
            if fails == Some(true) && handed == 9 {
                return Err("made to fail".to_owned());
            }
            if let Some(stuck) = &mut self.stuck
                && stuck.index == index
                && index >= self.kept
            {
                if stuck.reads > 0 {
                    stuck.reads -= 1;
                    taken.stuck = true;
                    break;
                }
                if stuck.lost {
                    self.given_up.insert(index);
                }
            }
            let kept = if self.given_up.contains(&index) { self.kept.max(index + 1) } else { self.kept };
            if index < kept {
                // Where nothing is left up to the end, the kernel's rings know no count for it either.
                let next = if kept as u64 * LEN < end { head(kept) } else { until };
                taken.overwritten_bytes += (next & POS_MASK) - position;
                taken.overwritten_records += (next >> POS_BITS) - (taken.next >> POS_BITS);
                taken.next = next;
                continue;
            }
            assert_eq!(taken.next, head(index), "not the beginning of a record");
            f(taken.next, &exit(tgid(cpu, index), self.times[index]));
            handed += 1;
            taken.next = head(index + 1);
        }
        Ok(taken)
    }
}

#[derive(Debug, Default)]
pub struct Cpus {
    pub cpus: Vec<Cpu>,
    pub disk: Disk,
}

impl Rings for Cpus {
    fn heads(&self) -> Vec<u64> {
        self.cpus.iter().map(|cpu| head(cpu.shown)).collect()
    }

    fn read(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        _patience: Patience,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String> {
        self.disk.read();
        self.cpus[cpu as usize].read(cpu, from, until, f)
    }

    fn lost(&self) -> Vec<((u32, u8), u64)> {
        Vec::new()
    }

    fn polls(&mut self, _before_ns: u64) -> Vec<(u64, What)> {
        Vec::new()
    }
}
