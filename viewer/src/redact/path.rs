//! Paths: the parts that every machine has stay.
//!
//! Invariant: below the directories of the system names of files stay, for the story is told in them; below those of
//! people and of the site only what is known to be harmless does.

use std::sync::LazyLock;

use super::{
    Kind, Redactor, address, shape, vocabulary,
    word::{is_made_up, is_plain_name},
};

/// Directories of the system, whose files are called alike on many machines.
const SYSTEM: [&[u8]; 17] = [
    b"bin", b"sbin", b"usr", b"lib", b"lib32", b"lib64", b"libx32", b"etc", b"dev", b"proc", b"sys", b"run",
    b"var", b"boot", b"nix", b"snap", b"command",
];

/// Directories that belong to somebody, or to this site: `@` is a user's name, `#` a host's, whatever stands before them;
/// where a user's follows it, `#` is a domain alone.
const PRIVATE: [&str; 89] = [
    "home/#/@",
    "home/vmail/#/@",
    "home/@",
    "Users/@",
    "export/home/#/@",
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
    "tmp/screens/S-@",
    "tmp/uscreens/S-@",
    "tmp",
    "run/screen/S-@",
    "run/screens/S-@",
    "var/run/screen/S-@",
    "var/tmp",
    "var/www",
    "var/vmail/#/@",
    "var/vmail",
    "var/mail/vhosts/#/@",
    "var/mail/virtual/#/@",
    "var/mail/#/@",
    "var/mail/@",
    "var/spool/mail/vhosts/#/@",
    "var/spool/mail/#/@",
    "var/spool/mail/@",
    "var/spool/virtual/#/@",
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
    "usr/people/@",
    "usr/users/@",
    "usr/sap",
    "usr/var",
    "usr/share/nginx/html",
    "etc/ssh/authorized_keys.d/@",
    "run/faillock/@",
    "run/sudo/ts/@",
    "var/lib/sudo/ts/@",
    "var/db/sudo/ts/@",
    "var/lib/AccountsService/users/@",
    "var/lib/AccountsService/icons/@",
    "etc/openvpn/ccd/@",
    "var/lib/lxc/#",
    "var/lib/lxd/containers/#",
    "var/lib/machines/#",
    "run/systemd/machines/#",
    "etc/systemd/nspawn/#",
    "etc/pve/nodes/#",
    "etc/libvirt/qemu/#",
    "etc/libvirt/lxc/#",
    "run/libvirt/qemu/#",
    "run/libvirt/lxc/#",
    "var/log/libvirt/qemu/#",
    "var/lib/libvirt/images/#",
    "var/lib/libvirt/qemu/domain-#",
    "var/lib/docker",
    "var/lib/kubelet/pods",
    "var/log/pods",
    "var/log/containers",
    "var/backups",
    "var/opt",
    "dev/disk/by-id",
    "dev/disk/by-uuid",
    "dev/disk/by-label",
    "dev/disk/by-partlabel",
    "etc/NetworkManager/system-connections",
    "etc/openvpn/client",
    "etc/openvpn/server",
    "var/kunden",
    "var/customers",
    "usr/local/share",
    "etc/letsencrypt/live",
    "etc/letsencrypt/archive",
];

/// Those of them that a distribution fills alone; what is in the others, this machine's people named as well.
const PACKAGED: [&[u8]; 12] = [
    b"bin", b"sbin", b"usr", b"lib", b"lib32", b"lib64", b"libx32", b"proc", b"sys", b"boot", b"snap",
    b"command",
];
/// But for these.
const OF_SITE: [&[&[u8]]; 10] = [
    &[b"usr", b"local"],
    &[b"usr", b"src"],
    &[b"lib", b"live"],
    &[b"sys", b"kernel", b"config"],
    &[b"proc", b"sys", b"net", b"ipv4"],
    &[b"proc", b"sys", b"net", b"ipv6"],
    &[b"boot", b"efi", b"EFI"],
    &[b"proc", b"spl", b"kstat", b"zfs"],
    &[b"sys", b"fs"],
    &[b"sys", b"kernel", b"debug"],
];

/// Ends of the files of machines.
const MACHINE_FILES: [&[u8]; 19] = [
    b"xml", b"pid", b"log", b"log.1", b"conf", b"nspawn", b"qcow2", b"qcow", b"raw", b"img", b"iso", b"vmdk",
    b"vdi", b"vhdx", b"sock", b"monitor", b"lock", b"save", b"status",
];

/// Below these, what a program keeps is as much somebody's as the program is everybody's.
const OF_PROGRAMS: [&[u8]; 2] = [b"var", b"lib"];

