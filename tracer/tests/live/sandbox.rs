//! Where a test lives: mounts of its own.
//!
//! Invariant: all mounts of a test are in a namespace that goes with its last process, so it can neither
//! disturb another nor leave anything behind. /sys/fs/bpf and /run are fresh there.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};

use crate::sys;

#[derive(Debug)]
pub struct Sandbox {
    dir: tempfile::TempDir,
    /// What was mounted in it.
    mounted: RefCell<Vec<PathBuf>>,
}

impl Sandbox {
    /// Moves the running thread, and what it forks from now on, into mounts of its own.
    pub fn new() -> Self {
        require();
        alone();
        let mounted = |done: rustix::io::Result<()>, what: &str| {
            done.unwrap_or_else(|e| panic!("cannot mount {what}: {e}"));
        };
        mounted(mount("bpf", "/sys/fs/bpf", "bpf", MountFlags::empty(), None), "a bpffs at /sys/fs/bpf");
        mounted(mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None), "a tmpfs at /run");
        let dir = tempfile::tempdir().expect("a directory for temporary files");
        Self { dir, mounted: RefCell::default() }
    }

    /// A directory of the test's own on the disk. It is removed with all that is in it, through mounts too: nothing of this
    /// machine may be mounted below it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a directory and mounts a new file system on it.
    pub fn mount(&self, name: &str, fs_type: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).expect("a directory to mount on");
        mount("lastrites-live", &path, fs_type, MountFlags::empty(), None)
            .unwrap_or_else(|e| panic!("cannot mount {fs_type} at {}: {e}", path.display()));
        self.mounted.borrow_mut().push(path.clone());
        path
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Else its directory could not be removed.
        for path in self.mounted.borrow_mut().drain(..).rev() {
            let _ = unmount(&path, UnmountFlags::DETACH);
        }
    }
}

/// Gives the running thread a mount namespace from which nothing spreads.
pub fn alone() {
    let done = sys::call(libc::SYS_unshare, &[libc::CLONE_NEWNS.into()]);
    assert_eq!(done, 0, "cannot make a mount namespace: errno {}", -done);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .expect("mounts that do not spread");
}

/// Fails where the probe cannot work at all.
fn require() {
    assert!(
        rustix::process::geteuid().is_root(),
        "these tests load BPF programs: run them as root (tests/run --fast does)"
    );
    let btf = Path::new(lastrites_tracer::btf::VMLINUX);
    assert!(
        btf.exists(),
        "{}: not there; run these tests on a kernel with CONFIG_DEBUG_INFO_BTF",
        btf.display()
    );
}
