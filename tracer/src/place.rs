//! Where the ring file goes, and whether there is room for it.
//!
//! Invariant: an existing ring file is never replaced, shortened or recreated. Directory and file
//! are for root, or for root and the group adm where there is one.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, StatVfsMountFlags},
    io::Errno,
};

use crate::{
    error::Error,
    mounts::{self, Mount},
    own,
};

pub const RING_NAME: &str = "ring.lrt";
pub const BINARY_NAME: &str = "lastrites-tracer";
/// Unless told otherwise.
pub const RING_SIZE: u64 = 64 << 20;
/// Below this a ring holds less than a shutdown.
pub const RING_SIZE_MIN: u64 = 1 << 20;
/// What stays free on the file system beside a new ring file.
const SPARE: u64 = 16 << 20;

/// Where the ring file may lie, as the running machine sees it.
pub const DIRS: [&str; 2] = ["/var/lib/lastrites", "/.lastrites"];

/// Whether `path` is the file `name` in one of these directories.
pub fn is_one(path: &Path, name: &str) -> bool {
    DIRS.iter().any(|dir| path.as_os_str() == Path::new(dir).join(name).as_os_str())
}

/// A directory for the ring file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub dir: PathBuf,
    /// Still mounted when the last hook runs.
    pub on_root: bool,
    /// Can be written to now.
    pub writable: bool,
}

/// The closest ancestor of `path`, or itself, that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}

