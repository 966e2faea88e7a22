//! Where a ring file lives: the narrow door through which every byte of it goes, so that tests
//! can cut the power behind it.
//!
//! Invariant: what was written before a [`Storage::sync`] that succeeded is there after any
//! crash; of anything written later each byte may or may not be.

mod file;
mod memory;

use std::io;
use std::path::Path;

pub use file::{Created, FileStorage};
pub use memory::MemoryStorage;

/// Random access to the bytes of one file.
pub trait Storage {
    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file, or before bytes that the disk cannot
    /// read. An error is one that comes before the first byte.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Says that these bytes will be read soon. Nothing depends on it.
    fn will_read(&mut self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

    /// Writes all of `data` at `offset`.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns once everything written is on stable storage.
    fn sync(&mut self) -> io::Result<()>;

    /// Bytes in the file.
    fn len(&mut self) -> io::Result<u64>;

    /// Whether it is empty.
    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Lets go of everything that keeps a file system busy; the next call takes it up again.
    fn release(&mut self) {}

    /// Its name, for messages.
    fn path(&self) -> &Path;
}

impl<S: Storage + ?Sized> Storage for Box<S> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }
    fn will_read(&mut self, offset: u64, len: u64) {
        (**self).will_read(offset, len);
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, data)
    }
    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
    fn len(&mut self) -> io::Result<u64> {
        (**self).len()
    }
    fn release(&mut self) {
        (**self).release();
    }
    fn path(&self) -> &Path {
        (**self).path()
    }
}
