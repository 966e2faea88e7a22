//! One word of a command line: is it harmless, and if not, what stands for it?
//!
//! Invariant: [`Redactor::judge`] answers only for what a rule knows; everything else is an argument, and goes.

use super::{Kind, Redactor, address, path::is_known_path, seek::OF_MACS, shape, vocabulary};

/// Longest name of a program or a service that is kept.
const NAME_MAX: usize = 64;
/// Digits of the number of a stand-in.
const STAND_IN_DIGITS: usize = 8;
/// Rules call each other for the parts of a word; what is nested deeper is not for anybody to read.
const DEPTH_MAX: u8 = 6;
/// Digits of a word in all: what has more may be a card, an account or a telephone.
const DIGITS_MAX: usize = 8;
/// Digits of a number beside a word: `15-main` is a name, `root-2024` may be a password.
const DIGITS_BESIDE_MAX: usize = 2;

/// Whether `name` may be what a program or a service is called, rather than something secret.
pub(super) fn is_plain_name(name: &[u8]) -> bool {
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-' | b'(' | b')');
    name.len() >= 2
        && name.len() <= NAME_MAX
        && name.iter().all(plain)
        && name.iter().any(u8::is_ascii_alphabetic)
        && !shape::is_random(name)
        && !shape::is_token(name)
        && !address::is_domain(name)
        && !address::holds_ipv4(name)
}

impl Redactor {
    /// What stands for a word of which nothing else is known.
    pub(super) fn word(&mut self, word: &[u8]) -> Vec<u8> {
        match self.judge(word, 0) {
            Some(judged) => judged,
            None if self.keep.args => self.kept(word),
            None => self.named(Kind::Argument, word),
        }
    }

