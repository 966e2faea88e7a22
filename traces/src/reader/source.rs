//! The bytes of a recording, wherever they are.
//!
//! Invariant: reads only, by position, so that one open file serves any number of readers. A file
//! that shrinks, grows or is overwritten meanwhile yields other bytes, never a crash: nothing is
//! mapped into memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::storage::Storage;

#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Io { path: path.to_owned(), action: "open it", source };
        // Without O_NONBLOCK a pipe in the place of a recording would hold us for ever.
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(nonblock).open(path).map_err(fail)?;
        let kind = file.metadata().map_err(fail)?.file_type();
        if !kind.is_file() {
            let why = if kind.is_dir() { "it is a directory" } else { "it is no regular file" };
            return Err(Error::NotARecording { path: path.to_owned(), why: why.to_owned() });
        }
        Ok(Self { path: path.to_owned(), bytes: Bytes::File(file) })
    }

    /// A file that is open and may have no name any more.
    pub fn file(name: &Path, file: File) -> Self {
        Self { path: name.to_owned(), bytes: Bytes::File(file) }
    }

    pub fn memory(name: &Path, bytes: Vec<u8>) -> Self {
        Self { path: name.to_owned(), bytes: Bytes::Memory(bytes) }
    }

    /// Reads until `buf` is full, the file ends, or the disk cannot go on: what it gave until
    /// then counts. An error is one that comes before the first byte.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match &self.bytes {
            Bytes::File(file) => {
                let mut done = 0;
                while done < buf.len() {
                    use std::os::unix::fs::FileExt;
                    match file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                        Ok(0) => break,
                        Ok(count) => done += count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) if done == 0 => return Err(error),
                        Err(_) => break,
                    }
                }
                Ok(done)
            }
            Bytes::Memory(bytes) => {
                let rest =
                    usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
                let count = rest.len().min(buf.len());
                buf[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
        }
    }
}

impl Source {
    /// Where the next bytes are at `offset` or later that are no hole of the file; `u64::MAX` if there are none.
    pub fn data_from(&self, offset: u64) -> u64 {
        match &self.bytes {
            // Reads are by position, so that moving the file's own changes nothing.
            Bytes::File(file) => match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
                Ok(data) => data.max(offset),
                Err(rustix::io::Errno::NXIO) => u64::MAX,
                Err(_) => offset,
            },
            Bytes::Memory(_) => offset,
        }
    }
}

/// For what reader and writer do alike. Nobody writes through it.
impl Storage for Source {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.read(offset, buf)
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        match &self.bytes {
            Bytes::File(file) => Ok(file.metadata()?.len()),
            Bytes::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