/// Whether a package named what is in the directory with these parts.
fn is_packaged(parts: &[&[u8]]) -> bool {
    // `/sys/class/net`, `/sys/subsystem/net/devices`: interfaces, which people name after machines and each other.
    let of_net = parts.first() == Some(&b"sys".as_slice()) && parts.contains(&b"net".as_slice());
    parts.first().is_some_and(|first| PACKAGED.contains(first))
        && !of_net
        && !OF_SITE.into_iter().any(|dir| parts.starts_with(dir))
}

/// Whether what is in the directory of this name is called after units: `/etc/systemd/system`, `/run/credentials`.
fn is_of_units(dir: &[u8]) -> bool {
    matches!(dir, b"systemd" | b"credentials") || dir.ends_with(b".wants") || dir.ends_with(b".requires")
}

/// Longest part of a path that is kept.
pub(super) const PART_MAX: usize = 64;

static PRIVATE_PARTS: LazyLock<Vec<Vec<&'static [u8]>>> =
    LazyLock::new(|| PRIVATE.iter().map(|dir| dir.split('/').map(str::as_bytes).collect()).collect());

/// The directory of `PRIVATE` in which a path is, in parts.
fn private(parts: &[&[u8]]) -> Option<&'static [&'static [u8]]> {
    PRIVATE_PARTS.iter().find_map(|wanted| {
        let user = wanted.last().is_some_and(|last| last.ends_with(b"@"));
        let fits = |wanted: &[u8], part: &[u8]| match wanted.split_last() {
            Some((b'#', start)) => part.starts_with(start) && (!user || address::is_domain(part)),
            Some((b'@', start)) => part.starts_with(start),
            _ => wanted == part,
        };
        let all =
            parts.len() >= wanted.len() && wanted.iter().zip(parts).all(|(wanted, part)| fits(wanted, part));
        all.then_some(wanted.as_slice())
    })
}

/// Whether it begins like a path of the system or of somebody's directory, and like nothing else.
pub(super) fn is_known_path(word: &[u8]) -> bool {
    let Some(first) = word.strip_prefix(b"/").and_then(|rest| rest.split(|byte| *byte == b'/').next()) else {
        return false;
    };
    let somebodys: [&[u8]; 6] = [b"home", b"root", b"srv", b"opt", b"tmp", b"mnt"];
    // Of `/etc/client.pem:hunter` only the beginning is one.
    !word.iter().any(|byte| is_sign(*byte))
        && word.len() > first.len() + 2
        && (SYSTEM.contains(&first) || somebodys.contains(&first))
}

/// What stands between paths, or between a path and something else: `/etc/x.pem:hunter`, `/usr/lib:/home/ada/lib`.
const fn is_sign(byte: u8) -> bool {
    matches!(byte, b':' | b',' | b';' | b'?' | b'#' | b'|')
}

/// Where the path ends with which `word` begins. Names of buses have colons: `/sys/devices/pci0000:00/0000:00:1f.2`.
fn end_of(word: &[u8]) -> usize {
    let of_bus = |behind: &[u8]| {
        let digits = behind.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        (word.starts_with(b"/sys/") || word.starts_with(b"/dev/"))
            && (1..=4).contains(&digits)
            && behind.get(digits).is_none_or(|byte| matches!(byte, b'.' | b':' | b'-' | b'/'))
    };
    // An address is judged as one; of each part that is asked once.
    let mut part = (0..0, false);
    let mut of_address = |at: usize| {
        if !part.0.contains(&at) {
            let from = word[..at].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            let to = word[at..].iter().position(|byte| *byte == b'/').map_or(word.len(), |slash| at + slash);
            part = (from..to, address::holds_ipv6(&word[from..to]));
        }
        part.1
    };
    let mut of_colon = |at: usize| of_bus(&word[at + 1..]) || of_address(at);
    let ends = |(at, byte): (usize, &u8)| is_sign(*byte) && !(*byte == b':' && of_colon(at));
    word.iter().enumerate().position(ends).unwrap_or(word.len())
}

/// Whether `path` ends in what a secret is called, and nothing else: what a colon gives it is one.
fn names_secret(path: &[u8]) -> bool {
    let name = crate::processes::base_name(path);
    let letters = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    name.len() <= 20 && name.iter().all(letters) && shape::is_secretish(name)
}

/// Where in a path of the system another tree of directories begins, in parts: `/proc/12/root/home/ada`. What `fd/3` is
/// of, nobody knows.
fn new_root(parts: &[&[u8]]) -> Option<usize> {
    let of_process = |at: usize| {
        let thread = if parts.get(2) == Some(&b"task".as_slice()) { 2 } else { 0 };
        parts[0] == b"proc"
            && (at == 2 + thread && matches!(parts[at], b"root" | b"cwd")
                || at == 3 + thread && parts[at - 1] == b"fd")
    };
    let of_container = |part: &[u8]| matches!(part, b"rootfs" | b"chroot" | b"schroot");
    (1..parts.len()).find(|at| of_process(*at) || of_container(parts[*at])).map(|at| at + 1)
}

