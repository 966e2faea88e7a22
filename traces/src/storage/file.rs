//! A real file, made once in its full size.
//!
//! Invariant: a name either stands for a whole ring file, every block of it allocated, written and on the
//! disk, or for nothing of ours. On btrfs it is overwritten in place, unless a snapshot holds it; file systems
//! that never do that, like ZFS, take new blocks later all the same. What was there before is never written to by
//! [`FileStorage::create`].

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, CWD, FallocateFlags, FlockOperation, IFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Storage;
use crate::error::Error;
use crate::layout::{FIRST_SEGMENT, FileKind};
use crate::ring;

/// What [`FileStorage::create`] found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// There was none; it has the size asked for.
    New,
    /// There was one already, of this size, which it keeps.
    Existing {
        /// Bytes.
        size: u64,
    },
}

/// A ring file by path. Opens when first used.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    file: Option<Handle>,
    /// Device and inode that the path stood for when first opened.
    identity: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Handle {
    file: File,
    writable: bool,
}

impl FileStorage {
    /// The file at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None, identity: None }
    }

    /// Makes a ring file of `size` bytes at `path` (mode 0600, directory must exist), or leaves
    /// alone the ring file that is there. Anything else there is refused.
    ///
    /// All of its blocks are allocated here, so that a full disk is met now and not in the middle
    /// of a shutdown; and written, the first 256 MiB of it. Whatever fails, nothing is left behind.
    pub fn create(path: &Path, size: u64) -> Result<(Self, Created), Error> {
        create(path, size, Unnamed::Preferred)
    }

    fn existing(path: &Path) -> Result<Option<(Self, Created)>, Error> {
        let fail = |action| move |source| Error::Io { path: path.to_owned(), action, source };
        let refuse = |why: &str| Error::NotARecording { path: path.to_owned(), why: why.to_owned() };
        let kind = match path.symlink_metadata() {
            Ok(found) => found.file_type(),
            // Whether the directory is missing too shows when the file is made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail("look at what is there")(error)),
        };
        if kind.is_symlink() {
            return Err(refuse("it is a symbolic link"));
        }
        if kind.is_dir() {
            return Err(refuse("it is a directory"));
        }
        if !kind.is_file() {
            return Err(refuse("it is no regular file"));
        }
        let file = File::options().read(true).custom_flags(NOFOLLOW).open(path).map_err(fail("open it"))?;
        let mut storage = Self::new(path);
        storage.take(file, false).map_err(fail("look at what is there"))?;
        let header = ring::read_header(&mut storage)?;
        if header.kind != FileKind::Ring {
            return Err(Error::NotARing { path: path.to_owned() });
        }
        ring::check_len(&mut storage, &header)?;
        storage.release();
        Ok(Some((storage, Created::Existing { size: header.size })))
    }

    /// Keeps an open file, if it is the one that was there before.
    fn take(&mut self, file: File, writable: bool) -> io::Result<()> {
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let found = (found.dev(), found.ino());
        if self.identity.is_some_and(|known| known != found) {
            return Err(io::Error::other("another file has taken its place since it was opened"));
        }
        self.identity = Some(found);
        self.file = Some(Handle { file, writable });
        Ok(())
    }

    /// The open file. One that may only be read is opened for reading; writing tries again, for
    /// a file system may have become writable in between (the seal remounts /).
    fn file(&mut self, write: bool) -> io::Result<&File> {
        if self.file.as_ref().is_none_or(|handle| write && !handle.writable) {
            let open =
                |write| File::options().read(true).write(write).custom_flags(NOFOLLOW).open(&self.path);
            match open(true) {
                Ok(file) => self.take(file, true)?,
                Err(error) if write || !may_be_readable(&error) => return Err(error),
                Err(_) => self.take(open(false)?, false)?,
            }
        }
        self.file.as_ref().map(|handle| &handle.file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A recorder runs as root: it never follows a link that somebody put in the file's place.
const NOFOLLOW: i32 = (OFlags::NOFOLLOW.bits() | OFlags::NONBLOCK.bits()) as i32;

fn may_be_readable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// So much of a new file is written and not only allocated. The first sync of a block that was never written has its file
/// system note that it is written now: a commit of its journal, for which others wait, up to ten times a second while
/// recording. A disk takes these in seconds; of a file that is larger still, the rest takes a commit the first time round.
const WRITTEN_MAX: u64 = 256 << 20;

/// How a file is kept out of sight until it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    /// Without any name (O_TMPFILE), where the file system can: a power cut leaves nothing.
    Preferred,
    /// Under a name of its own, which the next attempt takes over.
    #[cfg(test)]
    Never,
}

fn create(path: &Path, size: u64, unnamed: Unnamed) -> Result<(FileStorage, Created), Error> {
    ring::check_size(size)?;
    if let Some(found) = FileStorage::existing(path)? {
        return Ok(found);
    }
    let fail =
        |action| move |source: Errno| Error::Io { path: path.to_owned(), action, source: source.into() };
    if path.file_name().is_none() {
        return Err(Error::NotARecording {
            path: path.to_owned(),
            why: "it is no name for a file".to_owned(),
        });
    }
    let dir_path = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = rustix::fs::open(dir_path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(fail("open its directory"))?;
    let draft = Draft::open(dir_path, path, unnamed).map_err(|source| fail("create it")(source))?;
    overwrite_in_place(&draft.file);
    allocate(&draft.file, size).map_err(fail("allocate its blocks"))?;
    let mut storage = FileStorage::new(path);
    let file = draft.file.try_clone().and_then(|file| storage.take(file, true));
    file.map_err(|source| Error::Io { path: path.to_owned(), action: "create it", source })?;
    ring::format(&mut storage, size, ring::random_id())?;
    rustix::fs::fsync(&draft.file).map_err(fail("write it to the disk"))?;
    match draft.publish(path) {
        // Somebody else made one in the meantime: theirs counts.
        Err(Errno::EXIST) => {
            return FileStorage::existing(path)?.ok_or_else(|| fail("create it")(Errno::EXIST));
        }
        result => result.map_err(fail("give it its name"))?,
    }
    if let Err(error) = rustix::fs::fsync(&dir) {
        // The name may not survive a power cut: better none than one that comes and goes.
        let _ = rustix::fs::unlink(path);
        return Err(fail("write its directory to the disk")(error));
    }
    storage.release();
    Ok((storage, Created::New))
}

/// A file in the making. Dropped before it is published, it is gone.
#[derive(Debug)]
struct Draft {
    file: File,
    /// Its name until then, if it has one.
    name: Option<PathBuf>,
}

impl Draft {
    fn open(dir: &Path, path: &Path, unnamed: Unnamed) -> Result<Self, Errno> {
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // Without /proc a file without a name can get none.
        let proc = Path::new("/proc/self/fd").is_dir();
        if unnamed == Unnamed::Preferred && proc {
            match rustix::fs::open(dir, OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE, mode) {
                Ok(fd) => return Self { file: fd.into(), name: None }.private(),
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".lastrites-new");
        let name = dir.join(name);
        for _ in 0..3 {
            let fd = match rustix::fs::open(&name, flags | OFlags::CREATE | OFlags::EXCL, mode) {
                Ok(fd) => fd,
                Err(Errno::EXIST) => {
                    // Left by a power cut, unless whoever makes it still holds its lock.
                    let left = rustix::fs::open(&name, flags | OFlags::NONBLOCK, Mode::empty())?;
                    rustix::fs::flock(&left, FlockOperation::NonBlockingLockExclusive)?;
                    rustix::fs::unlink(&name)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
            return Self { file: fd.into(), name: Some(name) }.private();
        }
        Err(Errno::EXIST)
    }

    /// Whatever the umask or an ACL of the directory says.
    fn private(self) -> Result<Self, Errno> {
        rustix::fs::fchmod(&self.file, Mode::RUSR | Mode::WUSR)?;
        Ok(self)
    }

    /// Gives it its name, unless that is taken.
    fn publish(mut self, path: &Path) -> Result<(), Errno> {
        let Some(name) = self.name.take() else {
            use std::os::fd::AsRawFd;
            let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            return rustix::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW);
        };
        let result =
            match rustix::fs::renameat_with(CWD, &name, CWD, path, rustix::fs::RenameFlags::NOREPLACE) {
                // A file system that cannot tell: a link never replaces anything either.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::link(&name, path).and_then(|()| rustix::fs::unlink(&name))
                }
                result => result,
            };
        if result.is_err() {
            self.name = Some(name);
        }
        result
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = rustix::fs::unlink(name);
        }
    }
}

/// Has btrfs overwrite the file where it is, instead of writing each change to a new place: else the blocks that
/// are allocated here are used once. It takes that of an empty file only. Other file systems know no such thing,
/// or need none.
fn overwrite_in_place(file: &File) {
    if let Ok(flags) = rustix::fs::ioctl_getflags(file) {
        // Where it is refused, `doctor` says what may come of it.
        let _ = rustix::fs::ioctl_setflags(file, flags | IFlags::NOCOW);
    }
}

/// Makes the file `size` zeros with a block behind each, now.
fn allocate(file: &File, size: u64) -> Result<(), Errno> {
    let result = rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size));
    match result {
        Ok(()) => zeros(file, size.min(WRITTEN_MAX)),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => zeros(file, size),
        Err(error) => Err(error),
    }
}

