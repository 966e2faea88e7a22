//! Units, cgroups and containers: the story is told in their names.
//!
//! Invariant: the name of a service stays, but for ids, addresses and whom it is named after; what is a machine, a
//! container or an instance is named after somebody until a rule knows better.

use super::{Kind, Redactor, address, path::PART_MAX, shape, vocabulary};

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

/// A hexadecimal number of so many digits is an id.
const ID_LEN: usize = 12;

/// What those who make cgroups of containers write beside ids, and which is no word otherwise.
const BESIDE_IDS: [&[u8]; 14] = [
    b"pod",
    b"libpod",
    b"conmon",
    b"crio",
    b"cri",
    b"kubepods",
    b"burstable",
    b"besteffort",
    b"buildkit",
    b"nerdctl",
    b"moby",
    b"ecs",
    b"task",
    b"parent",
];

impl Redactor {
    /// The same of a word of which nothing says that it is one: `.spec.billing.path` ends so as well.
    pub(super) fn unit_word(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let service = !word.starts_with(b".") && word.ends_with(b".service");
        if service { self.unit_by_the_way(word) } else { self.known_unit(word) }
    }

    /// The same where not even its end says so: `/run/ada.service` may be anything, if nobody has met a service `ada`.
    pub(super) fn known_unit(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let end = word.iter().rposition(|byte| *byte == b'.').filter(|end| *end > 0)?;
        let template = word[..end].split(|byte| *byte == b'@').next().unwrap_or_default();
        let known = self.programs.contains(template) || self.is_composite(template);
        (known && !word.starts_with(b".")).then(|| self.unit_by_the_way(word)).flatten()
    }

