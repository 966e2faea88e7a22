//! The kernel's rings, read from their pins.
//!
//! Invariant: a record is handed out only when its stamp was there before it was copied and its room was
//! still its own afterwards; every record reserved between two positions is handed out, counted
//! as overwritten, or still to come. Layout: `lastrites_traces::abi`.
//!
//! Nothing of BPF's machinery is needed for it: a few system calls, and a window of one chunk into
//! each ring.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use lastrites_traces::abi::{self, CHUNK, Head, Header, POS_BITS, POS_MASK, Poll, SLACK};

use crate::probe::{ProbeError, meta::Meta};

mod counters;
pub mod sys;

pub(crate) use counters::Caught;

use sys::Mapping;

/// Bytes that are copied out of a ring at a time: they are still at hand when they are handed out.
const BLOCK: usize = 16 << 10;
/// Chunks that are mapped at a time, so that a storm maps each but once. They count as this process's memory
/// as long as they are, of which the out-of-memory killer takes account.
const WINDOWS_MAX: usize = 64;
/// Looks at an unfinished record before it counts as stuck: some microseconds.
const SPINS: u32 = 200;
/// A record unfinished for so long is given up: its writer was torn from it.
pub const STUCK_MAX: Duration = Duration::from_secs(1);
/// The same for who reads for the last time: a writer that was only preempted has finished by then.
pub const STUCK_MAX_LAST: Duration = Duration::from_millis(20);
/// How a storm's records are long, give or take: to guess laps of the record counter.
const RECORD_BYTES_TYPICAL: u64 = 64;
const COUNT_MASK: u64 = (1 << (64 - POS_BITS)) - 1;
const PAGE: usize = 4096;
const ENTRY: usize = CHUNK + SLACK;

/// One record, whole and unchanged.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// The head counter at which it was reserved: reading from there on gives it again.
    pub head: u64,
    /// Header and body, `len` bytes.
    pub bytes: &'a [u8],
}

/// How far reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuRead {
    /// The head counter to read from next.
    pub next: u64,
    /// Records that were overwritten before they could be read, or were never finished.
    pub overwritten_records: u64,
    pub overwritten_bytes: u64,
    /// The record at `next` is not finished; later ones may be.
    pub stuck: bool,
}

/// Readable ends of a pinned probe.
#[derive(Debug)]
pub struct KernelRing {
    dir: PathBuf,
    key: u64,
    cpus: u32,
    /// Those that have a ring.
    ring_cpus: u32,
    chunks: u64,
    rings: OwnedFd,
    heads: Mapping,
    lost: OwnedFd,
    caught: Option<Caught>,
    polls: OwnedFd,
    taken: OwnedFd,
    /// Kind of events and number of the program of every hook.
    programs: Vec<(u8, u32)>,
    /// What only [`Self::look`] finds out.
    missed: BTreeMap<(u32, u8), u64>,
    bell: Bell,
    /// The chunks that are mapped, and how many they are.
    windows: Vec<Option<Mapping>>,
    mapped: usize,
    block: Vec<u8>,
    /// Since when which record of a CPU has been unfinished.
    unfinished: BTreeMap<u32, (u64, Instant)>,
    stuck_max: Duration,
}

#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    /// Pages of the consumer's and of the producer's position.
    consumer: Mapping,
    producer: Mapping,
}

impl Bell {
    fn open(path: &Path) -> io::Result<Self> {
        let fd = sys::open_pin(path)?;
        let consumer = Mapping::new(&fd, 0, PAGE, true)?;
        let producer = Mapping::new(&fd, PAGE as u64, PAGE, false)?;
        Ok(Self { fd, consumer, producer })
    }
}

/// Bytes from position `from` to position `to`, which is further on.
fn distance(from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) & POS_MASK
}

/// Records between two head counters that lie `bytes` apart. The counter laps every 2^24 records; for
/// longer gaps the number of laps is the one that makes the records' mean length the most usual.
fn records(from: u64, to: u64, bytes: u64) -> u64 {
    let counted = (to >> POS_BITS).wrapping_sub(from >> POS_BITS) & COUNT_MASK;
    let lap = COUNT_MASK + 1;
    let guess = bytes / RECORD_BYTES_TYPICAL;
    let laps = (guess.saturating_sub(counted) + lap / 2) / lap;
    // Records have at least a header: fewer bytes than that leave no choice.
    if bytes < lap * size_of::<Header>() as u64 { counted } else { counted + laps * lap }
}

