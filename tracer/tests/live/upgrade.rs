//! A new version takes over from an old one while the machine is armed: the real program, in a root directory of the
//! test's own, where it finds an init that it does not know.

use std::{
    collections::HashSet,
    fs,
    io::{PipeWriter, Read as _, Write as _, pipe},
    os::{
        fd::AsRawFd as _,
        unix::{fs::symlink, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use lastrites_tracer::{
    arm, kernel,
    kernel_ring::sys::{open_pin, update},
    lock,
    probe::{self, meta::Meta},
};
use lastrites_traces::{event::What, reader::Trace, ring::Writer, session::How, storage::FileStorage};
use rustix::{
    fs::{FlockOperation, flock},
    mount::{MountFlags, mount, mount_bind_recursive, mount_remount},
};

use crate::{
    child::{Channel, Child, run, sleeper},
    recording::TRACER,
    sandbox::Sandbox,
    story::Story,
    sys,
    timers::shared,
};

/// Where it is. Not in the directory for temporary files, which is removed with all that is in it: there are directories of this
/// machine in here.
const ROOT: &str = "/mnt";

/// A root directory in which arming finds what it needs, seen by this test alone. Of this machine it has programs, which it cannot
/// change, and the kernel's file systems.
pub struct Root {
    _guard: Guard,
}

impl Root {
    /// `_sandbox` is the proof that what is mounted now nobody else sees.
    pub fn new(_sandbox: &Sandbox) -> Self {
        mount("tmpfs", ROOT, "tmpfs", MountFlags::empty(), None).expect("a root directory");
        let root = Self { _guard: Guard::new() };
        for dir in ["etc", "run", "tmp", "var/lib", "dev"] {
            fs::create_dir_all(root.path(dir)).expect("made");
        }
        for device in ["null", "urandom"] {
            fs::write(root.path("dev").join(device), "").expect("made");
            bind(&Path::new("/dev").join(device), &root.path("dev").join(device));
        }
        for name in ["proc", "sys"] {
            fs::create_dir(root.path(name)).expect("made");
            bind(&Path::new("/").join(name), &root.path(name));
        }
        for name in ["usr", "bin", "sbin", "lib", "lib64"] {
            let (of, to) = (Path::new("/").join(name), root.path(name));
            match fs::read_link(&of) {
                Ok(target) => symlink(target, to).expect("linked"),
                Err(_) if of.is_dir() => {
                    fs::create_dir(&to).expect("made");
                    bind(&of, &to);
                    mount_remount(&to, MountFlags::BIND | MountFlags::RDONLY, "").expect("read-only");
                }
                Err(_) => {}
            }
        }
        fs::copy(TRACER, root.path("tracer")).expect("copied");
        root
    }

    pub fn path(&self, path: &str) -> PathBuf {
        Path::new(ROOT).join(path)
    }

    /// The program in there.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/tracer");
        command.args(arguments).current_dir("/");
        // SAFETY: two system calls, and no memory is taken.
        unsafe {
            command.pre_exec(move || {
                std::os::unix::fs::chroot(ROOT)?;
                std::env::set_current_dir("/")
            });
        }
        command
    }

    /// What it says.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// The same where it has to succeed.
    pub fn tracer(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    /// The directory for what lives as long as this boot, the ring file, and the copy of the program beside it.
    pub fn places(&self) -> [PathBuf; 3] {
        ["run/lastrites", "var/lib/lastrites/ring.lrt", "var/lib/lastrites/lastrites-tracer"]
            .map(|at| self.path(at))
    }

    /// The recorder that is at work.
    pub fn recorder(&self) -> Option<i32> {
        let [run, ring, _] = self.places();
        lock::holder(&run, &ring).map(|holder| holder.pid as i32)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Where a test has failed, the recorder goes all the same.
        if !self.path("run/lastrites").exists() {
            return;
        }
        let output = self.run(&["disarm"]);
        if !output.status.success() {
            // No panic: where there is one already, it would end all other tests, too.
            sys::say(&format!("disarm: {output:?}\n"));
        }
    }
}

/// Ends whatever a test leaves when it is killed: the recorder belongs to nobody, and would keep its probe and this test's mounts
/// until the machine is switched off.
#[derive(Debug)]
struct Guard {
    pid: i32,
    /// Gone when the test is.
    _lives: PipeWriter,
}

impl Guard {
    fn new() -> Self {
        let (mut reader, lives) = pipe().expect("a pipe");
        let writer = lives.as_raw_fd();
        // SAFETY: as in `Child::fork`; but this one is to outlive the test.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            run(|| {
                sys::call(libc::SYS_setsid, &[]);
                sys::call(libc::SYS_close, &[writer.into()]);
                // What the test forked has copies of the writer, and goes with it.
                let _ = reader.read(&mut [0]);
                end_all_in_here();
                0
            });
        }
        Self { pid, _lives: lives }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        sys::kill(self.pid, libc::SIGKILL);
        sys::call(libc::SYS_wait4, &[self.pid.into(), 0, 0, 0]);
    }
}