fn writable(dir: &Path) -> bool {
    rustix::fs::statvfs(existing(dir)).is_ok_and(|vfs| !vfs.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Chooses below `root`: `/var/lib/lastrites` when it is on the root file system; else `/.lastrites`,
/// since other mounts go away before the last hook runs; else `/var/lib/lastrites` after all. Where a
/// ring file lies already, it stays in use.
pub fn choose(root: &Path) -> io::Result<Place> {
    let mounts = mounts::all().unwrap_or_default();
    let [var, top] = DIRS.map(|dir| root.join(dir.trim_start_matches('/')));
    let place = |dir: &Path| -> io::Result<Place> {
        let on_root = is_on_root(&mounts, root, existing(dir))?;
        Ok(Place { dir: dir.to_owned(), on_root, writable: writable(dir) })
    };
    let (var, top) = (place(&var)?, place(&top)?);
    Ok(match () {
        () if var.on_root && var.writable => var,
        () if top.dir.join(RING_NAME).exists() => top,
        () if !var.on_root && top.writable => top,
        () => var,
    })
}

/// Whether `dir` is on the mount that `root` is on. That is what inits unmount, whichever device is behind it: a directory of the
/// root file system that is mounted on /var goes away before the last hook, and a subvolume that is not mounted anywhere stays.
fn is_on_root(mounts: &[Mount], root: &Path, dir: &Path) -> io::Result<bool> {
    let [root, dir] = [root.canonicalize()?, dir.canonicalize()?];
    Ok(match (mounts::of(mounts, &root), mounts::of(mounts, &dir)) {
        (Some(of_root), Some(of_dir)) => of_root.point == of_dir.point,
        // Where / is a mount nobody sees, as in a chroot, what is mounted below it is seen all the same.
        (None, Some(_)) => false,
        (_, None) => fs::metadata(&dir)?.dev() == fs::metadata(&root)?.dev(),
    })
}

/// Why a full disk may lose what is recorded into `dir`, if it may: what such file systems overwrite they
/// write to a new place, whatever was reserved.
pub fn unreserved(dir: &Path) -> Option<String> {
    let mount = mounts::of(&mounts::all().ok()?, existing(dir))?;
    let when = takes_new_space(&mount.fs_type, || shares_blocks(existing(dir)))?;
    Some(format!(
        "{} is on {}, where the ring file takes new space {when}: should the disk be full then, what happens is lost",
        dir.display(),
        mount.fs_type
    ))
}

/// Why what is recorded into `dir` is gone after the reboot, if it is: a live system, a root that is an overlay over one in memory.
pub fn in_memory(dir: &Path) -> Option<String> {
    let mounts = mounts::all().ok()?;
    let where_to = memory_of(&mounts, existing(dir))?;
    Some(format!(
        "{} is in memory ({where_to}): the recording, and what was armed, are gone after the reboot; what happens until then can be \
         saved (`lastrites save`)",
        dir.display()
    ))
}

/// The file system in memory that what is written to `dir` goes to, if it does.
fn memory_of(mounts: &[Mount], dir: &Path) -> Option<String> {
    let is_memory = |mount: &Mount| matches!(mount.fs_type.as_str(), "tmpfs" | "ramfs" | "rootfs");
    let mount = mounts::of(mounts, dir)?;
    if is_memory(&mount) {
        return Some(mount.fs_type);
    }
    if mount.fs_type != "overlay" {
        return None;
    }
    // Where it was named in an initrd, nobody sees it any more.
    let upper = mount.super_options.split(',').find_map(|option| option.strip_prefix("upperdir="))?;
    let below = mounts::of(mounts, Path::new(upper)).filter(is_memory)?;
    Some(format!("an overlay over {}", below.fs_type))
}

/// A ring file of more than this on a rotating disk may be too much for the seal: it reads a header in each segment to find the
/// newest, from a disk that has forgotten them since, and has less than two seconds.
const SEALED_FROM_ROTATING_MAX: u64 = 128 << 20;

/// Why a ring file of `size` bytes in `dir` may miss its seal, if it may.
pub fn slow_to_seal(dir: &Path, size: u64) -> Option<String> {
    let device = fs::metadata(existing(dir)).ok()?.dev();
    let block = format!("/sys/dev/block/{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    // Of a partition the disk knows it.
    let queue = ["queue/rotational", "../queue/rotational"]
        .map(|name| fs::read_to_string(Path::new(&block).join(name)));
    let rotates = queue.into_iter().flatten().next()?.trim() == "1";
    (rotates && size > SEALED_FROM_ROTATING_MAX).then(|| slow_note(dir, size))
}

fn slow_note(dir: &Path, size: u64) -> String {
    format!(
        "{} is on a rotating disk: to find the end of a ring file of {} MiB there may take longer than a shutdown waits for us, and \
         then its last seconds are lost; up to {} MiB are found in time",
        dir.display(),
        size >> 20,
        SEALED_FROM_ROTATING_MAX >> 20
    )
}

/// When overwriting a file takes new space there, if it ever does. `shares`: a copy of a file can share its blocks, as xfs lets it
/// unless it was made without `reflink`.
fn takes_new_space(fs_type: &str, shares: impl FnOnce() -> bool) -> Option<&'static str> {
    match fs_type {
        // A ring file of ours is marked so that it is overwritten in place.
        "btrfs" => Some("after each snapshot"),
        "zfs" | "bcachefs" | "nilfs2" => Some("whenever something is written"),
        "xfs" if shares() => Some(
            "after it was copied there with `cp` (coreutils 9 and later; `cp --reflink=never` shares nothing)",
        ),
        _ => None,
    }
}

/// Whether files in `dir`, which is there, can share blocks. Yes where that cannot be tried.
fn shares_blocks(dir: &Path) -> bool {
    // Empty ones: file systems that cannot do it say so before they look.
    let file = || rustix::fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR);
    let (Ok(of), Ok(copy)) = (file(), file()) else { return true };
    rustix::fs::ioctl_ficlone(&copy, &of) != Err(Errno::OPNOTSUPP)
}

/// Makes the directory; says which directories were missing, outermost first.
pub fn make_dir(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |source| {
        Error::file(
            dir,
            "create the directory of the ring file",
            source,
            "make that file system writable and arm again",
        )
    };
    let made: Vec<PathBuf> = dir
        .ancestors()
        .take_while(|p| !p.exists())
        .map(Path::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    own::make_dirs(dir).map_err(fail)?;
    restrict(dir, 0o700).map_err(fail)?;
    Ok(made)
}

/// Restricts to root, or to root and the group adm where there is one (`mode` for root, the same
/// without write for adm).
pub fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    match adm_gid() {
        Some(gid) if chown(path, Some(0), Some(gid)).is_ok() => {
            fs::set_permissions(path, fs::Permissions::from_mode(mode | ((mode >> 3) & 0o050)))
        }
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
    }
}

/// The group adm's id. /etc/group is read directly: asking the name service early at boot or late in
/// a shutdown may wait for a network that is not there.
fn adm_gid() -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| line.strip_prefix("adm:")?.split(':').nth(1)?.parse().ok())
}

