//! Signals that the kernel makes when something has occurred: whoever runs then is no sender.

use std::sync::atomic::{AtomicU32, Ordering};

use lastrites_traces::{
    abi::call,
    event::{ProcId, What},
};

use crate::{
    child::{Child, sleep_for_ever, sleeper},
    recording::Recording,
    sandbox::Sandbox,
    story::Call,
    sys,
};

/// A number that processes forked from now on share.
pub fn shared() -> &'static AtomicU32 {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping of its own, of zeros, that stays for as long as the test runs.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        &*page.cast::<AtomicU32>()
    }
}

/// Sets a timer of this process that sends `sig` in `ms` milliseconds.
fn set_timer(sig: i32, ms: i64) {
    // SAFETY: all-zero is a valid sigevent.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    (event.sigev_notify, event.sigev_signo) = (libc::SIGEV_SIGNAL, sig);
    let mut id = 0i32;
    let made = [libc::CLOCK_MONOTONIC.into(), (&raw const event) as i64, (&raw mut id) as i64];
    assert_eq!(sys::call(libc::SYS_timer_create, &made), 0);
    let when = [0i64, 0, 0, ms * 1_000_000];
    assert_eq!(sys::call(libc::SYS_timer_settime, &[id.into(), 0, when.as_ptr() as i64, 0]), 0);
}

/// A thread of the kernel, which takes any signal and cares about none.
fn kernel_thread() -> i32 {
    const PF_KTHREAD: u64 = 0x0020_0000;
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_one = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let flags = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(6)?.parse().ok());
        flags.is_some_and(|flags: u64| flags & PF_KTHREAD != 0)
    };
    pids.find(is_one).expect("a kernel thread: these tests want the initial pid namespace")
}

/// Once a busy process was named as the killer of another that had set a timer, and its next kill of which
/// no signal came was taken for the one that the timer had sent.
#[test]
fn a_timer_runs_out_in_the_time_of_a_process_that_has_nothing_to_do_with_it() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let (cpu, thread) = (sys::cpus()[0], kernel_thread());
    let (fired, asked) = (shared(), shared());
    let bystander = Child::fork(|| {
        sys::pin_to(cpu);
        // Always running, and not in the kernel.
        while fired.load(Ordering::Acquire) == 0 {
            std::hint::spin_loop();
        }
        assert_eq!(sys::kill(thread, libc::SIGURG), 0);
        asked.store(1, Ordering::Release);
        loop {
            std::hint::spin_loop();
        }
    });
    let mut victim = Child::fork(|| {
        sys::pin_to(cpu);
        sys::on_signal(libc::SIGUSR1, sys::Action::Handle);
        sys::block(libc::SIGUSR1, true);
        set_timer(libc::SIGUSR1, 100);
        let set: u64 = 1 << (libc::SIGUSR1 - 1);
        let took = sys::call(libc::SYS_rt_sigtimedwait, &[(&raw const set) as i64, 0, 0, 8]);
        assert_eq!(took, i64::from(libc::SIGUSR1));
        fired.store(1, Ordering::Release);
        while asked.load(Ordering::Acquire) == 0 {
            sys::call(libc::SYS_sched_yield, &[]);
        }
        set_timer(libc::SIGKILL, 100);
        sleep_for_ever()
    });
    assert_eq!(victim.wait().status, libc::SIGKILL);
    let busy = bystander.born_ns;
    let pid = bystander.pid;
    drop(bystander);
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&victim);
    let busy = story.fork_between(pid, busy).1.child;
    let got = story.pick(me, |what| match what {
        What::Signal(s) if s.target == me => Some((i32::from(s.sig), s.code, s.sender, s.by_kernel())),
        _ => None,
    });
    let by_timer = |sig| (sig, libc::SI_TIMER, ProcId::KERNEL, true);
    assert_eq!(got, [by_timer(libc::SIGUSR1), by_timer(libc::SIGKILL)]);
    let sent = i64::from(thread);
    let no_signal_came =
        Call { call: call::KILL, target: sent, tgid_arg: 0, sig: libc::SIGURG as u8, ret: 0 };
    assert_eq!(story.calls(busy), [no_signal_came]);
    assert!(story.signals_by(busy).iter().all(|s| i32::from(s.sig) == libc::SIGCHLD), "it sent nothing");
}

#[test]
fn who_makes_up_the_code_of_a_timer_is_found_by_the_call() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let target = sleeper(|| {});
    let pid = i64::from(target.pid);
    let mut caller = Child::fork(|| {
        let info = sys::siginfo(libc::SIGURG, libc::SI_TIMER);
        let made_up = [pid, libc::SIGURG.into(), info.as_ptr() as i64];
        assert_eq!(sys::call(libc::SYS_rt_sigqueueinfo, &made_up), 0);
        0
    });
    caller.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let other = story.id(&target);
    let got = story.pick(other, |what| match what {
        What::Signal(s) if s.target == other && s.code == libc::SI_TIMER => Some(s.sender),
        _ => None,
    });
    assert_eq!(got, [ProcId::KERNEL]);
    let named =
        Call { call: call::RT_SIGQUEUEINFO, target: pid, tgid_arg: 0, sig: libc::SIGURG as u8, ret: 0 };
    assert_eq!(story.calls(story.id(&caller)), [named]);
}
