//! What was removed, and what stands in its place.
//!
//! Invariant: the same original has the same pseudonym everywhere in one report; numbers are given in the order in
//! which things are first met; nothing that was removed is forgotten in the account.

use std::collections::HashMap;

use super::seek::{Sought, dashed};

/// What kind of thing was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Secret,
    User,
    Host,
    Address,
    Mac,
    Mail,
    Path,
    Argument,
    Name,
    Id,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Secret,
        Self::User,
        Self::Host,
        Self::Address,
        Self::Mac,
        Self::Mail,
        Self::Path,
        Self::Argument,
        Self::Name,
        Self::Id,
    ];

    /// How its pseudonyms begin.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::User => "user",
            Self::Host => "host",
            Self::Address => "ip",
            Self::Mac => "mac",
            Self::Mail => "mail",
            Self::Path => "path",
            Self::Argument => "arg",
            Self::Name => "name",
            Self::Id => "id",
        }
    }

    /// For one, and for several.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Secret => ("secret", "secrets"),
            Self::User => ("user name", "user names"),
            Self::Host => ("host name", "host names"),
            Self::Address => ("IP address", "IP addresses"),
            Self::Mac => ("MAC address", "MAC addresses"),
            Self::Mail => ("e-mail address", "e-mail addresses"),
            Self::Path => ("private path", "private paths"),
            Self::Argument => ("argument", "arguments"),
            Self::Name => ("name", "names"),
            Self::Id => ("identifier", "identifiers"),
        }
    }
}

/// What is left in although it says something about whose machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    pub hosts: bool,
    pub users: bool,
    pub args: bool,
}

impl Keep {
    pub fn holds(self, kind: Kind) -> bool {
        match kind {
            Kind::Secret => false,
            Kind::User => self.users,
            Kind::Host | Kind::Address | Kind::Mac => self.hosts,
            Kind::Mail => self.hosts && self.users,
            Kind::Path | Kind::Argument | Kind::Name | Kind::Id => self.args,
        }
    }

    /// What is kept, as `--keep` takes it.
    pub fn words(self) -> Vec<&'static str> {
        let all = [(self.hosts, "hosts"), (self.users, "users"), (self.args, "args")];
        all.into_iter().filter(|(kept, _)| *kept).map(|(_, word)| word).collect()
    }
}

/// One thing that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    pub kind: Kind,
    pub pseudonym: String,
    /// As it stood in the recording: hostile.
    pub original: Vec<u8>,
    /// Different strings of the recording that it was removed from.
    pub count: u64,
}

/// Everything that was removed, in the order in which it was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub removed: Vec<Removed>,
    /// There was more than has stand-ins of its own, or more than can be looked for everywhere: what that means, in
    /// sentences.
    pub limits: Vec<&'static str>,
}

impl Account {
    /// How many different things of each kind were removed, without those of which none was.
    pub fn numbers(&self) -> Vec<(Kind, usize)> {
        let count = |kind| self.removed.iter().filter(|removed| removed.kind == kind).count();
        Kind::ALL.into_iter().map(|kind| (kind, count(kind))).filter(|(_, count)| *count > 0).collect()
    }

    /// `3 secrets, 1 host name`; `nothing`.
    pub fn sentence(&self) -> String {
        let parts: Vec<String> = self
            .numbers()
            .into_iter()
            .map(|(kind, count)| {
                let (one, several) = kind.words();
                format!("{count} {}", if count == 1 { one } else { several })
            })
            .collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}

/// Different things that have stand-ins of their own, and bytes of what they stand for. What is met beyond them has one
/// stand-in for all of a kind.
const STAND_INS_MAX: usize = 1 << 18;
const ORIGINALS_MAX: usize = 64 << 20;

const MORE_STAND_INS: &str = "More different things were removed than have stand-ins of their own: what is called `arg-more`, \
     `name-more` and so on is not one thing, and services may be taken for each other.";
const MORE_SOUGHT: &str = "More names and secrets were met than can be looked for everywhere: some that stand in names of files \
     or of units may be left. Look before you send.";

/// Gives out pseudonyms, and finds again what got one.
#[derive(Debug, Default)]
pub(super) struct Pseudonyms {
    of: HashMap<Vec<u8>, usize>,
    given: HashMap<Kind, u64>,
    originals_len: usize,
    pub account: Account,
    /// What has to go wherever it stands.
    pub sought: Sought,
}

/// The pseudonym of the same thing in another case is the same where case says nothing.
fn key(kind: Kind, original: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Host => dashed(&original.to_ascii_lowercase()),
        Kind::User => dashed(original),
        Kind::Address | Kind::Mail => original.to_ascii_lowercase(),
        Kind::Mac => original.iter().filter(|b| b.is_ascii_hexdigit()).map(u8::to_ascii_lowercase).collect(),
        _ => original.to_vec(),
    }
}

impl Pseudonyms {
    /// The pseudonym of `original`, and its number within its kind.
    pub fn name(&mut self, kind: Kind, original: &[u8]) -> (String, u64) {
        let (kind, key) = match self.sought.kind(original) {
            Some(learned) => (learned, key(learned, original)),
            None => (kind, key(kind, original)),
        };
        let at = match self.of.get(&key) {
            Some(at) => *at,
            None => {
                let room = self.account.removed.len() < STAND_INS_MAX
                    && self.originals_len + original.len() <= ORIGINALS_MAX;
                if !room {
                    self.limit(MORE_STAND_INS);
                    return (format!("{}-more", kind.word()), STAND_INS_MAX as u64 + 1);
                }
                let number = self.given.entry(kind).or_default();
                *number += 1;
                let mut pseudonym = format!("{}-{number}", kind.word());
                // Somebody may be called so.
                if pseudonym.as_bytes().eq_ignore_ascii_case(original) {
                    *number += 1;
                    pseudonym = format!("{}-{number}", kind.word());
                }
                self.originals_len += original.len();
                let removed = Removed { kind, pseudonym, original: original.to_vec(), count: 0 };
                self.account.removed.push(removed);
                self.of.insert(key, self.account.removed.len() - 1);
                self.account.removed.len() - 1
            }
        };
        let removed = &mut self.account.removed[at];
        removed.count += 1;
        let number = removed.pseudonym.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        (removed.pseudonym.clone(), number)
    }

    fn limit(&mut self, sentence: &'static str) {
        if !self.account.limits.contains(&sentence) {
            self.account.limits.push(sentence);
        }
    }

    /// Forgets pseudonyms and account, and what `harmless` says of all that is sought, but not the rest of it.
    pub fn begin_anew(&mut self, harmless: impl Fn(&[u8]) -> bool) {
        self.of.clear();
        self.given.clear();
        self.originals_len = 0;
        self.account = Account::default();
        if self.sought.full {
            self.limit(MORE_SOUGHT);
        }
        self.sought.forget(harmless);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_names_than_any_machine_gets_one_stand_in_for_the_rest_and_is_told() {
        let mut names = Pseudonyms::default();
        for n in 0..=STAND_INS_MAX as u64 {
            names.name(Kind::Argument, &n.to_le_bytes());
        }
        assert_eq!(names.account.removed.len(), STAND_INS_MAX);
        assert_eq!(names.name(Kind::Argument, b"another").0, "arg-more");
        assert_eq!(names.name(Kind::Argument, &3_u64.to_le_bytes()).0, "arg-4", "who had one keeps it");
        assert_eq!(names.account.limits, [MORE_STAND_INS]);
    }
}
