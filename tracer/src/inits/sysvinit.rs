//! sysvinit with rc and insserv, as Debian has it, with or without runit started from inittab.
//!
//! Invariant: everything hangs on rc's scripts (see [`super::rc`]); inittab is read and never written.

use std::{fs::File, io::Read as _, path::Path};

use super::{Detected, Init, Item, Layout, Promise, rc};

#[derive(Debug)]
pub struct Sysvinit;

/// Key of the session record's pairs that hold entries of inittab.
const INITTAB_KEY: &str = "inittab";
/// More of it is not read; init itself takes lines of 255 bytes.
const INITTAB_BYTES_MAX: u64 = 64 << 10;
/// Room that the entries may take of the session record.
const ENTRIES_BYTES_MAX: usize = 8 << 10;

/// The entries of an inittab(5) that start processes: `id:levels:action:process`.
fn entries(inittab: &str) -> Vec<String> {
    let mut room = ENTRIES_BYTES_MAX;
    let lines = inittab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let starts = lines.filter(|line| {
        let mut fields = line.splitn(4, ':');
        let action = fields.nth(2).unwrap_or_default();
        let process = fields.next().unwrap_or_default();
        !process.is_empty() && !matches!(action, "off" | "initdefault")
    });
    // An entry is there as it is or not at all: half a command line is another command.
    let fitting = starts.filter(|line| {
        let fits = line.len() <= room;
        room -= if fits { line.len() } else { 0 };
        fits
    });
    fitting.map(str::to_owned).collect()
}

