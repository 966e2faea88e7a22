//! What became of signals: handled, default, ignored, already pending; and of threads that go with others.

use lastrites_traces::event::{Disposition, What};

use crate::{
    child::{Channel, Child, sleep_for_ever},
    recording::Recording,
    sandbox::Sandbox,
    story::Story,
    sys,
};

/// Every signal that `child` was seen to take: by which thread, and what it did.
fn taken(story: &Story, child: &Child) -> Vec<(u32, i32, Disposition)> {
    story.pick(story.id(child), |what| match *what {
        What::Deliver { tid, sig, disposition, .. } => Some((tid, i32::from(sig), disposition)),
        _ => None,
    })
}

#[test]
fn a_signal_is_seen_to_be_handled_ignored_merged_or_fatal() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut child = Child::fork(|| {
        sys::limit_core(0);
        let me = sys::getpid();
        sys::on_signal(libc::SIGUSR1, sys::Action::Handle);
        sys::on_signal(libc::SIGUSR2, sys::Action::Ignore);
        sys::kill(me, libc::SIGUSR1);
        sys::kill(me, libc::SIGUSR2);
        // Two while it is blocked are one when it is let through.
        sys::block(libc::SIGUSR1, true);
        sys::kill(me, libc::SIGUSR1);
        sys::kill(me, libc::SIGUSR1);
        sys::block(libc::SIGUSR1, false);
        // What waits while it is blocked, and is ignored when it is let through.
        sys::block(libc::SIGUSR2, true);
        sys::kill(me, libc::SIGUSR2);
        sys::block(libc::SIGUSR2, false);
        sys::kill(me, libc::SIGQUIT);
        0
    });
    assert_eq!(child.wait().status, libc::SIGQUIT, "without a core");
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&child);
    let sent: Vec<_> = story.signals(me, me).iter().map(|(_, s)| (i32::from(s.sig), s.result)).collect();
    let (usr1, usr2, quit) = (libc::SIGUSR1, libc::SIGUSR2, libc::SIGQUIT);
    assert_eq!(sent, [(usr1, 0), (usr2, 1), (usr1, 0), (usr1, 2), (usr2, 0), (quit, 0)]);
    let tid = child.pid as u32;
    let handled = (tid, usr1, Disposition::Handled);
    let thrown_away = (tid, usr2, Disposition::Ignored);
    assert_eq!(taken(&story, &child), [handled, handled, thrown_away, (tid, quit, Disposition::Default)]);
    assert_eq!(story.exit(me).status, libc::SIGQUIT as u32);
}

#[test]
fn a_signal_to_a_thread_is_delivered_to_that_thread() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let told = Channel::new();
    let mut child = Child::fork(|| {
        sys::on_signal(libc::SIGUSR1, sys::Action::Handle);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (pid, tid) = (sys::getpid().into(), sys::gettid().into());
                assert_eq!(sys::call(libc::SYS_tgkill, &[pid, tid, libc::SIGUSR1.into()]), 0);
                told.send(tid as u64);
            });
        });
        0
    });
    let tid = told.receive() as u32;
    child.succeed();
    let story = recording.stop();
    assert_eq!(taken(&story, &child), [(tid, libc::SIGUSR1, Disposition::Handled)]);
}

/// A process with `threads` more threads, all asleep, that ends by what `then` does in one of them when it
/// is told to.
fn with_threads(threads: u32, then: impl Fn() + Send + Sync) -> (Child, Channel) {
    let (ready, go) = (Channel::new(), Channel::new());
    let child = Child::fork(|| {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| {
                    ready.tell();
                    sleep_for_ever()
                });
            }
            scope.spawn(|| {
                ready.tell();
                go.await_word();
                then();
                sleep_for_ever()
            });
            sleep_for_ever()
        })
    });
    (0..threads).for_each(|_| ready.await_word());
    (child, go)
}

/// Each thread of a process that exits, and each that has to make way for an exec, was recorded as having
/// taken a SIGKILL that nobody had sent: a third of all records, in some recordings.
#[test]
fn threads_that_go_with_their_process_or_make_way_for_an_exec_took_no_signal() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let (mut leaves, go) = with_threads(9, || {
        sys::call(libc::SYS_exit_group, &[3]);
    });
    go.tell();
    assert_eq!(leaves.wait().status, 3 << 8);
    let (mut execs, go) = with_threads(9, || {
        sys::exec(b"/bin/true", &[b"true"], &[]);
    });
    go.tell();
    execs.succeed();
    let story = recording.stop();
    story.must_be_whole();
    story.exec(story.id(&execs));
    assert_eq!(taken(&story, &leaves), []);
    assert_eq!(taken(&story, &execs), []);
}

/// The kernel tells every thread SIGKILL when a fatal signal ends their process, and that was recorded: a
/// process that SIGTERM ended had taken no SIGTERM, and as many SIGKILLs as it had threads.
#[test]
fn a_process_that_a_signal_ends_takes_that_signal_once_however_many_threads_it_has() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let fatal = [libc::SIGTERM, libc::SIGKILL, libc::SIGHUP];
    let mut children = fatal.map(|sig| {
        let (mut child, _go) = with_threads(9, || {});
        child.kill(sig);
        assert_eq!(child.wait().status, sig);
        child
    });
    // Of a signal to one of its threads the whole process dies.
    let (mut by_thread, go) = with_threads(2, || {
        sys::call(libc::SYS_tgkill, &[sys::getpid().into(), sys::gettid().into(), libc::SIGKILL.into()]);
    });
    go.tell();
    assert_eq!(by_thread.wait().status, libc::SIGKILL);
    let story = recording.stop();
    story.must_be_whole();
    for (child, sig) in children.iter_mut().zip(fatal) {
        assert_eq!(taken(&story, child), [(child.pid as u32, sig, Disposition::Default)]);
    }
    assert_eq!(taken(&story, &by_thread), [(by_thread.pid as u32, libc::SIGKILL, Disposition::Default)]);
}
