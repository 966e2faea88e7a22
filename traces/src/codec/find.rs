//! Finding a number by a number, several times an event.
//!
//! Invariant: what [`Finder::get`] finds is what was inserted last and not removed since, whether the few at hand
//! have it or not.

use std::collections::HashMap;
use std::hash::Hash;

use crate::seeded::{Seeded, fold};

/// Places at hand: a table that stays in the nearest cache.
const NEAR: usize = 64;

/// A map of numbers. Events name the same few processes over and over, so the last that were looked for
/// lie in a table where a number has one place only, and looking there is a comparison.
#[derive(Debug)]
pub(super) struct Finder<K, V> {
    all: HashMap<K, V, Seeded>,
    near: [Option<(K, V)>; NEAR],
}

impl<K: Copy, V: Copy> Default for Finder<K, V> {
    fn default() -> Self {
        Self { all: HashMap::default(), near: [None; NEAR] }
    }
}

impl<K: Copy + Eq + Hash + Into<u64>, V: Copy> Finder<K, V> {
    /// The same for everybody: who crowds a place has us look into the map, no more.
    #[inline(always)]
    fn place(key: K) -> usize {
        (fold(key.into(), 0x9e37_79b9_7f4a_7c15) % NEAR as u64) as usize
    }

    /// What `key` stands for.
    pub(super) fn get(&self, key: K) -> Option<V> {
        match self.near[Self::place(key)] {
            Some((near, value)) if near == key => Some(value),
            _ => self.all.get(&key).copied(),
        }
    }

    /// The same, and it will be at hand.
    #[inline(always)]
    pub(super) fn find(&mut self, key: K) -> Option<V> {
        match self.near[Self::place(key)] {
            Some((near, value)) if near == key => Some(value),
            _ => self.fetch(key),
        }
    }

    #[inline(never)]
    fn fetch(&mut self, key: K) -> Option<V> {
        let value = self.all.get(&key).copied()?;
        self.near[Self::place(key)] = Some((key, value));
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.all.insert(key, value);
        self.near[Self::place(key)] = Some((key, value));
    }

    pub(super) fn remove(&mut self, key: K) {
        self.all.remove(&key);
        let near = &mut self.near[Self::place(key)];
        if near.is_some_and(|(near, _)| near == key) {
            *near = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pids of a file that somebody made: those that met in one place in sixteen thousand, when what they were multiplied by
    /// was known.
    #[test]
    fn pids_that_were_chosen_to_meet_do_not() {
        use std::hash::BuildHasher;
        let met = |pid: &u32| fold((*pid).into(), 0x9e37_79b9_7f4a_7c15) % (1 << 14) == 1;
        let pids: Vec<u32> = (0..1 << 24).filter(met).collect();
        assert!(pids.len() > 700, "{}", pids.len());
        let mut finder = Finder::<u32, u32>::default();
        pids.iter().for_each(|&pid| finder.insert(pid, pid));
        let places = pids.iter().map(|pid| finder.all.hasher().hash_one(pid) % (1 << 14));
        let places: std::collections::BTreeSet<u64> = places.collect();
        assert!(places.len() > pids.len() * 9 / 10, "{} pids share {} places", pids.len(), places.len());
    }

    /// Many more keys than places at hand, and as many removals: an answer from a stale place shows.
    #[test]
    fn it_finds_what_a_plain_map_finds() {
        let (mut finder, mut plain) = (Finder::<u32, u32>::default(), HashMap::new());
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for turn in 0..100_000u32 {
            seed = fold(seed ^ u64::from(turn), 0x9e37_79b9_7f4a_7c15);
            let key = seed as u32 % 500;
            match seed >> 60 {
                0..=3 => {
                    finder.insert(key, turn);
                    plain.insert(key, turn);
                }
                4..=6 => {
                    finder.remove(key);
                    plain.remove(&key);
                }
                7..=10 => assert_eq!(finder.find(key), plain.get(&key).copied(), "turn {turn}"),
                _ => assert_eq!(finder.get(key), plain.get(&key).copied(), "turn {turn}"),
            }
        }
    }
}
