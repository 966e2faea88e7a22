//! What was removed, and what stands in its place.
//!
//! Invariant: the same original has the same pseudonym everywhere in one report, but for what is said to be a secret:
//! that is called `secret-N` and nothing else is called so that is not one, else `-u user-1 -p user-1` would tell what
//! the password is. Numbers are given in the order in which things are first met; nothing that was removed is forgotten
//! in the account.

use std::collections::HashMap;

use super::seek::{Sought, dashed, is_stand_in};

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
    /// Different texts of the recording that it was removed from.
    pub count: u64,
    /// What kinds of texts these are.
    pub places: Vec<&'static str>,
    /// What stood around it in the first of them: hostile.
    pub example: Vec<u8>,
    /// The last of them.
    text: u64,
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
    /// By whether it is a secret, and what it is.
    of: HashMap<(bool, Vec<u8>), usize>,
    given: HashMap<Kind, u64>,
    /// Stand-ins of an earlier report stay.
    pub again: bool,
    /// Their highest numbers.
    taken: HashMap<Kind, u64>,
    originals_len: usize,
    pub account: Account,
    /// What has to go wherever it stands.
    pub sought: Sought,
    /// The text that is looked at, where such texts stand, and how many were before it.
    text: Vec<u8>,
    place: &'static str,
    texts: u64,
}

/// Bytes that are shown before and behind what was removed.
const AROUND: usize = 28;
/// Longer texts are not looked through for it: most are the arguments of one process.
const EXAMPLE_TEXT_MAX: usize = 4096;

/// Some of `text` with `original` in it.
fn around(text: &[u8], original: &[u8]) -> Vec<u8> {
    let found = text.windows(original.len().max(1)).position(|part| part.eq_ignore_ascii_case(original));
    let at = found.unwrap_or(0);
    let (from, to) = (at.saturating_sub(AROUND), (at + original.len().min(AROUND) + AROUND).min(text.len()));
    let inner = text[from..to].strip_suffix(b"\0").unwrap_or(&text[from..to]);
    let mut out = if from > 0 { b"...".to_vec() } else { Vec::new() };
    out.extend(inner.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
    if to < text.len() && !text[to..].iter().all(|byte| *byte == 0) {
        out.extend_from_slice(b"...");
    }
    out
}

/// Digits of the numbers of stand-ins.
const NUMBER_LEN: usize = 8;

/// What an earlier report has put in the place of something, and its number.
fn stand_in(word: &[u8]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(word).ok()?;
    // As a unit's name has it.
    let plain = text.replace("\\x2d", "-");
    let number = plain.rsplit('-').next()?.parse().ok()?;
    is_stand_in(plain.as_bytes()).then(|| (text.to_owned(), number))
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
        if self.again
            && let Some((stand_in, number)) = stand_in(original)
        {
            self.take(original);
            return (stand_in, number);
        }
        // Where a secret is said to be, it is no matter who else is called so.
        let kind = self.sought.kind(original).filter(|_| kind != Kind::Secret).unwrap_or(kind);
        let key = (kind == Kind::Secret, key(kind, original));
        let at = match self.of.get(&key) {
            Some(at) => *at,
            None => {
                let room = self.account.removed.len() < STAND_INS_MAX
                    && self.originals_len + original.len() <= ORIGINALS_MAX;
                if !room {
                    self.limit(MORE_STAND_INS);
                    return (format!("{}-more", kind.word()), STAND_INS_MAX as u64 + 1);
                }
                let taken = self.taken.get(&kind).copied().unwrap_or(0);
                let number = self.given.entry(kind).or_insert(taken);
                *number += 1;
                let mut pseudonym = format!("{}-{number}", kind.word());
                // Somebody may be called so.
                if pseudonym.as_bytes().eq_ignore_ascii_case(original) {
                    *number += 1;
                    pseudonym = format!("{}-{number}", kind.word());
                }
                self.originals_len += original.len();
                self.account.removed.push(Removed {
                    kind,
                    pseudonym,
                    original: original.to_vec(),
                    count: 0,
                    places: Vec::new(),
                    example: around(&self.text, original),
                    text: 0,
                });
                self.of.insert(key, self.account.removed.len() - 1);
                self.account.removed.len() - 1
            }
        };
        let removed = &mut self.account.removed[at];
        if removed.text != self.texts || removed.count == 0 {
            (removed.text, removed.count) = (self.texts, removed.count + 1);
        }
        if !removed.places.contains(&self.place) && !self.place.is_empty() {
            removed.places.push(self.place);
        }
        let number = removed.pseudonym.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        (removed.pseudonym.clone(), number)
    }

    /// Says which text is looked at from now on, and where such texts stand.
    pub fn look_at(&mut self, place: &'static str, text: &[u8]) {
        self.place = place;
        self.texts += 1;
        self.text.clear();
        self.text.extend_from_slice(&text[..text.len().min(EXAMPLE_TEXT_MAX)]);
    }

    /// Gives nobody else the numbers of stand-ins in `text`, if they are those of an earlier report.
    pub fn take(&mut self, text: &[u8]) {
        if !self.again {
            return;
        }
        for dash in text.iter().enumerate().filter(|(_, byte)| **byte == b'-').map(|(at, _)| at) {
            let digits = text[dash + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&text[dash + 1..dash + 1 + digits.min(NUMBER_LEN)]);
            let Some(number) = number.ok().and_then(|text| text.parse::<u64>().ok()) else { continue };
            for kind in Kind::ALL.into_iter().filter(|kind| text[..dash].ends_with(kind.word().as_bytes())) {
                let taken = self.taken.entry(kind).or_default();
                *taken = number.max(*taken);
            }
        }
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
