//! Where imported files are kept: in a person's own directory, or in the machine's.
//!
//! Invariant: root leaves nothing where somebody else could have it lead, or could put something in its place: whatever
//! root keeps lies on a way ([`somebody_elses`]) of which each part is root's and cannot be changed by others. The machine's is open to all users and holds nothing else; the ring's, which is not, is another one.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{error::Error, fresh};

/// Of the whole machine: not below the directory of the ring, into which others than root and adm cannot look.
const SYSTEM: &str = "/var/lib/lastrites-imported";
/// What user namespaces show for whoever is not in them (user_namespaces(7)).
const OUTSIDE: u32 = 65534;
/// Nobody writes to a copy that has not grown for so long.
const STALE: Duration = Duration::from_secs(3600);

pub(super) fn personal() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(data.join("lastrites/imported"))
}

/// Both that there may be, and whether it is the machine's; a person's own comes first.
pub(super) fn all() -> impl Iterator<Item = (PathBuf, bool)> {
    personal().map(|dir| (dir, false)).into_iter().chain([(PathBuf::from(SYSTEM), true)])
}

/// The one that is meant, if it is ours to change.
pub(super) fn chosen(system: bool) -> Result<PathBuf, Error> {
    if system {
        return Ok(SYSTEM.into());
    }
    let dir = personal().ok_or_else(|| {
        Error::usage("neither XDG_DATA_HOME nor HOME says where your files are: set one, or use --system")
    })?;
    roots_own(&dir)?;
    Ok(dir)
}

/// Refuses root a directory that others could lead elsewhere.
pub(super) fn roots_own(dir: &Path) -> Result<(), Error> {
    match somebody_elses(dir) {
        Some(theirs) => Err(Error::failed(
            theirs.display().to_string(),
            "it is not root's alone, so that others could lead what root keeps there elsewhere",
            "import without sudo, or with --system for all users",
        )),
        None => Ok(()),
    }
}

/// Of what the kernel goes through to come to `dir`, links followed one by one, the first that is not root's, or that
/// others may write to (unless only owners may remove and rename there, as in /tmp, and it is not `dir` itself); if root
/// asks. What is behind a part that is not there is not there either.
pub(super) fn somebody_elses(dir: &Path) -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let parts = |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect();
    let mut left: Vec<OsString> = parts(dir);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop() {
        // `/` begins anew, `..` leads to what was looked at before.
        let path = if part == ".." { at.parent().unwrap_or(&at).to_owned() } else { at.join(&part) };
        let found = fs::symlink_metadata(&path).ok()?;
        let is_roots = found.uid() == 0 || found.uid() == OUTSIDE && is_in_user_namespace();
        let is_link = found.file_type().is_symlink();
        // Of a link the mode says nothing.
        let mode = if is_link { 0 } else { found.mode() };
        let others = mode & 0o002 != 0 || mode & 0o020 != 0 && found.gid() != 0;
        if !is_roots || others && (mode & 0o1000 == 0 || left.is_empty()) {
            return Some(path);
        }
        if is_link {
            links += 1;
            // Of as many the kernel follows none.
            let target = fs::read_link(&path).ok().filter(|_| links <= 40)?;
            left.extend(parts(&target));
        } else {
            at = path;
        }
    }
    None
}

/// Where root of the namespace is not the machine's, what belongs to the machine's root is shown as nobody's.
fn is_in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && !map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The machine's, if we may not look into it.
pub(super) fn closed() -> Option<PathBuf> {
    let looked = fs::read_dir(SYSTEM);
    looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied).then(|| SYSTEM.into())
}

/// Makes `dir` and what is missing above it; the machine's for all users, whatever root's umask is.
pub(super) fn make(dir: &Path, system: bool) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|path| !path.exists()).collect();
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) if system => fs::set_permissions(path, Permissions::from_mode(0o755))?,
            _ => {}
        }
    }
    if system { fs::set_permissions(dir, Permissions::from_mode(0o755)) } else { Ok(()) }
}

/// Removes what an import of ours left that was killed, where files cannot be without a name.
pub(super) fn sweep(dir: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_hidden = entry.file_name().to_string_lossy().starts_with(fresh::PREFIX);
        let is_stale = |found: fs::Metadata| {
            let age = found.modified().ok().and_then(|changed| changed.elapsed().ok());
            found.is_file() && found.uid() == own && age.is_some_and(|age| age > STALE)
        };
        if is_hidden && entry.metadata().is_ok_and(is_stale) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_import_left_goes_with_the_next_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, age: Duration| {
            let file = fs::File::create(dir.path().join(name)).expect("made");
            file.set_modified(std::time::SystemTime::now() - age).expect("aged");
        };
        let hidden = |name: &str| format!("{}{name}", fresh::PREFIX);
        put(&hidden("old"), 2 * STALE);
        put(&hidden("new"), STALE / 2);
        put("x.lrt", 2 * STALE);
        put(".x.lrt.glance", 2 * STALE);
        sweep(dir.path());
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).expect("readable").map(|e| e.expect("readable").file_name()).collect();
        left.sort();
        assert_eq!(left, [hidden("new").as_str(), ".x.lrt.glance", "x.lrt"]);
    }

    #[test]
    fn what_is_made_for_all_users_is_open_to_them_and_only_that() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("a/b");
        fs::set_permissions(root.path(), Permissions::from_mode(0o700)).expect("closed");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        make(&dir, true).expect("made");
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).expect("closed");
        make(&dir, true).expect("it is there");
        assert_eq!((mode(&root.path().join("a")), mode(&dir)), (0o755, 0o755));
        assert_eq!(mode(root.path()), 0o700, "it was there before");
    }
}
