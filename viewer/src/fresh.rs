//! A new file, which has no name before all of it is written.
//!
//! Invariant: under its name it is whole or not there. Most file systems make files without any name: of one that is given
//! up nothing is left there, however the process ends. Where they cannot (NFS, FAT), it has a hidden name until then, which
//! goes with the process, but not with one that is killed.

use std::{
    ffi::CString,
    fs::{self, File, Permissions},
    io::{self, Write},
    os::{
        fd::AsRawFd as _,
        unix::{
            ffi::OsStrExt as _,
            fs::{OpenOptionsExt as _, PermissionsExt as _},
        },
    },
    path::{Path, PathBuf},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

/// How hidden names begin.
pub(crate) const PREFIX: &str = ".lastrites-";

#[derive(Debug)]
pub(crate) enum Fresh {
    Nameless(File),
    Hidden(NamedTempFile, Swept),
}

impl Fresh {
    /// One in `dir`, for whoever `mode` and the umask let.
    pub(crate) fn below(dir: &Path, mode: u32) -> io::Result<Self> {
        // It can have a name later only by the one that it has in /proc.
        match nameless(dir, mode) {
            Ok(file) if itself(&file).exists() => Ok(Self::Nameless(file)),
            _ => Self::hidden(dir, mode),
        }
    }

    fn hidden(dir: &Path, mode: u32) -> io::Result<Self> {
        // What stands in the way is told without the hidden name, which is nobody's concern.
        let mut code = None;
        let create = |path: &Path| {
            let mut options = fs::OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(mode).open(path);
            file.inspect_err(|error| code = error.raw_os_error())
        };
        let file = tempfile::Builder::new().prefix(PREFIX).make_in(dir, create);
        let file = file.map_err(|error| code.map_or(error, io::Error::from_raw_os_error))?;
        let swept = Swept::new(file.path());
        Ok(Self::Hidden(file, swept))
    }

    pub(crate) fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Hidden(file, _) => file.as_file(),
        }
    }

    pub(crate) fn file_mut(&mut self) -> &mut File {
        match self {
            Self::Nameless(file) => file,
            Self::Hidden(file, _) => file.as_file_mut(),
        }
    }

    /// By which this process opens it before it has its name.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Nameless(file) => itself(file),
            Self::Hidden(file, _) => file.path().to_owned(),
        }
    }

    /// Gives it its name, which nobody else has.
    pub(crate) fn name(self, target: &Path) -> io::Result<()> {
        match self {
            Self::Nameless(file) => {
                rustix::fs::linkat(CWD, itself(&file), CWD, target, AtFlags::SYMLINK_FOLLOW)?;
                Ok(())
            }
            Self::Hidden(file, swept) => {
                file.persist_noclobber(target).map_err(|failed| failed.error)?;
                drop(swept);
                Ok(())
            }
        }
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file_mut().flush()
    }
}

fn nameless(dir: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(dir, flags, Mode::from_raw_mode(mode))?);
    // Before Linux 6.0 the umask was forgotten on file systems without ACLs (ac6800e279a2, "fs: Add missing umask strip in
    // vfs_tmpfile").
    if let Some(umask) = umask() {
        file.set_permissions(Permissions::from_mode(mode & !umask))?;
    }
    Ok(file)
}

/// Asking the kernel for it would change it for a moment, and other threads make files too.
fn umask() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(umask.trim(), 8).ok()
}

