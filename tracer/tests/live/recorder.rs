//! `lastrites-tracer record` as a process among others: how it begins, what it holds, how it ends, and
//! what it does when its file goes away.

use std::{
    fs,
    io::Read as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use lastrites_tracer::{kernel::Kernel, seal};
use lastrites_traces::{
    reader::Trace,
    session::{How, Layer},
    storage::FileStorage,
};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

use crate::{
    child::Child,
    recording::{Recording, TRACER, record_into},
    sandbox::Sandbox,
    story::Story,
    sys,
};

/// A child that ends at once, with a code.
fn ended(code: i32) -> (Child, i32) {
    let mut child = Child::fork(|| code);
    let status = child.wait().status;
    (child, status)
}

fn must_have_ended(story: &Story, children: &[(Child, i32)]) {
    for (child, status) in children {
        assert_eq!(story.exit(story.id(child)).status, *status as u32);
    }
}

/// Boot time of the newest event in `ring`, 0 if there is none or no such file.
fn newest_ns(ring: &Path) -> u64 {
    let trace = Trace::open(ring).ok();
    trace.and_then(|trace| trace.sessions().last().map(|session| session.last_ns)).unwrap_or(0)
}

/// Waits until what happened up to now is in the file.
fn wait_until_written(recording: &mut Recording) {
    let now_ns = sys::boottime_ns();
    let ring = recording.ring.clone();
    wait_until("what happened is in the file", || {
        // Something to come after `now_ns`, on a machine that is otherwise quiet.
        ended(0);
        assert!(recording.is_running(), "the recorder has ended");
        newest_ns(&ring) > now_ns
    });
}

/// Asks again and again, for a minute.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin_ns = sys::boottime_ns();
    while !is_so() {
        assert!(sys::boottime_ns() - begin_ns < 60_000_000_000, "a minute went by until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn the_second_recorder_on_a_ring_file_names_the_first_and_leaves() {
    let sandbox = Sandbox::new();
    let mut first = Recording::start(&sandbox);
    let second = record_into(&first.ring).output().expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(6), "{said}");
    assert!(said.contains(&format!("process {} is already recording", first.pid())), "{said}");
    assert!(said.contains(&first.ring.display().to_string()), "{said}");
    assert!(first.is_running());
    // By another name it is still the same file; another file is not.
    let link = sandbox.path("another-name");
    fs::hard_link(&first.ring, &link).expect("linked");
    assert_eq!(record_into(&link).output().expect("it runs").status.code(), Some(6));
    let other = Recording::start_into(&sandbox.path("other"));
    assert!(other.end_by(libc::SIGTERM).status.success());
    first.stop().must_be_whole();
}

#[test]
fn who_is_not_root_is_told_so() {
    let sandbox = Sandbox::new();
    // Where nobody in particular can run it: the build directory need not be for everybody.
    let dir = sandbox.mount("public", "tmpfs");
    fs::set_permissions(sandbox.dir(), fs::Permissions::from_mode(0o755)).expect("for everybody");
    let program = dir.join("tracer");
    fs::copy(TRACER, &program).expect("copied");
    let output = Command::new(&program)
        .args(["record", "--output", "/tmp/ring"])
        .uid(65534)
        .gid(65534)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("root"), "{said}");
}

#[test]
fn told_to_stop_it_ends_its_session_and_removes_its_pins() {
    let sandbox = Sandbox::new();
    for sig in [libc::SIGTERM, libc::SIGINT] {
        let ring = sandbox.path(&format!("ring-{sig}"));
        let recording = Recording::start_into(&ring);
        let pins = recording.pins();
        assert!(pins.join("META").exists(), "{}", pins.display());
        let children = [ended(1), ended(2)];
        let stopped = recording.end_by(sig);
        assert_eq!((stopped.status.code(), stopped.said.as_str()), (Some(0), ""));
        assert!(!pins.exists(), "{}", pins.display());
        let story = Story::read(&ring);
        story.must_be_whole();
        must_have_ended(&story, &children);
        assert_eq!(story.summary.end.as_ref().map(|end| end.how), Some(How::Stopped));
        assert!(story.summary.coverage.iter().any(|c| c.layer == Layer::Drainer), "{:?}", story.summary);
    }
}

