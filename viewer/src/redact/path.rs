//! Paths, units and cgroups: the parts that every machine has stay.
//!
//! Invariant: below the directories of the system names of files stay, for the story is told in them; below those of
//! people and of the site only what is known to be harmless does.

use super::{Kind, Redactor, shape, vocabulary, word::is_plain_name};

/// Directories of the system, whose files are called alike on many machines.
const SYSTEM: [&[u8]; 17] = [
    b"bin", b"sbin", b"usr", b"lib", b"lib32", b"lib64", b"libx32", b"etc", b"dev", b"proc", b"sys", b"run",
    b"var", b"boot", b"nix", b"snap", b"command",
];

/// Directories that belong to somebody, or to this site: `*` is any one name, `@` a user's.
const PRIVATE: [&str; 39] = [
    "home/@",
    "Users/@",
    "export/home/@",
    "var/home/@",
    "root",
    "srv",
    "opt",
    "mnt",
    "media/@",
    "run/media/@",
    "run/user",
    "data",
    "export",
    "backup",
    "tmp",
    "var/tmp",
    "var/www",
    "var/mail/@",
    "var/spool/mail/@",
    "var/spool/cron/crontabs/@",
    "var/spool/cron/crontabs",
    "var/spool/cron/tabs/@",
    "var/spool/cron/tabs",
    "var/spool/cron/atjobs",
    "var/spool/cron/atspool",
    "var/spool/cron/@",
    "var/lib/systemd/linger/@",
    "var/users/@",
    "usr/home/@",
    "etc/ssh/authorized_keys.d/@",
    "run/faillock/@",
    "run/sudo/ts/@",
    "var/lib/AccountsService/users/@",
    "etc/openvpn/ccd/@",
    "var/lib/lxc",
    "var/lib/machines",
    "var/lib/docker",
    "usr/local/share",
    "etc/letsencrypt/live",
];

/// Ends of the names of units.
const UNITS: [&[u8]; 11] = [
    b".service",
    b".target",
    b".socket",
    b".timer",
    b".path",
    b".slice",
    b".scope",
    b".mount",
    b".automount",
    b".swap",
    b".device",
];

/// Kinds of units that are named after a path.
const OF_PATHS: [&[u8]; 4] = [b".mount", b".automount", b".swap", b".device"];

/// Longest part of a path that is kept.
const PART_MAX: usize = 64;
/// A hexadecimal number of so many digits is an id.
const ID_LEN: usize = 12;

/// How many parts of a path below `PRIVATE` are known, and which of them is a user.
fn private(parts: &[&[u8]]) -> Option<(usize, Option<usize>)> {
    PRIVATE.iter().find_map(|private| {
        let wanted: Vec<&[u8]> = private.split('/').map(str::as_bytes).collect();
        let user = wanted.iter().position(|part| *part == b"@");
        let fits = parts.len() >= wanted.len()
            && wanted.iter().zip(parts).all(|(wanted, part)| *wanted == b"@" || wanted == part);
        fits.then_some((wanted.len(), user))
    })
}

