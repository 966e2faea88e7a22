//! What an armed machine looks like from outside, and its seal: the real program beside an armed file that a
//! test wrote, in a /run and a /var/lib of its own.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use lastrites_tracer::{
    arm, kernel, lock, machine,
    probe::{self, LoadOptions},
    state::{self, ARMED_VOLATILE, Armed, Mode},
    status::Status,
};
use lastrites_traces::{reader::Trace, session::How, storage::FileStorage};
use rustix::mount::{MountFlags, mount, mount_remount};

use crate::{child::Child, recording::TRACER, sandbox::Sandbox, sys};

const VAR_LIB: &str = "/var/lib";

/// An armed machine whose ring file lies on a file system of its own, and whose bpffs is root's.
pub struct Machine {
    ring: PathBuf,
    sandbox: Sandbox,
}

impl Machine {
    pub fn new() -> Self {
        let sandbox = Sandbox::new();
        let real = Path::new("/etc/lastrites/armed");
        assert!(!real.exists(), "{}: this machine is armed: disarm it for the tests", real.display());
        fs::set_permissions("/sys/fs/bpf", fs::Permissions::from_mode(0o700)).expect("as systemd has it");
        mount("tmpfs", VAR_LIB, "tmpfs", MountFlags::empty(), None).expect("a /var/lib of the test's own");
        fs::create_dir(format!("{VAR_LIB}/lastrites")).expect("made");
        let ring = PathBuf::from(format!("{VAR_LIB}/lastrites/ring.lrt"));
        FileStorage::create(&ring, 4 << 20).expect("a ring file");
        probe::load_and_pin(&arm::pins(), &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let armed = Armed {
            complete: true,
            mode: Mode::Always,
            ring: ring.clone(),
            binary: ring.with_file_name("lastrites-tracer"),
            pins: arm::pins(),
            init: "unknown".into(),
            init_version: String::new(),
            boot_id: machine::boot_id(),
            armed_at_s: 1,
            settle_s: None,
            made: Vec::new(),
        };
        // Whatever mask a unit gives us.
        // SAFETY: only sets this process's mask; each test has a process of its own.
        unsafe { libc::umask(0o077) };
        lock::run_dir().unwrap_or_else(|e| panic!("{e}"));
        armed.store(&Path::new("/").join(ARMED_VOLATILE)).unwrap_or_else(|e| panic!("{e}"));
        Self { ring, sandbox }
    }

    /// A path of the test's own on the disk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// The program where everybody may run it: the build directory need not be for everybody.
    fn public_program(&self) -> PathBuf {
        let dir = self.sandbox.mount("public", "tmpfs");
        for dir in [self.sandbox.dir(), &dir] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("for everybody");
        }
        let program = dir.join("lastrites-tracer");
        fs::copy(TRACER, &program).expect("copied");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("for everybody");
        program
    }
}

fn status(program: &Path, uid: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.arg("status").args(arguments).current_dir("/").uid(uid).gid(uid);
    command.output().expect("it runs")
}

