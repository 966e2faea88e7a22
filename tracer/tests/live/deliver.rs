//! What became of signals: handled, default, ignored, already pending.

use lastrites_traces::event::{Disposition, What};

use crate::{child::Child, recording::Recording, sandbox::Sandbox, sys};

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
        sys::kill(me, libc::SIGQUIT);
        0
    });
    assert_eq!(child.wait().status, libc::SIGQUIT, "without a core");
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&child);
    let sent: Vec<_> = story.signals(me, me).iter().map(|(_, s)| (i32::from(s.sig), s.result)).collect();
    let (usr1, usr2, quit) = (libc::SIGUSR1, libc::SIGUSR2, libc::SIGQUIT);
    assert_eq!(sent, [(usr1, 0), (usr2, 1), (usr1, 0), (usr1, 2), (quit, 0)]);
    let delivered = story.pick(me, |what| match *what {
        What::Deliver { tid, sig, disposition, .. } => {
            assert_eq!(tid, child.pid as u32);
            Some((i32::from(sig), disposition))
        }
        _ => None,
    });
    let handled = (usr1, Disposition::Handled);
    assert_eq!(delivered, [handled, handled, (quit, Disposition::Default)]);
    assert_eq!(story.exit(me).status, libc::SIGQUIT as u32);
}

#[test]
fn a_signal_to_a_thread_is_delivered_to_that_thread() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let told = crate::child::Channel::new();
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
    let me = story.id(&child);
    // A thread that is still on its way out when its process exits takes a SIGKILL with it.
    let delivered = story.pick(me, |what| match *what {
        What::Deliver { tid, sig, .. } if i32::from(sig) == libc::SIGUSR1 => Some(tid),
        _ => None,
    });
    assert_eq!(delivered, [tid]);
}
