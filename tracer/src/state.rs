//! The armed file: what `arm` did, so that `disarm` can undo exactly that.
//!
//! Invariant: it is written, complete, before the first thing that it lists is created, and is
//! removed after the last of them is gone. So whatever moment the power goes at, what is there of
//! us is listed in it, or lies under a temporary name beside something listed. Lines of `key=value`;
//! unknown keys are kept out of the way, not an error.
//!
//! Root removes and executes what it names. So it is believed only where nobody but root can have written
//! it, and only as far as it names what arming makes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{error::Error, inits, kernel, own, place, settle::Settle};

/// Where the armed file lives, below the root directory.
pub const ARMED: &str = "etc/lastrites/armed";
/// Where it lives when the root file system is read-only: armed until the next boot.
pub const ARMED_VOLATILE: &str = "run/lastrites/armed";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The next shutdown and the boot after it.
    Once,
    /// Until disarmed.
    Always,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Always => "always",
        }
    }
}

/// One thing that arming created, in the order of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    File(PathBuf),
    Link(PathBuf),
    /// Removed only when empty.
    Dir(PathBuf),
    /// An init script that the init's own tool registered under this name.
    Script(String),
    /// A BPF file system that was not mounted before.
    Mount(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armed {
    /// False while `arm` is still at work: then nothing of it counts.
    pub complete: bool,
    pub mode: Mode,
    pub ring: PathBuf,
    pub binary: PathBuf,
    pub pins: PathBuf,
    pub init: String,
    pub init_version: String,
    /// The boot in which it was armed.
    pub boot_id: String,
    /// Seconds since 1970.
    pub armed_at_s: u64,
    /// Quiet that settles a boot, when it is not the usual one.
    pub settle_s: Option<u64>,
    pub made: Vec<Made>,
}

impl Armed {
    /// For how long nothing may be executed until a boot counts as settled.
    pub fn settle_ns(&self) -> u64 {
        self.settle_s.map_or(Settle::QUIET_NS, |s| s.saturating_mul(1_000_000_000))
    }

    /// Whether this and `other` are of one call of `arm`.
    pub fn is_same_arming(&self, other: &Self) -> bool {
        (self.mode, self.armed_at_s, &self.boot_id) == (other.mode, other.armed_at_s, &other.boot_id)
    }

    /// Whether anything of ours runs as the last hook of a shutdown of the machine below `root`.
    pub fn has_seal(&self, root: &Path) -> bool {
        // What an earlier arming made is listed still, also where nobody runs it under this init, where it is gone and could not be made
        // again, or where it calls another place.
        self.init != "unknown"
            && self.made.iter().any(|made| match made {
                Made::File(path) => {
                    inits::is_seal(path) && inits::calls(&inits::below(root, path), &self.binary)
                }
                Made::Script(name) => name.ends_with("-seal"),
                _ => false,
            })
    }

    fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::from(
            "# Written by `lastrites arm`; `lastrites disarm` removes all that is listed here.\n",
        );
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(out, "{key}={value}");
        };
        line("version", "1");
        line("complete", if self.complete { "yes" } else { "no" });
        line("mode", self.mode.name());
        line("ring", &self.ring.to_string_lossy());
        line("binary", &self.binary.to_string_lossy());
        line("pins", &self.pins.to_string_lossy());
        line("init", &self.init);
        line("init_version", &self.init_version);
        line("boot_id", &self.boot_id);
        line("armed_at", &self.armed_at_s.to_string());
        if let Some(settle_s) = self.settle_s {
            line("settle", &settle_s.to_string());
        }
        for made in &self.made {
            match made {
                Made::File(path) => line("file", &path.to_string_lossy()),
                Made::Link(path) => line("link", &path.to_string_lossy()),
                Made::Dir(path) => line("dir", &path.to_string_lossy()),
                Made::Script(name) => line("script", name),
                Made::Mount(path) => line("mount", &path.to_string_lossy()),
            }
        }
        out
    }

    fn parse(text: &str) -> Option<Self> {
        let mut armed = Self {
            complete: false,
            mode: Mode::Once,
            ring: PathBuf::new(),
            binary: PathBuf::new(),
            pins: PathBuf::new(),
            init: String::new(),
            init_version: String::new(),
            boot_id: String::new(),
            armed_at_s: 0,
            settle_s: None,
            made: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once('=') else { continue };
            match key {
                "version" if value != "1" => return None,
                "complete" => armed.complete = value == "yes",
                "mode" => armed.mode = if value == "always" { Mode::Always } else { Mode::Once },
                "ring" => armed.ring = value.into(),
                "binary" => armed.binary = value.into(),
                "pins" => armed.pins = value.into(),
                "init" => value.clone_into(&mut armed.init),
                "init_version" => value.clone_into(&mut armed.init_version),
                "boot_id" => value.clone_into(&mut armed.boot_id),
                "armed_at" => armed.armed_at_s = value.parse().unwrap_or(0),
                "settle" => armed.settle_s = value.parse().ok(),
                "file" => armed.made.push(Made::File(value.into())),
                "link" => armed.made.push(Made::Link(value.into())),
                "dir" => armed.made.push(Made::Dir(value.into())),
                "mount" => armed.made.push(Made::Mount(value.into())),
                "script" => armed.made.push(Made::Script(value.to_owned())),
                _ => {}
            }
        }
        (armed.ring.is_absolute() && armed.binary.is_absolute() && armed.pins.is_absolute()).then_some(armed)
    }

    /// Writes it so that a power cut leaves the old or the new one, never half of one.
    pub fn store(&self, path: &Path) -> Result<(), Error> {
        let fail = |source| {
            Error::file(
                path,
                "write the armed file",
                source,
                "make this file system writable, or room on it, then arm again",
            )
        };
        path.parent().map_or(Ok(()), own::make_dirs).map_err(fail)?;
        own::write(path, 0o644, self.text().as_bytes()).map_err(fail)
    }

    /// What of it arming never makes, if there is such a thing.
    fn stranger(&self) -> Option<&Path> {
        let ours = place::is_one(&self.ring, place::RING_NAME);
        let beside = self.binary.parent() == self.ring.parent() && self.binary.ends_with(place::BINARY_NAME);
        let pins = self.pins.strip_prefix(kernel::BPFFS).ok().and_then(Path::to_str);
        let pinned = pins.and_then(|name| name.strip_prefix("lastrites-v"));
        match () {
            () if !ours => Some(&self.ring),
            () if !beside => Some(&self.binary),
            () if pinned.is_none_or(|version| version.parse::<u32>().is_err()) => Some(&self.pins),
            () => self.made.iter().find(|made| !inits::could_have_made(made)).map(Made::name),
        }
    }
}

