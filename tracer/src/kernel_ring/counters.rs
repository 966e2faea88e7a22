//! What the probe counts beside its rings: losses, and signal 0.
//!
//! Invariant: what is counted as lost is at least what is lost, and nothing that a recorder has taken, but for a count of signal 0
//! that makes way between being read and being taken out, and for what a walk that begins anew too often does not see.

use std::{collections::BTreeMap, io, mem::offset_of, os::fd::OwnedFd, path::Path};

use lastrites_traces::abi::{self, Head, Poll, PollKey};

use super::{KernelRing, sys};

impl KernelRing {
    /// Whether any program of the probe is in the kernel still: once nothing pins them they are gone, and these rings stay as they
    /// are, whatever may be pinned under the same name by then.
    pub fn is_attached(&self) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|(_, program)| sys::is_program(*program))
    }

    /// Events that the probe could not store, per CPU and kind, since it was loaded; zeros left out. What it was not even
    /// asked about, and counts of signal 0 that made way for others, as of the last [`Self::look`].
    pub fn lost(&self) -> Vec<((u32, u8), u64)> {
        let mut lost = self.missed.clone();
        let mut values = vec![0; self.cpus as usize * size_of::<u64>()];
        for kind in 0..abi::kind::COUNT as u8 {
            if sys::lookup(&self.lost, &u32::from(kind).to_ne_bytes(), &mut values).is_err() {
                continue;
            }
            for (cpu, value) in values.chunks_exact(8).enumerate() {
                let count = value.try_into().map_or(0, u64::from_ne_bytes);
                if count > 0 {
                    *lost.entry((cpu as u32, kind)).or_default() += count;
                }
            }
        }
        lost.into_iter().collect()
    }

    /// Finds out what takes more than reading a counter: how often a program was not run because one was running on that CPU
    /// already, and what [`Self::polls`] no longer has. The polls that it saw.
    ///
    /// Not each call of a hook would have given an event, so what is counted is the most that is lost.
    pub fn look(&mut self) -> Vec<(PollKey, Poll)> {
        // In this order: what is missed and caught behind the first look is lost until the next one, and not the other way round.
        let caught: Vec<u64> =
            (0..abi::kind::COUNT as u8).map(|kind| self.caught.as_ref().map_or(0, |c| c.of(kind))).collect();
        let mut missed: BTreeMap<_, u64> = BTreeMap::new();
        for (kind, program) in &self.programs {
            if let Ok(Some(count)) = sys::prog_misses(*program) {
                *missed.entry((abi::NO_CPU, *kind)).or_default() += count;
            }
        }
        for ((_, kind), count) in &mut missed {
            *count = count.saturating_sub(caught.get(usize::from(*kind)).copied().unwrap_or(0));
        }
        // In this order, and only by who takes them: what is begun after the count cannot make it seem that any is gone.
        let begun: u64 = (0..self.cpus as usize)
            .map(|cpu| self.heads.load(cpu * size_of::<Head>() + offset_of!(Head, polls)))
            .sum();
        let polls = self.polls();
        let gone = begun.saturating_sub(self.taken() + polls.len() as u64);
        *missed.entry((abi::NO_CPU, abi::kind::POLL)).or_default() += gone;
        missed.retain(|_, count| *count > 0);
        self.missed = missed;
        polls
    }

    /// Entries of `POLLS` that a recorder has taken out.
    fn taken(&self) -> u64 {
        let mut taken = [0; 8];
        sys::lookup(&self.taken, &0u32.to_ne_bytes(), &mut taken).map_or(0, |()| u64::from_ne_bytes(taken))
    }

    /// Signal 0, counted per caller and target since [`Self::clear_polls`].
    pub fn polls(&self) -> Vec<(PollKey, Poll)> {
        let mut polls = Vec::new();
        let mut key: Option<[u8; size_of::<PollKey>()]> = None;
        let mut next = [0; size_of::<PollKey>()];
        // A key that is evicted meanwhile starts the walk anew: it is bounded, and a key taken once.
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..8192 {
            if sys::next_key(&self.polls, key.as_ref().map(<[u8; _]>::as_slice), &mut next).is_err() {
                break;
            }
            key = Some(next);
            let mut value = [0; size_of::<Poll>()];
            if seen.insert(next) && sys::lookup(&self.polls, &next, &mut value).is_ok() {
                polls.push((poll_key(&next), poll(&value)));
            }
        }
        polls
    }

    /// Forgets these counts, which the next call with signal 0 begins anew. What is counted between
    /// [`Self::polls`] and this is forgotten with them.
    pub fn clear_polls(&self, keys: &[PollKey]) {
        // Evicted already: then it was not taken.
        let deleted =
            keys.iter().filter(|key| sys::delete(&self.polls, &poll_key_bytes(key)).is_ok()).count();
        if deleted > 0 {
            let mut taken = (self.taken() + deleted as u64).to_ne_bytes();
            // Else they seem lost, which is better than the other way round.
            let _ = sys::update(&self.taken, &0u32.to_ne_bytes(), &mut taken);
        }
    }
}

/// How many events second programs have recorded in the place of first ones.
#[derive(Debug)]
pub(crate) struct Caught {
    map: OwnedFd,
    cpus: u32,
}

impl Caught {
    /// That of the probe which is pinned in `dir`, on `cpus` possible CPUs. None if an earlier version loaded it.
    ///
    /// # Errors
    /// When it cannot be opened, or is of another shape.
    pub(crate) fn open(dir: &Path, cpus: u32) -> io::Result<Option<Self>> {
        let map = match sys::open_pin(&dir.join("CAUGHT")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            map => map?,
        };
        sys::expect_map(&map, size_of::<u64>() as u32)?;
        Ok(Some(Self { map, cpus }))
    }

    /// Those of `kind`, on all CPUs.
    pub(crate) fn of(&self, kind: u8) -> u64 {
        let mut values = vec![0; self.cpus as usize * size_of::<u64>()];
        match sys::lookup(&self.map, &u32::from(kind).to_ne_bytes(), &mut values) {
            Ok(()) => values.chunks_exact(size_of::<u64>()).map(|value| word(value, 0)).sum(),
            Err(_) => 0,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

fn poll_key(bytes: &[u8]) -> PollKey {
    let ids = word(bytes, 16);
    PollKey {
        start_ns: word(bytes, 0),
        target: word(bytes, 8) as i64,
        tgid: ids as u32,
        call: (ids >> 32) as u32,
    }
}

fn poll_key_bytes(key: &PollKey) -> [u8; size_of::<PollKey>()] {
    let mut bytes = [0; size_of::<PollKey>()];
    bytes[0..8].copy_from_slice(&key.start_ns.to_ne_bytes());
    bytes[8..16].copy_from_slice(&key.target.to_ne_bytes());
    bytes[16..20].copy_from_slice(&key.tgid.to_ne_bytes());
    bytes[20..24].copy_from_slice(&key.call.to_ne_bytes());
    bytes
}

fn poll(bytes: &[u8]) -> Poll {
    Poll {
        first_ns: word(bytes, 0),
        last_ns: word(bytes, 8),
        count: word(bytes, 16),
        last_ret: word(bytes, 24) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poll_keys_survive_the_way_to_the_kernel_and_back() {
        let key = PollKey { start_ns: 1 << 40, target: -7, tgid: 1234, call: 1 };
        assert_eq!(poll_key(&poll_key_bytes(&key)), key);
    }
}
