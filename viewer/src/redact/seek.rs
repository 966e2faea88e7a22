//! Finding again, wherever it stands, what is known to be somebody's.
//!
//! Invariant: a stand-in is never put into a word that every machine has, nor into another stand-in: that `systemd`
//! holds somebody's password `syst` tells nobody of it. Time and memory are bounded whatever is sought: by the number
//! of things, their lengths, and the bytes that are compared at one place.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Keep, Kind, account::Pseudonyms, vocabulary};

/// Least length of what is looked for inside of other words.
const SOUGHT_MIN: usize = 3;
/// Of what is longer, so many bytes have to be there.
const HEAD_MAX: usize = 48;
/// Things that are longer than that and begin alike, with what they go on.
const HEADS_MAX: usize = 16;
/// From this length on it is found in the middle of a word, too; a shorter one only between signs.
const INSIDE_MIN: usize = 5;
/// Things that are looked for. A machine that has more is none, or somebody wants us to be slow.
const SOUGHT_MAX: usize = 1 << 17;

/// Names that packages brought; a machine that executes and names more of them is none.
const PACKAGED_MAX: usize = 1 << 16;

type Gram = [u8; SOUGHT_MIN];

fn gram(bytes: &[u8]) -> Option<Gram> {
    let start = bytes.get(..SOUGHT_MIN)?;
    Some([start[0], start[1], start[2]].map(|byte| byte.to_ascii_lowercase()))
}

