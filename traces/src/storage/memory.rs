//! Storage that forgets: for tests that cut the power.

use std::io;
use std::path::{Path, PathBuf};

use super::Storage;

/// A file in memory that remembers which writes were synced, so that a test can rebuild what a
/// power cut may leave of it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    now: Vec<u8>,
    /// What the last sync made certain.
    synced: Vec<u8>,
    /// Writes since then, in order.
    unsynced: Vec<(u64, Vec<u8>)>,
    path: PathBuf,
}

impl MemoryStorage {
    /// A file of `size` zeros, all of them synced.
    pub fn new(size: usize) -> Self {
        Self::holding(vec![0; size])
    }

    /// A file of these bytes, all of them synced.
    pub fn holding(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), synced: bytes, unsynced: Vec::new(), path: "memory".into() }
    }

    /// What a reader sees now.
    pub fn bytes(&self) -> &[u8] {
        &self.now
    }

    /// What is certain to survive.
    pub fn synced(&self) -> &[u8] {
        &self.synced
    }

    /// Writes since the last sync, in order: offset and data.
    pub fn unsynced(&self) -> &[(u64, Vec<u8>)] {
        &self.unsynced
    }

    /// What a sync that fails does on Linux: what was not stored never will be, and reads back all the same.
    pub fn drop_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// The file after a power cut: of each unsynced write, in order, the parts that `survive`
    /// names (write's index, byte ranges within it).
    pub fn crashed(&self, mut survive: impl FnMut(usize, &[u8]) -> Vec<std::ops::Range<usize>>) -> Self {
        let mut bytes = self.synced.clone();
        for (index, (offset, data)) in self.unsynced.iter().enumerate() {
            for range in survive(index, data) {
                let start = *offset as usize + range.start;
                bytes[start..start + range.len()].copy_from_slice(&data[range]);
            }
        }
        Self::holding(bytes)
    }
}

/// Writes within the file, which has a fixed size: it never grows.
fn put(bytes: &mut [u8], offset: u64, data: &[u8]) -> io::Result<()> {
    let place = usize::try_from(offset).ok().and_then(|start| bytes.get_mut(start..)?.get_mut(..data.len()));
    place.ok_or(io::ErrorKind::StorageFull)?.copy_from_slice(data);
    Ok(())
}

impl Storage for MemoryStorage {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let start = self.now.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let count = buf.len().min(self.now.len() - start);
        buf[..count].copy_from_slice(&self.now[start..start + count]);
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        put(&mut self.now, offset, data)?;
        self.unsynced.push((offset, data.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        for (offset, data) in std::mem::take(&mut self.unsynced) {
            put(&mut self.synced, offset, &data)?;
        }
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.now.len() as u64)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
