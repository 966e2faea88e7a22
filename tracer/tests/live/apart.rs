//! Arming and disarming in a container and in a chroot, from which one sees what the machine outside has pinned.

use std::{fs, path::Path, process::Command};

use lastrites_tracer::{
    arm, kernel, lock, machine,
    probe::{self, LoadOptions},
    state::{self, ARMED, ARMED_VOLATILE, Armed, Made, Mode},
};
use rustix::mount::{MountFlags, mount};

use crate::{
    armed::Machine,
    namespace,
    recording::TRACER,
    sandbox::{Sandbox, alone},
    upgrade::Root,
};

/// Does `f` in a pid namespace of its own, with a /proc that shows it.
fn in_container(f: impl FnOnce()) {
    let inside = |_: &namespace::Inside| {
        alone();
        mount("proc", "/proc", "proc", MountFlags::empty(), None).expect("a /proc of its own");
        f();
        0
    };
    namespace::with_init(inside, |status| assert_eq!(status, 0, "what the container's init ended with"))
        .succeed();
}

/// What the program says, and how it ends.
fn tracer(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(TRACER).args(arguments).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// In a container that had the machine's /sys/fs/bpf, `arm` removed the machine's probe and then said that it cannot arm there, and
/// `disarm` removed it as what had been left of a recorder. The machine's next shutdown was lost.
#[test]
fn in_a_container_nothing_of_the_machine_outside_is_touched() {
    let _machine = Machine::new();
    let pins = arm::pins();
    let loaded = kernel::pins_id(&pins).expect("pinned");
    // Whose recorder a container cannot see.
    let private = Path::new("/sys/fs/bpf/lastrites-v1-4194305");
    fs::create_dir(private).expect("made");
    in_container(|| {
        for own_run in [false, true] {
            if own_run {
                mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None).expect("a /run of its own");
            }
            let refused = |arguments: &[&str]| {
                let (code, said) = tracer(arguments);
                assert!(code == Some(4) && said.contains("container"), "{arguments:?}: {code:?} {said}");
            };
            refused(&["arm"]);
            refused(&["arm", "--always"]);
            if own_run {
                // Nothing is armed that could be seen.
                assert_eq!(tracer(&["refresh"]), (Some(0), String::new()));
            } else {
                refused(&["refresh"]);
            }
            let (code, said) = tracer(&["disarm"]);
            assert_eq!((code, said.as_str()), (Some(0), "it was not armed\n"));
            assert!(!own_run || !Path::new(lock::RUN).exists(), "nothing is made");
        }
    });
    assert_eq!(kernel::pins_id(&pins), Some(loaded), "the probe is the same");
    assert!(probe::load_report(&pins).is_ok() && private.exists());
    assert!(state::load(Path::new("/")).is_some(), "the machine is armed");
}

/// In a chroot it was the same.
#[test]
fn in_a_chroot_nothing_of_the_machine_outside_is_touched() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let pins = arm::pins();
    probe::load_and_pin(&pins, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let loaded = kernel::pins_id(&pins).expect("pinned");
    let refuses = || {
        let output = root.run(&["arm"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(4) && said.contains("this is a chroot"), "{output:?}");
        assert_eq!(kernel::pins_id(&pins).as_ref(), Some(&loaded));
    };
    let disarms = |said: &str| {
        let output = root.tracer(&["disarm"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
        assert_eq!(kernel::pins_id(&pins).as_ref(), Some(&loaded));
    };
    refuses();
    disarms("it was not armed\n");
    // Armed outside, with the machine's /run in here.
    let ring = Path::new("/var/lib/lastrites/ring.lrt");
    let armed = Armed {
        complete: true,
        mode: Mode::Always,
        ring: ring.to_owned(),
        binary: ring.with_file_name("lastrites-tracer"),
        pins: pins.clone(),
        init: "unknown".into(),
        init_version: String::new(),
        boot_id: machine::boot_id(),
        armed_at_s: 1,
        settle_s: None,
        made: Vec::new(),
    };
    let volatile = root.path(ARMED_VOLATILE);
    armed.store(&volatile).unwrap_or_else(|e| panic!("{e}"));
    refuses();
    disarms("it was not armed\n");
    assert!(volatile.exists(), "the machine is armed");
    fs::remove_file(&volatile).expect("removed");
    // What was armed in here, in a boot of its own, goes: a rescue system disarms like that.
    let unit = "/etc/systemd/system/lastrites.service";
    fs::create_dir_all(root.path("etc/systemd/system")).expect("made");
    fs::write(root.path(&unit[1..]), "").expect("written");
    let armed = Armed { boot_id: "another".into(), made: vec![Made::File(unit.into())], ..armed };
    armed.store(&root.path(ARMED)).unwrap_or_else(|e| panic!("{e}"));
    refuses();
    disarms("disarmed; recordings stay where they are\n");
    assert!(!root.path(&unit[1..]).exists() && !root.path(ARMED).exists());
}
