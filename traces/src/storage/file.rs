//! A real file, made once in its full size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Storage;
use crate::error::Error;

/// What [`FileStorage::create`] found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// There was none; it has the size asked for.
    New,
    /// There was one already, of this size, which it keeps.
    Existing { size: u64 },
}

/// A ring file by path. Opens when first used.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    file: Option<File>,
}

impl FileStorage {
    /// The file at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }

    /// Makes a ring file of `size` bytes at `path` (mode 0600, directory must exist), or leaves
    /// alone the ring file that is there. Anything else there is refused.
    #[expect(unused_variables, reason = "signatures first")]
    pub fn create(path: &Path, size: u64) -> Result<(Self, Created), Error> {
        unimplemented!()
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let open = File::options().read(true).write(true).open(&self.path);
            self.file = Some(open.or_else(|_| File::open(&self.path))?);
        }
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for FileStorage {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let file = self.file()?;
        let mut done = 0;
        while done < buf.len() {
            match file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file()?.write_all_at(data, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file()?.metadata()?.len())
    }

    fn release(&mut self) {
        self.file = None;
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
