//! What can go wrong with a recording on disk.
//!
//! Invariant: every message names the file, says what is wrong with it and what to do next.
//! Damage *inside* a recording is no error: readers report it as a [`crate::reader::Gap`].

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
/// Why a recording cannot be opened, read or written.
#[expect(
    missing_docs,
    reason = "fields are what the message shows: the file, bytes from its beginning, sizes in bytes, and why"
)]
pub enum Error {
    /// The operating system refused. `action` is a verb in the infinitive.
    #[error("{}: cannot {action}: {source}{}", path.display(), advice(source))]
    Io { path: PathBuf, action: &'static str, source: io::Error },

    /// Not one of our files, or its two headers are destroyed. It is never written to.
    #[error(
        "{}: not a lastrites recording ({why}); it was left as it is: name another file, or move this one away",
        path.display()
    )]
    NotARecording { path: PathBuf, why: String },

    /// Written by a version that this program does not know.
    #[error(
        "{}: format version {found}, this program reads version {known}: use the lastrites that wrote it, or move it away",
        path.display()
    )]
    Version { path: PathBuf, found: u16, known: u16 },

    /// A header makes claims that cannot be.
    #[error("{}: damaged at byte {offset}: {what}; move the file away to record anew", path.display())]
    Damaged { path: PathBuf, offset: u64, what: String },

    /// A ring file of this size was asked for.
    #[error("a ring file cannot have {size} bytes: give it {least} to {most}")]
    Size { size: u64, least: u64, most: u64 },

    /// A stand-alone trace was opened for writing.
    #[error("{}: a saved trace, which cannot be recorded into: name another file", path.display())]
    NotARing { path: PathBuf },

    /// Something was to be appended before a session had begun.
    #[error("{}: no session has begun: call begin first", path.display())]
    NoSession { path: PathBuf },

    /// An earlier call of this writer failed; what it wrote is not known.
    #[error("{}: writing failed before; open the file again to go on", path.display())]
    Spent { path: PathBuf },

    /// The file was overwritten while it was being read.
    #[error("{}: the recording asked for is no longer there; it made way for a newer one", path.display())]
    Gone { path: PathBuf },
}

impl Error {
    /// Whether the cause is a full disk.
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }

    /// Whether the cause is a file system that is read-only.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }
}

fn advice(source: &io::Error) -> &'static str {
    if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return "; the disk may be failing: look at dmesg, and put the ring file on another one";
    }
    match source.kind() {
        io::ErrorKind::StorageFull => {
            "; free some space or ask for a smaller ring file (nothing was left behind)"
        }
        io::ErrorKind::PermissionDenied => "; recordings are for root and group adm",
        io::ErrorKind::ReadOnlyFilesystem => "; put the ring file on a file system that can be written",
        io::ErrorKind::NotFound => "; nothing has been recorded there yet, or its directory is missing",
        _ => "",
    }
}
