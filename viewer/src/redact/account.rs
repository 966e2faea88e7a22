//! What was removed, and what stands in its place.
//!
//! Invariant: the same original has the same pseudonym everywhere in one report; numbers are given in the order in
//! which things are first met; nothing that was removed is forgotten in the account.

use std::collections::HashMap;

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

/// Least length of what is looked for inside of other words.
const SOUGHT_MIN: usize = 3;
/// Things that begin alike and are looked for: more of them nobody but an attacker has, who wants us to be slow.
const SOUGHT_MAX: usize = 1024;
/// From this length on it is found in the middle of a word, too; a shorter one only between signs.
const INSIDE_MIN: usize = 5;

/// Gives out pseudonyms, and finds again what got one.
#[derive(Debug, Default)]
pub(super) struct Pseudonyms {
    of: HashMap<Vec<u8>, usize>,
    given: HashMap<Kind, u64>,
    pub account: Account,
    /// What has to go wherever it stands, by its first three bytes in lower case.
    sought: HashMap<[u8; SOUGHT_MIN], Vec<Vec<u8>>>,
    sought_kinds: HashMap<Vec<u8>, Kind>,
}

fn gram(bytes: &[u8]) -> Option<[u8; SOUGHT_MIN]> {
    let start = bytes.get(..SOUGHT_MIN)?;
    Some([start[0], start[1], start[2]].map(|byte| byte.to_ascii_lowercase()))
}

