//! The kill family: what was asked, of whom, and what came of it.

use std::os::fd::AsRawFd as _;

use lastrites_tracer::probe::LoadOptions;
use lastrites_traces::{
    abi::{self, call},
    event::{ProcId, Signal, What},
};

use crate::{
    child::{Channel, Child, sleep_for_ever, sleeper},
    namespace,
    recording::{Probe, Recording, ample},
    sandbox::Sandbox,
    story::{Call, Story},
    sys,
};

/// A pid that no process can have: above PID_MAX_LIMIT.
const NOBODY: i32 = 0x3fff_ffff;

fn failed_or_wide(call: u8, target: i32, sig: i32, ret: i32) -> Call {
    Call { call, target: target.into(), tgid_arg: 0, sig: sig as u8, ret: ret.into() }
}

#[test]
fn signal_0_is_counted_and_not_recorded_call_by_call() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let target = sleeper(|| {});
    let (alive, dead) = (700, 300);
    let mut caller = Child::fork(|| {
        for _ in 0..alive {
            assert_eq!(sys::kill(target.pid, 0), 0);
        }
        for _ in 0..dead {
            assert_eq!(sys::kill(NOBODY, 0), -i64::from(libc::ESRCH));
        }
        let pid = i64::from(target.pid);
        assert_eq!(sys::call(libc::SYS_tgkill, &[pid, pid, 0]), 0);
        0
    });
    caller.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&caller);
    let mut polls = story.pick(me, |what| match *what {
        What::Poll { call, target, count, last_ret, first_ns, .. } => {
            assert!(first_ns >= caller.born_ns.0, "counted since the first call");
            Some((call, target, count, last_ret))
        }
        _ => None,
    });
    polls.sort_unstable();
    let pid = i64::from(target.pid);
    let esrch = -i64::from(libc::ESRCH);
    assert_eq!(
        polls,
        [(call::KILL, pid, alive, 0), (call::KILL, NOBODY.into(), dead, esrch), (call::TGKILL, pid, 1, 0)]
    );
    assert_eq!(story.calls(me), []);
    assert_eq!(story.signals(me, story.id(&target)), []);
}

/// The map of those counts keeps the newest, and nobody was told how many had made way for them.
#[test]
fn counts_of_signal_0_that_make_way_for_others_are_told_as_lost() {
    const TARGETS: i32 = 160;
    let sandbox = Sandbox::new();
    // A map of its own size: to fill the usual one would disturb the recordings of others.
    let probe = Probe::load(&sandbox, "probe", &LoadOptions { polls: Some(64), ..ample() });
    let mut caller = Child::fork(|| {
        for target in 0..TARGETS {
            assert_eq!(sys::kill(NOBODY - target, 0), -i64::from(libc::ESRCH));
        }
        0
    });
    caller.succeed();
    let mut ring = probe.open();
    assert_eq!(ring.lost(), [], "nobody has looked");
    let kept = ring.look();
    let kept = kept.iter().filter(|(key, _)| key.tgid == caller.pid as u32).count() as u64;
    let lost = ring.lost();
    let &[((abi::NO_CPU, abi::kind::POLL), lost)] = lost.as_slice() else { panic!("{lost:?}") };
    let ours = TARGETS as u64 - kept;
    assert!(ours > 0, "the map has no room for all of them");
    // Others may have asked something meanwhile.
    assert!((ours..ours + 2000).contains(&lost), "{kept} of {TARGETS} kept, {lost} lost");
}