/// A user was told that nothing is being recorded, and to arm again, while it was recording: bpffs is for root
/// alone, and under a unit's umask the status file was as well.
#[test]
fn a_user_who_asks_for_the_status_is_told_what_he_may_see() {
    let machine = Machine::new();
    let program = machine.public_program();
    // A process that is called as a recorder is.
    let mut recorder = Command::new(&program)
        .args(["record", "--size", "4M", "--output"])
        .arg(machine.sandbox.path("other"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let said = Status { pid: recorder.id(), events: 55, phase: "recording".into(), ..Status::default() };
    said.store(Path::new(lock::RUN)).expect("stored");
    // Its name is another's until its exec is through.
    while !lock::is_recorder(recorder.id()) {
        std::thread::yield_now();
    }
    for (uid, sees) in [(0, "recording, pid"), (65534, "only root can see")] {
        let output = status(&program, uid, &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{text}{output:?}");
        assert!(text.contains(sees), "user {uid}: {text}");
        assert!(text.contains(&format!("pid {}", recorder.id())), "user {uid}: {text}");
        assert!(text.contains("55 written") && !text.contains("not loaded"), "user {uid}: {text}");
    }
    let json = String::from_utf8_lossy(&status(&program, 65534, &["--json"]).stdout).into_owned();
    assert!(json.contains(r#""probe_loaded":null"#), "{json}");
    // Its process may be there a while longer, where nobody asks how it ended.
    Status { phase: "stopped".into(), ..said }.store(Path::new(lock::RUN)).expect("stored");
    for uid in [0, 65534] {
        let text = String::from_utf8_lossy(&status(&program, uid, &[]).stdout).into_owned();
        assert!(text.contains("not running"), "user {uid}: {text}");
    }
    sys::kill(recorder.id() as i32, libc::SIGTERM);
    recorder.wait().expect("it ends");
    // Once the probe is gone, root is told so, and a user still cannot know.
    probe::unpin(&arm::pins()).expect("unpinned");
    let text = |uid| String::from_utf8_lossy(&status(&program, uid, &[]).stdout).into_owned();
    assert!(text(0).contains("not loaded"));
    assert!(text(65534).contains("only root can see"));
}

/// Whether /var/lib can be written to, as this very thread sees it.
fn is_read_only() -> bool {
    let vfs = rustix::fs::statvfs(VAR_LIB).expect("it is there");
    vfs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)
}

/// The children of a process with one thread.
pub fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// A daemon that was started again after the spree opened its log for writing while the seal had made / writable;
/// remounting failed, nobody tried again, and the machine went down with a root that had been clean.
#[test]
fn the_seal_makes_the_file_system_read_only_again_however_long_somebody_writes_to_it() {
    let machine = Machine::new();
    mount_remount(VAR_LIB, MountFlags::RDONLY, "").expect("read-only, as umountroot makes it");
    assert!(is_read_only());
    for _ in 0..200 {
        let mut seal =
            Command::new(TRACER).args(["seal", "--stage", "test"]).spawn().expect("the seal starts");
        let pid = seal.id();
        let mut daemon = Child::fork(|| {
            let is_over = || sys::kill(pid as i32, 0) != 0;
            let (log, first) = loop {
                let first = children(pid);
                if is_over() {
                    return 2;
                }
                if first.is_empty() {
                    continue;
                }
                match fs::File::create(format!("{VAR_LIB}/log")) {
                    Ok(log) => break (log, first),
                    Err(e) if e.kind() == ErrorKind::ReadOnlyFilesystem => {}
                    Err(_) => return 3,
                }
            };
            // Held until whoever wrote the end has failed to make it read-only: another child of the seal
            // follows it.
            while children(pid).iter().all(|child| first.contains(child)) {
                if is_over() {
                    return 4;
                }
            }
            drop(log);
            0
        });
        assert!(seal.wait().expect("it ends").success());
        let daemon = daemon.wait().status >> 8;
        assert!(is_read_only(), "the daemon ended with {daemon}");
        if daemon == 0 {
            let trace = Trace::open(&machine.ring).unwrap_or_else(|e| panic!("{e}"));
            let end = trace.sessions().last().and_then(|session| session.end.clone()).expect("sealed");
            assert_eq!(end.how, How::Sealed);
            return;
        }
    }
    panic!("in 200 seals the daemon never found the file system writable");
}

/// After fsck had repaired a root that was mounted read-only, and asked for a reboot, the seal of that reboot made it writable,
/// and undid the repair.
#[test]
fn what_was_never_writable_in_this_boot_the_seal_leaves_alone() {
    let machine = Machine::new();
    let path = Path::new("/").join(ARMED_VOLATILE);
    let (_, armed) = state::load(Path::new("/")).expect("armed");
    let armed = Armed { boot_id: "an earlier boot".into(), ..armed };
    armed.store(&path).unwrap_or_else(|e| panic!("{e}"));
    let seal = || {
        mount_remount(VAR_LIB, MountFlags::RDONLY, "").expect("read-only");
        let ended = Command::new(TRACER).args(["seal", "--stage", "test"]).status().expect("it runs");
        assert!(ended.success() && is_read_only());
    };
    let before = fs::read(&machine.ring).expect("read");
    seal();
    assert!(fs::read(&machine.ring).expect("read") == before, "not a byte was changed");
    // Where the recorder could write, the file system was writable.
    mount_remount(VAR_LIB, MountFlags::empty(), "").expect("writable");
    let mut recorder = Command::new(TRACER)
        .args(["record", "--boot"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let has_written = || Status::load(Path::new(lock::RUN)).is_some_and(|status| status.written_ns > 0);
    while !has_written() {
        assert_eq!(recorder.try_wait().expect("ours"), None, "it goes on recording");
        std::thread::yield_now();
    }
    sys::kill(recorder.id() as i32, libc::SIGTERM);
    recorder.wait().expect("it ends");
    seal();
    let trace = Trace::open(&machine.ring).unwrap_or_else(|e| panic!("{e}"));
    let end = trace.sessions().last().and_then(|session| session.end.clone()).expect("sealed");
    assert_eq!(end.how, How::Sealed);
}

/// An admin in rescue mode made / read-only, repaired it with fsck, and rebooted: the seal made it writable once more, since it had been
/// written to in this boot, and undid the repair.
#[test]
fn what_was_made_read_only_while_the_recorder_lived_the_seal_leaves_alone() {
    let machine = Machine::new();
    let start = || {
        let mut record = Command::new(TRACER);
        record
            .args(["record", "--boot"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts")
    };
    let wait = |recorder: &mut std::process::Child, what: fn(&Status) -> bool| {
        let pid = recorder.id();
        let says = |status: Status| status.pid == pid && what(&status);
        while !Status::load(Path::new(lock::RUN)).is_some_and(says) {
            assert_eq!(recorder.try_wait().expect("ours"), None, "it goes on recording");
            // Something to record, on a machine that is otherwise quiet.
            assert!(Command::new("/bin/true").status().expect("it runs").success());
        }
    };
    let end_by_term = |mut recorder: std::process::Child| {
        sys::kill(recorder.id() as i32, libc::SIGTERM);
        recorder.wait().expect("it ends");
    };
    let seal = |stage: &str| {
        let ended = Command::new(TRACER).args(["seal", "--stage", stage]).status().expect("it runs");
        assert!(ended.success());
    };
    let end = || {
        let trace = Trace::open(&machine.ring).unwrap_or_else(|e| panic!("{e}"));
        trace.sessions().last().and_then(|session| session.end.clone())
    };
    let mut recorder = start();
    wait(&mut recorder, |status| status.written_ns > 0);
    // In the middle of a batch the file is open.
    while mount_remount(VAR_LIB, MountFlags::RDONLY, "").is_err() {
        std::thread::yield_now();
    }
    wait(&mut recorder, |status| status.read_only);
    let before = fs::read(&machine.ring).expect("read");
    end_by_term(recorder);
    seal("test");
    assert!(is_read_only() && end().is_none());
    assert!(fs::read(&machine.ring).expect("read") == before, "not a byte was changed");
    // Made writable again and written to, it is sealed like any other.
    let mut recorder = start();
    wait(&mut recorder, |status| status.read_only);
    mount_remount(VAR_LIB, MountFlags::empty(), "").expect("writable");
    wait(&mut recorder, |status| !status.read_only);
    end_by_term(recorder);
    // In single-user mode init had ended the recorder before that, and all that is known is that it comes before umountroot.
    mount_remount(VAR_LIB, MountFlags::RDONLY, "").expect("read-only");
    for stage in ["umountfs", "umountroot"] {
        seal(stage);
        assert!(is_read_only() && end().is_none(), "{stage}");
    }
    mount_remount(VAR_LIB, MountFlags::empty(), "").expect("writable");
    seal("umountfs");
    assert!(!is_read_only());
    let first = end().expect("sealed");
    mount_remount(VAR_LIB, MountFlags::RDONLY, "").expect("read-only, as umountroot makes it");
    seal("umountroot");
    let second = end().expect("sealed");
    assert!(is_read_only() && second.time_ns > first.time_ns, "{first:?} {second:?}");
    assert_eq!((first.how, second.how), (How::Sealed, How::Sealed));
}

/// A recorder that was armed from a shell without systemd's help kept all that the shell had open until the shutdown: a log on a file
/// system that could not be unmounted, the lock of a script, a pipe that somebody read to its end; and its environment.
#[test]
fn a_recorder_that_belongs_to_nobody_has_nothing_of_who_started_it() {
    let machine = Machine::new();
    fs::copy(TRACER, machine.ring.with_file_name("lastrites-tracer")).expect("copied");
    let held = fs::File::create(machine.path("held")).expect("made");
    rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty()).expect("for children too");
    let mut record = Command::new(TRACER);
    record.args(["record", "--boot", "--detach"]).env("SECRET", "x").env("TZ", "UTC");
    assert!(record.status().expect("it runs").success());
    let pid = loop {
        let status = Status::load(Path::new(lock::RUN));
        match status.filter(|status| status.phase != "starting") {
            Some(status) => {
                assert_eq!(status.phase, "recording", "{}", status.problem);
                break status.pid;
            }
            None => std::thread::yield_now(),
        }
    };
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten();
    let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    let environ = fs::read(format!("/proc/{pid}/environ")).expect("it lives");
    let environ = String::from_utf8_lossy(&environ).into_owned();
    assert!(lock::dismiss_recorder(pid, 10_000), "it leaves");
    assert!(!open.contains(&machine.path("held")), "{open:?}");
    assert!(environ.contains("PATH=/usr") && environ.contains("TZ=UTC"), "{environ}");
    assert!(!environ.contains("SECRET"), "{environ}");
}

/// A curious root ran it in the middle of the day: the recorder was gone from then on.
#[test]
fn sealing_by_hand_is_refused_unless_it_is_meant() {
    let machine = Machine::new();
    let sealed = || {
        let trace = Trace::open(&machine.ring).unwrap_or_else(|e| panic!("{e}"));
        trace.sessions().last().is_some_and(|session| session.end.is_some())
    };
    let seal = |arguments: &[&str], runlevel: &str| {
        let mut command = Command::new(TRACER);
        command.arg("seal").args(arguments).env("RUNLEVEL", runlevel).output().expect("it runs")
    };
    let refused = seal(&[], "2");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("not going down") && !sealed(), "{said}");
    // Below rc of a reboot, in a hook, or forced it is not.
    for (arguments, runlevel) in [(&[][..], "6"), (&["--stage", "x"], "2"), (&["--force"], "2")] {
        let ended = seal(arguments, runlevel);
        assert!(ended.status.success() && sealed(), "{arguments:?}: {ended:?}");
    }
}

/// Hooks and pins whose armed file was gone stayed, and so did those of a recorder that was killed: it was not armed.
#[test]
fn disarming_without_an_armed_file_removes_what_was_left() {
    let machine = Machine::new();
    fs::remove_file(Path::new("/").join(ARMED_VOLATILE)).expect("removed");
    let program = machine.ring.with_file_name("lastrites-tracer");
    fs::write(&program, "").expect("written");
    let killed = Path::new("/sys/fs/bpf/lastrites-v1-4194305");
    fs::create_dir(killed).expect("made");
    fs::write(Path::new(lock::RUN).join("lock-2a-12"), "4194305 1 a while ago\n").expect("written");
    let named = Command::new(TRACER).arg("doctor").output().expect("it runs");
    let named = String::from_utf8_lossy(&named.stdout).into_owned();
    assert!(named.contains("lastrites-v1-4194305, which records for nobody"), "{named}");
    let disarm = || {
        let output = Command::new(TRACER).arg("disarm").output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = disarm();
    assert!(said.contains("what had been left of a recorder is removed"), "{said}");
    assert!(!program.exists() && !arm::pins().exists() && !killed.exists() && !Path::new(lock::RUN).exists());
    assert!(machine.ring.exists(), "recordings stay");
    assert_eq!(disarm(), "it was not armed\n");
    assert!(!Path::new(lock::RUN).exists(), "nothing is left of the lock");
}

/// In a BPF file system that was mounted without a mode everybody may make directories and links.
#[test]
fn what_somebody_else_made_in_the_probes_place_is_neither_followed_nor_believed() {
    let sandbox = Sandbox::new();
    let mode = |path: &Path| fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(Path::new("/sys/fs/bpf")), 0o1777, "this is about the mode it has without one");
    let pins = arm::pins();
    fs::create_dir_all(pins.join("x/y")).expect("made");
    chown(&pins, Some(65534), None).expect("root may");
    let load = || probe::load_and_pin(&pins, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    load();
    assert_eq!((mode(&pins), fs::metadata(&pins).expect("there").uid()), (0o700, 0));
    // A probe that somebody else pinned is none.
    chown(&pins, Some(65534), None).expect("root may");
    let why = probe::load_report(&pins).expect_err("somebody else's").to_string();
    assert!(why.contains("user 65534"), "{why}");
    probe::unpin(&pins).unwrap_or_else(|e| panic!("{e}"));
    assert!(!pins.exists());
    let precious = sandbox.path("precious");
    fs::create_dir(&precious).expect("made");
    fs::write(precious.join("META"), "precious").expect("written");
    symlink(&precious, &pins).expect("linked");
    probe::unpin(&pins).unwrap_or_else(|e| panic!("{e}"));
    assert!(fs::symlink_metadata(&pins).is_err() && precious.join("META").exists());
}

/// A probe that was mended has the layout of the one before, and was not loaded as long as that was pinned.
#[test]
fn another_probe_takes_the_place_of_the_pinned_one_and_is_whole() {
    let _machine = Machine::new();
    let pins = arm::pins();
    let before = kernel::pins_id(&pins).expect("pinned");
    assert!(probe::load_report(&pins).expect("whole").current, "this version's");
    let next = probe::successor(&pins);
    let loaded = Command::new(TRACER).arg("load").arg(&next).status().expect("it runs");
    assert!(loaded.success());
    probe::succeed(&pins).unwrap_or_else(|e| panic!("{e}"));
    assert!(!next.exists());
    let report = probe::load_report(&pins).unwrap_or_else(|e| panic!("{e}"));
    assert!(report.hooks.iter().any(|hook| hook.pinned), "{report:?}");
    assert_ne!(kernel::pins_id(&pins), Some(before), "a session of the other one is not gone on with");
    // Without a successor nothing half is left either: the next recorder loads it.
    probe::succeed(&pins).unwrap_or_else(|e| panic!("{e}"));
    assert!(!pins.exists());
}
