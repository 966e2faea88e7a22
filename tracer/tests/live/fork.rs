//! Who comes from whom, and what it is called.

use lastrites_traces::event::What;

use crate::{
    child::{Channel, Child},
    namespace,
    recording::Recording,
    sandbox::Sandbox,
    sys,
};

#[test]
fn a_fork_in_a_pid_namespace_tells_how_deep_and_as_which_pid() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let pids = Channel::new();
    let mut outside = namespace::with_init(
        |inside| {
            let mut child = inside.fork(|_| {
                pids.send(sys::getpid() as u64);
                0
            });
            child.succeed();
            0
        },
        |status| assert_eq!(status, 0),
    );
    outside.succeed();
    let pid = pids.receive() as u32;
    let story = recording.stop();
    let level = story.fork_of(&outside).ns_level;
    assert_eq!(story.fork_of(&outside).ns_pid, outside.pid as u32, "the test's own namespace");
    let init = story.forks_by(story.id(&outside))[0].1;
    assert_eq!((init.ns_level, init.ns_pid), (level + 1, 1));
    let child = story.forks_by(init.child)[0].1;
    assert_eq!((child.ns_level, child.ns_pid), (level + 1, pid));
    assert_eq!((child.parent, child.child_ppid), (init.child, init.child.tgid));
    assert_ne!(child.child.tgid, pid, "outside it has another");
    story.exit(child.child);
    story.exit(init.child);
}

#[test]
fn a_fork_for_ones_parent_names_both_who_did_it_and_whose_child_it_is() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let pids = Channel::new();
    let mut parent = Child::fork(|| {
        let mut actor = Child::fork(|| {
            let flags = i64::from(libc::CLONE_PARENT | libc::SIGCHLD);
            let sibling = sys::call(libc::SYS_clone, &[flags, 0, 0, 0, 0]);
            if sibling > 0 {
                pids.send(sibling as u64);
            }
            0
        });
        actor.succeed();
        let sibling = pids.receive() as i32;
        let mut status = 0;
        let args = [i64::from(sibling), (&raw mut status) as i64, 0, 0];
        assert_eq!(sys::call(libc::SYS_wait4, &args), i64::from(sibling), "the sibling is ours to wait for");
        pids.send(sibling as u64);
        status
    });
    parent.succeed();
    let sibling = pids.receive() as u32;
    let story = recording.stop();
    let me = story.id(&parent);
    let actor = story.forks_by(me)[0].1.child;
    let forks = story.forks_by(actor);
    assert_eq!(forks.len(), 1);
    let forked = forks[0].1;
    assert_eq!((forked.child.tgid, forked.parent, forked.child_ppid), (sibling, actor, me.tgid));
    assert_eq!(story.signals(forked.child, me).len(), 1, "its parent hears of its end");
}

#[test]
fn only_a_name_that_a_process_gives_itself_is_a_rename() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut child = Child::fork(|| {
        std::thread::spawn(|| sys::rename("a-thread")).join().expect("joined");
        sys::rename("\u{fc}ber-lang-und-laenger");
        sys::rename("last");
        sys::exec(b"/bin/true", &[b"true"], &[])
    });
    child.succeed();
    let story = recording.stop();
    let me = story.id(&child);
    let names = story.pick(me, |what| match what {
        What::Rename { comm, .. } => Some(comm.to_vec()),
        _ => None,
    });
    assert_eq!(names, ["\u{fc}ber-lang-und-".as_bytes()[..15].to_vec(), b"last".to_vec()]);
    assert_eq!(story.name(me).as_deref(), Some(&b"true"[..]));
}

#[test]
fn threads_are_no_forks_and_a_vfork_is_one() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut child = Child::fork(|| {
        std::thread::spawn(|| {}).join().expect("joined");
        // std spawns with clone(CLONE_VM | CLONE_VFORK).
        let status = std::process::Command::new("/bin/true").status().expect("it runs");
        i32::from(!status.success())
    });
    child.succeed();
    let story = recording.stop();
    let forks = story.forks_by(story.id(&child));
    assert_eq!(forks.len(), 1, "{forks:?}");
    assert_eq!(&*story.exec(forks[0].1.child).filename, b"/bin/true");
}