/// What was taken is not what is lost, whoever takes it.
#[test]
fn counts_of_signal_0_that_were_taken_are_not_lost() {
    let sandbox = Sandbox::new();
    let probe = Probe::load(&sandbox, "probe", &ample());
    // Few: other tests' maps see them as well.
    for round in 0..3 {
        let mut caller = Child::fork(|| {
            for target in 0..60 {
                assert_eq!(sys::kill(NOBODY - target, 0), -i64::from(libc::ESRCH));
            }
            0
        });
        caller.succeed();
        // As a new process each time.
        let mut ring = probe.open();
        let polls = ring.look();
        let ours = polls.iter().filter(|(key, _)| key.tgid == caller.pid as u32).count();
        assert_eq!(ours, 60, "round {round}");
        ring.clear_polls(&polls.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        ring.look();
        assert!(ring.lost().iter().all(|((_, kind), _)| *kind != abi::kind::POLL), "{:?}", ring.lost());
    }
}

#[test]
fn failed_calls_broadcasts_and_a_kill_of_a_zombie_are_recorded_and_a_plain_kill_is_not() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    // A group of three: its leader, and two that joined it.
    let leader = sleeper(|| assert_eq!(sys::call(libc::SYS_setpgid, &[0, 0]), 0));
    let group = i64::from(leader.pid);
    let join = || assert_eq!(sys::call(libc::SYS_setpgid, &[0, group]), 0);
    let members = [sleeper(join), sleeper(join)];
    let root = sleeper(|| {});
    let zombie = Child::fork(|| 0);
    zombie.wait_for_zombie();

    let mut caller = Child::fork(|| {
        let (esrch, einval) = (-i64::from(libc::ESRCH), -i64::from(libc::EINVAL));
        assert_eq!(sys::kill(root.pid, libc::SIGURG), 0);
        assert_eq!(sys::kill(NOBODY, libc::SIGTERM), esrch);
        assert_eq!(sys::kill(root.pid, 65), einval);
        assert_eq!(sys::kill(-leader.pid, libc::SIGWINCH), 0);
        assert_eq!(sys::kill(zombie.pid, libc::SIGTERM), 0);
        assert_eq!(sys::kill(-NOBODY, libc::SIGTERM), esrch);
        assert_eq!(sys::call(libc::SYS_setresuid, &[65534; 3]), 0);
        assert_eq!(sys::kill(root.pid, libc::SIGWINCH), -i64::from(libc::EPERM));
        0
    });
    caller.succeed();
    // Kill(0) reaches the caller's own group: it makes one first.
    let mut alone = Child::fork(|| {
        join_own_group();
        assert_eq!(sys::kill(0, libc::SIGWINCH), 0);
        0
    });
    alone.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&caller);
    assert_eq!(
        story.calls(me),
        [
            failed_or_wide(call::KILL, NOBODY, libc::SIGTERM, -libc::ESRCH),
            failed_or_wide(call::KILL, root.pid, 65, -libc::EINVAL),
            failed_or_wide(call::KILL, -leader.pid, libc::SIGWINCH, 0),
            failed_or_wide(call::KILL, -NOBODY, libc::SIGTERM, -libc::ESRCH),
            failed_or_wide(call::KILL, root.pid, libc::SIGWINCH, -libc::EPERM),
        ]
    );
    let plain: Vec<_> = story.signals(me, story.id(&root)).iter().map(|(_, s)| s.sig).collect();
    assert_eq!(plain, [libc::SIGURG as u8], "the one that was allowed");
    for member in [&leader, &members[0], &members[1]] {
        let got = story.signals(me, story.id(member));
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!((got[0].1.sig, got[0].1.group), (libc::SIGWINCH as u8, true));
    }
    let to_zombie = story.signals(me, story.id(&zombie));
    assert_eq!(to_zombie.len(), 1, "{to_zombie:?}");
    assert_eq!((to_zombie[0].1.sig, to_zombie[0].1.result), (libc::SIGTERM as u8, 1), "and no effect");
    let me = story.id(&alone);
    assert_eq!(story.calls(me), [failed_or_wide(call::KILL, 0, libc::SIGWINCH, 0)]);
    assert_eq!(story.signals(me, me).len(), 1);
}

fn join_own_group() {
    assert_eq!(sys::call(libc::SYS_setpgid, &[0, 0]), 0);
}