fn zeros(file: &File, size: u64) -> Result<(), Errno> {
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < size {
        let count = (size - at).min(zeros.len() as u64) as usize;
        match rustix::io::pwrite(file, &zeros[..count], at) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => at += count as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Storage for FileStorage {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_at(self.file(false)?, offset, buf)
    }

    fn will_read(&mut self, offset: u64, len: u64) {
        if let Ok(file) = self.file(false) {
            let _ = rustix::fs::fadvise(file, offset, std::num::NonZero::new(len), Advice::WillNeed);
        }
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let file = self.file(true)?;
        match file.write_all_at(data, offset) {
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                let read = &mut |at, buf: &mut [u8]| read_at(file, at, buf);
                match to_whole_page(read, offset, data) {
                    Some(whole) => file.write_all_at(&whole, offset),
                    None => Err(error),
                }
            }
            result => result,
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file(false)?.sync_data()
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file(false)?.metadata()?.len())
    }

    fn release(&mut self) {
        self.file = None;
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// `data`, and zeros up to the end of its last page where that page cannot be read: an operating system that writes a part
/// of a page reads the page first, so that a bad sector would never be written again, which is what has a disk replace
/// it. What is behind the newest frame of a segment counts for nothing, and segments end with a page. What is before
/// `offset` may count, so that it is never made up. `None` if the last page can be read: then that was not it.
fn to_whole_page(
    read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<usize>,
    offset: u64,
    data: &[u8],
) -> Option<Vec<u8>> {
    let end = offset.checked_add(data.len() as u64)?;
    let rest = end.next_multiple_of(PAGE) - end;
    let mut rest = vec![0; rest as usize];
    if rest.is_empty() || end < FIRST_SEGMENT || read(end, &mut rest).is_ok() {
        return None;
    }
    rest.fill(0);
    Some([data, &rest].concat())
}

const PAGE: u64 = 4096;

/// Reads until `buf` is full, the file ends, or the disk cannot go on: what it gave until then counts.
pub(crate) fn read_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests;
