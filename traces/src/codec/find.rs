//! Finding a number by a number, several times an event.
//!
//! Invariant: what [`Finder::get`] finds is what was inserted last and not removed since, whether the few at hand
//! have it or not.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Places at hand: a table that stays in the nearest cache.
const NEAR: usize = 64;

/// One multiplication: keys are pids and shapes, which nobody chooses to our harm.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[inline(always)]
fn mix(value: u64) -> u64 {
    let wide = u128::from(value) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}

/// A map of numbers. Events name the same few processes over and over, so the last that were looked for
/// lie in a table where a number has one place only, and looking there is a comparison.
#[derive(Debug)]
pub(super) struct Finder<K, V> {
    all: HashMap<K, V, BuildHasherDefault<Mix>>,
    near: [Option<(K, V)>; NEAR],
}

impl<K: Copy, V: Copy> Default for Finder<K, V> {
    fn default() -> Self {
        Self { all: HashMap::default(), near: [None; NEAR] }
    }
}

impl<K: Copy + Eq + Hash + Into<u64>, V: Copy> Finder<K, V> {
    #[inline(always)]
    fn place(key: K) -> usize {
        (mix(key.into()) % NEAR as u64) as usize
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

    /// Many more keys than places at hand, and as many removals: an answer from a stale place shows.
    #[test]
    fn it_finds_what_a_plain_map_finds() {
        let (mut finder, mut plain) = (Finder::<u32, u32>::default(), HashMap::new());
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for turn in 0..100_000u32 {
            seed = mix(seed ^ u64::from(turn));
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