impl Made {
    /// Its path, or the script's name.
    pub fn name(&self) -> &Path {
        match self {
            Self::File(path) | Self::Link(path) | Self::Dir(path) | Self::Mount(path) => path,
            Self::Script(name) => Path::new(name),
        }
    }
}

/// What there is at `path`.
enum Found {
    Nothing,
    Good(Armed),
    /// Why it does not count, and what to do.
    Bad(String, &'static str),
}

const LOOK: &str = "it lists what arming installed, so look into it, remove it, then run `lastrites arm` and \
                    `lastrites disarm`: together they find and remove the same files";

fn look(path: &Path) -> Found {
    for path in path.parent().into_iter().chain([path]) {
        if let Some(why) = own::distrust(path) {
            let why = format!("{}: {why}, and root does what is written there", path.display());
            let next = "see whether you know what is in it; then make it root's (chown root:root, chmod go-w), and go on";
            return Found::Bad(why, next);
        }
    }
    match fs::read_to_string(path) {
        Ok(text) => match Armed::parse(&text) {
            Some(armed) => match armed.stranger() {
                None => Found::Good(armed),
                Some(name) => {
                    Found::Bad(format!("it lists {}, which arming never makes", name.display()), LOOK)
                }
            },
            None => Found::Bad("damaged, or written by another version of lastrites".to_owned(), LOOK),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(e) => Found::Bad(e.to_string(), LOOK),
    }
}

/// An armed file below `root` that is there and cannot be understood, or must not be believed.
///
/// # Errors
/// When there is one; `arm` and `disarm` must not go on over what it lists.
pub fn refuse_damaged(root: &Path) -> Result<(), Error> {
    for path in [ARMED, ARMED_VOLATILE].map(|name| root.join(name)) {
        if let Found::Bad(why, next) = look(&path) {
            return Err(Error::failed(path.display().to_string(), why, next));
        }
    }
    Ok(())
}

/// Finds the armed file below `root`: its path and what it says. A file that cannot be understood or
/// believed counts as none; see [`refuse_damaged`].
pub fn load(root: &Path) -> Option<(PathBuf, Armed)> {
    [ARMED, ARMED_VOLATILE].into_iter().find_map(|name| {
        let path = root.join(name);
        if let Found::Good(armed) = look(&path) { Some((path, armed)) } else { None }
    })
}

/// Like [`load`], but only when arming was finished.
pub fn load_complete(root: &Path) -> Option<Armed> {
    load(root).map(|(_, armed)| armed).filter(|armed| armed.complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed() -> Armed {
        Armed {
            complete: true,
            mode: Mode::Always,
            ring: "/var/lib/lastrites/ring.lrt".into(),
            binary: "/var/lib/lastrites/lastrites-tracer".into(),
            pins: "/sys/fs/bpf/lastrites-v1".into(),
            init: "sysvinit".into(),
            init_version: "3.06".into(),
            boot_id: "b".into(),
            armed_at_s: 17,
            settle_s: Some(3),
            made: vec![
                Made::Dir("/var/lib/lastrites".into()),
                Made::File("/etc/init.d/lastrites".into()),
                Made::Link("/etc/systemd/system/sysinit.target.wants/lastrites.service".into()),
                Made::Script("lastrites".into()),
                Made::Mount("/sys/fs/bpf".into()),
            ],
        }
    }

    #[test]
    fn what_is_stored_is_loaded_again() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(load(root.path()), None);
        let path = root.path().join(ARMED);
        armed().store(&path).expect("stored");
        assert_eq!(load(root.path()), Some((path, armed())));
    }

    /// A hook that was gone, on a read-only /usr, or that called another place counted as one: a shutdown without a seal was told of as
    /// of a power cut.
    #[test]
    fn a_seal_is_there_only_where_its_hook_is() {
        let root = tempfile::tempdir().expect("a directory");
        let hook = Path::new("/usr/lib/systemd/system-shutdown/lastrites.shutdown");
        let made = vec![Made::File(hook.into())];
        let armed = Armed { init: "systemd".into(), made, ..armed() };
        assert!(!armed.has_seal(root.path()), "it is gone");
        let at = inits::below(root.path(), hook);
        own::make_dirs(at.parent().expect("one")).expect("made");
        for (dir, has) in [("/var/lib/lastrites", true), ("/.lastrites", false)] {
            let text = format!("#!/bin/sh\n{}\n{dir}/lastrites-tracer seal\n", inits::MARK);
            fs::write(&at, text).expect("written");
            assert_eq!(armed.has_seal(root.path()), has, "{dir}");
        }
        fs::write(&at, "/var/lib/lastrites/lastrites-tracer seal\n").expect("written");
        assert!(!armed.has_seal(root.path()), "somebody else's");
    }

    #[test]
    fn a_damaged_or_unfinished_file_does_not_count_as_armed() {
        for text in ["", "mode=once\n", "version=2\nring=/r\nbinary=/b\npins=/p\n", "\0\0\u{fffd}"] {
            assert_eq!(Armed::parse(text), None, "{text:?}");
        }
        let root = tempfile::tempdir().expect("a directory");
        Armed { complete: false, ..armed() }.store(&root.path().join(ARMED)).expect("stored");
        assert!(load(root.path()).is_some());
        assert_eq!(load_complete(root.path()), None);
    }

    /// An armed file that somebody else could write made root delete and execute what he named in it.
    #[test]
    fn it_is_believed_only_where_root_alone_can_have_written_it() {
        use std::os::unix::fs::{PermissionsExt as _, chown};
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join(ARMED);
        let dir = path.parent().expect("one").to_owned();
        armed().store(&path).expect("stored");
        refuse_damaged(root.path()).expect("as arming makes it");
        let refused = || {
            assert_eq!(load(root.path()), None);
            refuse_damaged(root.path()).expect_err("not root's").to_string()
        };
        for at in [&dir, &path] {
            let mode = fs::metadata(at).expect("there").permissions().mode();
            fs::set_permissions(at, fs::Permissions::from_mode(mode | 0o002)).expect("root may");
            let said = refused();
            assert!(said.contains(&at.display().to_string()) && said.contains("chmod go-w"), "{said}");
            fs::set_permissions(at, fs::Permissions::from_mode(mode)).expect("root may");
            chown(at, Some(65534), None).expect("root may");
            assert!(refused().contains("user 65534"));
            chown(at, Some(0), None).expect("root may");
        }
        assert!(load(root.path()).is_some());
    }

    #[test]
    fn it_is_believed_only_as_far_as_it_names_what_arming_makes() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join(ARMED);
        let strangers = [
            Made::File("/etc/precious".into()),
            Made::File("/etc/init.d/../precious".into()),
            Made::Link("/etc/init.d/lastrites".into()),
            Made::Dir("/home/somebody".into()),
            Made::Script("ssh".into()),
            Made::Mount("/home".into()),
        ];
        let listed = strangers.into_iter().map(|made| Armed { made: vec![made], ..armed() });
        let named = [
            Armed { binary: "/tmp/lastrites-tracer".into(), ..armed() },
            Armed { binary: "/var/lib/lastrites/../x/lastrites-tracer".into(), ..armed() },
            Armed { ring: "/etc/shadow".into(), ..armed() },
            Armed { pins: "/sys/fs/bpf/lastrites-v1/../theirs".into(), ..armed() },
        ];
        for bad in listed.chain(named) {
            bad.store(&path).expect("stored");
            assert_eq!(load(root.path()), None, "{bad:?}");
            let said = refuse_damaged(root.path()).expect_err("a stranger's").to_string();
            assert!(said.contains("which arming never makes"), "{said}");
        }
    }
}