/// Kills all other processes in this mount namespace, which is a test's own.
fn end_all_in_here() {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let mine = namespace("self").expect("/proc names mount namespaces");
    assert_ne!(namespace("1"), Some(mine.clone()), "these are the machine's own processes");
    let me = sys::getpid();
    for _ in 0..100_000 {
        let names = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse::<i32>().ok()).filter(|pid| *pid != me);
        let others: Vec<i32> =
            pids.filter(|pid| namespace(&pid.to_string()).as_ref() == Some(&mine)).collect();
        if others.is_empty() {
            return;
        }
        for pid in others {
            sys::kill(pid, libc::SIGKILL);
        }
    }
}

/// Shows `of` at `to` as well, with what is mounted in it.
fn bind(of: &Path, to: &Path) {
    mount_bind_recursive(of, to).unwrap_or_else(|e| panic!("{}: {e}", of.display()));
}

/// Makes the pinned probe that of a version with other programs.
fn make_old(pins: &Path) {
    let mut meta = Meta::read(pins).unwrap_or_else(|e| panic!("{e}"));
    meta.build ^= 1;
    let map = open_pin(&pins.join("META")).expect("pinned");
    update(&map, &0u32.to_ne_bytes(), &mut meta.to_bytes()).expect("written");
    assert!(!probe::load_report(pins).expect("whole").current);
}

/// Makes the pinned probe, and what the armed file says of it, those of a version whose records are others.
fn make_ancient(root: &Root, pins: &Path) -> PathBuf {
    let ancient = pins.with_file_name("lastrites-v1");
    fs::rename(pins, &ancient).expect("renamed");
    let armed = root.path("etc/lastrites/armed");
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(&armed).expect("armed");
    let changed = text.replace(&name(pins), &name(&ancient));
    assert_ne!(text, changed, "the armed file names the pins");
    fs::write(&armed, changed).expect("written");
    ancient
}

/// Forks one child after the other while `during` goes on. Their pids.
pub fn busy(during: impl FnOnce()) -> Vec<u32> {
    let (stop, pids) = (shared(), Channel::new());
    stop.store(0, Ordering::Release);
    let mut parent = Child::fork(|| {
        let mut made = Vec::new();
        while stop.load(Ordering::Acquire) == 0 {
            let mut child = Child::fork(|| 0);
            child.succeed();
            made.push(child.pid);
        }
        made.iter().for_each(|pid| pids.send(*pid as u64));
        0
    });
    during();
    stop.store(1, Ordering::Release);
    let made = pids.into_numbers().map(|pid| pid as u32).collect();
    parent.succeed();
    made
}

