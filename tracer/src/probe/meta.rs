//! What a later process has to know of a pinned probe, in the map `META`: lines of text.
//!
//! Invariant: what [`Meta::to_bytes`] wrote, [`Meta::parse`] reads back; long explanations are cut so
//! that the rest always fits.

use std::{fmt::Write as _, io, path::Path};

use super::{
    ProbeError,
    hooks::{Hook, How},
};
use crate::{kernel_ring::sys, own};

/// Size of the one value of `META`.
pub const META_BYTES: usize = 8192;

/// Bytes kept of an explanation.
const WHY_MAX: usize = 160;

/// The contents of `META`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Mixed into every stamp.
    pub key: u64,
    pub object: &'static str,
    pub cpus: u32,
    pub chunks: u32,
    /// [`super::Object::build`]; 0 where a version that did not say so loaded it.
    pub build: u64,
    pub hooks: Vec<Hook>,
    pub missing_fields: Vec<String>,
}

impl Meta {
    /// Reads what is pinned in `dir`.
    ///
    /// # Errors
    /// When there is no `META`, or it makes no sense.
    pub fn read(dir: &Path) -> Result<Self, ProbeError> {
        let path = dir.join("META");
        let open = |source| ProbeError::Open { path: path.clone(), source };
        // Where everybody may write to the BPF file system, it need not be ours.
        if let Some(why) = own::distrust(dir) {
            return Err(open(io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        let map = sys::open_pin(&path).map_err(open)?;
        let mut bytes = vec![0; META_BYTES];
        sys::expect_map(&map, META_BYTES as u32).map_err(open)?;
        sys::lookup(&map, &0u32.to_ne_bytes(), &mut bytes).map_err(open)?;
        Self::parse(&bytes)
            .ok_or(ProbeError::Foreign { path, why: "this is no probe of ours, or of another version" })
    }

    /// As it stands in the map.
    pub fn to_bytes(&self) -> [u8; META_BYTES] {
        let mut text = String::new();
        let version = lastrites_traces::abi::VERSION;
        let _ = writeln!(
            text,
            "lastrites {version} {:016x} {} {} {} {:016x}",
            self.key, self.object, self.cpus, self.chunks, self.build
        );
        for hook in &self.hooks {
            let kinds: Vec<_> = hook.kinds.iter().map(u8::to_string).collect();
            let why = one_line(hook.why.as_deref().unwrap_or_default());
            let _ = writeln!(
                text,
                "hook {} {} {} {} {} {why}",
                hook.name,
                hook.how.name(),
                kinds.join(","),
                dash(&hook.link),
                hook.program.unwrap_or(0)
            );
        }
        for missing in &self.missing_fields {
            let line = format!("missing {}\n", one_line(missing));
            if text.len() + line.len() <= META_BYTES {
                text += &line;
            }
        }
        let mut bytes = [0; META_BYTES];
        let len = text.len().min(META_BYTES);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes.split(|b| *b == 0).next()?).ok()?;
        let mut lines = text.lines();
        let mut first = lines.next()?.strip_prefix("lastrites ")?.split(' ');
        if first.next()?.parse() != Ok(lastrites_traces::abi::VERSION) {
            return None;
        }
        let key = u64::from_str_radix(first.next()?, 16).ok()?;
        let object = ["v3", "v2"].into_iter().find(|name| first.clone().next() == Some(name))?;
        let mut words = first.skip(1);
        let mut meta = Self {
            key,
            object,
            cpus: words.next()?.parse().ok()?,
            chunks: words.next()?.parse().ok()?,
            build: words.next().and_then(|build| u64::from_str_radix(build, 16).ok()).unwrap_or(0),
            hooks: Vec::new(),
            missing_fields: Vec::new(),
        };
        if !meta.chunks.is_power_of_two() || meta.cpus == 0 {
            return None;
        }
        for line in lines {
            match line.split_once(' ')? {
                ("hook", hook) => meta.hooks.push(parse_hook(hook)?),
                ("missing", field) => meta.missing_fields.push(field.into()),
                _ => return None,
            }
        }
        Some(meta)
    }
}

fn parse_hook(line: &str) -> Option<Hook> {
    let mut words = line.splitn(6, ' ');
    let name = words.next()?.into();
    let how = words.next()?;
    let how = How::ALL.into_iter().find(|h| h.name() == how)?;
    let kinds = words.next()?.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let link = words.next()?;
    let link = if link == "-" { String::new() } else { link.to_owned() };
    let program = words.next()?.parse().ok().filter(|id| *id != 0);
    let why = words.next().filter(|why| !why.is_empty()).map(str::to_owned);
    Some(Hook { name, kinds, how, why, pinned: !link.is_empty(), link, program })
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn one_line(text: &str) -> String {
    let mut line = text.replace(|c: char| c.is_control(), " ");
    if line.len() > WHY_MAX {
        let end = (0..=WHY_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        let hook = Hook {
            name: "kill".into(),
            kinds: vec![7, 8],
            how: How::Tracepoint,
            why: Some("fexit: Operation not permitted".into()),
            pinned: true,
            link: "link_sys_exit_kill".into(),
            program: Some(77),
        };
        let absent = Hook {
            name: "reboot".into(),
            how: How::Absent,
            pinned: false,
            link: String::new(),
            program: None,
            ..hook.clone()
        };
        Meta {
            key: 0x0123_4567_89ab_cdef,
            object: "v3",
            cpus: 2,
            chunks: 32,
            build: 0xfedc_ba98_7654_3210,
            hooks: vec![hook, absent],
            missing_fields: vec!["task_struct.x: y unknown".into()],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(Meta::parse(&meta().to_bytes()), Some(meta()));
    }

    #[test]
    fn long_explanations_are_cut_and_the_rest_is_still_readable() {
        let mut long = meta();
        for _ in 0..20 {
            long.hooks.push(Hook { why: Some("ä\n".repeat(4000)), ..long.hooks[0].clone() });
        }
        let read = Meta::parse(&long.to_bytes()).expect("readable");
        assert_eq!(read.hooks.len(), 22);
    }

    #[test]
    fn what_an_older_version_wrote_is_of_an_unknown_build() {
        let written = format!("lastrites {} 00 v3 2 32\n", lastrites_traces::abi::VERSION);
        let meta = Meta::parse(written.as_bytes()).expect("readable");
        assert_eq!((meta.cpus, meta.chunks, meta.build), (2, 32, 0));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert_eq!(Meta::parse(&[]), None);
        assert_eq!(Meta::parse(&[0xff; 64]), None);
        assert_eq!(Meta::parse(b"lastrites 99 00 v3 2 32\n"), None);
        for rings in ["0 32", "2 31"] {
            let written = format!("lastrites {} 00 v3 {rings}\n", lastrites_traces::abi::VERSION);
            assert_eq!(Meta::parse(written.as_bytes()), None);
        }
    }
}