/// Where a scan for the next record ended.
enum Found {
    Record(u64),
    Nothing,
}

impl KernelRing {
    /// Opens the probe that is pinned in `dir`.
    ///
    /// # Errors
    /// When there is none, or one of another version, or without root.
    pub fn open(dir: &Path) -> Result<Self, ProbeError> {
        let meta = Meta::read(dir)?;
        let fail = |name: &str| {
            let path = dir.join(name);
            move |source| ProbeError::Open { path, source }
        };
        let map = |name: &str, value_size: usize, entries: u64| {
            let open = || {
                let map = sys::open_pin(&dir.join(name))?;
                let info = sys::expect_map(&map, value_size as u32)?;
                if u64::from(info.max_entries) < entries {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "it has too few entries: a map of another version",
                    ));
                }
                Ok(map)
            };
            open().map_err(fail(name))
        };
        let (cpus, chunks) = (u64::from(meta.cpus), u64::from(meta.chunks));
        let ring_cpus = ring_cpus(dir, meta.chunks)?;
        let rings = map("RINGS", ENTRY, u64::from(ring_cpus) * chunks)?;
        let heads = map("HEADS", size_of::<Head>(), cpus)?;
        let bytes = (cpus as usize * size_of::<Head>()).next_multiple_of(PAGE);
        let heads = Mapping::new(&heads, 0, bytes, false).map_err(fail("HEADS"))?;
        Ok(Self {
            dir: dir.to_owned(),
            key: meta.key,
            cpus: meta.cpus,
            ring_cpus,
            chunks,
            rings,
            heads,
            lost: map("LOST", size_of::<u64>(), abi::kind::COUNT as u64)?,
            caught: Caught::open(dir, meta.cpus).map_err(fail("CAUGHT"))?,
            polls: map("POLLS", size_of::<Poll>(), 1)?,
            taken: map("TAKEN", size_of::<u64>(), 1)?,
            programs: meta
                .hooks
                .iter()
                .filter_map(|hook| Some((*hook.kinds.first()?, hook.program?)))
                .collect(),
            missed: BTreeMap::new(),
            bell: Bell::open(&dir.join("BELL")).map_err(fail("BELL"))?,
            windows: (0..u64::from(ring_cpus) * chunks).map(|_| None).collect(),
            mapped: 0,
            block: Vec::new(),
            unfinished: BTreeMap::new(),
            stuck_max: STUCK_MAX,
        })
    }

    /// Number of possible CPUs.
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// Bytes in one CPU's ring.
    pub fn capacity(&self) -> u64 {
        self.chunks * CHUNK as u64
    }

    /// How long an unfinished record is waited for before it is given up (then counted as
    /// overwritten).
    pub fn set_patience(&mut self, stuck_max: Duration) {
        self.stuck_max = stuck_max;
    }

    /// Hands back the copying buffer and the windows.
    pub fn slim(&mut self) {
        self.block = Vec::new();
        self.unmap();
    }

    fn unmap(&mut self) {
        self.windows.fill_with(|| None);
        self.mapped = 0;
    }

    fn head(&self, cpu: u32) -> u64 {
        self.heads.load(cpu as usize * size_of::<Head>())
    }

    /// Where each CPU writes next: its head counter.
    pub fn positions_now(&self) -> Vec<u64> {
        (0..self.cpus).map(|cpu| self.head(cpu)).collect()
    }

    /// Readable when a CPU has written an eighth of its ring; see [`Self::clear_bell`].
    pub fn bell_fd(&self) -> BorrowedFd<'_> {
        self.bell.fd.as_fd()
    }

    /// Takes what rang, so that [`Self::bell_fd`] becomes readable by the next stroke only.
    pub fn clear_bell(&mut self) {
        self.bell.consumer.store(0, self.bell.producer.load(0));
    }

    /// Hands the records of `cpu` from head counter `from` up to the position of `until` to `f`, in
    /// the order in which they were reserved. Only the position of `until` counts; it may lie inside a record,
    /// which is then the last.
    ///
    /// # Errors
    /// When `cpu` does not exist, `from` is not of this probe, or the rings cannot be mapped.
    pub fn read_cpu(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        f: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<CpuRead, ProbeError> {
        if cpu >= self.cpus {
            return Err(ProbeError::Foreign { path: self.dir.clone(), why: "it knows fewer CPUs" });
        }
        let mut read = CpuRead { next: from, overwritten_records: 0, overwritten_bytes: 0, stuck: false };
        let far = POS_MASK / 2;
        let now = self.head(cpu);
        if distance(from, now) > far {
            return Err(ProbeError::Foreign {
                path: self.dir.clone(),
                why: "it has not come that far: the position is of another probe",
            });
        }
        let until = if distance(until, now) > far { now } else { until };
        if cpu >= self.ring_cpus {
            // It was plugged in later: the probe has counted each of its events as lost.
            return Ok(CpuRead { next: until, ..read });
        }
        // After being lapped while copying, more is left behind, lest it happen again and again.
        let mut margin = 0;
        loop {
            if distance(read.next, until) == 0 || distance(read.next, until) > far {
                break;
            }
            let now = self.head(cpu);
            if distance(read.next, now) + margin > self.capacity() {
                let keep = self.capacity().saturating_sub(margin);
                self.skip_to(cpu, now.wrapping_sub(keep) & POS_MASK, until, &mut read)?;
                margin = 0;
                continue;
            }
            let end = self.finished(cpu, read.next, until)?;
            if end == read.next {
                if self.is_lapped(cpu, read.next) {
                    continue;
                }
                let waits =
                    self.unfinished.get(&cpu).filter(|(head, _)| *head == read.next).map(|(_, since)| *since);
                let since = waits.unwrap_or_else(Instant::now);
                self.unfinished.insert(cpu, (read.next, since));
                if since.elapsed() < self.stuck_max {
                    read.stuck = true;
                    break;
                }
                self.skip_to(cpu, (read.next & POS_MASK) + 8, until, &mut read)?;
                continue;
            }
            fence(Ordering::SeqCst);
            self.copy(cpu, read.next, distance(read.next, end) as usize)?;
            fence(Ordering::SeqCst);
            if self.is_lapped(cpu, read.next) {
                margin = (margin + self.capacity() / 8).min(self.capacity() / 2);
                continue;
            }
            read.next = self.hand_out(read.next, end, f);
        }
        Ok(read)
    }

    fn is_lapped(&self, cpu: u32, head: u64) -> bool {
        distance(head, self.head(cpu)) > self.capacity()
    }

    /// The head counter behind the finished records from `head` on: as far as `until`, the end of the
    /// chunk or of a block.
    fn finished(&mut self, cpu: u32, head: u64, until: u64) -> Result<u64, ProbeError> {
        let key = self.key;
        let (first, window) = self.window(cpu, head)?;
        let mut offset = first;
        let mut at = head;
        let wanted = distance(head, until) as usize;
        while offset < CHUNK && offset - first < wanted.min(BLOCK) {
            let mut spins = if offset == first { SPINS } else { 0 };
            while window.load(offset) != abi::stamp(at, key) {
                if spins == 0 {
                    return Ok(at);
                }
                spins -= 1;
                std::hint::spin_loop();
            }
            let len = record_len(window.load(offset + 16));
            if !is_record_len(len) || offset + len > ENTRY {
                break;
            }
            at = at.wrapping_add(len as u64 | 1 << POS_BITS);
            offset += len;
        }
        Ok(at)
    }

    /// Copies `len` bytes from position `head` on, which lie in one chunk and its slack, into the block.
    fn copy(&mut self, cpu: u32, head: u64, len: usize) -> Result<(), ProbeError> {
        let mut block = std::mem::take(&mut self.block);
        block.resize(len, 0);
        let (offset, window) = self.window(cpu, head)?;
        window.copy_to(offset, &mut block);
        self.block = block;
        Ok(())
    }

    /// Hands out the records in the block.
    fn hand_out(&self, from: u64, end: u64, f: &mut impl FnMut(RawRecord<'_>)) -> u64 {
        let mut rest = self.block.as_slice();
        let mut head = from;
        while head != end {
            let Some(word) = rest.get(16..24).and_then(|bytes| bytes.try_into().ok()) else { break };
            let len = record_len(u64::from_le_bytes(word));
            let Some((bytes, tail)) = rest.split_at_checked(len).filter(|_| is_record_len(len)) else {
                break;
            };
            f(RawRecord { head, bytes });
            rest = tail;
            head = head.wrapping_add(len as u64 | 1 << POS_BITS);
        }
        head
    }

    /// Goes on at the first record at or behind position `start`, and counts what is left out.
    fn skip_to(&mut self, cpu: u32, start: u64, until: u64, read: &mut CpuRead) -> Result<(), ProbeError> {
        self.unfinished.remove(&cpu);
        let next = match self.scan(cpu, start, until)? {
            Found::Record(head) => head,
            Found::Nothing => until,
        };
        let bytes = distance(read.next, next);
        read.overwritten_bytes += bytes;
        read.overwritten_records += records(read.next, next, bytes);
        read.next = next;
        Ok(())
    }

    /// Looks for a stamp that belongs where it stands.
    fn scan(&mut self, cpu: u32, start: u64, until: u64) -> Result<Found, ProbeError> {
        let key = self.key;
        let mut position = start.next_multiple_of(8) & POS_MASK;
        let mut left = distance(position, until);
        if left > POS_MASK / 2 {
            return Ok(Found::Nothing);
        }
        while left > 0 {
            let (mut offset, window) = self.window(cpu, position)?;
            while offset < CHUNK && left > 0 {
                let head = window.load(offset) ^ key;
                if head & POS_MASK == position && is_record_len(record_len(window.load(offset + 16))) {
                    return Ok(Found::Record(head));
                }
                offset += 8;
                position = (position + 8) & POS_MASK;
                left = left.saturating_sub(8);
            }
        }
        Ok(Found::Nothing)
    }

    /// The chunk that holds position `head` of `cpu`, and the offset in it.
    fn window(&mut self, cpu: u32, head: u64) -> Result<(usize, &Mapping), ProbeError> {
        let position = head & POS_MASK;
        let entry = u64::from(cpu) * self.chunks + (position / CHUNK as u64) % self.chunks;
        let index = entry as usize;
        if self.windows[index].is_none() {
            if self.mapped == WINDOWS_MAX {
                self.unmap();
            }
            let mapping = Mapping::new(&self.rings, entry * ENTRY as u64, ENTRY, false)
                .map_err(|source| ProbeError::Open { path: self.dir.join("RINGS"), source })?;
            self.windows[index] = Some(mapping);
            self.mapped += 1;
        }
        match &self.windows[index] {
            Some(mapping) => Ok((position as usize % CHUNK, mapping)),
            None => unreachable!("set above"),
        }
    }
}

/// CPUs that have a ring of `chunks` in the probe that is pinned in `dir`.
pub(crate) fn ring_cpus(dir: &Path, chunks: u32) -> Result<u32, ProbeError> {
    let path = dir.join("RINGS");
    let info = sys::open_pin(&path).and_then(|map| sys::info(&map));
    let entries = info.map_err(|source| ProbeError::Open { path: path.clone(), source })?.max_entries;
    match entries / chunks.max(1) {
        0 => Err(ProbeError::Foreign { path, why: "it has no ring" }),
        cpus => Ok(cpus),
    }
}

/// The length in the word at byte 16 of a record.
fn record_len(word: u64) -> usize {
    (word & 0xffff) as usize
}

fn is_record_len(len: usize) -> bool {
    (size_of::<Header>()..=SLACK).contains(&len) && len.is_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_between_two_counters_are_counted_across_laps_of_the_counter() {
        let head = |count: u64, position: u64| (count & COUNT_MASK) << POS_BITS | position & POS_MASK;
        assert_eq!(records(head(5, 1000), head(9, 1400), 400), 4);
        assert_eq!(records(head(COUNT_MASK, 0), head(1, 100), 100), 2);
        let many = 40_000_000u64;
        assert_eq!(records(head(0, 0), head(many, many * 64), many * 64), many);
        assert_eq!(records(head(0, 0), head(many, many * 72), many * 72), many);
    }
}