#[test]
fn a_kill_of_everybody_is_recorded_with_each_that_it_reached() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut outside = namespace::with_init(
        |inside| {
            let ready = Channel::new();
            let mut victims: Vec<_> = (0..3)
                .map(|_| {
                    inside.fork(|_| {
                        ready.tell();
                        sleep_for_ever()
                    })
                })
                .collect();
            victims.iter().for_each(|_| ready.await_word());
            inside.fork(|inside| inside.kill_everybody(libc::SIGTERM) as i32).succeed();
            for victim in &mut victims {
                assert_eq!(victim.wait().status, libc::SIGTERM);
            }
            0
        },
        |status| assert_eq!(status, 0),
    );
    outside.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let inits = story.forks_by(story.id(&outside));
    assert_eq!(inits.len(), 1);
    let init = inits[0].1.child;
    let mut forks: Vec<ProcId> = story.forks_by(init).iter().map(|(_, forked)| forked.child).collect();
    let killer = forks.pop().expect("the killer was forked last");
    assert_eq!(forks.len(), 3);
    assert_eq!(story.calls(killer), [failed_or_wide(call::KILL, -1, libc::SIGTERM, 0)]);
    for victim in forks {
        let signals = story.signals(killer, victim);
        assert_eq!(signals.len(), 1, "{signals:?}");
        let signal = signals[0].1;
        assert_eq!((signal.sig, signal.code, signal.result), (libc::SIGTERM as u8, 0, 0));
        assert_eq!(story.exit(victim).status, libc::SIGTERM as u32);
    }
    let terms = story.signals_by(killer).into_iter().filter(|s| s.sig == libc::SIGTERM as u8);
    assert_eq!(terms.count(), 3, "neither the init nor the killer, and nobody outside");
}

/// A process with a second thread; both sleep. Also the second thread's id.
fn with_a_thread() -> (Child, i32) {
    let ready = Channel::new();
    let child = Child::fork(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ready.send(sys::gettid() as u64);
                sleep_for_ever()
            });
            sleep_for_ever()
        })
    });
    let tid = ready.receive() as i32;
    (child, tid)
}

#[test]
fn every_way_to_send_a_signal_keeps_its_code_its_direction_and_its_thread() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let (target, tid) = with_a_thread();
    let (pid, tid) = (i64::from(target.pid), i64::from(tid));
    assert_ne!(pid, tid);
    let (winch, urg, too_large) = (i64::from(libc::SIGWINCH), i64::from(libc::SIGURG), 65);
    let pidfd = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(target.pid).expect("a pid"),
        rustix::process::PidfdFlags::empty(),
    )
    .expect("a pidfd");
    let fd = i64::from(pidfd.as_raw_fd());
    let mut caller = Child::fork(|| {
        let info = sys::siginfo(libc::SIGURG, -7);
        let info = info.as_ptr() as i64;
        assert_eq!(sys::call(libc::SYS_tkill, &[tid, winch]), 0);
        assert_eq!(sys::call(libc::SYS_tgkill, &[pid, tid, urg]), 0);
        assert_eq!(sys::call(libc::SYS_rt_sigqueueinfo, &[pid, urg, info]), 0);
        assert_eq!(sys::call(libc::SYS_rt_tgsigqueueinfo, &[pid, tid, urg, info]), 0);
        assert_eq!(sys::call(libc::SYS_pidfd_send_signal, &[fd, winch, 0, 0]), 0);
        assert_eq!(sys::call(libc::SYS_kill, &[pid, winch]), 0);
        // The same again, with what each has to complain about.
        let (esrch, einval) = (-i64::from(libc::ESRCH), -i64::from(libc::EINVAL));
        assert_eq!(sys::call(libc::SYS_tkill, &[NOBODY.into(), winch]), esrch);
        assert_eq!(sys::call(libc::SYS_tgkill, &[tid, pid, winch]), esrch);
        assert_eq!(sys::call(libc::SYS_rt_sigqueueinfo, &[NOBODY.into(), urg, info]), esrch);
        assert_eq!(sys::call(libc::SYS_rt_tgsigqueueinfo, &[pid, NOBODY.into(), urg, info]), esrch);
        assert_eq!(sys::call(libc::SYS_pidfd_send_signal, &[fd, too_large, 0, 0]), einval);
        0
    });
    caller.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let (me, other) = (story.id(&caller), story.id(&target));
    let got: Vec<_> = story.signals(me, other).into_iter().map(|(_, signal)| signal).collect();
    let sent = |sig: i64, code: i32, group: bool, thread: i64| Signal {
        sender: me,
        target: other,
        target_tid: thread as u32,
        sig: sig as u8,
        code,
        group,
        result: 1,
        no_info: false,
        priv_info: false,
    };
    assert_eq!(
        got,
        [
            sent(winch, libc::SI_TKILL, false, tid),
            sent(urg, libc::SI_TKILL, false, tid),
            sent(urg, -7, true, pid),
            sent(urg, -7, false, tid),
            sent(winch, libc::SI_USER, true, pid),
            sent(winch, libc::SI_USER, true, pid),
        ]
    );
    let failed = |call, target: i64, tgid_arg: i64, sig: i64, ret: i32| Call {
        call,
        target,
        tgid_arg: tgid_arg as i32,
        sig: sig as u8,
        ret: ret.into(),
    };
    assert_eq!(
        story.calls(me),
        [
            failed(call::TKILL, NOBODY.into(), 0, winch, -libc::ESRCH),
            failed(call::TGKILL, pid, tid, winch, -libc::ESRCH),
            failed(call::RT_SIGQUEUEINFO, NOBODY.into(), 0, urg, -libc::ESRCH),
            failed(call::RT_TGSIGQUEUEINFO, NOBODY.into(), pid, urg, -libc::ESRCH),
            failed(call::PIDFD_SEND_SIGNAL, fd, 0, too_large, -libc::EINVAL),
        ]
    );
    nothing_else(&story, me, 6);
}

