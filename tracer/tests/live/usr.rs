//! A /usr of its own that is read-only, but for the moments in which apt writes to it: what arming can do without its hook there,
//! and that disarming comes to an end.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use lastrites_tracer::{
    arm,
    inits::{self, Item, Layout, MARK},
    kernel,
    state::{self, ARMED, ARMED_VOLATILE, Armed, Made},
};
use rustix::mount::{MountFlags, mount, mount_remount};

use crate::{armed::Machine, recording::TRACER, sandbox::Sandbox, upgrade::Root};

const UNIT: &str = "/etc/systemd/system/lastrites.service";
const HOOKS: &str = "/usr/lib/systemd/system-shutdown";

fn read_only(at: &str) {
    mount_remount(at, MountFlags::RDONLY, "").expect("read-only");
}

fn own(at: &str) {
    mount("tmpfs", at, "tmpfs", MountFlags::empty(), None).expect("one of the test's own");
}

/// `disarm` failed for ever over a hook on a read-only file system, also over one that had never been there, and the machine stayed
/// half armed.
#[test]
fn a_hook_that_cannot_be_removed_keeps_nobody_from_disarming() {
    for there in [false, true] {
        let machine = Machine::new();
        for dir in ["/etc", "/usr/local/sbin", "/usr/lib/systemd"] {
            own(dir);
        }
        let systemctl = Path::new("/usr/local/sbin/systemctl");
        fs::write(systemctl, "#!/bin/sh\n").expect("written");
        fs::set_permissions(systemctl, fs::Permissions::from_mode(0o755)).expect("executable");
        fs::create_dir_all("/etc/systemd/system").expect("made");
        fs::write(UNIT, format!("{MARK}\n")).expect("written");
        fs::create_dir(HOOKS).expect("made");
        let hook = Path::new(HOOKS).join("lastrites.shutdown");
        if there {
            fs::write(&hook, format!("{MARK}\n")).expect("written");
        }
        read_only("/usr/lib/systemd");
        let (_, armed) = state::load(Path::new("/")).expect("armed");
        let made = [hook.clone(), UNIT.into()].map(Made::File).to_vec();
        let armed = Armed { init: "systemd".into(), made, ..armed };
        armed.store(&Path::new("/").join(ARMED_VOLATILE)).unwrap_or_else(|e| panic!("{e}"));

        let disarmed = Command::new(TRACER).arg("disarm").output().expect("it runs");
        let said = String::from_utf8_lossy(&disarmed.stderr);
        assert!(disarmed.status.success(), "{said}");
        assert_eq!(said.contains("lastrites.shutdown stays"), there, "{said}");
        assert!(!Path::new(UNIT).exists() && state::load(Path::new("/")).is_none());
        drop(machine);
    }
}

/// On a read-only / it said of all that stayed that it does nothing any more, and then failed over the armed file: the machine was armed
/// as before, without what recorded this boot.
#[test]
fn where_the_armed_file_cannot_be_removed_all_stays_as_it_is() {
    let _machine = Machine::new();
    let (volatile, armed) = state::load(Path::new("/")).expect("armed");
    own("/etc");
    fs::create_dir_all("/etc/systemd/system").expect("made");
    fs::write(UNIT, format!("{MARK}\n")).expect("written");
    let armed = Armed { made: vec![Made::File(UNIT.into())], ..armed };
    armed.store(&Path::new("/").join(ARMED)).unwrap_or_else(|e| panic!("{e}"));
    fs::remove_file(&volatile).expect("removed");
    read_only("/etc");
    let loaded = kernel::pins_id(&arm::pins()).expect("pinned");

    let disarm = || Command::new(TRACER).arg("disarm").output().expect("it runs");
    let refused = disarm();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("still armed") && !said.contains("does nothing any more"), "{said}");
    assert_eq!(kernel::pins_id(&arm::pins()), Some(loaded), "it goes on recording");
    assert_eq!(state::load_complete(Path::new("/")), Some(armed));
    mount_remount("/etc", MountFlags::empty(), "").expect("writable");
    assert!(disarm().status.success());
    assert!(!Path::new(UNIT).exists() && !arm::pins().exists());
}

/// Arming failed, though all that could not be done was the seal.
#[test]
fn without_a_place_for_its_hook_the_seal_alone_is_given_up() {
    let sandbox = Sandbox::new();
    let root = sandbox.mount("root", "tmpfs");
    fs::create_dir_all(root.join(&HOOKS[1..])).expect("made");
    let binary = Path::new("/var/lib/lastrites/lastrites-tracer");
    let layout = Layout { binary, dir: Path::new("/var/lib/lastrites"), on_root: true };
    let plan = || inits::by_name("systemd").plan(&root, &layout);
    let hook = Path::new(HOOKS).join("lastrites.shutdown");
    let remount = |flags| mount_remount(&root, flags, "").expect("remounted");

    let mut items = plan();
    assert_eq!(inits::give_up_seal(&root, &mut items), None);
    assert_eq!(items, plan(), "where it can be written nothing is");
    remount(MountFlags::RDONLY);
    assert_eq!(inits::give_up_seal(&root, &mut items).as_deref(), Some(hook.as_path()));
    assert_eq!(items, plan()[..2], "the unit and its link");
    // One that is there already serves, whichever version of ours wrote it, but for one that an arming with its ring file elsewhere has
    // left: nobody would be called by it, and the seal was promised all the same.
    for (named, serves) in [("/var/lib/lastrites", true), ("/.lastrites", false)] {
        remount(MountFlags::empty());
        let there = format!("#!/bin/sh\n{MARK}\n{named}/lastrites-tracer seal\nexit 0\n");
        fs::write(inits::below(&root, &hook), there).expect("written");
        remount(MountFlags::RDONLY);
        let mut items = plan();
        let hooks: Vec<Item> = items.split_off(2);
        let installed = inits::install(&root, &hooks, &mut inits::RealRun);
        assert_eq!(installed.is_ok(), serves, "{named}: {installed:?}");
        let given_up = inits::give_up_seal(&root, &mut plan());
        assert_eq!(given_up.as_deref(), (!serves).then_some(hook.as_path()), "{named}");
    }
}

/// With a ring file on it, a read-only / was good enough for `doctor`, and `arm`, which that promises, failed to create a directory that was
/// there.
#[test]
fn doctor_promises_nothing_of_a_file_system_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let dir = root.path("var/lib/lastrites");
    fs::create_dir_all(&dir).expect("made");
    fs::write(dir.join("ring.lrt"), "").expect("written");
    read_only("/mnt");
    for (command, code) in [("doctor", 3), ("arm", 4)] {
        let output = root.run(&[command]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{command}: {said}");
        assert!(said.contains("/var/lib/lastrites cannot be written to"), "{command}: {said}");
    }
    mount_remount("/mnt", MountFlags::empty(), "").expect("writable");
}
