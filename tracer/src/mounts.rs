//! Which mount a path is on, and making it writable for a moment.
//!
//! Invariant: [`Writable`] leaves the mount as it found it, when dropped or when asked to.

use std::{
    ffi::{CString, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

/// A line of /proc/self/mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub point: PathBuf,
    /// Options of the mount.
    pub options: String,
    pub fs_type: String,
    /// Options of the file system itself.
    pub super_options: String,
}

impl Mount {
    pub fn read_only(&self) -> bool {
        [&self.options, &self.super_options].iter().any(|options| options.split(',').any(|o| o == "ro"))
    }

    /// The `MS_*` flags that a remount has to repeat so as not to drop them.
    fn flags(&self) -> libc::c_ulong {
        self.options
            .split(',')
            .map(|option| match option {
                "nosuid" => libc::MS_NOSUID,
                "nodev" => libc::MS_NODEV,
                "noexec" => libc::MS_NOEXEC,
                "noatime" => libc::MS_NOATIME,
                "nodiratime" => libc::MS_NODIRATIME,
                "relatime" => libc::MS_RELATIME,
                _ => 0,
            })
            .fold(0, |all, one| all | one)
    }
}

/// Undoes the octal escapes of /proc/self/mountinfo.
fn unescape(text: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if *first == b'\\' && tail.len() >= 3 && tail[..3].iter().all(|b| (b'0'..=b'7').contains(b)) {
            let value = tail[..3].iter().fold(0u32, |value, b| value * 8 + u32::from(b - b'0'));
            out.push(value as u8);
            rest = &tail[3..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|b| *b == b' ');
    let point = unescape(words.nth(4)?);
    let options = String::from_utf8_lossy(words.next()?).into_owned();
    let mut words = words.skip_while(|word| *word != b"-").skip(1);
    let fs_type = String::from_utf8_lossy(words.next()?).into_owned();
    let super_options = String::from_utf8_lossy(words.nth(1).unwrap_or_default()).into_owned();
    Some(Mount { point, options, fs_type, super_options })
}

/// All mounts that this process sees, in mount order.
pub fn all() -> io::Result<Vec<Mount>> {
    Ok(fs::read("/proc/self/mountinfo")?.split(|b| *b == b'\n').filter_map(parse_line).collect())
}

/// Whether the processes that these two mountinfo(5) are of have one root directory: the same directory of the same file system.
/// A root directory that is no mount, as of many a chroot, has no line there; of two such nothing speaks against it.
pub fn have_one_root(one: &[u8], other: &[u8]) -> bool {
    // `27 1 254:0 / / rw,relatime …`: device, directory, and where it is seen. The last one lies on top.
    fn root(table: &[u8]) -> Option<(&[u8], &[u8])> {
        table.split(|b| *b == b'\n').rev().find_map(|line| {
            let mut words = line.split(|b| *b == b' ').skip(2);
            let root = (words.next()?, words.next()?);
            (words.next()? == b"/").then_some(root)
        })
    }
    root(one) == root(other)
}

/// The mount that holds `path`: the last one mounted on its longest mounted prefix.
pub fn of(mounts: &[Mount], path: &Path) -> Option<Mount> {
    let longest =
        mounts.iter().filter(|m| path.starts_with(&m.point)).map(|m| m.point.components().count()).max()?;
    mounts.iter().rfind(|m| path.starts_with(&m.point) && m.point.components().count() == longest).cloned()
}

fn remount(mount: &Mount, read_only: bool) -> io::Result<()> {
    let target = CString::new(mount.point.as_os_str().as_bytes())?;
    let flags = libc::MS_REMOUNT | mount.flags() | if read_only { libc::MS_RDONLY } else { 0 };
    // SAFETY: target is NUL-terminated and outlives the call; the kernel takes null for the rest.
    let done =
        unsafe { libc::mount(std::ptr::null(), target.as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the mount of `path` is read-only; false when that cannot be told.
pub fn is_read_only(path: &Path) -> bool {
    all().ok().and_then(|mounts| of(&mounts, path)).is_some_and(|mount| mount.read_only())
}

/// Whether this fstab(5) wants the root file system read-only.
pub fn wants_root_read_only(fstab: &str) -> bool {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut options = lines.filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        if words.next() == Some("/") { words.nth(1) } else { None }
    });
    // Of lines and of options the last one counts, as to mount(8).
    let last =
        options.next_back().and_then(|options| options.rsplit(',').find(|o| matches!(*o, "ro" | "rw")));
    last == Some("ro")
}

/// Makes the mount of `path` read-only.
pub fn make_read_only(path: &Path) -> io::Result<()> {
    of(&all()?, path).map_or(Ok(()), |mount| remount(&mount, true))
}

/// Writes what the file system of `path` holds in memory to the disk.
pub fn sync(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

/// A mount that may be written to until this is dropped.
#[derive(Debug)]
pub struct Writable {
    /// The mount to make read-only again.
    restore: Option<Mount>,
}

impl Writable {
    /// Makes the mount of `path` writable if it is not.
    pub fn make(path: &Path) -> io::Result<Self> {
        let mount = of(&all()?, path).filter(Mount::read_only);
        if let Some(mount) = &mount {
            remount(mount, false)?;
        }
        Ok(Self { restore: mount })
    }

    pub fn was_read_only(&self) -> bool {
        self.restore.is_some()
    }

    /// Puts the mount back as it was.
    pub fn restore(mut self) -> io::Result<()> {
        self.restore.take().map_or(Ok(()), |mount| remount(&mount, true))
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        if let Some(mount) = self.restore.take() {
            // Nothing better can be done here: the caller is leaving, and the init is about to
            // remount or reboot anyway.
            let _ = remount(&mount, true);
        }
    }
}

/// Whether a BPF file system is at `dir`.
pub fn is_bpffs(dir: &Path) -> bool {
    all().is_ok_and(|all| all.iter().any(|m| m.fs_type == "bpf" && m.point == dir))
}

/// Unmounts the BPF file system at `dir`, unless somebody has pinned something there.
pub fn remove_bpffs(dir: &Path) -> io::Result<()> {
    // The kernel's own two files are always there.
    let own = ["maps.debug", "progs.debug"];
    let used = fs::read_dir(dir)?.flatten().any(|entry| !own.iter().any(|name| entry.file_name() == *name));
    if used || !is_bpffs(dir) {
        return Ok(());
    }
    Ok(rustix::mount::unmount(dir, rustix::mount::UnmountFlags::empty())?)
}

/// Makes sure that a BPF file system is at `dir`.
pub fn ensure_bpffs(dir: &Path) -> io::Result<()> {
    if is_bpffs(dir) {
        return Ok(());
    }
    let target = CString::new(dir.as_os_str().as_bytes())?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all pointers are to NUL-terminated strings that outlive the call.
    let done = unsafe {
        libc::mount(c"bpf".as_ptr(), target.as_ptr(), c"bpf".as_ptr(), flags, c"mode=0700".as_ptr().cast())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_last_mount_on_its_longest_prefix() {
        let lines = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda ro,errors=remount-ro\n\
            30 22 0:25 / /var rw,nosuid - tmpfs tmpfs rw\n\
            31 30 0:26 / /var rw,noexec - ext4 /dev/vdb rw\n\
            32 22 0:27 / /with\\040space rw - tmpfs tmpfs rw";
        let mounts: Vec<_> = lines.split(|b| *b == b'\n').filter_map(parse_line).collect();
        assert_eq!(mounts.len(), 4);
        assert!(of(&mounts, Path::new("/etc")).expect("root").read_only());
        let var = of(&mounts, Path::new("/var/lib")).expect("var");
        assert_eq!((var.fs_type.as_str(), var.flags()), ("ext4", libc::MS_NOEXEC));
        assert_eq!(of(&mounts, Path::new("/various")).expect("root").point, Path::new("/"));
        assert_eq!(mounts[3].point, Path::new("/with space"));
    }

    /// Where root lacks a right that pid 1 has, every chroot was taken for the machine itself.
    #[test]
    fn a_chroot_is_told_by_its_mounts() {
        let pid1 = b"22 27 0:21 / /proc rw - proc proc rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\n";
        let with_root = |line: &str| [&b"7 6 0:21 / /proc rw - proc proc rw\n"[..], line.as_bytes()].concat();
        for (root, is_one) in [
            ("90 1 254:0 / / ro - ext4 /dev/vda rw\n", true),
            ("90 1 254:0 /jail / rw - ext4 /dev/vda rw\n", false),
            ("90 1 254:1 / / rw - ext4 /dev/vdb rw\n", false),
            ("90 1 254:1 / / rw - ext4 /dev/vdb rw\n91 90 254:0 / / rw - ext4 /dev/vda rw\n", true),
            ("", false),
            ("90 1 254:0 /", false),
        ] {
            assert_eq!(have_one_root(pid1, &with_root(root)), is_one, "{root}");
        }
        assert!(have_one_root(b"", b""), "pid 1 may have been started in a chroot, too");
    }

    #[test]
    fn a_root_that_is_to_stay_read_only_is_known_by_its_line() {
        for (fstab, wants) in [
            ("", false),
            ("/dev/vda / ext4 ro 0 1\n", true),
            ("# /dev/vda / ext4 ro 0 1\nUUID=1\t/ ext4  noatime,ro,errors=remount-ro 0 1\n", true),
            ("/dev/vda / ext4 errors=remount-ro 0 1\n/dev/vdb /mnt ext4 ro 0 2\n", false),
            ("/dev/vda / ext4 ro,rw 0 1\n/ /chroot none bind,ro 0 0\nproc\n", false),
        ] {
            assert_eq!(wants_root_read_only(fstab), wants, "{fstab}");
        }
    }

    #[test]
    fn noise_in_mountinfo_is_skipped() {
        for line in [&b""[..], b"1 2 3", b"1 2 3 4 /x", b"\\\\\\ \\40 a b \\0 c d e"] {
            assert!(parse_line(line).is_none(), "{}", line.escape_ascii());
        }
    }
}
