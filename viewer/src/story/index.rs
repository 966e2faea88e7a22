//! Which process an identity is: a table for millions of them, which is asked for every event.
//!
//! Invariant: what is kept of each is its place in the world's table; the identities stay where they are. The youngest of
//! each pid, about whom nearly all events are, stands in a list by pid: pids are given one after another, so that what is
//! looked for next is in the cache already. Those whose pid was used again are in a hash table, with a few bits that tell
//! each from its neighbours; who was born one after another are neighbours there too. Where a block of neighbours is, is
//! different in each run, so that no file can choose which of them meet. It can crowd a block: one pid that begins anew
//! in each tick of a second, as no kernel has it, makes looking up about a hundred times slower, and no more.

use std::hash::{BuildHasher, RandomState};

use lastrites_traces::event::ProcId;

use super::world::Idx;

/// A pid and the clock tick in which its process began, of which the lower half will do: the same pid is not used again
/// 497 days later to the tick.
pub(super) type Key = (u32, u32);

pub(super) fn key(id: ProcId) -> Key {
    (id.tgid, (id.start_ns / ProcId::TICK_NS) as u32)
}

/// Pids that differ in the last four bits only, and began within a second or so, are neighbours.
const NEAR_PID_BITS: u32 = 4;
const NEAR_TICK_BITS: u32 = 7;
/// Slots in which they are: two lines of a cache.
const BLOCK: usize = 1 << NEAR_PID_BITS;

/// A pid of Linux is less; one that is not, as only a hostile file has it, is in the hash table from the beginning.
const PIDS: usize = 1 << 22;
/// So many pids have their places together: most recordings have few of them.
const PAGE: usize = 1 << 10;

#[derive(Debug)]
pub(super) struct Index {
    /// By pid: the one that began last of all known that have it, 0 if there is none.
    youngest: Vec<Option<Box<[Idx; PAGE]>>>,
    /// All others. In the lower half an index, never 0; in the upper half the bits. 0 is free; at least every fifth is.
    slots: Vec<u64>,
    count: usize,
    seed: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self { youngest: Vec::new(), slots: vec![0; 64], count: 0, seed: RandomState::new().hash_one(0) | 1 }
    }
}

impl Index {
    /// The index of `key`, if it was added. `of` tells the keys of all that were.
    pub fn find(&self, key: Key, of: impl Fn(Idx) -> Key) -> Option<Idx> {
        let (pid, tick) = key;
        if (pid as usize) < PIDS {
            let youngest = self.youngest(pid)?;
            let (_, last) = of(youngest);
            if last <= tick {
                return (last == tick).then_some(youngest);
            }
        }
        if self.count == 0 { None } else { self.find_older(key, of) }
    }

    /// Adds `idx`, whose key is new, and which is one more than the last that was added.
    pub fn add(&mut self, idx: Idx, of: impl Fn(Idx) -> Key) {
        let (pid, tick) = of(idx);
        let mut older = idx;
        if (pid as usize) < PIDS {
            let page = pid as usize / PAGE;
            if self.youngest.len() <= page {
                self.youngest.resize_with(page + 1, || None);
            }
            let page = self.youngest[page].get_or_insert_with(|| Box::new([0; PAGE]));
            let youngest = &mut page[pid as usize % PAGE];
            if *youngest == 0 || of(*youngest).1 < tick {
                older = std::mem::replace(youngest, idx);
            }
        }
        if older != 0 {
            self.put(of(older), older);
            self.count += 1;
            if self.count * 5 >= self.slots.len() * 4 {
                self.grow(idx, of);
            }
        }
    }

    fn youngest(&self, pid: u32) -> Option<Idx> {
        let page = self.youngest.get(pid as usize / PAGE)?.as_ref()?;
        Some(page[pid as usize % PAGE]).filter(|idx| *idx != 0)
    }

    /// Where to look first. Neighbours begin in different lanes of one block, and so do those of one lane of pids in
    /// different blocks.
    fn start(&self, (pid, tick): Key) -> usize {
        let block = u64::from(pid >> NEAR_PID_BITS) << 32 | u64::from(tick >> NEAR_TICK_BITS);
        let mixed = (block ^ self.seed.rotate_left(32)).wrapping_mul(self.seed);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = ((u128::from(mixed) * self.slots.len() as u128) >> 64) as usize;
        // Less than the length, which is a multiple of a block.
        first & !(BLOCK - 1) | (pid as usize ^ mixed as usize) & (BLOCK - 1)
    }

    /// Where to look next: in the same lane of the next block, so that neighbours go side by side; behind the last, in
    /// the next lane. That comes to every slot.
    fn next(&self, at: usize) -> usize {
        let next = at + BLOCK;
        if next < self.slots.len() { next } else { (next + 1) % BLOCK }
    }

    fn bits((pid, tick): Key) -> u64 {
        u64::from(pid ^ tick.wrapping_mul(0x9e37_79b9)) << 32
    }

    fn find_older(&self, key: Key, of: impl Fn(Idx) -> Key) -> Option<Idx> {
        let bits = Self::bits(key);
        let mut at = self.start(key);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot & !u64::from(u32::MAX) == bits && of(slot as Idx) == key {
                return Some(slot as Idx);
            }
            at = self.next(at);
        }
    }

    fn put(&mut self, key: Key, idx: Idx) {
        let mut at = self.start(key);
        while self.slots[at] != 0 {
            at = self.next(at);
        }
        self.slots[at] = Self::bits(key) | u64::from(idx);
    }

    /// Makes room for those that are older than others of their pid, among all up to `last`.
    fn grow(&mut self, last: Idx, of: impl Fn(Idx) -> Key) {
        let len = (self.slots.len() + self.slots.len() / 3).next_multiple_of(BLOCK);
        // The old one goes before the new one comes: all that it says can be asked for again.
        self.slots = Vec::new();
        self.slots = vec![0; len];
        for idx in 1..=last {
            let key = of(idx);
            if self.youngest(key.0) != Some(idx) {
                self.put(key, idx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(
            keys in proptest::collection::vec((0u32..600, 0u32..200), 1..2000),
            step in prop_oneof![Just(1), Just(16), Just(4096), Just(1 << 13), Just(1 << 22)],
            pids in 1u32..600,
        ) {
            let (mut index, mut map, mut list) = (Index::default(), HashMap::new(), vec![(0, 0)]);
            for (pid, tick) in keys {
                // Pids that all end alike must not crowd into one lane; few pids are used again and again.
                let key = (pid % pids * step, tick);
                let found = index.find(key, |idx| list[idx as usize]);
                prop_assert_eq!(found, map.get(&key).copied());
                if found.is_none() {
                    let idx = list.len() as Idx;
                    list.push(key);
                    map.insert(key, idx);
                    index.add(idx, |idx| list[idx as usize]);
                }
            }
            for (key, idx) in map {
                prop_assert_eq!(index.find(key, |idx| list[idx as usize]), Some(idx));
            }
        }
    }
}
