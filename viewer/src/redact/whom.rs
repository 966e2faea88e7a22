//! Who and where: users, hosts, addresses, and URLs of them.
//!
//! Invariant: whatever is met here is looked for everywhere else as well.

use super::{
    Kind, Redactor,
    address::{self, split_port},
    shape, vocabulary,
    word::is_plain_name,
};

/// Hosts that a URL may name; of more, the rest goes as one.
const HOSTS_MAX: usize = 32;

/// Whether it is the number of a user rather than a user who is called by a number, as students and customers are.
fn is_uid(name: &[u8]) -> bool {
    shape::is_number(name) && name.len() <= UID_DIGITS_MAX
}

/// Uids that are longer are as rare as names that are numbers are not.
const UID_DIGITS_MAX: usize = 5;

impl Redactor {
    pub(super) fn user(&mut self, name: &[u8]) -> Vec<u8> {
        if name.is_empty() || vocabulary::is_system_user(name) || is_uid(name) {
            return name.to_vec();
        }
        if shape::is_number(name) {
            self.seek(Kind::User, name);
            return self.named(Kind::User, name);
        }
        if !is_plain_name(name) {
            // `alice@example.com` is how mail servers call her, `alice@EXAMPLE` is how domains do.
            if name.contains(&b'@') && !name.iter().any(|byte| matches!(byte, b':' | b'/' | b'%' | b',')) {
                return self.user_at(name);
            }
            return self.user_and_more(name);
        }
        self.seek(Kind::User, name);
        self.named(Kind::User, name)
    }

    /// A user of a domain.
    fn user_at(&mut self, name: &[u8]) -> Vec<u8> {
        let at = name.iter().rposition(|byte| *byte == b'@').unwrap_or(name.len());
        let (user, domain) = (&name[..at], &name[(at + 1).min(name.len())..]);
        if !is_plain_name(user) || domain.is_empty() {
            return self.secret(name);
        }
        if let Some(mail) = self.at_sign(name, 0) {
            return mail;
        }
        [self.user(user).as_slice(), b"@", &self.host(domain)].concat()
    }

    /// What stands where a user does and is no name alone: `ian:pw`, `bob/pw@ORCL`, `harry,password=pw`. Whatever is
    /// kept, it may be a password, all or part of it.
    fn user_and_more(&mut self, text: &[u8]) -> Vec<u8> {
        let sign = text.iter().position(|byte| matches!(byte, b':' | b'/' | b'%' | b','));
        let number = |text: &[u8]| is_uid(text);
        // `--user 1000:1000`
        if let Some(at) = sign
            && text[at] == b':'
            && number(&text[..at])
            && number(&text[at + 1..])
        {
            return text.to_vec();
        }
        let Some(at) = sign.filter(|at| is_plain_name(&text[..*at])) else { return self.secret(text) };
        let (name, sign, rest) = (&text[..at], text[at], &text[at + 1..]);
        let mut out = self.user(name);
        out.push(sign);
        out.extend(if sign == b',' {
            self.word(rest)
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

    /// `backup:backup`, `1000:1000`, for a program that takes no password there.
    pub(super) fn user_and_group(&mut self, text: &[u8]) -> Vec<u8> {
        let sign = text.iter().position(|byte| matches!(byte, b':' | b'.'));
        let Some(at) = sign.filter(|at| !text[at + 1..].contains(&b':')) else { return self.user(text) };
        let (user, group) = (&text[..at], &text[at + 1..]);
        if !group.is_empty() && !is_plain_name(group) && !is_uid(group) {
            return self.user(text);
        }
        [self.user(user).as_slice(), &text[at..=at], &self.user(group)].concat()
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
        if let Some(parent) = name.get(label.len() + 1..).filter(|parent| address::is_domain(parent)) {
            self.seek(Kind::Host, parent);
        }
    }

    pub(super) fn domain(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        // `db7.example.com:5432`
        let (name, port) = split_port(word);
        // `localhost:5432`, `*:6379`
        if matches!(name, b"localhost" | b"*") && !port.is_empty() {
            return Some(word.to_vec());
        }
        // `*.example.com`
        let (star, name) = name.split_at(if name.starts_with(b"*.") { 2 } else { 0 });
        if !address::is_domain(name) || self.programs.contains(name) || address::is_own_name(name) {
            return None;
        }
        Some([star, self.host(name).as_slice(), port].concat())
    }

    /// An address with or without its port or prefix, in brackets or not.
    pub(super) fn address(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let one = |redactor: &mut Self, address: &[u8]| {
            if address::is_everybodys(address) {
                return address.to_vec();
            }
            let kind = if address::is_mac(address) { Kind::Mac } else { Kind::Address };
            redactor.seek(kind, address);
            redactor.named(kind, address)
        };
        let is = |word: &[u8]| address::is_ipv4(word) || address::is_ipv6(word) || address::is_mac(word);
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
        if address::is_ipv4(address) {
            return Some([one(self, address).as_slice(), port].concat());
        }
        let slash = word.iter().position(|byte| *byte == b'/')?;
        if is(&word[..slash]) && shape::is_number(&word[slash + 1..]) {
            return Some([one(self, &word[..slash]).as_slice(), &word[slash..]].concat());
        }
        None
    }

    /// `scheme://user:password@host:port/path?query`.
    pub(super) fn url(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let at = word.windows(3).position(|part| part == b"://")?;
        let (scheme, rest) = (&word[..at], &word[at + 3..]);
        let known = |part: &[u8]| vocabulary::is_scheme(part);
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b':' | b'-' | b'.');
        if scheme.is_empty() || scheme.len() > 40 || !scheme.iter().all(plain) {
            return None;
        }
        let mut out = match scheme.split(|byte| matches!(byte, b'+' | b':' | b'-')).all(known) {
            true => scheme.to_vec(),
            false => self.named(Kind::Argument, scheme),
        };
        out.extend_from_slice(b"://");
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
        for (n, host) in hosts.splitn(HOSTS_MAX, |byte| *byte == b',').enumerate() {
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

    /// `user@host`, `name@example.com`, `@name`.
    pub(super) fn at_sign(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        // `/home/alice@example.com` is a path.
        let at = word.iter().rposition(|byte| *byte == b'@').filter(|_| !word.starts_with(b"/"))?;
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
        if mail && address::is_domain(name) && rest.is_empty() {
            self.seek(Kind::Mail, word);
            self.seek_host(name);
            if is_plain_name(user) {
                self.seek(Kind::User, user);
            }
            return Some(self.named(Kind::Mail, word));
        }
        let known = address::is_domain(name)
            || address::is_ipv4(name)
            || self.names.sought.kind(name) == Some(Kind::Host);
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
}
