//! A disk that fails under the recorder, in the middle of a batch.
//!
//! The recorder's own open file is exchanged for one that fails: no other test and no other file notices.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::FileExt as _,
    },
    path::PathBuf,
};

use rustix::fs::{MemfdFlags, SealFlags};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing behind this byte is written; a write across it is torn.
    Full(u64),
    /// What is written from now on is lost, and the sync says so.
    Gone,
}

#[derive(Debug, Default)]
pub struct Disk {
    pub path: PathBuf,
    /// What happens after so many more reads of a ring.
    pub fault: Option<(u32, Fault)>,
    /// What is in the place of the recorder's file.
    full: Option<File>,
}

impl Disk {
    /// The recorder reads a ring.
    pub fn read(&mut self) {
        match &mut self.fault {
            Some((0, fault)) => {
                let fault = *fault;
                self.fault = None;
                self.fail(fault);
            }
            Some((reads, _)) => *reads -= 1,
            None => {}
        }
    }

    fn fail(&mut self, fault: Fault) {
        let with = match fault {
            Fault::Gone => File::options().read(true).write(true).open("/dev/null").expect("/dev/null"),
            Fault::Full(at) => {
                let fd = rustix::fs::memfd_create("full", MemfdFlags::ALLOW_SEALING).expect("a memfd");
                let mut with = File::from(fd);
                let mut bytes = Vec::new();
                let file = File::open(&self.path).expect("the ring file");
                file.take(at).read_to_end(&mut bytes).expect("readable");
                with.write_all(&bytes).expect("room for it");
                rustix::fs::fcntl_add_seals(&with, SealFlags::GROW).expect("sealed");
                self.full = Some(with.try_clone().expect("one more descriptor"));
                with
            }
        };
        let theirs = self.theirs();
        // SAFETY: two numbers, both of open files. What was open as `theirs` is closed by it; its owner, which keeps it
        // open while it reads a ring on this very thread, goes on with the other.
        let done = unsafe { libc::dup3(with.as_raw_fd(), theirs, libc::O_CLOEXEC) };
        assert_eq!(done, theirs, "exchanged");
    }

    /// The descriptor of the recorder's file.
    fn theirs(&self) -> RawFd {
        let fds = std::fs::read_dir("/proc/self/fd").expect("/proc");
        let fds = fds.filter_map(|fd| fd.ok());
        let mut fds = fds.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|path| path == self.path));
        let fd = fds.next().expect("the recorder has its file open");
        fd.file_name().to_str().and_then(|name| name.parse().ok()).expect("a number")
    }

    /// There is room again, and what was written is there.
    pub fn mend(&mut self) {
        self.fault = None;
        if let Some(full) = self.full.take() {
            let mut bytes = vec![0; full.metadata().expect("its length").len() as usize];
            full.read_exact_at(&mut bytes, 0).expect("readable");
            let file = File::options().write(true).open(&self.path).expect("the ring file");
            file.write_all_at(&bytes, 0).expect("written back");
        }
    }
}