impl Init for Sysvinit {
    fn name(&self) -> &'static str {
        "sysvinit"
    }

    fn detect(&self, root: &Path) -> Option<Detected> {
        let exe = super::pid1_exe(root)?;
        let is_init = exe.file_name().is_some_and(|name| name == "init");
        // Upstart's init has the same name, and no inittab.
        let runs_rc = root.join("etc/inittab").is_file() && rc::is_there(root);
        (is_init && runs_rc).then(|| Detected {
            name: "sysvinit",
            version: super::package_version(root, "sysvinit-core").unwrap_or_default(),
        })
    }

    fn plan(&self, _root: &Path, layout: &Layout<'_>) -> Vec<Item> {
        rc::plan(layout)
    }

    fn settings(&self, root: &Path) -> Vec<(String, String)> {
        let mut bytes = Vec::new();
        // Without it nothing is said of it.
        let read = File::open(root.join("etc/inittab"))
            .and_then(|file| file.take(INITTAB_BYTES_MAX).read_to_end(&mut bytes));
        let text = if read.is_ok() { String::from_utf8_lossy(&bytes) } else { "".into() };
        entries(&text).into_iter().map(|entry| (INITTAB_KEY.to_owned(), entry)).collect()
    }

    fn promise(&self, layout: &Layout<'_>) -> Promise {
        rc::promise(layout)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{
        super::tests::{Noted, layout, leaves_no_trace},
        *,
    };
    use crate::inits;

    #[test]
    fn what_is_installed_can_be_removed_without_a_trace() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("etc/init.d")).expect("made");
        let made = leaves_no_trace(&Sysvinit, root.path());
        assert_eq!(made.len(), 3, "{made:?}");
    }

    #[test]
    fn each_script_is_registered_after_its_file_and_forgotten_after_it_is_gone() {
        let root = tempfile::tempdir().expect("a directory");
        let items = Sysvinit.plan(root.path(), &layout());
        let made = inits::listing(root.path(), &items);
        let mut run = Noted::default();
        inits::install(root.path(), &items, &mut run).expect("installed");
        inits::remove(root.path(), &made, &mut run).expect("removed");
        assert_eq!(
            run.0,
            [
                "update-rc.d lastrites defaults",
                "update-rc.d lastrites-seal defaults",
                "update-rc.d lastrites-last defaults",
                "update-rc.d lastrites-last remove",
                "update-rc.d lastrites-seal remove",
                "update-rc.d lastrites remove",
            ]
        );
    }

    #[test]
    fn entries_of_inittab_that_start_something_go_into_the_session() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(Sysvinit.settings(root.path()), []);
        fs::create_dir_all(root.path().join("etc")).expect("made");
        let text = "# /etc/inittab\nid:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\n\
                    #md:6:respawn:/no\n  md:23456:respawn:/usr/sbin/mongod --port 27:017\n\
                    xx:2:off:/no\nl6:6:wait:/etc/init.d/rc 6\nbroken\n";
        fs::write(root.path().join("etc/inittab"), text).expect("written");
        let pair = |entry: &str| ("inittab".to_owned(), entry.to_owned());
        assert_eq!(
            Sysvinit.settings(root.path()),
            [
                pair("si::sysinit:/etc/init.d/rcS"),
                pair("md:23456:respawn:/usr/sbin/mongod --port 27:017"),
                pair("l6:6:wait:/etc/init.d/rc 6"),
            ]
        );
    }

    #[test]
    fn an_entry_that_does_not_fit_is_left_out_whole() {
        let long = format!("a:2:respawn:{}", "x".repeat(ENTRIES_BYTES_MAX));
        assert_eq!(entries(&format!("{long}\nb:2:respawn:/b\n")), ["b:2:respawn:/b"]);
        let many = "c:2:respawn:/bin/cat\n".repeat(10_000);
        let kept = entries(&many);
        assert!(!kept.is_empty() && kept.iter().map(String::len).sum::<usize>() <= ENTRIES_BYTES_MAX);
    }

    #[test]
    fn sysvinit_is_told_from_others_by_its_inittab_and_rc() {
        let root = tempfile::tempdir().expect("a directory");
        for dir in ["proc/1", "etc/init.d"] {
            fs::create_dir_all(root.path().join(dir)).expect("made");
        }
        std::os::unix::fs::symlink("/usr/sbin/init", root.path().join("proc/1/exe")).expect("linked");
        fs::write(root.path().join("etc/init.d/rc"), "").expect("written");
        assert_eq!(Sysvinit.detect(root.path()), None);
        fs::write(root.path().join("etc/inittab"), "").expect("written");
        assert_eq!(Sysvinit.detect(root.path()).map(|d| d.name), Some("sysvinit"));
        // As who is not root sees it: he was told that his init is not known.
        fs::remove_file(root.path().join("proc/1/exe")).expect("removed");
        fs::write(root.path().join("proc/1/comm"), "init\n").expect("written");
        assert_eq!(Sysvinit.detect(root.path()).map(|d| d.name), Some("sysvinit"));
    }

    /// Debian's OpenRC comes with an /etc/init.d/rc of its own and runs under sysvinit's init: scripts were installed that it never
    /// runs at a shutdown, a seal was promised, and each shutdown was told as a power cut.
    #[test]
    fn openrc_below_sysvinits_init_is_not_taken_for_rc() {
        let root = tempfile::tempdir().expect("a directory");
        for dir in ["proc/1", "etc/init.d"] {
            fs::create_dir_all(root.path().join(dir)).expect("made");
        }
        std::os::unix::fs::symlink("/usr/sbin/init", root.path().join("proc/1/exe")).expect("linked");
        fs::write(root.path().join("etc/inittab"), "l6:6:wait:/etc/init.d/rc 6\n").expect("written");
        let rc = root.path().join("etc/init.d/rc");
        let detected = || {
            let (init, detected) = inits::detect(root.path());
            (init.name(), detected.name, detected.version)
        };
        // Installed, and not booted with yet: the next shutdown is its.
        fs::write(&rc, "#!/bin/sh\n# See /etc/inittab\n/sbin/openrc off && /sbin/openrc reboot\n")
            .expect("written");
        assert_eq!(detected(), ("unknown", "unknown", "OpenRC".to_owned()));
        // Running, whatever its wrapper looks like.
        fs::write(&rc, "#!/bin/sh\n. /lib/rc/wrapper\n").expect("written");
        assert_eq!(detected().0, "sysvinit");
        fs::create_dir_all(root.path().join("run/openrc")).expect("made");
        assert_eq!(detected(), ("unknown", "unknown", "OpenRC".to_owned()));
        // sysv-rc may name it in a comment.
        fs::remove_dir(root.path().join("run/openrc")).expect("removed");
        fs::write(&rc, "#!/bin/sh\n# not for openrc\n. /lib/init/vars.sh\n").expect("written");
        assert_eq!(detected().0, "sysvinit");
    }
}