/// A name as it is written where a dash may be one: units escape it, and other names have `_` in its place.
pub(super) fn dashed(lower: &[u8]) -> Vec<u8> {
    let plain = replace(lower, b"\\x2d", b"-");
    plain.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect()
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(old) {
            out.extend_from_slice(new);
            at += old.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// What is known of something that has to go wherever it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The gravest of what it is, [`Kind::Secret`] apart if it is anything else as well.
    kind: Kind,
    /// It is a secret, too.
    secret: bool,
}

impl Known {
    /// Secrets go whatever is kept.
    fn stays(self, keep: Keep) -> bool {
        keep.holds(self.kind) && !self.secret
    }
}

/// All that has to go wherever it stands. All of it in lower case.
#[derive(Debug, Default)]
pub(super) struct Sought {
    kinds: BTreeMap<Vec<u8>, Known>,
    /// How long they are, the longest first, by how they begin: `db7.example.com` is found before `db7`.
    lengths: HashMap<Gram, Vec<usize>>,
    /// Those of more than [`HEAD_MAX`] bytes, by these.
    long: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// There was no room for all of them.
    pub full: bool,
    /// Names that packages brought, and their parts that have no dash in them. They tell nothing, but that part of one is
    /// replaced would tell what the secret was. Names of people and machines go all the same: a site has packages, too.
    packaged: HashSet<Vec<u8>>,
}

impl Sought {
    /// From now on `original` is found wherever it stands, in whatever case.
    pub fn add(&mut self, kind: Kind, original: &[u8]) {
        let lower = original.to_ascii_lowercase();
        if matches!(kind, Kind::Host | Kind::User) {
            let plain = dashed(&lower);
            if plain.contains(&b'-') {
                for spelling in [replace(&plain, b"-", b"\\x2d"), replace(&plain, b"-", b"_"), plain] {
                    self.spelling(kind, spelling);
                }
            }
        }
        if kind == Kind::Address {
            for sign in [b"-", b"_"] {
                self.spelling(kind, replace(&lower, b".", sign));
            }
        }
        self.spelling(kind, lower);
    }

    fn spelling(&mut self, kind: Kind, lower: Vec<u8>) {
        let Some(start) = gram(&lower) else { return };
        // A stand-in for it would hold it.
        if Kind::ALL.iter().any(|kind| kind.word().as_bytes() == lower) || is_stand_in(&lower) {
            return;
        }
        let secret = kind == Kind::Secret;
        if let Some(met) = self.kinds.get_mut(&lower) {
            met.secret |= secret;
            // Whoever is called so is told of by that name: as a secret he would say what the secret is.
            met.kind = match (met.kind, kind) {
                (Kind::Secret, other) | (other, Kind::Secret) => other,
                (met, other) => met.min(other),
            };
            return;
        }
        if self.kinds.len() >= SOUGHT_MAX {
            self.full = true;
            return;
        }
        let lengths = self.lengths.entry(start).or_default();
        let len = lower.len().min(HEAD_MAX);
        let at = lengths.partition_point(|one| *one > len);
        if lengths.get(at) != Some(&len) {
            lengths.insert(at, len);
        }
        if lower.len() > HEAD_MAX {
            let alike = self.long.entry(lower[..HEAD_MAX].to_vec()).or_default();
            if alike.len() < HEADS_MAX {
                alike.push(lower.clone());
            }
        }
        self.kinds.insert(lower, Known { kind, secret });
    }

    /// What kind of thing `word` is known to be; a secret only if it is nothing else.
    pub fn kind(&self, word: &[u8]) -> Option<Kind> {
        self.kinds.get(word.to_ascii_lowercase().as_slice()).map(|known| known.kind)
    }

    /// Forgets what `harmless` says of, and secrets that are a part of a name that a package brought.
    pub fn forget(&mut self, harmless: impl Fn(&[u8]) -> bool) {
        let packaged = &self.packaged;
        let packaged = |word: &[u8], kind: Kind| is_weak(word, kind) && packaged.contains(word);
        self.kinds.retain(|word, known| !harmless(word) && !packaged(word, known.kind));
    }

    /// A package brought a file, a directory or a program of this name.
    pub fn protect(&mut self, name: &[u8]) {
        let lower = name.to_ascii_lowercase();
        let runs = lower.split(|byte| !is_dashed(byte));
        let all =
            runs.flat_map(|run| std::iter::once(run).chain(run.split(|byte| !byte.is_ascii_alphanumeric())));
        for part in all.filter(|part| part.len() >= SOUGHT_MIN) {
            if self.packaged.len() < PACKAGED_MAX && !self.packaged.contains(part) {
                self.packaged.insert(part.to_vec());
            }
        }
    }

    /// Where something that is sought begins at `at` in `lower`: its end, and what it is.
    fn found_at(&self, lower: &[u8], at: usize) -> Option<(usize, Known)> {
        self.lengths.get(&gram(&lower[at..])?)?.iter().find_map(|len| {
            let part = lower.get(at..at + len)?;
            if *len == HEAD_MAX
                && let Some(found) = self.long_at(lower, at, part)
            {
                return Some(found);
            }
            let known = *self.kinds.get(part)?;
            self.fits(lower, at, at + len, known).then_some((at + len, known))
        })
    }

    /// A long one goes as far as it is there, and on to the end of the word.
    fn long_at(&self, lower: &[u8], at: usize, head: &[u8]) -> Option<(usize, Known)> {
        let rest = &lower[at..];
        let common = |full: &[u8]| full.iter().zip(rest).take_while(|(a, b)| a == b).count();
        let alike =
            self.long.get(head)?.iter().filter_map(|full| Some((common(full), *self.kinds.get(full)?)));
        let (len, known) = alike.max_by_key(|(len, _)| *len)?;
        let ends = |byte: &u8| *byte <= b' ' || b"\"'`;,|<>()".contains(byte);
        let word = rest[len..].iter().take_while(|byte| !ends(byte)).count();
        Some((at + len + word, known))
    }

    /// Whether what was found from `at` to `end` is the thing itself, and no part of something else.
    fn fits(&self, lower: &[u8], at: usize, end: usize, known: Known) -> bool {
        let Known { kind, secret } = known;
        let before = at.checked_sub(1).and_then(|at| lower.get(at));
        let after = lower.get(end);
        let wanted = &lower[at..end];
        let edges = |is: fn(&u8) -> bool| before.is_none_or(|b| !is(b)) && after.is_none_or(|b| !is(b));
        // In the middle of another number it is not that number.
        if wanted.iter().all(u8::is_ascii_digit) && !edges(u8::is_ascii_digit) {
            return false;
        }
        if edges(u8::is_ascii_alphanumeric) {
            return !is_weak(wanted, kind) || !self.is_packaged(lower, at, end);
        }
        let inside = wanted.len() >= INSIDE_MIN || secret && wanted.len() > SOUGHT_MIN;
        inside && !self.everybodys(lower, at, end, kind)
    }

    /// Whether the word around it is one that every machine has, or a stand-in.
    fn everybodys(&self, lower: &[u8], at: usize, end: usize, kind: Kind) -> bool {
        let word = around(lower, at, end, u8::is_ascii_alphanumeric);
        let dashed = around(lower, at, end, is_dashed);
        [word, dashed].into_iter().any(|word| {
            word.len() > end - at
                && (vocabulary::holds(word)
                    || is_weak(&lower[at..end], kind) && self.packaged.contains(word)
                    || is_stand_in(word)
                    || Kind::ALL.iter().any(|kind| kind.word().as_bytes() == word))
        })
    }

    /// Whether it stands in a name of several words that a package brought.
    fn is_packaged(&self, lower: &[u8], at: usize, end: usize) -> bool {
        let word = around(lower, at, end, is_dashed);
        word.len() > end - at && self.packaged.contains(word)
    }

    /// The first of what is sought that begins with `tail` and goes on.
    fn begun(&self, tail: &[u8], keep: Keep) -> Option<(Kind, Vec<u8>)> {
        let lower = tail.to_ascii_lowercase();
        let (wanted, known) =
            self.kinds.range(lower.clone()..).find(|(wanted, _)| wanted.len() > tail.len())?;
        (wanted.starts_with(&lower) && !known.stays(keep)).then(|| (known.kind, wanted.clone()))
    }
}

/// Whether it is a secret that is a word, as names of packages are.
fn is_weak(lower: &[u8], kind: Kind) -> bool {
    kind == Kind::Secret && lower.iter().all(u8::is_ascii_alphabetic)
}

fn is_dashed(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// What is found from `at` to `end`, with all of `is` around it.
fn around(lower: &[u8], at: usize, end: usize, is: fn(&u8) -> bool) -> &[u8] {
    let start = at - lower[..at].iter().rev().take_while(|byte| is(byte)).count();
    let end = end + lower[end..].iter().take_while(|byte| is(byte)).count();
    &lower[start..end]
}

/// `host-1`, `secret-23`.
pub(super) fn is_stand_in(lower: &[u8]) -> bool {
    let Some(dash) = lower.iter().rposition(|byte| *byte == b'-') else { return false };
    let (word, number) = (&lower[..dash], &lower[dash + 1..]);
    (1..=8).contains(&number.len())
        && number.iter().all(u8::is_ascii_digit)
        && Kind::ALL.iter().any(|kind| kind.word().as_bytes() == word)
}

/// Names of interfaces that are made of their MAC address.
pub(super) const OF_MACS: [&[u8]; 6] = [b"enx", b"wlx", b"wwx", b"slx", b"ibx", b"mac"];

/// Where a MAC address that begins at `at` ends: six pairs of hexadecimal digits with `:`, `-` or `_` between them, or
/// none behind the letters of an interface.
fn mac_at(text: &[u8], at: usize) -> Option<usize> {
    const LEN: usize = 17;
    const BARE: usize = 12;
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    if let Some(start) = at.checked_sub(3)
        && OF_MACS.contains(&&text[start..at])
        && edge(start.checked_sub(1).and_then(|at| text.get(at)))
    {
        let bare = text.get(at..at + BARE)?.iter().all(u8::is_ascii_hexdigit);
        return (bare && edge(text.get(at + BARE))).then_some(at + BARE);
    }
    let pairs = text.get(at..at + LEN)?;
    let sign = pairs[2];
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

impl Pseudonyms {
    /// `text`, which was cut off somewhere, where its end is the beginning of something sought.
    pub fn scrub_cut(&mut self, text: &[u8], keep: Keep) -> Option<Vec<u8>> {
        // A name that long stands nowhere but in what was made to be searched.
        let first = text.len().saturating_sub(256);
        for at in first..text.len().saturating_sub(SOUGHT_MIN - 1) {
            let tail = &text[at..];
            let edge = at == 0 || !text[at - 1].is_ascii_alphanumeric();
            if !edge && tail.len() < INSIDE_MIN {
                continue;
            }
            if let Some((kind, whole)) = self.sought.begun(tail, keep) {
                let mut out = self.scrub(&text[..at], keep);
                out.extend_from_slice(self.name(kind, &whole).0.as_bytes());
                return Some(out);
            }
        }
        None
    }

    /// `text` with pseudonyms in place of all that is sought; `kept` kinds stay.
    pub fn scrub(&mut self, text: &[u8], keep: Keep) -> Vec<u8> {
        self.take(text);
        let lower = text.to_ascii_lowercase();
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let mac = |at| Some((mac_at(&lower, at)?, Known { kind: Kind::Mac, secret: false }));
            let found = self.sought.found_at(&lower, at).or_else(|| mac(at));
            match found.filter(|(_, known)| !known.stays(keep)) {
                Some((end, known)) => {
                    // As it stands where MAC addresses stand in another form.
                    out.extend_from_slice(self.name(known.kind, &text[at..end]).0.as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(sought: &[(Kind, &str)], text: &str) -> String {
        let mut names = Pseudonyms::default();
        sought.iter().for_each(|(kind, name)| names.sought.add(*kind, name.as_bytes()));
        String::from_utf8(names.scrub(text.as_bytes(), Keep::default())).expect("UTF-8")
    }

    #[test]
    fn words_that_every_machine_has_are_not_broken_by_what_somebody_chose() {
        let secrets = [(Kind::Secret, "syst"), (Kind::Secret, "d-journ"), (Kind::Secret, "ret-1")];
        for text in ["systemd", "/lib/systemd/systemd-journald", "secret-12", "Systemd.service"] {
            assert_eq!(scrubbed(&secrets, text), text);
        }
        assert_eq!(scrubbed(&secrets, "acmesyst x-syst"), "acmesecret-1 x-secret-1");
        assert_eq!(scrubbed(&[(Kind::User, "ostgre")], "postgres ostgreSQL"), "postgres user-1SQL");
        assert_eq!(scrubbed(&[(Kind::Secret, "123456")], "1234567 x123456y"), "1234567 xsecret-1y");
    }

    #[test]
    fn of_many_that_begin_alike_each_is_found() {
        let names: Vec<String> = (0..5000).map(|n| format!("web-{n:04}")).collect();
        let sought: Vec<(Kind, &str)> = names.iter().map(|name| (Kind::Host, name.as_str())).collect();
        assert_eq!(scrubbed(&sought, "/etc/web-4711.conf"), "/etc/host-1.conf");
    }

    #[test]
    fn a_long_one_is_found_although_its_end_was_cut_off_or_is_another() {
        let key = "Xy7".repeat(60);
        for text in [&key, &key[..70], &format!("{key}AndMore")] {
            assert_eq!(scrubbed(&[(Kind::Secret, &key)], &format!("{text} end")), "secret-1 end");
        }
        assert_eq!(scrubbed(&[(Kind::Secret, &key)], &key[..40]), key[..40], "too little of it");
    }

    #[test]
    fn mac_addresses_are_found_in_every_spelling() {
        for (text, left) in [
            ("enx001122aabbcc", "enxmac-1"),
            ("dev-enx001122aabbcc.device", "dev-enxmac-1.device"),
            ("wlx001122aabbcc: x", "wlxmac-1: x"),
            ("dev_00_11_22_AA_BB_CC", "dev_mac-1"),
            ("01-00-11-22-aa-bb-cc", "01-mac-1"),
        ] {
            assert_eq!(scrubbed(&[], text), left);
        }
    }
}
