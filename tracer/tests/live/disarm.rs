//! Disarming while the init, or a recorder that hangs, has other plans.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use lastrites_tracer::{
    arm,
    inits::MARK,
    lock,
    state::{self, ARMED_VOLATILE, Armed, Made},
    status::Status,
};
use rustix::{
    fs::{FlockOperation, flock},
    mount::{MountFlags, mount, mount_bind, mount_remount},
};

use crate::{
    armed::Machine,
    recording::{TRACER, record_into},
    sandbox::Sandbox,
    sys,
    upgrade::Root,
};

const UNIT: &str = "/etc/systemd/system/lastrites.service";

/// The recorder was killed, and seconds later systemd started it again, while `disarm` took its unit away: a failed unit stayed,
/// until somebody ran `systemctl reset-failed`.
#[test]
fn systemd_stops_the_unit_before_it_is_gone_and_forgets_it_behind_that() {
    let machine = Machine::new();
    for dir in ["/etc", "/usr/local/sbin"] {
        mount("tmpfs", dir, "tmpfs", MountFlags::empty(), None).expect("one of the test's own");
    }
    let log = machine.path("log");
    // Says what it was asked for, and whether the unit was there then.
    let systemctl = Path::new("/usr/local/sbin/systemctl");
    let script = format!(
        "#!/bin/sh\n[ -e {UNIT} ] && there=yes || there=no\necho \"$* $there\" >>{}\n",
        log.display()
    );
    fs::write(systemctl, script).expect("written");
    fs::set_permissions(systemctl, fs::Permissions::from_mode(0o755)).expect("executable");
    fs::create_dir_all("/etc/systemd/system").expect("made");
    fs::write(UNIT, format!("{MARK}\n")).expect("written");
    let (_, armed) = state::load(Path::new("/")).expect("armed");
    let armed = Armed { init: "systemd".into(), made: vec![Made::File(UNIT.into())], ..armed };
    armed.store(&Path::new("/").join(ARMED_VOLATILE)).unwrap_or_else(|e| panic!("{e}"));

    let disarmed = Command::new(TRACER).arg("disarm").output().expect("it runs");
    assert!(disarmed.status.success(), "{disarmed:?}");
    assert!(!Path::new(UNIT).exists());
    let asked = fs::read_to_string(&log).expect("it was asked");
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(
        asked,
        ["stop lastrites.service yes", "daemon-reload no", "reset-failed lastrites.service no"]
    );
}

/// systemd could not be told that the unit was gone, for the machine had been booted with another init: `disarm` failed, with the advice
/// to disarm, and removing the package said that the machine is still armed.
#[test]
fn an_init_that_cannot_be_told_keeps_nobody_from_disarming() {
    let _machine = Machine::new();
    for dir in ["/etc", "/usr/local/sbin"] {
        mount("tmpfs", dir, "tmpfs", MountFlags::empty(), None).expect("one of the test's own");
    }
    let systemctl = Path::new("/usr/local/sbin/systemctl");
    fs::write(systemctl, "#!/bin/sh\necho nobody there >&2\nexit 1\n").expect("written");
    fs::set_permissions(systemctl, fs::Permissions::from_mode(0o755)).expect("executable");
    fs::create_dir_all("/etc/systemd/system").expect("made");
    fs::write(UNIT, format!("{MARK}\n")).expect("written");
    let (path, armed) = state::load(Path::new("/")).expect("armed");
    for listed in [true, false] {
        if listed {
            let made = vec![Made::File(UNIT.into())];
            let armed = Armed { init: "systemd".into(), made, ..armed.clone() };
            armed.store(&path).unwrap_or_else(|e| panic!("{e}"));
        } else {
            // Without an armed file it finds what there is by itself.
            fs::create_dir_all("/run/systemd/system").expect("made");
            fs::write(UNIT, format!("{MARK}\n")).expect("written");
        }
        let disarmed = Command::new(TRACER).arg("disarm").output().expect("it runs");
        let said = String::from_utf8_lossy(&disarmed.stderr);
        assert!(disarmed.status.success(), "{said}");
        assert!(said.contains("nobody there; what was installed is disarmed all the same"), "{said}");
        assert!(!Path::new(UNIT).exists() && state::load(Path::new("/")).is_none());
    }
}