    /// A word that stays because arguments are kept, without what is said in it to be a secret:
    /// `user=ada,pass:pw`, `ada/pw@orcl`, `ada:pw@tcp`.
    fn kept(&mut self, word: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(word.len());
        for (at, piece) in word.split(|byte| *byte == b',').enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let sign = piece.iter().position(|byte| matches!(byte, b'=' | b':'));
            let slash = piece.iter().position(|byte| matches!(byte, b'/' | b':'));
            let last = piece.iter().rposition(|byte| *byte == b'@');
            let start = match (sign, slash, last) {
                (Some(sign), ..) if shape::is_secretish(&piece[..sign]) => sign + 1,
                (_, Some(slash), Some(last)) if slash < last && is_plain_name(&piece[..slash]) => slash + 1,
                _ => piece.len(),
            };
            let (name, secret) = piece.split_at(start);
            out.extend(self.names.scrub(name, self.keep));
            let end = last.and_then(|last| last.checked_sub(start)).filter(|end| *end > 0);
            let (secret, host) = secret.split_at(end.unwrap_or(secret.len()));
            out.extend(self.secret(secret));
            out.extend(self.names.scrub(host, self.keep));
        }
        out
    }

    /// What stands for `word` by a rule that knows its form: itself if it is harmless.
    pub(super) fn judge(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        if word.is_empty() || vocabulary::holds(word) || word.len() == 1 && word.is_ascii() {
            return Some(word.to_vec());
        }
        if depth > DEPTH_MAX {
            return None;
        }
        if self.is_done(word) {
            self.names.take(word);
            return Some(word.to_vec());
        }
        if let Some(kind) = self.names.sought.kind(word) {
            return Some(self.named(kind, word));
        }
        if shape::is_token(word) {
            return Some(self.secret(word));
        }
        if self.programs.contains(word) {
            return Some(self.names.scrub(word, self.keep));
        }
        if shape::is_number(word) {
            return self.is_harmless_number(word).then(|| word.to_vec());
        }
        if shape::is_quantity(word) || shape::is_tty(word) || shape::is_java(word) {
            return Some(word.to_vec());
        }
        self.url(word, depth)
            .or_else(|| self.address(word, depth))
            .or_else(|| self.pair(word, depth))
            .or_else(|| self.at_sign(word, depth))
            .or_else(|| self.option(word))
            .or_else(|| self.unit_word(word))
            .or_else(|| word.contains(&b'/').then(|| self.any_path(word, depth)).flatten())
            .or_else(|| self.domain(word))
            .or_else(|| self.list(word, depth).filter(|_| !is_made_up(word)))
            .or_else(|| self.composite(word))
            .or_else(|| shape::is_random(word).then(|| self.secret(word)))
    }

    /// Whether an earlier report has left nothing in `word` but stand-ins and what everybody knows: `user-1@host-1:22`.
    pub(super) fn is_done(&self, word: &[u8]) -> bool {
        if !self.names.again {
            return false;
        }
        let parts: Vec<&[u8]> =
            word.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
        // `mac` of `enxmac-1` as well.
        let begins = |at: usize| {
            let part = parts[at];
            Kind::ALL.iter().any(|kind| part == kind.word().as_bytes())
                || part.strip_suffix(b"mac").is_some_and(|start| OF_MACS.contains(&start))
        };
        // One number, which is ours: `ip-10-0-0-12` is somebody's address.
        let numbers = |at: usize| {
            parts.get(at).is_some_and(|part| {
                let end = part.as_ptr() as usize - word.as_ptr() as usize + part.len();
                let goes_on = matches!(word[end..], [b'-' | b'.', next, ..] if next.is_ascii_digit());
                part.len() <= STAND_IN_DIGITS && part.iter().all(u8::is_ascii_digit) && !goes_on
            })
        };
        let harmless = |at: usize| {
            let part = parts[at];
            part.len() == 1
                || begins(at)
                || at > 0 && begins(at - 1) && numbers(at)
                || vocabulary::holds(part)
                || vocabulary::is_scheme(part)
                || self.is_harmless_number(part)
                || self.programs.contains(part)
        };
        let all = 0..parts.len();
        all.clone().any(|at| begins(at) && numbers(at + 1)) && all.clone().all(harmless)
    }

    pub(super) fn secret(&mut self, word: &[u8]) -> Vec<u8> {
        if word.is_empty() {
            return Vec::new();
        }
        // `--auth 8080` says nothing about port 8080.
        // Nor does an option behind an option without a value: sought, it would go from every line of the machine.
        // And what secrets are called is none.
        let harmless = word.len() <= 5 && shape::is_number(word)
            || self.option(word).is_some()
            || shape::is_secret_word(word);
        if word.len() > 3 && !harmless {
            self.seek(Kind::Secret, word);
        }
        self.named(Kind::Secret, word)
    }

    /// `name=value`, `pass:value`.
    fn pair(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        if let Some(at) = word.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) {
            let (name, value) = (&word[..at], &word[at + 1..]);
            let harmless = self.is_key(name);
            if !harmless && shape::is_secretish(name) {
                let value = self.value(name, value, depth);
                return Some([self.named(Kind::Argument, name).as_slice(), b"=", &value].concat());
            }
            if !harmless && !self.keep.args {
                // To whom a process belongs may be told by a path in its arguments alone.
                if !value.starts_with(b"/") {
                    return None;
                }
                let path = self.value(name, value, depth);
                return Some([self.named(Kind::Argument, name).as_slice(), b"=", &path].concat());
            }
            let mut out = self.names.scrub(name, self.keep);
            out.push(b'=');
            out.extend(self.value(name, value, depth));
            return Some(out);
        }
        let at = word.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
        let (name, value) = (&word[..at], &word[at + 1..]);
        let said = shape::is_secretish(name) && name.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-');
        (said && !value.is_empty() && name.len() <= 20)
            .then(|| [name, b":", self.secret(value).as_slice()].concat())
    }

    /// What stands for a value, by what it is called.
    pub(super) fn value(&mut self, name: &[u8], value: &[u8], depth: u8) -> Vec<u8> {
        if shape::is_secretish(name) {
            return if is_known_path(value) { self.path(value) } else { self.secret(value) };
        }
        if shape::is_userish(name) {
            let groups = name.ends_with(b"chuid") || name.ends_with(b"owner") || name.ends_with(b"uid");
            return if groups { self.user_and_group(value) } else { self.user(value) };
        }
        match self.judge(value, depth + 1) {
            Some(judged) => judged,
            None if shape::is_hostish(name) => self.host(value),
            // `DB_URL=ada:pw@tcp(db7)`
            None if self.keep.args => self.kept(value),
            None => self.named(Kind::Argument, value),
        }
    }

    /// Whether what stands before an equals sign is a name that everybody may read.
    fn is_key(&self, name: &[u8]) -> bool {
        if name.starts_with(b"--") {
            return is_long_option(name);
        }
        let known =
            |part: &[u8]| vocabulary::holds(part) || shape::is_secret_word(part) || shape::is_userish(part);
        let upper = name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
        let variable = upper && name.len() <= 40 && name[0].is_ascii_uppercase();
        // `POSTGRES_PASSWORD`, but not `ACME_PASSWORD`.
        variable && name.split(|byte| *byte == b'_').all(known)
            || self.is_composite(name.strip_prefix(b"-").unwrap_or(name))
            || name.len() <= 20
                && shape::is_secretish(name)
                && name.iter().all(|b| b.is_ascii_lowercase() || *b == b'_')
                && name.split(|byte| *byte == b'_').all(known)
    }

    /// `-9`, `-TERM`, `-rf`, `--no-block`.
    pub(super) fn option(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let rest = word.strip_prefix(b"-")?;
        if rest.starts_with(b"-") {
            return (rest.len() == 1 || is_long_option(word)).then(|| self.names.scrub(word, self.keep));
        }
        let letters = rest.len() <= 3 && rest.iter().all(u8::is_ascii_alphabetic);
        (letters || self.is_composite(rest)).then(|| self.names.scrub(word, self.keep))
    }

    /// `10.0.0.5,db7.example.com`: each by itself, if all of them can be judged.
    fn list(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(word.len());
        for (at, part) in word.split(|byte| *byte == b',').enumerate() {
            match at {
                0 if part.len() == word.len() => return None,
                0 => {}
                _ => out.push(b','),
            }
            out.extend(self.judge(part, depth + 1)?);
        }
        Some(out)
    }

    fn composite(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        self.is_composite(word).then(|| self.names.scrub(word, self.keep))
    }

    /// Whether all parts of it are words and numbers that say nothing: `15-main`, `23:00`, `auto,ro`, `.....`. A password
    /// is made of such parts as well, so there is nothing in it that has to be in one: no long number beside a word, no
    /// capital among small letters, no sign that names do not have.
    pub(super) fn is_composite(&self, word: &[u8]) -> bool {
        self.is_made_of(word, vocabulary::holds)
    }

    /// The same, of what these words are.
    pub(super) fn is_made_of(&self, word: &[u8], is_word: impl Fn(&[u8]) -> bool) -> bool {
        let count = |is: fn(&u8) -> bool| word.iter().filter(|byte| is(byte)).count();
        let (digits, lower, upper) =
            (count(u8::is_ascii_digit), count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase));
        let letters = lower + upper > 0;
        let parts =
            || word.split(|byte| matches!(byte, b',' | b':' | b'.' | b'+' | b'_' | b'-' | b'%' | b'\\'));
        let harmless = |part: &[u8]| {
            let number = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
            part.is_empty()
                || shape::is_quantity(part)
                    && (!letters || number <= DIGITS_BESIDE_MAX)
                    && (number < part.len() || self.is_harmless_number(part))
                || is_word(part)
                || self.programs.contains(part) && self.names.sought.kind(part).is_none()
        };
        // `555-1234` is the number of a telephone.
        let call = digits > 6 && !letters && !word.contains(&b':');
        let colons = word.iter().filter(|byte| **byte == b':').count();
        let odd = address::holds_ipv4(word) || colons > 3 || word.windows(2).any(|two| two == b"::");
        let mixed = lower > 0 && upper > 0 && digits > 0;
        digits <= DIGITS_MAX && !call && !odd && !mixed && parts().all(harmless)
    }
}

/// `Root,2024`, `admin/12345`: words and long numbers side by side, of which passwords are made.
pub(super) fn is_made_up(word: &[u8]) -> bool {
    let parts = || word.split(|byte| matches!(byte, b',' | b'/'));
    parts().any(|part| part.len() > DIGITS_BESIDE_MAX && part.iter().all(u8::is_ascii_digit))
        && parts().any(|part| !part.is_empty() && part.iter().all(u8::is_ascii_alphabetic))
}

/// `--no-block`: words, and numbers that are short.
fn is_long_option(word: &[u8]) -> bool {
    let Some(name) = word.strip_prefix(b"--") else { return false };
    let part = |part: &[u8]| {
        !part.is_empty()
            && (part.len() <= 16 && part.iter().all(u8::is_ascii_lowercase)
                || part.len() <= 3 && part.iter().all(u8::is_ascii_alphanumeric))
    };
    !name.is_empty() && name.len() <= 48 && name.split(|byte| matches!(byte, b'-' | b'_' | b'.')).all(part)
}