fn itself(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// The hidden names that there are now, for [`sweep`]: one file is written at a time, or two.
static HIDDEN: [AtomicPtr<libc::c_char>; 4] = [const { AtomicPtr::new(ptr::null_mut()) }; 4];
/// What people, service managers and limits end a program with.
const ENDS: [i32; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGXCPU, libc::SIGXFSZ];

/// A hidden name that goes with the process.
#[derive(Debug)]
pub(crate) struct Swept(Option<usize>);

impl Swept {
    fn new(path: &Path) -> Self {
        let Ok(name) = CString::new(path.as_os_str().as_bytes()) else { return Self(None) };
        let name = name.into_raw();
        let free = HIDDEN.iter().position(|place| {
            place.compare_exchange(ptr::null_mut(), name, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        });
        match free {
            Some(_) => go_with_the_process(),
            // SAFETY: it is what `into_raw` gave, and nobody else has seen it.
            None => drop(unsafe { CString::from_raw(name) }),
        }
        Self(free)
    }
}

impl Drop for Swept {
    fn drop(&mut self) {
        // The name itself stays: a handler may be reading it in another thread.
        if let Some(place) = self.0.and_then(|at| HIDDEN.get(at)) {
            place.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

/// Again for whoever had a signal for himself when a file was made, and has it no more.
pub(crate) fn go_with_the_process() {
    ENDS.into_iter().for_each(watch);
}

/// Where nobody else asked for it (the viewer puts its terminal back) and nobody is to be spared it (`nohup`).
fn watch(sig: i32) {
    // SAFETY: both are plain data that may be zero; `sigaction` fills in the one and reads the other, and `sweep` does
    // nothing that a handler may not.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(sig, ptr::null(), &mut now) != 0 || now.sa_sigaction != libc::SIG_DFL {
            return;
        }
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = sweep as extern "C" fn(libc::c_int) as usize;
        // As if there had been no handler, once it is done.
        new.sa_flags = libc::SA_RESETHAND | libc::SA_NODEFER;
        libc::sigaction(sig, &new, ptr::null_mut());
    }
}

extern "C" fn sweep(sig: libc::c_int) {
    for place in &HIDDEN {
        let name = place.load(Ordering::Acquire);
        if !name.is_null() {
            // SAFETY: names are never given back once they stand there, and unlink(2) is for handlers too.
            unsafe { libc::unlink(name) };
        }
    }
    // SAFETY: raise(3) is for handlers too. The default action is in place again: it ends the process.
    unsafe { libc::raise(sig) };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    type Make = fn(&Path, u32) -> io::Result<Fresh>;
    const BOTH: [Make; 2] = [Fresh::below, Fresh::hidden];

    #[test]
    fn it_appears_whole_replaces_nothing_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let names = || {
            let all = fs::read_dir(dir.path()).expect("readable");
            all.map(|entry| entry.expect("readable").file_name()).collect::<Vec<_>>()
        };
        for make in BOTH {
            let target = dir.path().join("x");
            let mut file = make(dir.path(), 0o600).expect("made");
            file.write_all(b"whole").expect("written");
            assert!(!target.exists());
            assert_eq!(fs::read(file.path()).expect("readable"), b"whole");
            file.name(&target).expect("named");
            assert_eq!(fs::read(&target).expect("there"), b"whole");
            assert_eq!(target.metadata().expect("there").permissions().mode() & 0o777, 0o600);
            let again = make(dir.path(), 0o600).expect("made");
            let error = again.name(&target).expect_err("it is there");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            drop(make(dir.path(), 0o600).expect("made"));
            assert_eq!(names(), ["x"]);
            fs::remove_file(target).expect("there");
            let error = make(&dir.path().join("none"), 0o600).expect_err("no directory");
            assert!(error.to_string().starts_with("No such file") && !error.to_string().contains(PREFIX));
        }
    }

    /// The file of an export was there from the first byte on: Ctrl-C left it behind.
    #[test]
    fn nothing_is_left_of_it_when_the_process_is_told_to_end() {
        const HERE: &str = "LASTRITES_TEST_FRESH";
        if let Some(dir) = std::env::var_os(HERE) {
            let [number, sig, others] = ["MAKE", "SIG", "OTHERS"].map(|name| {
                std::env::var(format!("{HERE}_{name}")).expect("set").parse::<i32>().expect("a number")
            });
            let set = |handler| {
                // SAFETY: no handler is installed that does anything, and this process is to end without a core.
                unsafe {
                    libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
                    libc::signal(sig, handler)
                }
            };
            extern "C" fn note(_: i32) {}
            set(if others == 1 { note as extern "C" fn(i32) as usize } else { libc::SIG_DFL });
            let _file = BOTH[number as usize](Path::new(&dir), 0o600).expect("made");
            if others == 1 {
                set(libc::SIG_DFL);
                go_with_the_process();
            }
            // SAFETY: it ends this process.
            unsafe { libc::raise(sig) };
            return;
        }
        // As the viewer does it, the last is somebody else's when the file is made.
        for (number, sig, others) in [
            (0, libc::SIGINT, 0),
            (0, libc::SIGKILL, 0),
            (1, libc::SIGINT, 0),
            (1, libc::SIGTERM, 0),
            (1, libc::SIGQUIT, 0),
            (1, libc::SIGXCPU, 0),
            (1, libc::SIGXFSZ, 0),
            (1, libc::SIGTERM, 1),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let name = "fresh::tests::nothing_is_left_of_it_when_the_process_is_told_to_end";
            let status = std::process::Command::new(std::env::current_exe().expect("this"))
                .args(["--exact", name])
                .env(HERE, dir.path())
                .env(format!("{HERE}_MAKE"), number.to_string())
                .env(format!("{HERE}_SIG"), sig.to_string())
                .env(format!("{HERE}_OTHERS"), others.to_string())
                .stdout(std::process::Stdio::null())
                .status()
                .expect("it runs");
            assert_eq!(status.signal(), Some(sig));
            assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0, "{number} {sig}");
        }
    }
}