impl Redactor {
    /// What stands for a path of any kind; `None` where nothing of it is known.
    pub(super) fn any_path(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let absolute = word.starts_with(b"/");
        if absolute || word.starts_with(b"./") || word.starts_with(b"../") || word.starts_with(b"~/") {
            return Some(self.path(word));
        }
        // A relative one has to be harmless in all its parts.
        let mut out = Vec::with_capacity(word.len());
        for (at, part) in word.split(|byte| *byte == b'/').enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            out.extend(self.judge(part, depth + 1)?);
        }
        Some(out)
    }

    /// What stands for a path.
    pub(super) fn path(&mut self, path: &[u8]) -> Vec<u8> {
        let absolute = path.starts_with(b"/");
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let named: Vec<&[u8]> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        let system = absolute && named.first().is_some_and(|first| SYSTEM.contains(first));
        let private = if absolute { private(&named) } else { None };
        let mut out = Vec::with_capacity(path.len());
        let mut met = 0;
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            if part.is_empty() {
                continue;
            }
            let is_user = private.is_some_and(|(_, user)| user == Some(met));
            let known = private.is_some_and(|(known, _)| met < known);
            let judged = if is_user {
                self.user(part)
            } else if known || matches!(*part, b"." | b".." | b"~") {
                part.to_vec()
            } else if system && private.is_none() {
                self.system_part(part)
            } else {
                self.private_part(part)
            };
            out.extend_from_slice(&judged);
            met += 1;
        }
        out
    }

    /// A name in a directory of the system.
    fn system_part(&mut self, part: &[u8]) -> Vec<u8> {
        if vocabulary::holds(part) {
            return part.to_vec();
        }
        if self.programs.contains(part) {
            return self.names.scrub(part, self.keep);
        }
        if let Some(unit) = self.unit_name(part) {
            return unit;
        }
        let plain = part.iter().all(|b| b.is_ascii_alphanumeric() || b"._+@:\\%,~-[]()#*?{}".contains(b));
        if !plain || part.len() > PART_MAX {
            return self.named(Kind::Path, part);
        }
        if shape::is_token(part)
            || part.contains(&b'@')
                && shape::is_domain(part.rsplit(|b| *b == b'@').next().unwrap_or_default())
        {
            return self.named(Kind::Path, part);
        }
        if shape::is_ipv4(part) || shape::is_mac(part) || shape::is_ipv6(part) {
            return self.judge(part, 0).unwrap_or_default();
        }
        if shape::holds_ipv4(part) {
            return self.named(Kind::Path, part);
        }
        // `example.com.key` and `example.com`
        let stem = &part[..part.iter().rposition(|b| *b == b'.').unwrap_or(part.len())];
        if shape::is_domain(part) || shape::is_domain(stem) && stem.len() > 3 {
            let (name, rest) =
                if shape::is_domain(part) { (part, &b""[..]) } else { part.split_at(stem.len()) };
            return [self.host(name).as_slice(), rest].concat();
        }
        let bare = self.ids(part);
        if bare == part && shape::is_random(part) {
            return self.named(Kind::Path, part);
        }
        self.names.scrub(&bare, self.keep)
    }

    /// A name in a directory of somebody's.
    fn private_part(&mut self, part: &[u8]) -> Vec<u8> {
        if vocabulary::holds(part) {
            return part.to_vec();
        }
        match self.names.sought_kind(part) {
            None if self.programs.contains(part) || shape::is_number(part) => {
                self.names.scrub(part, self.keep)
            }
            Some(kind) => self.named(kind, part),
            None if shape::is_token(part) || shape::is_random(part) => self.secret(part),
            None => self.named(Kind::Path, part),
        }
    }

    /// What was executed: the directory is a path, the name of the file the name of a program.
    pub(super) fn program_file(&mut self, file: &[u8]) -> Vec<u8> {
        let cut = file.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (dir, base) = file.split_at(cut);
        let mut out = if dir.is_empty() { Vec::new() } else { self.path(dir) };
        let name = self.program_name(base);
        out.extend_from_slice(&name);
        out
    }

    pub(super) fn program_name(&mut self, name: &[u8]) -> Vec<u8> {
        if vocabulary::holds(name) || name.len() == 1 && name.is_ascii() || shape::is_number(name) {
            self.know(name);
            return name.to_vec();
        }
        self.know(name);
        if self.learning {
            self.executed.insert(name.to_vec());
        }
        if is_plain_name(name) { self.names.scrub(name, self.keep) } else { self.named(Kind::Name, name) }
    }

    /// What stands for the name of a unit; `None` if it is none.
    pub(super) fn unit_name(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let suffix = UNITS.iter().find(|suffix| word.ends_with(suffix) && word.len() > suffix.len())?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._+@:\\-".contains(b);
        if word.len() > 255 || !word.iter().all(plain) {
            return None;
        }
        let stem = &word[..word.len() - suffix.len()];
        let mut out = if OF_PATHS.contains(suffix) && !stem.contains(&b'@') {
            let path = self.path(&unescape(stem));
            escape(&path)
        } else if let Some(at) = stem.iter().position(|byte| *byte == b'@') {
            let mut out = self.service_name(&stem[..at]);
            out.push(b'@');
            let (instance, plain) = (&stem[at + 1..], unescape_part(&stem[at + 1..]));
            match self.judge(&plain, 2) {
                Some(judged) if judged == plain => out.extend_from_slice(instance),
                Some(judged) => out.extend_from_slice(&escape_part(&judged)),
                None => out.extend(self.named(Kind::Argument, &plain)),
            }
            out
        } else {
            self.service_name(stem)
        };
        out.extend_from_slice(suffix);
        Some(out)
    }

    /// The name of a service: it stays, but for ids and for whom it is named after.
    pub(super) fn service_name(&mut self, name: &[u8]) -> Vec<u8> {
        if vocabulary::holds(name) {
            return name.to_vec();
        }
        if let Some(machine) = name.strip_prefix(b"machine-") {
            return [&b"machine-"[..], self.host(machine).as_slice()].concat();
        }
        let bare = self.ids(name);
        let plain = bare.iter().all(|b| b.is_ascii_alphanumeric() || b"._+:\\-".contains(b));
        if bare == name {
            if shape::is_domain(name) {
                return self.host(name);
            }
            let odd = shape::is_token(name) || shape::is_random(name) || shape::holds_ipv4(name);
            if !plain || name.len() > PART_MAX || odd {
                return self.named(Kind::Name, name);
            }
            self.know(name);
        }
        self.names.scrub(&bare, self.keep)
    }

    /// `name` with other ids in place of long hexadecimal ones, so that a container is still one.
    pub(super) fn ids(&mut self, name: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(name.len());
        let mut at = 0;
        while at < name.len() {
            if shape::starts_with_uuid(&name[at..]) {
                let id = self.id_number(&name[at..at + 36]);
                out.extend_from_slice(b"00000000-0000-0000-0000-");
                out.extend_from_slice(format!("{id:012x}").as_bytes());
                at += 36;
                continue;
            }
            let run = name[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let part = &name[at..at + run];
            if run >= ID_LEN && part.iter().any(u8::is_ascii_digit) {
                let id = self.id_number(part);
                out.extend_from_slice(format!("{id:012x}").as_bytes());
                out.extend(std::iter::repeat_n(b'0', run - ID_LEN));
                at += run;
            } else {
                // The whole word, so that no end of one is taken for a beginning.
                let word = name[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count().max(1);
                out.extend_from_slice(&name[at..at + word]);
                at += word;
            }
        }
        out
    }

    fn id_number(&mut self, id: &[u8]) -> u64 {
        // It has to have the form of one, so it goes even where arguments are kept.
        self.names.name(Kind::Id, id).1
    }

    /// What stands for a path of a cgroup.
    pub(super) fn cgroup(&mut self, path: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(path.len());
        let mut before: &[u8] = b"";
        for (at, part) in path.split(|byte| *byte == b'/').enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            let judged = self.cgroup_part(before, part);
            out.extend_from_slice(&judged);
            before = part;
        }
        out
    }

    fn cgroup_part(&mut self, before: &[u8], part: &[u8]) -> Vec<u8> {
        if part.is_empty() || matches!(part, b"." | b"..") {
            return part.to_vec();
        }
        for start in [&b"lxc.payload."[..], b"lxc.monitor.", b"lxc.pivot."] {
            if let Some(name) = part.strip_prefix(start) {
                return [start, self.host(name).as_slice()].concat();
            }
        }
        if matches!(before, b"lxc" | b"machine" | b"machine.slice") && !part.ends_with(b".scope") {
            return self.host(part);
        }
        if let Some(unit) = self.unit_name(part) {
            return unit;
        }
        let bare = self.ids(part);
        if bare != part {
            return self.names.scrub(&bare, self.keep);
        }
        match self.judge(part, 0) {
            Some(judged) => judged,
            None => self.named(Kind::Name, part),
        }
    }
}

/// The path that a unit is named after.
fn unescape(stem: &[u8]) -> Vec<u8> {
    if stem == b"-" {
        return b"/".to_vec();
    }
    let mut out = vec![b'/'];
    out.extend(stem.split(|byte| *byte == b'-').map(unescape_part).collect::<Vec<_>>().join(&b'/'));
    out
}

/// `a\x2db` as `a-b`.
fn unescape_part(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut at = 0;
    while at < part.len() {
        let hex = part.get(at..at + 4).filter(|code| code.starts_with(b"\\x"));
        let byte = hex
            .and_then(|code| std::str::from_utf8(&code[2..]).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(part[at]);
                at += 1;
            }
        }
    }
    out
}

fn escape_part(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    for byte in part {
        match byte {
            b'/' => out.push(b'-'),
            b if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':') => out.push(*b),
            b => out.extend_from_slice(format!("\\x{b:02x}").as_bytes()),
        }
    }
    out
}

fn escape(path: &[u8]) -> Vec<u8> {
    let bare = path.strip_prefix(b"/").unwrap_or(path);
    if bare.is_empty() { b"-".to_vec() } else { escape_part(bare) }
}
