//! Strings of a recording, each kept once.
//!
//! Invariant: two strings are the same exactly when their [`Str`] are; [`Str::EMPTY`] is the empty one.

use std::{collections::HashMap, sync::Arc};

use lastrites_traces::event::Bytes;

/// A string of the recording: hostile bytes, see [`crate::safe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Str(u32);

impl Str {
    pub const EMPTY: Self = Self(0);

    /// Its place in the list of all.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

#[derive(Debug)]
pub struct Strings {
    known: HashMap<Bytes, Str>,
    list: Vec<Bytes>,
    /// What was asked for last, by the place of its bytes: events share their strings, and most are told again and
    /// again. Each is held here, so no other can come to its place.
    recent: Vec<(Bytes, Str)>,
}

/// Places in [`Strings::recent`]: a power of two.
const RECENT: usize = 4096;

impl Default for Strings {
    fn default() -> Self {
        let empty: Bytes = Bytes::from([]);
        let recent = vec![(empty.clone(), Str::EMPTY); RECENT];
        Self { known: HashMap::from([(empty.clone(), Str::EMPTY)]), list: vec![empty], recent }
    }
}

/// What was found out about strings: each is looked at once, however many have it.
#[derive(Debug, Default)]
pub(super) struct PerString<T>(Vec<Option<T>>);

impl<T: Copy> PerString<T> {
    /// What `read` says of `text`, or said before.
    pub fn of(&mut self, text: Str, read: impl FnOnce() -> T) -> T {
        let place = text.0 as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        *self.0[place].get_or_insert_with(read)
    }
}

impl Strings {
    pub fn add(&mut self, text: &Bytes) -> Str {
        if text.is_empty() {
            return Str::EMPTY;
        }
        // The lowest bits are those of the alignment.
        let place = (text.as_ptr().addr() >> 4) % RECENT;
        if Arc::ptr_eq(&self.recent[place].0, text) {
            return self.recent[place].1;
        }
        let str = self.intern(text);
        self.recent[place] = (text.clone(), str);
        str
    }

    fn intern(&mut self, text: &Bytes) -> Str {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        // A recording has fewer strings than a u32 can count: each takes a byte of it at least.
        let new = Str(u32::try_from(self.list.len()).unwrap_or(0));
        self.known.insert(text.clone(), new);
        self.list.push(text.clone());
        new
    }

    /// The one that says `text`, if any does.
    pub fn find(&self, text: &[u8]) -> Option<Str> {
        self.known.get(text).copied()
    }

    pub fn get(&self, text: Str) -> &[u8] {
        self.list.get(text.0 as usize).map_or(b"", |bytes| bytes)
    }
}
