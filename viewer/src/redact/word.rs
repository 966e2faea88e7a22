//! One word of a command line: is it harmless, and if not, what stands for it?
//!
//! Invariant: [`Redactor::judge`] answers only for what a rule knows; everything else is an argument, and goes.

use super::{Kind, Redactor, shape, vocabulary};

/// Longest name of a program or a service that is kept.
const NAME_MAX: usize = 64;
/// Rules call each other for the parts of a word; what is nested deeper is not for anybody to read.
const DEPTH_MAX: u8 = 6;
/// Digits of a word in all: what has more may be a card or an account.
const DIGITS_MAX: usize = 12;

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
        && !shape::is_domain(name)
        && !shape::holds_ipv4(name)
}

impl Redactor {
    /// What stands for a word of which nothing else is known.
    pub(super) fn word(&mut self, word: &[u8]) -> Vec<u8> {
        match self.judge(word, 0) {
            Some(judged) => judged,
            None => self.named(Kind::Argument, word),
        }
    }

    /// What stands for `word` by a rule that knows its form: itself if it is harmless.
    pub(super) fn judge(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        if word.is_empty() || vocabulary::holds(word) || word.len() == 1 && word.is_ascii() {
            return Some(word.to_vec());
        }
        if depth > DEPTH_MAX {
            return None;
        }
        if let Some(kind) = self.names.sought_kind(word) {
            return Some(self.named(kind, word));
        }
        if shape::is_token(word) {
            return Some(self.secret(word));
        }
        if self.programs.contains(word) {
            return Some(self.names.scrub(word, self.keep));
        }
        if shape::is_number(word) || shape::is_quantity(word) || shape::is_tty(word) {
            return Some(word.to_vec());
        }
        self.url(word, depth)
            .or_else(|| self.address(word, depth))
            .or_else(|| self.pair(word, depth))
            .or_else(|| self.at_sign(word, depth))
            .or_else(|| self.option(word))
            .or_else(|| self.unit_name(word))
            .or_else(|| word.contains(&b'/').then(|| self.any_path(word, depth)).flatten())
            .or_else(|| self.domain(word))
            .or_else(|| self.list(word, depth))
            .or_else(|| self.composite(word))
            .or_else(|| shape::is_random(word).then(|| self.secret(word)))
    }

    pub(super) fn secret(&mut self, word: &[u8]) -> Vec<u8> {
        if word.is_empty() {
            return Vec::new();
        }
        // `--auth 8080` says nothing about port 8080.
        // Nor does an option behind an option without a value: sought, it would go from every line of the machine.
        let harmless = word.len() <= 5 && shape::is_number(word) || self.option(word).is_some();
        if word.len() > 3 && !harmless {
            self.seek(Kind::Secret, word);
        }
        self.named(Kind::Secret, word)
    }

    pub(super) fn user(&mut self, name: &[u8]) -> Vec<u8> {
        if name.is_empty() || vocabulary::is_system_user(name) || shape::is_number(name) {
            return name.to_vec();
        }
        if !is_plain_name(name) {
            return self.user_and_more(name);
        }
        self.seek(Kind::User, name);
        self.named(Kind::User, name)
    }

    /// What stands where a user does and is no name alone: `ian:pw`, `bob/pw@ORCL`, `harry,password=pw`. Whatever is
    /// kept, it may be a password, all or part of it.
    fn user_and_more(&mut self, text: &[u8]) -> Vec<u8> {
        let sign = text.iter().position(|byte| matches!(byte, b':' | b'/' | b'%' | b','));
        let Some(at) = sign.filter(|at| is_plain_name(&text[..*at])) else { return self.secret(text) };
        let (name, sign, rest) = (&text[..at], text[at], &text[at + 1..]);
        let mut out = self.user(name);
        out.push(sign);
        out.extend(if sign == b',' {
            self.word(rest)
        } else if sign == b':' && (rest == name || vocabulary::is_system_user(rest)) {
            // `backup:backup` are a user and a group.
            self.user(rest)
        } else {
            // `pw@ORCL`: the password may stand elsewhere without what is behind it.
            let end = rest.iter().rposition(|byte| *byte == b'@').unwrap_or(rest.len());
            if (4..rest.len()).contains(&end) {
                self.seek(Kind::Secret, &rest[..end]);
            }
            self.secret(rest)
        });
        out
    }