impl Redactor {
    /// What stands for a path of any kind; `None` where nothing of it is known.
    pub(super) fn any_path(&mut self, word: &[u8], depth: u8) -> Option<Vec<u8>> {
        let absolute = word.starts_with(b"/");
        if absolute || word.starts_with(b"./") || word.starts_with(b"../") || word.starts_with(b"~/") {
            return Some(self.path(word));
        }
        // A relative one has to be harmless in all its parts, and `089/1234567` is the number of a telephone.
        let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits > 6 && !word.iter().any(u8::is_ascii_alphabetic) || is_made_up(word) {
            return None;
        }
        let mut out = Vec::with_capacity(word.len());
        for (at, part) in word.split(|byte| *byte == b'/').enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            out.extend(self.judge(part, depth + 1)?);
        }
        Some(out)
    }

    /// What stands for a path, and for what is written behind it.
    pub(super) fn path(&mut self, word: &[u8]) -> Vec<u8> {
        let mut end = end_of(word);
        let mut said = names_secret(&word[..end]);
        let mut out = self.one_path(&word[..end]);
        let mut rest = &word[end..];
        while let Some((sign, behind)) = rest.split_first() {
            out.push(*sign);
            end = match behind.first() {
                Some(b'/') => end_of(behind),
                _ => behind.iter().position(|byte| is_sign(*byte)).unwrap_or(behind.len()),
            };
            let piece = &behind[..end];
            // What the directories before it make harmless says nothing about this one.
            match piece.first() {
                None => {}
                Some(b'/') => out.extend(self.one_path(piece)),
                // `/password:pw`, an option as other systems have them.
                Some(_) if said && *sign == b':' => {
                    out.extend(self.secret(behind));
                    return out;
                }
                Some(_) => out.extend(self.word(piece)),
            }
            said = false;
            rest = &behind[end..];
        }
        out
    }

    fn one_path(&mut self, path: &[u8]) -> Vec<u8> {
        // Names of containers stand in it as they do in cgroups.
        if let Some(cgroup) = path.strip_prefix(b"/sys/fs/cgroup/") {
            return [b"/sys/fs/cgroup/".as_slice(), &self.cgroup(cgroup)].concat();
        }
        let absolute = path.starts_with(b"/");
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let named: Vec<&[u8]> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        // Where it goes up again nobody knows where it leads.
        let astray = named.contains(&&b".."[..]);
        let system = absolute && !astray && named.first().is_some_and(|first| SYSTEM.contains(first));
        let private = if absolute && !astray { private(&named) } else { None };
        let root = new_root(&named).filter(|at| system && *at < named.len());
        let of_program = absolute && named.starts_with(&OF_PROGRAMS);
        let mut out = Vec::with_capacity(path.len());
        let mut met = 0;
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            if part.is_empty() {
                continue;
            }
            if Some(met) == root {
                // Not below `/`, but like it.
                let tree = [b"/".as_slice(), &parts[at..].join(&b'/')].concat();
                out.extend_from_slice(&self.one_path(&tree)[1..]);
                return out;
            }
            let at_home = private.is_none() && met > 0 && named[met - 1] == b"home";
            let wanted = private.and_then(|private| private.get(met)).copied();
            let judged = match wanted.and_then(<[u8]>::split_last) {
                Some((b'@', start)) => [start, self.user(&part[start.len()..]).as_slice()].concat(),
                Some((b'#', start)) => [start, self.machine_file(&part[start.len()..]).as_slice()].concat(),
                Some(_) => part.to_vec(),
                None if matches!(*part, b"." | b".." | b"~") => part.to_vec(),
                None if at_home => self.user(part),
                // Behind somebody's home all is somebody's.
                None if named[..met].contains(&&b"home"[..]) => self.private_part(part),
                None if system && private.is_none() && !(of_program && met > 2) => {
                    let packaged = is_packaged(&named[..met]);
                    if packaged {
                        self.names.sought.protect(part);
                    }
                    let of_units = packaged || named[..met].iter().any(|dir| is_of_units(dir));
                    self.system_part(part, met == 0 || packaged, of_units)
                }
                None => self.private_part(part),
            };
            out.extend_from_slice(&judged);
            met += 1;
        }
        out
    }

    /// What is called after a machine: `web7.qcow2`, `1-web7` of libvirt.
    fn machine_file(&mut self, part: &[u8]) -> Vec<u8> {
        if vocabulary::holds(part) {
            return part.to_vec();
        }
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let start = if digits > 0 && part.get(digits) == Some(&b'-') { digits + 1 } else { 0 };
        let name = &part[start..];
        // What else is behind a dot belongs to the name: `box.ada`.
        let end = name.iter().position(|byte| *byte == b'.').filter(|end| {
            let is_file = |end: &[u8]| MACHINE_FILES.contains(&end);
            !address::is_domain(name) && (is_file(&name[end + 1..]) || self.is_composite(&name[*end..]))
        });
        let (name, end) = name.split_at(end.unwrap_or(name.len()));
        [&part[..start], self.host(name).as_slice(), end].concat()
    }

    /// A name in a directory of the system; `packaged`: in one that only packages put something into; `of_units`: in one
    /// of units.
    fn system_part(&mut self, part: &[u8], packaged: bool, of_units: bool) -> Vec<u8> {
        if vocabulary::holds(part) || shape::is_device(part) || shape::is_tty(part) {
            return part.to_vec();
        }
        if self.programs.contains(part) {
            return self.names.scrub(part, self.keep);
        }
        let unit = if of_units { self.unit_name(part) } else { self.known_unit(part) };
        if let Some(unit) = unit {
            return unit;
        }
        let plain = part.iter().all(|b| b.is_ascii_alphanumeric() || b"._+@:\\%,~-[]()#*?{}".contains(b));
        if !plain || part.len() > PART_MAX {
            return self.named(Kind::Path, part);
        }
        if shape::holds_token(part) {
            return self.named(Kind::Path, part);
        }
        // `ada@example.com.conf`
        if let Some(at) = part.iter().rposition(|byte| *byte == b'@')
            && let Some(domain) = address::domain_in(&part[at + 1..])
        {
            if is_plain_name(&part[..at]) {
                self.seek(Kind::User, &part[..at]);
            }
            self.seek_host(&part[at + 1..][domain]);
            return self.named(Kind::Path, part);
        }
        if address::is_ipv4(part) || address::is_mac(part) || address::is_ipv6(part) {
            return self.judge(part, 0).unwrap_or_default();
        }
        if address::holds_ipv4(part) || address::holds_ipv6(part) {
            return self.named(Kind::Path, part);
        }
        // `example.com`, `example.com.key`, `ssl_example.com-error.log`
        if address::is_domain(part) && !address::is_own_name(part) {
            return self.host(part);
        }
        if let Some(domain) = address::domain_in(part) {
            let host = self.host(&part[domain.clone()]);
            let ends = [&part[..domain.start], &part[domain.end..]];
            // `alice_acme.com.log`: what stands beside it is judged as if it stood alone.
            let says_more = |end: &[u8]| {
                shape::is_random(end) || shape::holds_token(end) || !packaged && !self.is_everybodys(end)
            };
            // The company of `iqn.2003-01.com.acme` stands where no domain has it.
            if part.starts_with(b"iqn.") || ends.into_iter().any(says_more) {
                return self.named(Kind::Path, part);
            }
            let ends = ends.map(|end| self.names.scrub(end, self.keep));
            return [ends[0].as_slice(), &host, &ends[1]].concat();
        }
        let (bare, rest) = self.ids(part);
        if shape::is_random(&rest) || !packaged && !self.is_everybodys(&rest) {
            return self.named(Kind::Path, part);
        }
        self.names.scrub(&bare, self.keep)
    }

    /// Whether a name says nothing but what every machine says: words, programs, devices, signs of a pattern.
    fn is_everybodys(&self, part: &[u8]) -> bool {
        let pattern = |byte: &u8| b"*?[]{}#~()@".contains(byte);
        part.split(pattern).all(|part| {
            let word = |part: &[u8]| vocabulary::holds(part) || vocabulary::is_place(part) || part.len() == 1;
            let dot = part.iter().position(|byte| *byte == b'.').unwrap_or(part.len());
            // `wpa_supplicant.conf`
            let stem = word(&part[..dot]) || self.programs.contains(&part[..dot]);
            word(part) || self.is_made_of(if stem { &part[dot..] } else { part }, word)
        })
    }

    /// A name in a directory of somebody's.
    fn private_part(&mut self, part: &[u8]) -> Vec<u8> {
        if vocabulary::holds(part) {
            return part.to_vec();
        }
        match self.names.sought.kind(part) {
            None if self.programs.contains(part) || self.is_composite(part) => {
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
        let dirs: Vec<&[u8]> = dir.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
        if is_packaged(&dirs) {
            self.names.sought.protect(base);
        }
        let name = self.program_name(base);
        out.extend_from_slice(&name);
        out
    }

    pub(super) fn program_name(&mut self, name: &[u8]) -> Vec<u8> {
        self.know(name);
        if self.learning && is_plain_name(name) && self.executed.len() < super::PROGRAMS_MAX {
            self.executed.insert(name.to_vec());
        }
        if vocabulary::holds(name) || name.len() == 1 && name.is_ascii() || shape::is_number(name) {
            return name.to_vec();
        }
        if is_plain_name(name) { self.names.scrub(name, self.keep) } else { self.named(Kind::Name, name) }
    }
}
