//! The probe goes while it is recorded from: somebody removes its pins, or unmounts the file system that they are in.

use std::{fs, path::Path, process::Stdio};

use lastrites_tracer::{arm, kernel::Kernel, probe};
use lastrites_traces::{
    event::What,
    reader::Trace,
    session::{How, Layer},
};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::{
    armed::children,
    recording::Recording,
    sandbox::Sandbox,
    story::Story,
    sys,
    upgrade::{Root, busy},
};

const GONE: &str = "the probe was gone";

/// `arm`, as `status` advises then, loaded the probe anew, and the recorder went on with the rings of the one that was gone: it said that
/// it records, and wrote nothing until the reboot.
#[test]
fn who_arms_again_gets_a_recorder_that_reads_the_probe_that_is_there() {
    arms_again_without(|pins| probe::unpin(pins).unwrap_or_else(|e| panic!("{e}")));
}

/// Where only the hooks' pins had been removed `arm` took the rest for a probe: each recorder left as soon as it had looked.
#[test]
fn of_a_probe_without_hooks_nothing_is_left_when_somebody_arms_again() {
    arms_again_without(|pins| {
        let entries = fs::read_dir(pins).expect("pinned").flatten().map(|entry| entry.path());
        let links: Vec<_> = entries
            .filter(|path| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"link_")))
            .collect();
        assert!(!links.is_empty());
        links.iter().for_each(|link| fs::remove_file(link).expect("removed"));
    });
}

fn arms_again_without(lose: impl FnOnce(&Path)) {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let pins = arm::pins();
    root.tracer(&["arm", "--always", "--size", "16M"]);
    let first = root.recorder().expect("it records");
    let probe = Kernel::open(&pins).unwrap_or_else(|e| panic!("{e}"));
    lose(&pins);
    // The kernel takes its time over what nobody holds any more.
    while probe.is_attached() {
        std::thread::yield_now();
    }
    let told = String::from_utf8_lossy(&root.tracer(&["status"]).stdout).into_owned();
    assert!(told.contains("arm again") && !told.contains("recording, pid"), "{told}");
    root.tracer(&["arm", "--always"]);
    let second = root.recorder().expect("it records");
    assert_ne!(first, second, "of the probe that is gone nobody learns anything");
    let children = busy(|| drop(root.tracer(&["status"])));
    root.tracer(&["disarm"]);

    let trace = Trace::open(&root.path("var/lib/lastrites/ring.lrt")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(trace.sessions().len(), 2, "{:#?}", trace.sessions());
    let [lost, whole] = [0, 1].map(|index| Story::of(&trace, index));
    let end = lost.summary.end.clone().expect("the first has an end");
    assert!(end.how == How::Stopped && end.note.contains(GONE), "{end:?}");
    whole.must_be_whole();
    let forked = |pid: &u32| {
        whole.events.iter().any(|event| matches!(&event.what, What::Fork { child, .. } if child.tgid == *pid))
    };
    assert!(!children.is_empty() && children.iter().all(forked), "of {} children", children.len());
}

/// One that had been busy while somebody disarmed told of pins that a stranger had removed, and left its status in /run.
#[test]
fn a_recorder_that_was_busy_when_it_was_disarmed_says_that_it_was() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let [run_dir, ring, _] = root.places();
    root.tracer(&["arm", "--always", "--size", "4M"]);
    assert!(root.recorder().is_some());
    fs::remove_file(root.path("etc/lastrites/armed")).expect("armed");
    fs::remove_file(run_dir.join("status")).expect("it has said what it does");
    probe::unpin(&arm::pins()).unwrap_or_else(|e| panic!("{e}"));
    while root.recorder().is_some() {
        std::thread::yield_now();
    }
    let end = Story::read(&ring).summary.end.clone().expect("it has an end");
    assert!(end.how == How::Disarmed && end.note == "disarmed", "{end:?}");
    let left = || fs::read_dir(&run_dir).is_ok_and(|mut left| left.next().is_some());
    assert!(!left(), "{:?}", fs::read_dir(&run_dir));
}

/// A recorder whose probe was gone said nothing of it, and that it had recorded all the time.
#[test]
fn a_recorder_whose_probe_is_gone_says_so_and_leaves() {
    let sandbox = Sandbox::new();
    let ring = sandbox.path("ring");
    let recording = Recording::start_into(&ring);
    probe::unpin(&recording.pins()).unwrap_or_else(|e| panic!("{e}"));
    let gone_ns = sys::boottime_ns();
    let stopped = recording.ends();
    assert_eq!(stopped.status.code(), Some(4), "{}", stopped.said);
    assert!(stopped.said.contains(GONE), "{}", stopped.said);
    let story = Story::read(&ring);
    let end = story.summary.end.clone().expect("it has an end");
    assert!(end.how == How::Stopped && end.note.contains(GONE) && end.time_ns > gone_ns, "{end:?}");
    let drained = story.summary.coverage.iter().find(|c| c.layer == Layer::Drainer).expect("it drained");
    assert!(drained.to_ns < end.time_ns, "{drained:?} {end:?}");
}

/// `arm` was killed, and the process that loads the probe for it went on: seconds later that pinned it for nobody, also behind a `disarm`,
/// and whoever armed meanwhile failed, for each of the two removed what the other had pinned.
#[test]
fn the_probe_is_not_loaded_for_one_who_is_gone() {
    let sandbox = Sandbox::new();
    let root = Root::new(&sandbox);
    let mut arm = root.command(&["arm", "--size", "4M"]);
    let mut arm = arm.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let loads = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == b"load"))
    };
    let loader = loop {
        if let Some(pid) = children(arm.id()).into_iter().find(loads) {
            break pid;
        }
        assert_eq!(arm.try_wait().expect("ours"), None, "it was armed before anybody saw it load the probe");
    };
    let loader =
        pidfd_open(Pid::from_raw(loader as i32).expect("a pid"), PidfdFlags::empty()).expect("it loads");
    arm.kill().expect("it lives");
    arm.wait().expect("it ends");
    let mut polled = [rustix::event::PollFd::new(&loader, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut polled, None).expect("it ends");
    assert!(probe::load_report(&arm::pins()).is_err(), "it had loaded it all the same");
    // What that left is in nobody's way.
    root.tracer(&["arm", "--size", "4M"]);
    assert!(probe::load_report(&arm::pins()).is_ok());
}