    pub(super) fn host(&mut self, name: &[u8]) -> Vec<u8> {
        if name.is_empty() || name == b"localhost" || name == b"*" {
            return name.to_vec();
        }
        self.seek_host(name);
        self.named(Kind::Host, name)
    }

    /// A host, and the domain that it is in.
    pub(super) fn seek_host(&mut self, name: &[u8]) {
        self.seek(Kind::Host, name);
        let label = name.split(|byte| *byte == b'.').next().unwrap_or_default();
        // Not the zone alone: `cloud` of acme.cloud is in the name of every kernel of a cloud.
        if let Some(parent) = name.get(label.len() + 1..).filter(|parent| shape::is_domain(parent)) {
            self.seek(Kind::Host, parent);
        }
    }

    fn domain(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        // `db7.example.com:5432`
        let (name, port) = split_port(word);
        if !shape::is_domain(name) || self.programs.contains(name) {
            return None;
        }
        let mut out = self.host(name);
        out.extend_from_slice(port);
        Some(out)
    }

    /// An address with or without its port or prefix, in brackets or not.
    fn address(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let one = |redactor: &mut Self, address: &[u8]| {
            if shape::is_everybodys(address) {
                return address.to_vec();
            }
            let kind = if shape::is_mac(address) { Kind::Mac } else { Kind::Address };
            redactor.seek(kind, address);
            redactor.named(kind, address)
        };
        let is = |word: &[u8]| shape::is_ipv4(word) || shape::is_ipv6(word) || shape::is_mac(word);
        if is(word) {
            return Some(one(self, word));
        }
        if let Some(inner) = word.strip_prefix(b"[")
            && let Some(end) = inner.iter().position(|byte| *byte == b']')
            && is(&inner[..end])
        {
            let rest = self.judge(&inner[end + 1..], depth + 1)?;
            return Some([&b"["[..], one(self, &inner[..end]).as_slice(), b"]", &rest].concat());
        }
        let (address, port) = split_port(word);
        if shape::is_ipv4(address) {
            return Some([one(self, address).as_slice(), port].concat());
        }
        let slash = word.iter().position(|byte| *byte == b'/')?;
        if is(&word[..slash]) && shape::is_number(&word[slash + 1..]) {
            return Some([one(self, &word[..slash]).as_slice(), &word[slash..]].concat());
        }
        None
    }