/// Arms, makes what is pinned another version's by `age`, and brings it up to date: of what happens meanwhile nothing is missing.
fn takes_over(age: impl FnOnce(&Root, &Path) -> PathBuf, ended: &str) {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let pins = arm::pins();
    root.tracer(&["arm", "--always", "--size", "16M"]);
    let old = age(&root, &pins);
    let children = busy(|| {
        let output = root.tracer(&["refresh"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("still armed, by this version\n") && !said.contains("note:"), "{said}");
    });
    assert!(probe::load_report(&pins).expect("whole").current);
    assert!(old == pins || !old.exists(), "the old probe is gone");
    assert!(!probe::successor(&pins).exists());
    root.tracer(&["disarm"]);
    assert!(!pins.exists());

    let trace = Trace::open(&root.path("var/lib/lastrites/ring.lrt")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(trace.sessions().len(), 2, "{:#?}", trace.sessions());
    let stories = [0, 1].map(|index| Story::of(&trace, index));
    let (mut forked, mut exited) = (HashSet::new(), HashSet::new());
    for story in &stories {
        story.must_be_whole();
        for event in &story.events {
            match &event.what {
                What::Fork { child, .. } => drop(forked.insert(child.tgid)),
                What::Exit { process, .. } => drop(exited.insert(process.tgid)),
                _ => {}
            }
        }
    }
    let end = stories[0].summary.end.clone().expect("the first has an end");
    assert_eq!(end.how, How::Stopped);
    assert!(end.note.contains(ended), "{end:?}");
    assert!(children.len() > 10, "{} children", children.len());
    for pid in &children {
        assert!(
            forked.contains(pid) && exited.contains(pid),
            "{pid} of {} children is missing",
            children.len()
        );
    }
    // Each of the two has recorded some of it: else nothing was tried.
    let has = |story: &Story| {
        story
            .events
            .iter()
            .any(|event| matches!(&event.what, What::Fork { child, .. } if children.contains(&child.tgid)))
    };
    assert!(stories.iter().all(has));
}

/// An upgrade was tried in parts only: load, dismiss, end, replace.
#[test]
fn a_mended_probe_takes_over_and_nothing_that_happens_meanwhile_is_missing() {
    let mended = |_: &Root, pins: &Path| {
        make_old(pins);
        pins.to_owned()
    };
    takes_over(mended, "another version's probe took its place");
}

/// The old probe was removed before the new one was loaded, and what happened between them was in neither recording.
#[test]
fn a_probe_with_other_records_takes_over_and_nothing_that_happens_meanwhile_is_missing() {
    takes_over(make_ancient, "another recording began in the same boot");
}

/// It said that the new version records, while the old recorder, which the disk kept busy, still held the ring file: it ended a
/// second later, its probe was gone, and of the new one nobody wrote down anything.
#[test]
fn a_recorder_that_is_too_busy_to_leave_keeps_its_place_until_it_does() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let pins = arm::pins();
    root.tracer(&["arm", "--always", "--size", "16M"]);
    for age in [make_ancient, |_: &Root, pins: &Path| {
        make_old(pins);
        pins.to_owned()
    }] {
        let old = age(&root, &pins);
        let [run_dir, ring, program] = root.places();
        // The old version's program is another one.
        let mut bytes = fs::read(&program).expect("a copy");
        bytes.push(b'\n');
        fs::remove_file(&program).expect("removed");
        fs::File::create(&program).and_then(|mut file| file.write_all(&bytes)).expect("written");
        fs::set_permissions(&program, fs::metadata(TRACER).expect("there").permissions()).expect("a program");
        let armed = fs::read_to_string(root.path("etc/lastrites/armed")).expect("armed");
        let old_id = kernel::pins_id(&old);
        // Somebody in the recorder's place whom no signal reaches, as one that waits for the disk.
        let recorder = root.recorder().expect("it records");
        sys::kill(recorder, libc::SIGKILL);
        while root.recorder().is_some() {
            std::thread::yield_now();
        }
        let busy = sleeper(|| {
            sys::on_signal(libc::SIGTERM, sys::Action::Ignore);
            std::mem::forget(lock::take(&run_dir, &ring).expect("free"));
        });

        let output = root.run(&["refresh"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(said.contains("still busy writing") && said.contains("run this again"), "{said}");
        assert_eq!(root.recorder(), Some(busy.pid));
        assert_eq!(kernel::pins_id(&old), old_id, "the old probe is there");
        assert!(probe::load_report(&old).is_ok(), "and whole");
        assert!(old == pins || !pins.exists(), "the new one is not");
        assert!(!probe::successor(&pins).exists());
        assert_eq!(fs::read_to_string(root.path("etc/lastrites/armed")).expect("armed"), armed);
        assert!(fs::read(&program).expect("there") == bytes, "the old program is there");

        drop(busy);
        root.tracer(&["refresh"]);
        assert!(root.recorder().is_some_and(|pid| pid != recorder));
        assert!(probe::load_report(&pins).expect("whole").current);
        assert!(old == pins || !old.exists(), "the old probe is gone");
        assert!(fs::read(&program).expect("there") == fs::read(TRACER).expect("there"));
    }
}

/// `arm`, as it is advised where something is to be brought up to date, made an arming for good one for a single shutdown.
#[test]
fn arming_again_without_a_word_on_it_stays_for_what_it_was() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    for (arguments, until) in [
        (&["arm", "--size", "4M", "--settle", "7"][..], "armed for the next shutdown"),
        (&["arm", "--always"], "still armed, for every shutdown"),
        (&["arm"], "still armed, for every shutdown"),
        (&["arm", "--once"], "still armed, for the next shutdown"),
        (&["arm"], "still armed, for the next shutdown"),
    ] {
        let said = String::from_utf8_lossy(&root.tracer(arguments).stdout).into_owned();
        assert!(said.starts_with(until), "{arguments:?}: {said}");
        let armed = fs::read_to_string(root.path("etc/lastrites/armed")).expect("armed");
        assert!(armed.lines().any(|line| line == "settle=7"), "{arguments:?}: {armed}");
    }
}

/// Who armed again in a boot that was still being recorded was told that the next shutdown is recorded. Then the recorder was killed, and the
/// one that init started took the end of that boot for its own: it disarmed.
#[test]
fn armed_again_in_a_boot_that_is_recorded_a_recorder_that_comes_again_stays() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let [run_dir, ring, _] = root.places();
    let armed = root.path("etc/lastrites/armed");
    root.tracer(&["arm", "--size", "4M", "--settle", "1"]);
    let end = || {
        let recorder = root.recorder().expect("it records");
        sys::kill(recorder, libc::SIGKILL);
        while root.recorder().is_some() {
            std::thread::yield_now();
        }
    };
    let begin = || {
        let quiet = Stdio::null;
        let mut command = root.command(&["record", "--boot"]);
        command.stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().expect("it starts")
    };
    end();
    probe::unpin(&arm::pins()).unwrap_or_else(|e| panic!("{e}"));
    // The next boot.
    let text = fs::read_to_string(&armed).expect("armed");
    let mine = text.lines().find(|line| line.starts_with("boot_id=")).expect("of a boot");
    fs::write(&armed, text.replace(mine, "boot_id=another")).expect("written");
    // Whoever arms has this, and nothing is settled meanwhile.
    let arming = run_dir.join("arming");
    let held = fs::File::create(&arming).expect("made");
    flock(&held, FlockOperation::NonBlockingLockExclusive).expect("free");
    let mut first = begin();
    let is_begun = || Trace::open(&ring).is_ok_and(|trace| trace.sessions().len() == 2);
    while !is_begun() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // What `arm` writes then; in here it would see a chroot into another boot's root.
    fs::write(&armed, &text).expect("written");
    end();
    first.wait().expect("it ends");
    fs::remove_file(&arming).expect("removed");
    drop(held);
    // What it says was lost before it came is on the recording.
    let mut writer = Writer::open(FileStorage::new(&ring)).unwrap_or_else(|e| panic!("{e}"));
    let found = writer.resume().expect("a session");
    assert_eq!((found.session.began.as_str(), found.end), ("boot", None));
    let lost = What::Lost { cpu: 0, kind: 0, count: 7, bytes: 0 };
    writer.append(&[(found.last_time_ns, lost)], &[]).unwrap_or_else(|e| panic!("{e}"));
    writer.sync().unwrap_or_else(|e| panic!("{e}"));
    drop(writer);
    let mut second = begin();
    // Ten times as long as that boot would have taken to settle.
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        assert_eq!(second.try_wait().expect("ours"), None, "it has disarmed");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let told = String::from_utf8_lossy(&root.tracer(&["status"]).stdout).into_owned();
    let lost = told.split_once("written, ").and_then(|(_, rest)| rest.split_once(" lost"));
    let lost: u64 = lost.and_then(|(count, _)| count.parse().ok()).unwrap_or(0);
    assert!(told.contains("recording, pid") && lost >= 7, "{told}");
    root.tracer(&["disarm"]);
    second.wait().expect("it ends");
}

/// In a rescue system's chroot the probe was loaded into the rescue system's kernel, a recorder was started there, and both stayed.
#[test]
fn where_nothing_of_the_armed_machine_lives_nothing_is_started_for_it() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let pins = arm::pins();
    root.tracer(&["arm", "--always", "--size", "4M"]);
    // Another kernel runs: it has no probe, no recorder, and an empty /run.
    let recorder = root.recorder().expect("it records");
    sys::kill(recorder, libc::SIGKILL);
    while root.recorder().is_some() {
        std::thread::yield_now();
    }
    probe::unpin(&pins).unwrap_or_else(|e| panic!("{e}"));
    fs::remove_dir_all(root.path("run/lastrites")).expect("removed");
    let container = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "chroot", ROOT, "/tracer", "refresh"]);
        command.output().expect("it runs")
    };
    for output in [root.run(&["refresh"]), container()] {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("chroot or a container"), "{output:?}");
        assert!(!pins.exists() && !probe::successor(&pins).exists(), "no probe");
        assert_eq!(root.recorder(), None);
        assert!(root.path("etc/lastrites/armed").exists(), "it stays armed");
    }
    // Root's own `disarm` at the end of the test looks for this.
    fs::create_dir_all(root.path("run/lastrites")).expect("made");
}
