//! Which process an identity is: a table for millions of them, which is asked for every event.
//!
//! Invariant: what is kept of each is its place in the world's table, and a few bits that tell it from its neighbours; the
//! identities stay where they are. Those that were born one after another are neighbours here too, so that what is
//! looked for next is in the cache already. Where a block of neighbours is, is different in each run, so that no file can
//! choose which of them meet. It can crowd a block: one pid that begins anew in each tick of a second, as no kernel has
//! it, makes looking up about a hundred times slower, and no more.

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

#[derive(Debug)]
pub(super) struct Index {
    /// In the lower half an index, never 0; in the upper half the bits. 0 is free; at least every fifth is.
    slots: Vec<u64>,
    count: usize,
    seed: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self { slots: vec![0; 64], count: 0, seed: RandomState::new().hash_one(0) | 1 }
    }
}

/// Where an identity that is not known belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Free(usize);

impl Index {
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

    /// The index of `key`, whose holder `is` can tell; or where it would be.
    pub fn find(&self, key: Key, is: impl Fn(Idx) -> bool) -> Result<Idx, Free> {
        let bits = Self::bits(key);
        let mut at = self.start(key);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(Free(at));
            }
            if slot & !u64::from(u32::MAX) == bits && is(slot as Idx) {
                return Ok(slot as Idx);
            }
            at = self.next(at);
        }
    }

    /// Adds `idx`, which is one more than the last that was added. `of` tells the keys of all of them.
    pub fn add(&mut self, free: Free, idx: Idx, of: impl Fn(Idx) -> Key) {
        self.slots[free.0] = Self::bits(of(idx)) | u64::from(idx);
        self.count += 1;
        if self.count * 5 >= self.slots.len() * 4 {
            let len = (self.slots.len() + self.slots.len() / 3).next_multiple_of(BLOCK);
            // The old one goes before the new one comes: all that it says can be asked for again.
            self.slots = Vec::new();
            self.slots = vec![0; len];
            for idx in 1..=idx {
                let key = of(idx);
                let mut at = self.start(key);
                while self.slots[at] != 0 {
                    at = self.next(at);
                }
                self.slots[at] = Self::bits(key) | u64::from(idx);
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
            step in prop_oneof![Just(1), Just(16), Just(4096)],
        ) {
            let (mut index, mut map, mut list) = (Index::default(), HashMap::new(), vec![(0, 0)]);
            for (pid, tick) in keys {
                // Pids that all end alike must not crowd into one lane.
                let key = (pid * step, tick);
                let found = index.find(key, |idx| list[idx as usize] == key);
                prop_assert_eq!(found.ok(), map.get(&key).copied());
                if let Err(free) = found {
                    let idx = list.len() as Idx;
                    list.push(key);
                    map.insert(key, idx);
                    index.add(free, idx, |idx| list[idx as usize]);
                }
            }
            for (key, idx) in map {
                prop_assert_eq!(index.find(key, |idx| list[idx as usize] == key).ok(), Some(idx));
            }
        }
    }
}
