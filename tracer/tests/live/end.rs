//! The end: mounts that go, mounts that become read-only, reboot(2). All of it where it hurts nobody.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use lastrites_traces::{
    abi::{PATH_MAX, PLACE_PART, PLACE_PARTS},
    event::What,
};

use crate::{
    child::{Child, sleeper},
    namespace,
    recording::Recording,
    sandbox,
    sandbox::Sandbox,
    sys,
};

const FD: i64 = 77;
const RESTART: u32 = 0x0123_4567;
const POWER_OFF: u32 = 0x4321_fedc;
const CAD_ON: u32 = 0x89ab_cdef;

fn mount(what: &str, at: &CString, flags: u64) -> i64 {
    let what = CString::new(what).expect("no NUL");
    sys::call(
        libc::SYS_mount,
        &[what.as_ptr() as i64, at.as_ptr() as i64, what.as_ptr() as i64, flags as i64, 0],
    )
}

fn umount(at: &CString, flags: i32) -> i64 {
    sys::call(libc::SYS_umount2, &[at.as_ptr() as i64, flags.into()])
}

#[test]
fn unmounting_and_remounting_read_only_is_recorded_and_other_mounting_is_not() {
    let sandbox = Sandbox::new();
    let at = sandbox.path("mnt");
    std::fs::create_dir(&at).expect("a directory to mount on");
    let path = CString::new(at.as_os_str().as_bytes()).expect("no NUL");
    let long = CString::new(b"/nowhere".repeat(100)).expect("no NUL");
    let recording = Recording::start(&sandbox);
    let (ro, remount, bind) = (libc::MS_RDONLY, libc::MS_REMOUNT, libc::MS_BIND);
    let mut child = Child::fork(|| {
        sandbox::alone();
        assert_eq!(mount("tmpfs", &path, 0), 0);
        assert_eq!(mount("tmpfs", &path, remount), 0);
        assert_eq!(mount("tmpfs", &path, remount | ro), 0);
        assert_eq!(mount("tmpfs", &path, remount), 0);
        assert_eq!(mount("tmpfs", &path, remount | bind | ro), 0);
        // struct mount_attr: set, clear, propagation, userns_fd.
        let attributes = [1u64, 0, 0, 0];
        let set = [libc::AT_FDCWD.into(), path.as_ptr() as i64, 0, attributes.as_ptr() as i64, 32];
        assert_eq!(sys::call(libc::SYS_mount_setattr, &set), 0, "mount_setattr, Linux 5.12");
        let cleared = [0u64, 1, 0, 0];
        let clear = [libc::AT_FDCWD.into(), path.as_ptr() as i64, 0, cleared.as_ptr() as i64, 32];
        assert_eq!(sys::call(libc::SYS_mount_setattr, &clear), 0);
        // By a descriptor.
        let fd =
            sys::call(libc::SYS_openat, &[libc::AT_FDCWD.into(), path.as_ptr() as i64, libc::O_PATH.into()]);
        assert_eq!(sys::call(libc::SYS_dup2, &[fd, FD]), FD);
        let by_fd = [FD, c"".as_ptr() as i64, libc::AT_EMPTY_PATH.into(), attributes.as_ptr() as i64, 32];
        assert_eq!(sys::call(libc::SYS_mount_setattr, &by_fd), 0);
        assert_eq!(umount(&long, libc::MNT_FORCE), -i64::from(libc::ENOENT));
        assert_eq!(umount(&path, libc::MNT_DETACH), 0);
        0
    });
    child.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let seen = story.pick(story.id(&child), |what| match what {
        What::Remount { path, flags, .. } => Some(("remount", path.to_vec(), *flags)),
        What::Umount { path, flags, .. } => Some(("umount", path.to_vec(), *flags)),
        _ => None,
    });
    let path = path.as_bytes().to_vec();
    assert_eq!(
        seen,
        [
            ("remount", path.clone(), remount | ro),
            ("remount", path.clone(), remount | bind | ro),
            ("remount", path.clone(), remount | ro),
            ("remount", path.clone(), remount | ro),
            ("umount", long.as_bytes()[..PATH_MAX].to_vec(), libc::MNT_FORCE as u64),
            ("umount", path, libc::MNT_DETACH as u64),
        ]
    );
}

