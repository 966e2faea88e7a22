//! Hashes of numbers that a file may have chosen, for maps that are asked several times an event.
//!
//! Invariant: which keys meet in a map is decided by numbers that are drawn anew for each map. So no file can choose
//! keys that meet, which would make looking up one of them a walk past all the others.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The numbers of one map.
#[derive(Debug, Clone)]
pub struct Seeded {
    begin: u64,
    times: u64,
}

impl Default for Seeded {
    fn default() -> Self {
        let random = RandomState::new();
        Self { begin: random.hash_one(0), times: random.hash_one(1) | 1 }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer { state: self.begin, times: self.times }
    }
}

/// One multiplication a number, and one at the end.
#[derive(Debug)]
pub struct Mixer {
    state: u64,
    times: u64,
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.state = fold(self.state ^ value, self.times);
    }

    fn finish(&self) -> u64 {
        // Once more: one product of few bits leaves a pattern in its upper ones, by which a map tells keys apart.
        fold(self.state, self.times.rotate_left(32))
    }
}

/// Both halves of the product: the upper bits of a key reach the lower ones of its hash, too.
#[inline(always)]
pub(crate) fn fold(value: u64, times: u64) -> u64 {
    let wide = u128::from(value) * u128::from(times);
    (wide >> 64) as u64 ^ wide as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The story: what keys were multiplied by stood in the source, so that a file could be made whose keys met in one place.
    /// It took 20 seconds to show 8,000 forks.
    #[test]
    fn keys_that_were_chosen_to_meet_do_not() {
        let known = Seeded { begin: 0, times: 0x9e37_79b9_7f4a_7c15 };
        let any = (0..1u64 << 24).map(|n| (n as u32 & 0x3f_ffff, n >> 22));
        let keys: Vec<(u32, u64)> = any.filter(|key| known.hash_one(key) % (1 << 14) == 1).collect();
        assert!(keys.len() > 900, "{} were chosen", keys.len());
        for _ in 0..16 {
            let seeded = Seeded::default();
            let places: BTreeSet<u64> = keys.iter().map(|key| seeded.hash_one(key) % (1 << 14)).collect();
            assert!(places.len() > keys.len() * 9 / 10, "{} keys share {} places", keys.len(), places.len());
        }
    }

    /// Neighbours, multiples and bits alone are what pids and times are made of.
    #[test]
    fn plain_keys_are_spread_as_well_as_random_ones() {
        let sets: [&dyn Fn(u64) -> u64; 4] =
            [&|n| n, &|n| n << 20, &|n| n * 10_000_000, &|n| n << 32 | n & 7];
        for set in sets.iter().cycle().take(64) {
            let seeded = Seeded::default();
            // Of 4096 balls in 4096 boxes 63 % of the boxes get one.
            let (low, high): (BTreeSet<u64>, BTreeSet<u64>) =
                (0..4096).map(|n| seeded.hash_one(set(n))).map(|hash| (hash % 4096, hash >> 52)).unzip();
            assert!(low.len() > 2_400 && high.len() > 2_400, "{} {}", low.len(), high.len());
        }
    }

    #[test]
    fn no_two_maps_draw_the_same_numbers() {
        let hashes: BTreeSet<u64> = (0..100).map(|_| Seeded::default().hash_one(1_u64)).collect();
        assert_eq!(hashes.len(), 100);
    }
}