/// A name as it is written where a dash may be one: units escape it, and other names have `_` in its place.
fn dashed(name: &[u8]) -> Vec<u8> {
    replace(&replace(name, b"\\x2d", b"-"), b"_", b"-")
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        match rest.strip_prefix(old) {
            Some(behind) => {
                out.extend_from_slice(new);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

/// Where a MAC address that begins at `at` ends: six pairs of hexadecimal digits with `:`, `-` or `_` between them.
fn mac_at(text: &[u8], at: usize) -> Option<usize> {
    const LEN: usize = 17;
    let pairs = text.get(at..at + LEN)?;
    let sign = pairs[2];
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let fits = matches!(sign, b':' | b'-' | b'_')
        && pairs.iter().enumerate().all(|(n, byte)| match n % 3 {
            2 => *byte == sign,
            _ => byte.is_ascii_hexdigit(),
        });
    // `01-88-99-aa-bb-cc-dd` of PXE: the last six are the address.
    let more = text.get(at + LEN) == Some(&sign)
        && text.get(at + LEN + 1..at + LEN + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    (fits && !more && (at == 0 || edge(text.get(at - 1))) && edge(text.get(at + LEN))).then_some(at + LEN)
}

/// The pseudonym of the same thing in another case is the same where case says nothing.
fn key(kind: Kind, original: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Host => dashed(&original.to_ascii_lowercase()),
        Kind::User => dashed(original),
        Kind::Address | Kind::Mac | Kind::Mail => original.to_ascii_lowercase(),
        _ => original.to_vec(),
    }
}

impl Pseudonyms {
    /// The pseudonym of `original`, and its number within its kind.
    pub fn name(&mut self, kind: Kind, original: &[u8]) -> (String, u64) {
        let (kind, key) = match self.sought_kind(original) {
            Some(learned) => (learned, key(learned, original)),
            None => (kind, key(kind, original)),
        };
        let at = match self.of.get(&key) {
            Some(at) => *at,
            None => {
                let number = self.given.entry(kind).or_default();
                *number += 1;
                let mut pseudonym = format!("{}-{number}", kind.word());
                // Somebody may be called so.
                if pseudonym.as_bytes().eq_ignore_ascii_case(original) {
                    *number += 1;
                    pseudonym = format!("{}-{number}", kind.word());
                }
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

    /// From now on `original` is replaced wherever it stands, in whatever case.
    pub fn seek(&mut self, kind: Kind, original: &[u8]) {
        let lower = original.to_ascii_lowercase();
        if matches!(kind, Kind::Host | Kind::User) {
            let plain = dashed(&lower);
            if plain.contains(&b'-') {
                for spelling in [replace(&plain, b"-", b"\\x2d"), replace(&plain, b"-", b"_"), plain] {
                    self.seek_spelling(kind, spelling);
                }
            }
        }
        self.seek_spelling(kind, lower);
    }

    fn seek_spelling(&mut self, kind: Kind, lower: Vec<u8>) {
        let Some(start) = gram(&lower) else { return };
        // A stand-in for it would hold it.
        if Kind::ALL.iter().any(|kind| kind.word().as_bytes() == lower) {
            return;
        }
        // The graver kind wins: what is a secret somewhere is one everywhere.
        if let Some(met) = self.sought_kinds.get_mut(&lower) {
            *met = (*met).min(kind);
            return;
        }
        let list = self.sought.entry(start).or_default();
        if list.len() < SOUGHT_MAX {
            // The longest first: `db7.example.com` before `db7`.
            let at = list.partition_point(|one| one.len() >= lower.len());
            list.insert(at, lower.clone());
            self.sought_kinds.insert(lower, kind);
        }
    }

    /// What kind of thing `word` is known to be.
    pub fn sought_kind(&self, word: &[u8]) -> Option<Kind> {
        self.sought_kinds.get(word.to_ascii_lowercase().as_slice()).copied()
    }

    /// Forgets pseudonyms and account, and what `harmless` says of all that is sought, but not the rest of it.
    pub fn begin_anew(&mut self, harmless: impl Fn(&[u8]) -> bool) {
        self.of.clear();
        self.given.clear();
        self.account.removed.clear();
        self.sought_kinds.retain(|word, _| !harmless(word));
        for list in self.sought.values_mut() {
            list.retain(|word| self.sought_kinds.contains_key(word));
        }
        self.sought.retain(|_, list| !list.is_empty());
    }

    /// Where something that is sought begins at `at` in `text`: its end and kind.
    fn found_at(&self, text: &[u8], at: usize) -> Option<(usize, Kind)> {
        let list = self.sought.get(&gram(&text[at..])?)?;
        list.iter().find_map(|wanted| {
            let end = at + wanted.len();
            // First of all, for it is what hardly ever is so.
            if !text.get(at..end).is_some_and(|part| part.eq_ignore_ascii_case(wanted)) {
                return None;
            }
            let kind = *self.sought_kinds.get(wanted)?;
            let inside = wanted.len() >= INSIDE_MIN || kind == Kind::Secret && wanted.len() > SOUGHT_MIN;
            let edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let bounded = || (at == 0 || edge(text.get(at - 1))) && edge(text.get(end));
            (inside || bounded()).then_some((end, kind))
        })
    }

    /// `text`, which the kernel cut off, where its end is the beginning of something sought.
    pub fn scrub_cut(&mut self, text: &[u8], keep: Keep) -> Option<Vec<u8>> {
        for at in 0..text.len().saturating_sub(SOUGHT_MIN - 1) {
            let tail = &text[at..];
            let edge = at == 0 || !text[at - 1].is_ascii_alphanumeric();
            if !edge && tail.len() < INSIDE_MIN {
                continue;
            }
            if let Some((kind, whole)) = self.begun(tail, keep) {
                let mut out = self.scrub(&text[..at], keep);
                out.extend_from_slice(self.name(kind, &whole).0.as_bytes());
                return Some(out);
            }
        }
        None
    }

    /// The shortest of what is sought that begins with `tail`: of `db7` and `db7.example.com` the first is in names.
    fn begun(&self, tail: &[u8], keep: Keep) -> Option<(Kind, Vec<u8>)> {
        let begins =
            |wanted: &&Vec<u8>| wanted.len() > tail.len() && wanted[..tail.len()].eq_ignore_ascii_case(tail);
        let list = self.sought.get(&gram(tail)?)?;
        let wanted = list.iter().rev().find(begins)?;
        let kind = *self.sought_kinds.get(wanted)?;
        (!keep.holds(kind)).then(|| (kind, wanted.clone()))
    }

    /// `text` with pseudonyms in place of all that is sought; `kept` kinds stay.
    pub fn scrub(&mut self, text: &[u8], keep: Keep) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let found = self.found_at(text, at).or_else(|| Some((mac_at(text, at)?, Kind::Mac)));
            match found.filter(|(_, kind)| !keep.holds(*kind)) {
                Some((end, kind)) => {
                    out.extend_from_slice(self.name(kind, &text[at..end]).0.as_bytes());
                    at = end;
                }
                None => {
                    out.push(text[at]);
                    at += 1;
                }
            }
        }
        out
    }
}
