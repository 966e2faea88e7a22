//! Files and directories of ours outside the ring file's directory: how they are made, and which may be
//! believed.
//!
//! Invariant: whatever the caller's umask, nothing that is made here can be written to by anybody but root;
//! a name stands for the whole file or for none, also after a power cut; what a cut leaves of one in the
//! making is called [`TEMPORARY`] and lies beside it.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::Path,
};

/// The name of a file that is not whole yet: hidden, so that no init takes it for a script.
pub const TEMPORARY: &str = ".lastrites.new";

/// Makes the directories that are missing on the way to `dir` and `dir` itself, for root to write to.
pub fn make_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent();
    if let Some(parent) = parent {
        make_dirs(parent)?;
    }
    match fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        done => done?,
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    parent.map_or(Ok(()), sync_dir)
}

/// Writes `bytes` to `path`, in the place of what is there.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(TEMPORARY);
    draft(&temporary, mode, bytes)?.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// The same for what no power cut leaves anyway, by way of `temporary`.
pub fn write_volatile(path: &Path, temporary: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    draft(temporary, mode, bytes)?;
    fs::rename(temporary, path)
}

fn draft(temporary: &Path, mode: u32, bytes: &[u8]) -> io::Result<fs::File> {
    remove(temporary)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// Makes the link `at`, unless it is there.
pub fn link(at: &Path, target: &Path) -> io::Result<()> {
    match symlink(target, at) {
        Err(e)
            if e.kind() == io::ErrorKind::AlreadyExists && fs::read_link(at).is_ok_and(|to| to == target) =>
        {
            Ok(())
        }
        done => done.and_then(|()| at.parent().map_or(Ok(()), sync_dir)),
    }
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        // On a read-only file system unlink(2) does not look whether it is there.
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem && !is_there(path)? => Ok(()),
        done => done,
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|_| true),
    }
}

/// Removes what a power cut left beside `path` while that was being made.
pub fn remove_unfinished(path: &Path) -> io::Result<()> {
    match remove(&path.with_file_name(TEMPORARY)) {
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Ok(()),
        done => done,
    }
}

/// Returns once the names in `dir` are on the disk.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Whether the file system of `path`, which is there, is read-only.
pub fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|vfs| vfs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Why what is at `path` may be somebody else's work, if it may: root does what our files say. What is not
/// there is nobody's.
pub fn distrust(path: &Path) -> Option<String> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => return Some(e.to_string()),
    };
    let mode = meta.permissions().mode();
    // Whoever asks may believe himself.
    let owned = meta.uid() == 0 || meta.uid() == rustix::process::geteuid().as_raw();
    let writers = if meta.gid() == 0 { 0o002 } else { 0o022 };
    match () {
        () if meta.is_symlink() => Some("it is a symbolic link".to_owned()),
        () if !owned => Some(format!("it belongs to user {}, not to root", meta.uid())),
        () if mode & writers != 0 => {
            Some(format!("others than root may write to it (mode {:04o})", mode & 0o7777))
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777
    }

    /// Once `umask 0` made the armed file's directory one that everybody could write to, and what is
    /// written there root deletes and executes.
    #[test]
    fn no_umask_makes_anything_more_or_less_than_it_should_be() {
        let root = tempfile::tempdir().expect("a directory");
        for mask in [0, 0o077] {
            // SAFETY: only sets this process's mask; each test has a process of its own.
            let before = unsafe { libc::umask(mask) };
            let dir = root.path().join(format!("{mask:o}/a/b"));
            make_dirs(&dir).expect("made");
            let file = dir.join("file");
            write(&file, 0o644, b"x").expect("written");
            write_volatile(&dir.join("other"), &dir.join("other.new"), 0o755, b"x").expect("written");
            // SAFETY: as above.
            unsafe { libc::umask(before) };
            assert_eq!((mode(&dir), mode(dir.parent().expect("one"))), (0o755, 0o755), "{mask:o}");
            assert_eq!((mode(&file), mode(&dir.join("other"))), (0o644, 0o755), "{mask:o}");
            assert_eq!(distrust(&file), None);
            assert!(!dir.join(TEMPORARY).exists());
        }
    }

    #[test]
    fn what_others_can_change_is_distrusted() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("file");
        assert_eq!(distrust(&file), None, "what is not there is nobody's");
        write(&file, 0o644, b"x").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("root may");
        assert!(distrust(&file).expect("writable").contains("0666"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("root may");
        std::os::unix::fs::chown(&file, Some(65534), None).expect("root may");
        assert!(distrust(&file).expect("a stranger's").contains("65534"));
        symlink(&file, root.path().join("link")).expect("linked");
        assert!(distrust(&root.path().join("link")).expect("a link").contains("link"));
    }

    #[test]
    fn what_was_left_half_made_is_in_nobodys_way() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("file");
        symlink("/nowhere/at/all", root.path().join(TEMPORARY)).expect("linked");
        write(&file, 0o644, b"new").expect("written");
        assert_eq!(fs::read(&file).expect("read"), b"new");
        fs::write(root.path().join(TEMPORARY), "half").expect("written");
        remove_unfinished(&file).expect("removed");
        remove_unfinished(&file).expect("nothing there");
        assert_eq!(fs::read_dir(root.path()).expect("there").count(), 1);
    }
}