/// fsconfig(2) with a flag or a command.
fn fsconfig(fd: i64, command: u32, key: Option<&std::ffi::CStr>) -> i64 {
    let key = key.map_or(0, |key| key.as_ptr() as i64);
    sys::call(libc::SYS_fsconfig, &[fd, command.into(), key, 0, 0])
}

const SET_FLAG: u32 = 0;
const CREATE: u32 = 6;
const RECONFIGURE: u32 = 7;

/// util-linux 2.39 and later remounts through a context of the file system, which was not seen: of a shutdown of Debian 13
/// with sysvinit the recording did not say that / was made read-only.
#[test]
fn a_file_system_that_is_reconfigured_read_only_is_recorded_with_the_place_where_it_is() {
    let sandbox = Sandbox::new();
    let deep = sandbox.path("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q");
    // A name as long as a container's, and one that is longer than any that is kept.
    let (container, longer) = (sandbox.path(&"c".repeat(64)), sandbox.path(&"l".repeat(90)));
    let simple = sandbox.path("mnt");
    let places = [&simple, &container, &longer, &deep];
    places.iter().for_each(|place| std::fs::create_dir_all(place).expect("a directory to mount on"));
    let paths = places.map(|place| CString::new(place.as_os_str().as_bytes()).expect("no NUL"));
    let recording = Recording::start(&sandbox);
    let mut child = Child::fork(|| {
        sandbox::alone();
        for path in &paths {
            assert_eq!(mount("tmpfs", path, 0), 0);
            let fd = sys::call(libc::SYS_fspick, &[libc::AT_FDCWD.into(), path.as_ptr() as i64, 0]);
            assert!(fd >= 0, "fspick: {fd}");
            // Neither a change of something else nor one to read-write is what is looked for.
            assert_eq!(fsconfig(fd, RECONFIGURE, None), 0);
            assert_eq!(fsconfig(fd, SET_FLAG, Some(c"ro")), 0);
            assert_eq!(fsconfig(fd, SET_FLAG, Some(c"rw")), 0);
            assert_eq!(fsconfig(fd, RECONFIGURE, None), 0);
            assert_eq!(fsconfig(fd, SET_FLAG, Some(c"ro")), 0);
            assert_eq!(fsconfig(fd, RECONFIGURE, None), 0);
            assert_eq!(fsconfig(fd, RECONFIGURE, None), 0);
            sys::call(libc::SYS_close, &[fd]);
        }
        // A file system that is mounted anew, and read-only from the first.
        let fd = sys::call(libc::SYS_fsopen, &[c"tmpfs".as_ptr() as i64, 0]);
        assert!(fd >= 0, "fsopen: {fd}");
        assert_eq!(fsconfig(fd, SET_FLAG, Some(c"ro")), 0);
        assert_eq!(fsconfig(fd, CREATE, None), 0);
        let new = sys::call(libc::SYS_fsmount, &[fd, 0, 0]);
        assert!(new >= 0, "fsmount: {new}");
        let attributes = [1u64, 0, 0, 0];
        let by_fd = [new, c"".as_ptr() as i64, libc::AT_EMPTY_PATH.into(), attributes.as_ptr() as i64, 32];
        assert_eq!(sys::call(libc::SYS_mount_setattr, &by_fd), 0);
        // What is no file system's context.
        assert!(fsconfig(new, RECONFIGURE, None) < 0);
        assert!(fsconfig(-1, RECONFIGURE, None) < 0);
        assert!(fsconfig(1 << 30, RECONFIGURE, None) < 0);
        0
    });
    child.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let seen = story.pick(story.id(&child), |what| match what {
        What::Remount { path, flags, .. } => Some((String::from_utf8_lossy(path).into_owned(), *flags)),
        _ => None,
    });
    let path = |index: usize| places[index].display().to_string();
    let parent = sandbox.dir().display().to_string();
    let deep = path(3);
    let kept: Vec<_> = deep.rsplit('/').take(PLACE_PARTS - 1).collect();
    let kept = format!(".../{}", kept.into_iter().rev().collect::<Vec<_>>().join("/"));
    let wanted = [path(0), path(1), format!("{parent}/{}", "l".repeat(PLACE_PART - 1)), kept];
    let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
    assert_eq!(seen, wanted.map(|path| (path, flags)));
}