    /// That it is mentioned makes nobody known by it.
    fn unit_by_the_way(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        self.by_the_way = true;
        let unit = self.unit_name(word);
        self.by_the_way = false;
        unit
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
            return [&b"machine-"[..], self.machine(machine).as_slice()].concat();
        }
        let (bare, rest) = self.ids(name);
        if self.is_odd(&rest) {
            return self.named(Kind::Name, name);
        }
        let read = unescape_part(name);
        if let Some(domain) = address::domain_in(&read) {
            let host = self.host(&read[domain.clone()]);
            let escaped = |part: &[u8]| if read == name { part.to_vec() } else { escape_part(part) };
            let out = [escaped(&read[..domain.start]), host, escaped(&read[domain.end..])].concat();
            return self.names.scrub(&out, self.keep);
        }
        if bare == name {
            self.know(name);
        }
        self.names.scrub(&bare, self.keep)
    }

    /// Whether what is left of a name without its ids is none that anybody gives to a service.
    fn is_odd(&self, rest: &[u8]) -> bool {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+:\\-".contains(byte);
        let read = unescape_part(rest);
        !rest.iter().all(plain)
            || rest.len() > PART_MAX
            || shape::holds_token(&read)
            || shape::is_random(&read)
            || address::holds_ipv4(&read)
            || address::holds_ipv6(&read)
    }

    /// What machined calls a machine: `qemu\x2d1\x2dweb7` is libvirt's `web7`.
    fn machine(&mut self, name: &[u8]) -> Vec<u8> {
        for driver in [&b"qemu"[..], b"lxc", b"xen", b"ch"] {
            for dash in [&b"\\x2d"[..], b"-"] {
                let Some(rest) = name.strip_prefix(driver).and_then(|rest| rest.strip_prefix(dash)) else {
                    continue;
                };
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if let Some(own) = rest[digits..].strip_prefix(dash).filter(|_| digits > 0) {
                    let start = &name[..name.len() - own.len()];
                    return [start, self.host(&unescape_part(own)).as_slice()].concat();
                }
            }
        }
        self.host(&unescape_part(name))
    }

    /// `name` with other ids in place of long hexadecimal ones, so that a container is still one; and what is left
    /// without them.
    pub(super) fn ids(&mut self, name: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (out, rest, _) = self.ids_apart(name);
        (out, rest)
    }

    /// The same, and the other ids alone.
    fn ids_apart(&mut self, name: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (mut out, mut rest, mut ids) = (Vec::with_capacity(name.len()), Vec::new(), Vec::new());
        let hex = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let is_id = |text: &[u8]| {
            let run = hex(text);
            run >= ID_LEN && text[..run].iter().any(u8::is_ascii_digit)
        };
        let mut at = 0;
        while at < name.len() {
            let here = &name[at..];
            if shape::starts_with_uuid(here) {
                let id = if self.is_done_id(&here[24..36]) && here.starts_with(b"00000000") {
                    here[..36].to_vec()
                } else {
                    let id = self.id_number(&here[..36]);
                    let dash = char::from(here[8]);
                    let zeros = ["00000000", "0000", "0000", "0000", ""].join(dash.encode_utf8(&mut [0; 4]));
                    format!("{zeros}{id:012x}").into_bytes()
                };
                out.extend_from_slice(&id);
                ids.extend(id);
                at += 36;
                continue;
            }
            // `pod0a1b…`: Kubernetes writes them together.
            if let Some(behind) = here.strip_prefix(b"pod").filter(|b| shape::starts_with_uuid(b) || is_id(b))
            {
                out.extend_from_slice(b"pod");
                rest.extend_from_slice(b"pod");
                at = name.len() - behind.len();
                continue;
            }
            if is_id(here) {
                let run = hex(here);
                let id = if self.is_done_id(&here[..ID_LEN]) {
                    here[..run].to_vec()
                } else {
                    let id = self.id_number(&here[..run]);
                    format!("{id:012x}{}", "0".repeat(run - ID_LEN)).into_bytes()
                };
                out.extend_from_slice(&id);
                ids.extend(id);
                at += run;
            } else {
                // The whole word, so that no end of one is taken for a beginning.
                let word = here.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count().max(1);
                out.extend_from_slice(&here[..word]);
                rest.extend_from_slice(&here[..word]);
                at += word;
            }
        }
        (out, rest, ids)
    }

    /// Whether it is the number that an earlier report has given: no other id has so many zeros.
    fn is_done_id(&mut self, digits: &[u8]) -> bool {
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let Some(number) = u64::from_str_radix(text, 16).ok().filter(|_| text.starts_with("000000")) else {
            return false;
        };
        self.names.take(format!("id-{number}").as_bytes());
        self.names.again
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
        // What a unit runs is a machine there: systemd-nspawn@web.service. It is a unit all the same.
        if let (b"machine.slice", Some(stem)) = (before, part.strip_suffix(b".service"))
            && let Some(at) = stem.iter().position(|byte| *byte == b'@')
        {
            let machine = escape_part(&self.host(&unescape_part(&stem[at + 1..])));
            return [self.service_name(&stem[..at]).as_slice(), b"@", &machine, b".service"].concat();
        }
        if matches!(before, b"lxc" | b"machine" | b"machine.slice") && !part.ends_with(b".scope") {
            let end = [&b".libvirt-qemu"[..], b".libvirt-lxc", b".partition"];
            let end = end.into_iter().find(|end| part.ends_with(end)).unwrap_or_default();
            return [self.host(&part[..part.len() - end.len()]).as_slice(), end].concat();
        }
        if let Some(unit) = self.unit_name(part) {
            return unit;
        }
        let (bare, rest, ids) = self.ids_apart(part);
        if !ids.is_empty() {
            let known = |word: &[u8]| vocabulary::holds(word) || BESIDE_IDS.contains(&word);
            if !self.is_odd(&rest) && (self.is_made_of(&rest, known) || self.is_done(&rest)) {
                self.names.take(&rest);
                return self.names.scrub(&bare, self.keep);
            }
            // A container is still one.
            let signs = |byte: &u8| matches!(byte, b'-' | b'_' | b'.');
            let start = rest.iter().position(|byte| !signs(byte)).unwrap_or(0);
            let end = rest.iter().rposition(|byte| !signs(byte)).map_or(rest.len(), |at| at + 1);
            return [self.named(Kind::Name, &rest[start..end]).as_slice(), b"-", &ids].concat();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Keep;

    fn left(path: &str) -> String {
        let mut redactor = Redactor::new(Keep::default());
        redactor.cgroup(path.as_bytes());
        redactor.learned();
        String::from_utf8(redactor.cgroup(path.as_bytes())).expect("UTF-8")
    }

    #[test]
    fn pods_and_containers_are_still_told_from_each_other_and_are_nobodys() {
        let pod = "kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice";
        let id = "4f5e6d7c8b9a00112233445566778899aabbccddeeff00112233445566778899";
        assert_eq!(
            left(&format!("/kubepods.slice/kubepods-burstable.slice/{pod}/cri-containerd-{id}.scope")),
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod00000000_0000_0000_0000_000000000001.slice/\
                 cri-containerd-000000000002{}.scope",
                "0".repeat(52)
            )
        );
        for path in [
            "/kubepods/besteffort/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/x",
            "/kubepods/pod0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "/nomad.slice/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9.task.scope",
        ] {
            let left = left(path);
            assert!(
                !left.contains("4e5f") && !left.contains("a4b5") && left.contains("000001"),
                "{path}: {left}"
            );
        }
    }

    #[test]
    fn what_stands_beside_an_id_is_judged_and_the_id_is_still_one() {
        for (path, wanted) in [
            ("/x/alice-0a1b2c3d4e5f", "/x/name-1-000000000001"),
            ("/x/0a1b2c3d4e5f-alice", "/x/name-1-000000000001"),
            (
                "/x/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9_acme",
                "/x/name-1-00000000-0000-0000-0000-000000000001",
            ),
            (
                "/x/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9_alice",
                "/x/name-1-00000000-0000-0000-0000-000000000001",
            ),
            ("/x/libpod-conmon-0a1b2c3d4e5f", "/x/libpod-conmon-000000000001"),
            ("/docker/0a1b2c3d4e5f", "/docker/000000000001"),
        ] {
            assert_eq!(left(path), wanted, "{path}");
        }
    }

    #[test]
    fn machines_are_named_after_somebody_and_domains_are_somebodys() {
        for (path, wanted) in [
            (
                "/machine.slice/machine-qemu\\x2d1\\x2dweb7.scope",
                "/machine.slice/machine-qemu\\x2d1\\x2dhost-1.scope",
            ),
            ("/machine.slice/machine-web7.scope", "/machine.slice/machine-host-1.scope"),
            ("/machine/web7.libvirt-qemu/emulator", "/machine/host-1.libvirt-qemu/name-1"),
            ("/lxc.payload.web7/x.service", "/lxc.payload.host-1/x.service"),
            ("/system.slice/vpn-gw.acme.com.service", "/system.slice/host-1.service"),
            ("/system.slice/ping-2001:db8::77.service", "/system.slice/name-1.service"),
            ("/system.slice/net-enx001122aabbcc.service", "/system.slice/net-enxmac-1.service"),
        ] {
            assert_eq!(left(path), wanted);
        }
    }
}
