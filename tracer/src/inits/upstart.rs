//! Upstart, whose `rc` job runs rc with the same scripts as sysvinit does.
//!
//! Invariant: like sysvinit, everything hangs on rc's scripts (see [`super::rc`]), and no job of Upstart's own is added: a
//! job would be one more thing that its sendsigs spares.
//!
//! Debian has no Upstart any more, so no guest of the lab runs it: what is here is tested with files alone, and rests on
//! its sources (1.13).

use std::{fs, path::Path};

use super::{Detected, Init, Item, Layout, Promise, rc};

#[derive(Debug)]
pub struct Upstart;

/// Whether pid 1 has mapped the library that Upstart alone is built on.
fn uses_libnih(root: &Path) -> bool {
    fs::read_to_string(root.join("proc/1/maps")).is_ok_and(|maps| maps.contains("/libnih"))
}

/// Whether init has jobs and no inittab: Upstart's executable is called `init` as well.
fn has_jobs(root: &Path) -> bool {
    let jobs = fs::read_dir(root.join("etc/init")).into_iter().flatten().flatten();
    !root.join("etc/inittab").exists()
        && jobs.into_iter().any(|entry| entry.path().extension().is_some_and(|extension| extension == "conf"))
}

impl Init for Upstart {
    fn name(&self) -> &'static str {
        "upstart"
    }

    fn detect(&self, root: &Path) -> Option<Detected> {
        let exe = super::pid1_exe(root)?;
        let is_init = exe.file_name().is_some_and(|name| name == "init" || name == "upstart");
        let runs_rc = rc::is_there(root);
        (is_init && runs_rc && (uses_libnih(root) || has_jobs(root))).then(|| Detected {
            name: "upstart",
            version: super::package_version(root, "upstart").unwrap_or_default(),
        })
    }

    fn plan(&self, _root: &Path, layout: &Layout<'_>) -> Vec<Item> {
        rc::plan(layout)
    }

    fn promise(&self, layout: &Layout<'_>) -> Promise {
        rc::promise(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            sysvinit::Sysvinit,
            tests::{layout, leaves_no_trace},
        },
        *,
    };

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for dir in ["proc/1", "etc/init.d", "etc/init"] {
            fs::create_dir_all(root.path().join(dir)).expect("made");
        }
        std::os::unix::fs::symlink("/sbin/init", root.path().join("proc/1/exe")).expect("linked");
        fs::write(root.path().join("etc/init.d/rc"), "").expect("written");
        root
    }

    fn name(root: &Path) -> &'static str {
        crate::inits::detect(root).1.name
    }

    #[test]
    fn upstart_is_told_from_sysvinit_by_its_jobs_and_the_missing_inittab() {
        let root = root();
        assert_eq!(Upstart.detect(root.path()), None, "no jobs");
        fs::write(root.path().join("etc/init/rc.conf"), "exec /etc/init.d/rc $RUNLEVEL\n").expect("written");
        assert_eq!(name(root.path()), "upstart");
        fs::write(root.path().join("etc/inittab"), "").expect("written");
        assert_eq!(name(root.path()), "sysvinit", "jobs of an Upstart that was there before");
    }

    #[test]
    fn an_inittab_that_was_left_over_does_not_hide_upstart() {
        let root = root();
        fs::write(root.path().join("etc/inittab"), "id:2:initdefault:\n").expect("written");
        assert_eq!(name(root.path()), "sysvinit");
        let maps = "7f00-7f01 r-xp 00000000 08:01 42 /lib/x86_64-linux-gnu/libnih.so.1.0.0\n";
        fs::write(root.path().join("proc/1/maps"), maps).expect("written");
        assert_eq!(name(root.path()), "upstart");
    }

    #[test]
    fn without_rc_there_is_nothing_to_hang_on() {
        let root = root();
        fs::write(root.path().join("etc/init/tty1.conf"), "").expect("written");
        fs::remove_file(root.path().join("etc/init.d/rc")).expect("removed");
        assert_eq!(name(root.path()), "unknown");
    }

    #[test]
    fn what_is_installed_is_what_sysvinit_gets_and_can_be_removed_without_a_trace() {
        let root = root();
        assert_eq!(leaves_no_trace(&Upstart, root.path()).len(), 3);
        assert_eq!(Upstart.plan(root.path(), &layout()), Sysvinit.plan(root.path(), &layout()));
        assert_eq!(Upstart.promise(&layout()), Sysvinit.promise(&layout()));
    }
}