#[test]
fn killed_it_leaves_its_pins_from_which_the_seal_or_else_the_next_recorder_cleans_up() {
    let sandbox = Sandbox::new();
    let mut recording = Recording::start(&sandbox);
    let (ring, pins) = (recording.ring.clone(), recording.pins());
    let mut children = vec![ended(1)];
    wait_until_written(&mut recording);
    children.push(ended(2));
    recording.end_by(libc::SIGKILL);
    assert!(pins.join("META").exists(), "the kernel goes on recording");
    children.push(ended(3));
    let kernel = Kernel::open(&pins).unwrap_or_else(|e| panic!("{e}"));
    seal::finish(kernel, &ring, &pins, How::Sealed, "test", sys::boottime_ns())
        .unwrap_or_else(|e| panic!("{e}"));
    let story = Story::read(&ring);
    story.must_be_whole();
    must_have_ended(&story, &children);
    assert_eq!(story.summary.end.as_ref().map(|end| end.how), Some(How::Sealed));

    let next = Recording::start(&sandbox);
    assert!(!pins.exists(), "swept");
    assert!(next.pins().exists());
    let (living, next_pins) = (Recording::start_into(&sandbox.path("third")), next.pins());
    assert!(next_pins.exists(), "a recorder that lives keeps its pins");
    drop((living, next));
    let trace = Trace::open(&ring).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(trace.sessions().len(), 2, "the next recording is another session");
    assert_eq!(trace.sessions()[1].session.previous, Some(trace.sessions()[0].session.id));
}

#[test]
fn killed_without_a_seal_its_session_is_ended_by_the_next_recorder() {
    let sandbox = Sandbox::new();
    let mut recording = Recording::start(&sandbox);
    let ring = recording.ring.clone();
    let child = ended(1);
    wait_until_written(&mut recording);
    recording.end_by(libc::SIGKILL);
    let next = Recording::start(&sandbox);
    assert!(next.end_by(libc::SIGTERM).status.success());
    let trace = Trace::open(&ring).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(trace.sessions().len(), 2);
    let end = trace.sessions()[0].end.as_ref().expect("ended");
    assert_eq!(end.how, How::Stopped);
    assert!(end.note.contains("without an end"), "{}", end.note);
    must_have_ended(&Story::of(&trace, 0), &[child]);
}

/// Resident memory of a process, in KiB.
fn rss_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn idle_after_a_storm_it_holds_less_than_10_mb() {
    let sandbox = Sandbox::new();
    let mut recording = Recording::start(&sandbox);
    let mut storms: Vec<_> = sys::cpus()
        .into_iter()
        .map(|cpu| {
            Child::fork(move || {
                sys::pin_to(cpu);
                for _ in 0..100_000 {
                    sys::kill(sys::getpid(), libc::SIGURG);
                }
                0
            })
        })
        .collect();
    storms.iter_mut().for_each(Child::succeed);
    wait_until_written(&mut recording);
    let pid = recording.pid();
    wait_until("memory is given back", || rss_kib(pid) < 10_000);
    recording.stop().must_be_whole();
}

/// Files that a process holds open below `dir`, its working directory and what it has mapped included.
fn held_below(pid: i32, dir: &Path) -> Vec<PathBuf> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let mut names: Vec<PathBuf> = vec![proc.join("cwd"), proc.join("root")];
    for list in ["fd", "map_files"] {
        names.extend(
            fs::read_dir(proc.join(list)).expect("root may look").flatten().map(|entry| entry.path()),
        );
    }
    names.iter().filter_map(|name| fs::read_link(name).ok()).filter(|held| held.starts_with(dir)).collect()
}