    /// `scheme://user:password@host:port/path?query`.
    fn url(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let at = word.windows(3).position(|part| part == b"://")?;
        let (scheme, rest) = (&word[..at], &word[at + 3..]);
        let plain = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'+' | b':' | b'-');
        if scheme.is_empty() || scheme.len() > 24 || !scheme.iter().all(plain) {
            return None;
        }
        let mut out = [scheme, b"://"].concat();
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let hosts = match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => {
                // A token may stand in either place; a name of a user is followed by a password.
                let mut parts = authority[..at].splitn(2, |byte| *byte == b':');
                let (user, password) = (parts.next().unwrap_or_default(), parts.next());
                let named = password.is_some() && user.len() <= 16 && is_plain_name(user);
                out.extend(if named { self.user(user) } else { self.secret(user) });
                if let Some(password) = password {
                    out.push(b':');
                    out.extend(self.secret(password));
                }
                out.push(b'@');
                &authority[at + 1..]
            }
            None => authority,
        };
        for (n, host) in hosts.split(|byte| *byte == b',').enumerate() {
            if n > 0 {
                out.push(b',');
            }
            let (name, port) = split_port(host);
            let judged = match self.address(host, depth + 1) {
                Some(judged) => judged,
                None => [self.host(name).as_slice(), port].concat(),
            };
            out.extend_from_slice(&judged);
        }
        if tail.is_empty() || tail == b"/" {
            out.extend_from_slice(tail);
        } else if hosts.is_empty() && tail.starts_with(b"/") {
            let path = self.path(tail);
            out.extend_from_slice(&path);
        } else {
            // A query holds tokens as often as not.
            let query = tail.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(tail.len());
            if query > 1 && tail[0] == b'/' {
                out.push(b'/');
                let path = self.named(Kind::Path, &tail[1..query]);
                out.extend_from_slice(&path);
            }
            if query < tail.len() {
                out.push(tail[query]);
                let query = self.secret(&tail[query + 1..]);
                out.extend_from_slice(&query);
            }
        }
        Some(out)
    }

    /// `name=value`, `pass:value`.
    fn pair(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        if let Some(at) = word.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) {
            let (name, value) = (&word[..at], &word[at + 1..]);
            let harmless = self.is_key(name);
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
            return self.secret(value);
        }
        if shape::is_userish(name) {
            return self.user(value);
        }
        match self.judge(value, depth + 1) {
            Some(judged) => judged,
            None if shape::is_hostish(name) => self.host(value),
            None => self.named(Kind::Argument, value),
        }
    }

    /// Whether what stands before an equals sign is a name that everybody may read.
    fn is_key(&self, name: &[u8]) -> bool {
        if name.starts_with(b"--") {
            return is_long_option(name);
        }
        let upper = name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
        let variable = upper && name.len() <= 40 && name[0].is_ascii_uppercase();
        variable && (shape::is_secretish(name) || shape::is_userish(name) || shape::is_hostish(name))
            || self.is_composite(name.strip_prefix(b"-").unwrap_or(name))
            || name.len() <= 20
                && shape::is_secretish(name)
                && name.iter().all(|b| b.is_ascii_lowercase() || *b == b'_')
    }

    /// `user@host`, `name@example.com`, `@name`.
    fn at_sign(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let at = word.iter().rposition(|byte| *byte == b'@')?;
        let (user, host) = (&word[..at], &word[at + 1..]);
        if user.is_empty() {
            let rest = self.judge(host, depth + 1)?;
            return Some([&b"@"[..], rest.as_slice()].concat());
        }
        // `bob@db7:/srv/data`
        let colon = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
        let (name, rest) = host.split_at(colon);
        if shape::is_tty(name) {
            return Some([self.user(user).as_slice(), b"@", host].concat());
        }
        let mail = !user.iter().any(|byte| matches!(byte, b':' | b'/'));
        if mail && shape::is_domain(name) && rest.is_empty() {
            self.seek(Kind::Mail, word);
            self.seek_host(name);
            if is_plain_name(user) {
                self.seek(Kind::User, user);
            }
            return Some(self.named(Kind::Mail, word));
        }
        let known = shape::is_domain(name)
            || shape::is_ipv4(name)
            || self.names.sought_kind(name) == Some(Kind::Host);
        if !known {
            return None;
        }
        let mut out = self.user(user);
        out.push(b'@');
        let host = match self.address(name, depth + 1) {
            Some(address) => address,
            None => self.host(name),
        };
        out.extend_from_slice(&host);
        if !rest.is_empty() {
            out.push(b':');
            let rest = self.word(&rest[1..]);
            out.extend_from_slice(&rest);
        }
        Some(out)
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

    /// Whether all parts of it are words and numbers that say nothing: `15-main`, `23:00`, `auto,ro`, `.....`.
    pub(super) fn is_composite(&self, word: &[u8]) -> bool {
        let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
        let parts =
            word.split(|byte| matches!(byte, b',' | b':' | b'.' | b'+' | b'_' | b'-' | b'!' | b'%' | b'\\'));
        let harmless = |part: &[u8]| {
            part.is_empty()
                || shape::is_quantity(part)
                || vocabulary::holds(part)
                || self.programs.contains(part) && self.names.sought_kind(part).is_none()
        };
        // `555-1234` is the number of a telephone.
        let call = digits > 6 && word.contains(&b'-') && !word.iter().any(u8::is_ascii_alphabetic);
        let colons = word.iter().filter(|byte| **byte == b':').count();
        let address = shape::holds_ipv4(word) || colons > 3 || word.windows(2).any(|two| two == b"::");
        digits <= DIGITS_MAX && !call && !address && parts.into_iter().all(harmless)
    }
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

/// `db7:5432` as `db7` and `:5432`.
fn split_port(word: &[u8]) -> (&[u8], &[u8]) {
    match word.iter().rposition(|byte| *byte == b':') {
        Some(at) if shape::is_number(&word[at + 1..]) && word[at + 1..].len() <= 5 => word.split_at(at),
        _ => (word, b""),
    }
}