/// Since 6.18 the kernel's list of a file system's mounts begins with the newest: a remount of / was recorded as one of
/// the place where / had been bound for a chroot, or, behind the copies in other mount namespaces, as one of nothing.
#[test]
fn a_file_system_is_remounted_where_it_was_mounted_first_however_many_mounts_of_it_came_later() {
    let sandbox = Sandbox::new();
    let [first, bound] = ["first", "bound"].map(|name| {
        let place = sandbox.path(name);
        std::fs::create_dir(&place).expect("a directory to mount on");
        CString::new(place.as_os_str().as_bytes()).expect("no NUL")
    });
    let recording = Recording::start(&sandbox);
    let mut child = Child::fork(|| {
        sandbox::alone();
        assert_eq!(mount("tmpfs", &first, 0), 0);
        let remount = |picked: &CString| {
            let fd = sys::call(libc::SYS_fspick, &[libc::AT_FDCWD.into(), picked.as_ptr() as i64, 0]);
            assert!(fd >= 0, "fspick: {fd}");
            assert_eq!(fsconfig(fd, SET_FLAG, Some(c"ro")), 0);
            assert_eq!(fsconfig(fd, RECONFIGURE, None), 0);
            sys::call(libc::SYS_close, &[fd]);
        };
        let namespaces = || -> Vec<Child> { (0..20).map(|_| sleeper(sandbox::alone)).collect() };
        let _before = namespaces();
        remount(&first);
        assert_eq!(mount(first.to_str().expect("UTF-8"), &bound, libc::MS_BIND), 0);
        remount(&first);
        remount(&bound);
        let _after = namespaces();
        remount(&first);
        0
    });
    child.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let seen = story.pick(story.id(&child), |what| match what {
        What::Remount { path, .. } => Some(String::from_utf8_lossy(path).into_owned()),
        _ => None,
    });
    // Which of the two was picked, the kernel does not keep.
    assert_eq!(seen, vec![first.to_str().expect("UTF-8"); 4]);
}

#[test]
fn a_reboot_is_recorded_before_it_happens_with_who_called_it_and_in_which_namespace() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut child = namespace::with_init(
        |inside| {
            let einval = -i64::from(libc::EINVAL);
            assert_eq!(inside.reboot(CAD_ON), einval, "no such thing in a namespace");
            let mut caller = inside.fork(|inside| {
                inside.reboot(RESTART);
                unreachable!("the caller exits in reboot(2)")
            });
            caller.wait();
            unreachable!("the init is killed")
        },
        |status| assert_eq!(status, libc::SIGHUP, "how a restart of a namespace looks from outside"),
    );
    child.succeed();
    let mut by_itself = namespace::with_init(
        |inside| {
            inside.reboot(POWER_OFF);
            unreachable!("the init is killed")
        },
        |status| assert_eq!(status, libc::SIGINT, "how a power off of a namespace looks from outside"),
    );
    by_itself.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let reboots = |id| {
        story.pick(id, |what| match *what {
            What::Reboot { cmd, ns_level, .. } => Some((cmd, ns_level)),
            _ => None,
        })
    };
    let level = story.fork_of(&child).ns_level + 1;
    assert!(level > 0);
    let init = story.forks_by(story.id(&child))[0].1.child;
    let caller = story.forks_by(init)[0].1.child;
    assert_eq!(reboots(init), [(CAD_ON, level)]);
    assert_eq!(reboots(caller), [(RESTART, level)]);
    story.exit(caller);
    story.exit(init);
    let init = story.forks_by(story.id(&by_itself))[0].1.child;
    assert_eq!(reboots(init), [(POWER_OFF, level)]);
}