#[test]
fn its_file_system_can_be_unmounted_while_it_records_and_it_goes_on_when_that_is_back() {
    let sandbox = Sandbox::new();
    let keeper = sandbox.mount("keeper", "tmpfs");
    let at = sandbox.path("mnt");
    fs::create_dir(&at).expect("a directory to mount on");
    mount_bind(&keeper, &at).expect("the same file system in another place");
    let mut recording = Recording::start_into(&at.join("ring"));
    let mut children = vec![ended(1)];
    wait_until_written(&mut recording);

    // Only in the middle of a batch is the file open.
    wait_until("the mount is not busy", || unmount(&at, UnmountFlags::empty()).is_ok());
    assert_eq!(held_below(recording.pid(), sandbox.dir()), Vec::<PathBuf>::new());
    assert!(!at.join("ring").exists());
    let away_ns = newest_ns(&keeper.join("ring"));
    children.extend((2..50).map(ended));
    let said = recording.next_line();
    assert!(said.contains(&recording.ring.display().to_string()), "{said}");
    assert!(recording.is_running());

    mount_bind(&keeper, &at).expect("mounted again");
    wait_until_written(&mut recording);
    // What was in its way may have been said in more than one way by then.
    let mut said = recording.next_line();
    while !said.contains("writing again") {
        assert!(said.contains(&recording.ring.display().to_string()), "{said}");
        said = recording.next_line();
    }
    assert!(newest_ns(&recording.ring) > away_ns);
    children.push(ended(50));
    let story = recording.stop();
    story.must_be_whole();
    must_have_ended(&story, &children);
}

#[test]
fn a_ring_file_that_is_gone_at_the_end_is_said_and_the_pins_go_all_the_same() {
    let sandbox = Sandbox::new();
    let mut recording = Recording::start(&sandbox);
    let (ring, pins) = (recording.ring.clone(), recording.pins());
    fs::remove_file(&ring).expect("removed");
    (0..20).for_each(|code| drop(ended(code)));
    assert!(recording.is_running(), "recording goes on in the kernel");
    let stopped = recording.end_by(libc::SIGTERM);
    assert_eq!(stopped.status.code(), Some(4), "{}", stopped.said);
    assert!(stopped.said.contains(&ring.display().to_string()), "{}", stopped.said);
    assert!(!pins.exists());
    assert!(!ring.exists(), "nothing is made in its place");
}

/// Waits until it says `words` of its ring file.
fn until_it_says(recording: &mut Recording, words: &str) {
    loop {
        let said = recording.next_line();
        assert!(said.contains(&recording.ring.display().to_string()), "{said}");
        if said.contains(words) {
            break;
        }
    }
}

#[test]
fn a_file_put_in_the_place_of_the_ring_file_is_left_alone_unless_it_is_a_ring_file() {
    let sandbox = Sandbox::new();
    let mut recording = Recording::start(&sandbox);
    let ring = recording.ring.clone();
    let aside = sandbox.path("aside");
    fs::rename(&ring, &aside).expect("moved");
    let letter = b"Dear mother, ".repeat(10_000);
    fs::write(&ring, &letter).expect("written");
    let first = ended(1);
    // It says something new of each thing that it finds there, so it has looked at each.
    until_it_says(&mut recording, "not a lastrites recording");
    assert!(recording.is_running());
    let link = sandbox.path("link");
    std::os::unix::fs::symlink(&aside, &link).expect("linked");
    fs::rename(&link, &ring).expect("moved");
    let second = ended(2);
    until_it_says(&mut recording, "symbolic link");
    assert!(recording.is_running());
    let other_letter = sandbox.path("letter");
    fs::write(&other_letter, &letter).expect("written");
    fs::rename(&other_letter, &ring).expect("moved");
    until_it_says(&mut recording, "not a lastrites recording");
    assert!(recording.is_running());
    let mut read = Vec::new();
    fs::File::open(&ring).and_then(|mut file| file.read_to_end(&mut read)).expect("read");
    assert!(read == letter, "not a byte was changed");
    fs::remove_file(&ring).expect("removed");

    // An empty ring file in its place is as good: the session begins in it anew.
    FileStorage::create(&ring, 16 << 20).expect("a ring file");
    wait_until_written(&mut recording);
    let story = recording.stop();
    must_have_ended(&story, &[first, second]);
    assert_eq!(story.summary.end.as_ref().map(|end| end.how), Some(How::Stopped));
}

#[test]
fn a_full_file_system_is_met_before_recording_begins() {
    let sandbox = Sandbox::new();
    let at = sandbox.path("small");
    fs::create_dir(&at).expect("a directory to mount on");
    mount("tmpfs", &at, "tmpfs", MountFlags::empty(), Some(c"size=4m")).expect("a small file system");
    let output = record_into(&at.join("ring")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("--output") && said.contains("ring"), "{said}");
    assert_eq!(fs::read_dir(&at).expect("there").count(), 0, "nothing is left behind");
}