/// A recorder that hung while it ended its recording held the lock of those who arm and disarm, and `disarm` gave up after two and a
/// half minutes.
#[test]
fn a_recorder_that_hangs_while_it_ends_its_recording_is_told_to_leave() {
    let machine = Machine::new();
    let mut recorder = record_into(&machine.path("other")).spawn().expect("it starts");
    while !lock::is_recorder(recorder.id()) {
        std::thread::yield_now();
    }
    let run = lock::run_dir().unwrap_or_else(|e| panic!("{e}"));
    let status = Status { pid: recorder.id(), ..Status::default() };
    status.store(run).expect("stored");
    let mut held = File::create(run.join("arming")).expect("made");
    flock(&held, FlockOperation::NonBlockingLockExclusive).expect("free");
    let ticks = lock::start_ticks(recorder.id()).expect("it lives");
    writeln!(held, "{} {ticks} a while ago", recorder.id()).expect("written");

    let mut disarm = Command::new(TRACER).arg("disarm").stderr(Stdio::piped()).spawn().expect("it starts");
    // The lock goes with the recorder.
    let pid = recorder.id();
    while recorder.try_wait().expect("ours").is_none() {
        assert_eq!(disarm.try_wait().expect("ours"), None, "it gave up");
        std::thread::yield_now();
    }
    drop(held);
    let disarmed = disarm.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&disarmed.stderr);
    assert!(disarmed.status.success(), "{said}");
    assert!(said.contains(&format!("the end of a recording (process {pid}, since a while ago)")), "{said}");
    assert!(state::load(Path::new("/")).is_none());
}

/// There was no room in /run for the name of who arms or disarms, and so nobody could.
#[test]
fn a_full_run_keeps_nobody_from_disarming() {
    let _machine = Machine::new();
    let run = lock::run_dir().unwrap_or_else(|e| panic!("{e}"));
    mount_remount("/run", MountFlags::empty(), "size=64k").expect("made small");
    let mut filler = File::create("/run/filler").expect("made");
    while filler.write(&[1; 512]).is_ok() {}
    fs::write(run.join("other"), "x").expect_err("it is full");
    let disarmed = Command::new(TRACER).arg("disarm").output().expect("it runs");
    assert!(disarmed.status.success(), "{disarmed:?}");
    assert!(state::load(Path::new("/")).is_none());
}

/// Of a machine whose ring file could not be written any more only that was said, as an error: nobody knew whether it was armed.
#[test]
fn where_the_end_cannot_be_written_it_is_disarmed_and_says_so() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let [_, ring, _] = root.places();
    let dir = ring.parent().expect("a directory");
    root.tracer(&["arm", "--always", "--size", "4M"]);
    let recorder = root.recorder().expect("it records");
    sys::kill(recorder, libc::SIGKILL);
    while root.recorder().is_some() {
        std::thread::yield_now();
    }
    mount_bind(dir, dir).expect("a mount of its own");
    mount_remount(dir, MountFlags::BIND | MountFlags::RDONLY, "").expect("read-only");
    let disarmed = root.tracer(&["disarm"]);
    let said = String::from_utf8_lossy(&disarmed.stderr);
    assert!(
        disarmed.stdout.starts_with(b"disarmed;")
            && said.contains("the end could not be written to the recording"),
        "{said}"
    );
    assert!(!arm::pins().exists() && !root.path("etc/lastrites/armed").exists());
}

/// The lock of a ring file that is not there was taken for one that nobody holds: the recorder went on for ever, with a deleted program,
/// rings and all, and `disarm` ended with an error of a machine that it had disarmed.
#[test]
fn a_recorder_whose_ring_file_is_gone_is_told_to_leave_as_well() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let [run_dir, ring, program] = root.places();
    for lost in [ring.as_path(), ring.parent().expect("a directory")] {
        root.tracer(&["arm", "--always", "--size", "4M"]);
        let recorder = root.recorder().expect("it records");
        let lives = || fs::read_link(format!("/proc/{recorder}/exe")).is_ok();
        assert!(lives());
        if lost.is_dir() { fs::remove_dir_all(lost) } else { fs::remove_file(lost) }.expect("removed");
        let disarmed = root.run(&["disarm"]);
        assert!(disarmed.status.success(), "{disarmed:?}");
        assert!(!lives(), "it records for nobody");
        assert!(!run_dir.exists() && !program.exists() && !arm::pins().exists());
    }
}

/// The first word of a recorder, for which whoever arms waits, did not fit: after two minutes it was taken away again, and nobody was told
/// why.
#[test]
fn who_arms_with_a_full_run_is_told_so_at_once() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let run = root.path("run");
    mount("tmpfs", &run, "tmpfs", MountFlags::empty(), None).expect("one of its own");
    mount_remount(&run, MountFlags::empty(), "size=64k").expect("made small");
    let filler = run.join("filler");
    let mut file = File::create(&filler).expect("made");
    while file.write(&[1; 512]).is_ok() {}
    let refused = root.run(&["arm", "--size", "4M"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(
        said.contains("/run/lastrites: cannot write into it") && said.contains("make room there"),
        "{said}"
    );
    assert!(!arm::pins().exists() && !root.path("etc/lastrites").exists(), "nothing is changed");
    // As long as it is open it takes its room.
    drop(file);
    fs::remove_file(filler).expect("removed");
    root.tracer(&["arm", "--size", "4M"]);
}