/// Three acts were recorded where there had been one: the signals of a group that was named by a pidfd had no
/// call to hold them together.
#[test]
fn a_process_group_that_a_pidfd_names_is_recorded_as_one_call() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let leader = sleeper(join_own_group);
    let group = i64::from(leader.pid);
    let member = sleeper(|| assert_eq!(sys::call(libc::SYS_setpgid, &[0, group]), 0));
    let pidfd = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(leader.pid).expect("a pid"),
        rustix::process::PidfdFlags::empty(),
    )
    .expect("a pidfd");
    let fd = i64::from(pidfd.as_raw_fd());
    let (whole_group, winch) = (4, i64::from(libc::SIGWINCH));
    let mut caller = Child::fork(|| {
        let einval = -i64::from(libc::EINVAL);
        match sys::call(libc::SYS_pidfd_send_signal, &[fd, winch, 0, whole_group]) {
            0 => 0,
            // Before Linux 6.9 there are no flags.
            refused if refused == einval => 1,
            other => panic!("pidfd_send_signal: {other}"),
        }
    });
    let known = caller.wait().status == 0;
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&caller);
    let ret = if known { 0 } else { -i64::from(libc::EINVAL) };
    let call = call::PIDFD_SEND_SIGNAL;
    let tgid_arg = whole_group as i32;
    assert_eq!(story.calls(me), [Call { call, target: fd, tgid_arg, sig: winch as u8, ret }]);
    for child in [&leader, &member] {
        assert_eq!(story.signals(me, story.id(child)).len(), usize::from(known));
    }
}

/// Besides what was asserted, `sender` sent only the news of its own end.
fn nothing_else(story: &Story, sender: ProcId, sent: usize) {
    let all = story.signals_by(sender);
    let news = all.iter().filter(|s| s.sig == libc::SIGCHLD as u8).count();
    assert_eq!(all.len(), sent + news, "{all:?}");
    assert_eq!(news, 1);
}

/// Verifiers take for granted that no pointer among the arguments is null, and left out what was to be done if it is: the
/// signal looked like one of kill(2).
#[test]
fn what_is_told_when_a_parent_dies_has_no_siginfo() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut parent = Child::fork(|| {
        let (ready, told) = std::io::pipe().expect("a pipe");
        // SAFETY: this process has one thread, so the child may run ordinary code.
        if unsafe { libc::fork() } == 0 {
            let sig = libc::SIGUSR2.into();
            assert_eq!(sys::call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG.into(), sig]), 0);
            drop(told);
            sleep_for_ever();
        }
        drop(told);
        // The end of the pipe: the child has asked to be told.
        assert_eq!(std::io::Read::read(&mut &ready, &mut [0]).expect("an end"), 0);
        0
    });
    parent.succeed();
    let story = recording.stop();
    let told = story.pick(story.id(&parent), |what| match *what {
        What::Signal(Signal { sig, code, no_info, .. }) if i32::from(sig) == libc::SIGUSR2 => {
            Some((code, no_info))
        }
        _ => None,
    });
    assert_eq!(told, [(0, true)]);
}