/// Checks that a new ring file of `ring` bytes (0: it is there already) and a copy of this program of
/// `program` bytes (0: as well) fit into `dir`, with room left for others.
pub fn check_room(dir: &Path, ring: u64, program: u64) -> Result<(), Error> {
    let needed = ring.saturating_add(program);
    if needed == 0 {
        return Ok(());
    }
    let at = existing(dir);
    let vfs = rustix::fs::statvfs(at).map_err(|errno| {
        Error::file(at, "ask how much is free", errno.into(), "check that file system, then arm again")
    })?;
    let free = vfs.f_bavail.saturating_mul(vfs.f_frsize);
    if free < needed.saturating_add(SPARE) {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let parts = [(ring, "the ring file"), (program, "the copy of this program for the last hook")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(bytes, _)| *bytes > 0)
            .map(|(bytes, what)| format!("{} MiB for {what}", mib(bytes)))
            .collect();
        return Err(Error::failed(
            dir.display().to_string(),
            format!(
                "{} MiB are free there; it takes {}, and {} MiB are to stay free",
                free >> 20,
                parts.join(" and "),
                mib(SPARE)
            ),
            if ring > 0 { "make room, or give a smaller --size" } else { "make room" },
        ));
    }
    Ok(())
}

/// Reads sizes as people write them: `64M`, `1G`, `65536K`, `67108864`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err("give a size like 64M".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "give a size like 64M".to_owned())?;
    let size = number.checked_mul(1 << shift).ok_or("that is larger than any disk")?;
    if size < RING_SIZE_MIN {
        return Err(format!("at least {} MiB are needed to hold a shutdown", RING_SIZE_MIN >> 20));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("67108864"), Ok(64 << 20));
        for bad in ["", "M", "-1M", "12", "1k", "99999999999G", "64X", "6 4M", "١M"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_ring_goes_to_var_when_that_is_on_the_root_file_system() {
        let root = tempfile::tempdir().expect("a directory");
        let place = choose(root.path()).expect("a place");
        assert_eq!(
            place,
            Place { dir: root.path().join("var/lib/lastrites"), on_root: true, writable: true }
        );
        let made = make_dir(&place.dir).expect("made");
        assert_eq!(made, ["var", "var/lib", "var/lib/lastrites"].map(|p| root.path().join(p)));
        assert_eq!(make_dir(&place.dir).expect("made"), Vec::<PathBuf>::new());
    }

    /// /var was a directory of the root file system, mounted there by fstab(5): it has the root's device, and goes away before the
    /// last hook, and comes after the unit. No seal, no boot was recorded, and arming had promised both.
    #[test]
    fn what_is_mounted_is_not_on_the_root_whatever_its_device_is() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("there");
        for dir in ["var/lib", "data"] {
            fs::create_dir_all(root.join(dir)).expect("made");
        }
        let mount = |point: &Path| Mount {
            point: point.to_owned(),
            options: "rw".into(),
            fs_type: "ext4".into(),
            super_options: "rw".into(),
        };
        let [top, var] = [mount(&root), mount(&root.join("var"))];
        let is = |mounts: &[Mount], dir: &str| is_on_root(mounts, &root, &root.join(dir)).expect("there");
        assert!(is(&[top.clone(), var.clone()], "data"));
        assert!(!is(&[top.clone(), var.clone()], "var/lib"));
        assert!(!is(std::slice::from_ref(&var), "var/lib"), "in a chroot");
        assert!(is(std::slice::from_ref(&var), "data") && is(&[], "var/lib"), "and there by the device");
        // Not by its name, but by where it is.
        std::os::unix::fs::symlink(root.join("data"), root.join("link")).expect("linked");
        std::os::unix::fs::symlink(root.join("var"), root.join("data/link")).expect("linked");
        let mounts = [top, var];
        assert!(is(&mounts, "link") && !is(&mounts, "data/link/lib"));
    }

    /// On a live system the next boot was promised, and nothing of it was left.
    #[test]
    fn what_is_in_memory_is_known_also_below_an_overlay() {
        let mount = |point: &str, fs_type: &str, super_options: &str| Mount {
            point: point.into(),
            options: "rw".into(),
            fs_type: fs_type.into(),
            super_options: super_options.into(),
        };
        let live = [
            mount(
                "/",
                "overlay",
                "rw,lowerdir=/run/live/rootfs,upperdir=/run/live/overlay/rw,workdir=/run/live/overlay/work",
            ),
            mount("/run/live/overlay", "tmpfs", "rw"),
            mount("/srv", "ext4", "rw"),
        ];
        let memory = |mounts: &[Mount], dir: &str| memory_of(mounts, Path::new(dir));
        assert_eq!(memory(&live, "/var/lib").as_deref(), Some("an overlay over tmpfs"));
        assert_eq!(memory(&live, "/run/live/overlay/x").as_deref(), Some("tmpfs"));
        assert_eq!(memory(&live, "/srv"), None);
        let persistent = [mount("/", "overlay", "rw,upperdir=/disk/rw"), mount("/disk", "ext4", "rw")];
        assert_eq!(memory(&persistent, "/var"), None);
        let unseen = [mount("/", "overlay", "rw,upperdir=/cow/rw")];
        assert_eq!(memory(&unseen, "/var"), None, "never guessed");
    }

    #[test]
    fn only_where_overwriting_takes_new_space_is_it_said() {
        let takes = |fs_type, shares| takes_new_space(fs_type, || shares);
        assert_eq!(takes("zfs", false), Some("whenever something is written"));
        assert_eq!(takes("btrfs", false), Some("after each snapshot"));
        // cp(1) shared the ring file's blocks, each of which then took new space when it was written, and nobody had said so.
        assert!(takes("xfs", true).is_some_and(|when| when.contains("cp")));
        assert_eq!([takes("xfs", false), takes("ext4", true)], [None, None]);
        assert_eq!(unreserved(Path::new("/proc")), None);
        assert!(!shares_blocks(Path::new("/dev/shm")), "a file system in memory has no blocks to share");
        assert!(shares_blocks(Path::new("/proc")), "where it cannot be tried");
    }

    #[test]
    fn too_little_room_is_said_before_anything_is_created() {
        let root = tempfile::tempdir().expect("a directory");
        check_room(root.path(), 1 << 20, 0).expect("room for a mebibyte");
        let error = check_room(&root.path().join("not/there"), u64::MAX >> 1, 0).expect_err("no such disk");
        assert!(error.to_string().contains("smaller --size"), "{error}");
    }

    /// The room for a copy of the program was not asked for: with just enough for the ring file, arming filled
    /// the disk to its last byte.
    #[test]
    fn the_copy_of_the_program_needs_room_as_well() {
        let root = tempfile::tempdir().expect("a directory");
        let error = check_room(root.path(), 0, u64::MAX >> 1).expect_err("no such disk");
        assert!(error.to_string().contains("copy of this program"), "{error}");
        assert!(!error.to_string().contains("--size"), "{error}");
        check_room(root.path(), 0, 0).expect("what is there needs no room");
    }
}
