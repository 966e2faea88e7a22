//! The end of a process: once, with what its parent is told, and what it has used.

use std::sync::{
    Barrier,
    atomic::{AtomicU32, Ordering},
};

use lastrites_tracer::probe::LoadOptions;
use lastrites_traces::event::What;

use crate::{
    child::{Channel, Child, Ended, sleep_for_ever, sleeper},
    recording::{Probe, Recording, ample},
    sandbox::Sandbox,
    story::Story,
    sys,
};

/// Sees that a process ended once, as its parent was told; the status.
fn same(story: &Story, child: &Child, ended: Ended) -> u32 {
    let exit = story.exit(story.id(child));
    assert_eq!(exit.status as i32, ended.status, "child {}", child.pid);
    exit.status
}

#[test]
fn an_exit_has_the_status_that_wait_gives_core_flag_included() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut code = Child::fork(|| 7);
    let mut killed = sleeper(|| {});
    killed.kill(libc::SIGKILL);
    let dump = |bytes: u64| {
        let dir = sandbox.dir();
        Child::fork(move || {
            sys::limit_core(bytes);
            std::env::set_current_dir(dir).expect("a directory for the core");
            sys::kill(sys::getpid(), libc::SIGABRT);
            0
        })
    };
    let (mut without, mut with) = (dump(0), dump(libc::RLIM_INFINITY));
    let ended = [&mut code, &mut killed, &mut without, &mut with].map(Child::wait);
    let story = recording.stop();
    story.must_be_whole();
    let status = [&code, &killed, &without, &with];
    let status: Vec<_> = status.iter().zip(ended).map(|(child, ended)| same(&story, child, ended)).collect();
    assert_eq!(status[..2], [7 << 8, libc::SIGKILL as u32]);
    // Where core_pattern names a program, the limit of 0 does not keep it from being asked.
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").expect("core_pattern");
    let abort = libc::SIGABRT as u32;
    if pattern.starts_with('|') {
        assert_eq!(status[2] & 0x7f, abort);
    } else {
        assert_eq!(status[2], abort, "no core");
        assert_eq!(status[3], abort | 0x80, "a core by {pattern}");
    }
}

#[test]
fn a_process_whose_leader_goes_first_ends_once_with_its_last_thread() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let gone = Channel::new();
    let go = Channel::new();
    // How the last thread goes: by itself, by ending everything, by a signal.
    let ways = ["thread", "group", "signal"];
    let mut children = ways.map(|way| {
        Child::fork(|| {
            let leader = sys::getpid();
            std::thread::spawn({
                let (gone, go) = (&raw const gone as usize, &raw const go as usize);
                move || {
                    // SAFETY: both live in the frame of the test, of which this process is a copy.
                    let (gone, go) = unsafe { (&*(gone as *const Channel), &*(go as *const Channel)) };
                    let stat = format!("/proc/self/task/{leader}/stat");
                    while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")) {
                        std::thread::yield_now();
                    }
                    gone.tell();
                    go.await_word();
                    match way {
                        "thread" => sys::exit_thread(9 << 8),
                        "group" => std::process::exit(3),
                        _ => sys::kill(leader, libc::SIGKILL),
                    }
                }
            });
            sys::exit_thread(5)
        })
    });
    children.iter().for_each(|_| gone.await_word());
    let all_leaders_gone_ns = sys::boottime_ns();
    children.iter().for_each(|_| go.tell());
    let ended = children.each_mut().map(Child::wait);
    let story = recording.stop();
    story.must_be_whole();
    for (child, ended) in children.iter().zip(ended) {
        same(&story, child, ended);
        let exit = story.exit(story.id(child));
        assert!(story.events[exit.index].time_ns > all_leaders_gone_ns, "with the last thread");
    }
    assert_eq!(ended[1].status, 3 << 8);
    assert_eq!(ended[2].status, libc::SIGKILL);
}

/// Two threads that leave at the same moment, each on a CPU of its own; the wait status of both together.
fn two_leave_at_once(cpus: &[usize]) -> i32 {
    let here = &AtomicU32::new(0);
    std::thread::scope(|scope| {
        let leave = |n: usize| {
            sys::pin_to(cpus[n % cpus.len()]);
            here.fetch_add(1, Ordering::SeqCst);
            while here.load(Ordering::SeqCst) < 2 {
                std::hint::spin_loop();
            }
            sys::exit_thread(0)
        };
        scope.spawn(move || leave(1));
        leave(0)
    })
}

/// A process of eight threads, spinning or asleep, that is killed.
fn many_killed(spin: bool) -> (Child, Ended) {
    let ready = Channel::new();
    let mut child = Child::fork(|| {
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (barrier, ready) = (&barrier, &ready);
                scope.spawn(move || {
                    barrier.wait();
                    if n == 0 {
                        ready.tell();
                    }
                    if !spin {
                        sleep_for_ever()
                    }
                    loop {
                        std::hint::spin_loop();
                    }
                });
            }
        });
        0
    });
    ready.await_word();
    child.kill(libc::SIGKILL);
    let ended = child.wait();
    (child, ended)
}

/// Threads that leave together do it on all CPUs at once. The probe asked how many were left, and sometimes
/// two of them found that none was: of some hundred such processes a few ended twice.
#[test]
fn processes_of_many_threads_end_once_however_their_threads_race() {
    let sandbox = Sandbox::new();
    let cpus = sys::cpus();
    let options = LoadOptions { no_group_dead: true, ..ample() };
    let mut probes =
        [Probe::load(&sandbox, "as-it-is", &ample()), Probe::load(&sandbox, "as-on-older-kernels", &options)];
    probes.iter_mut().for_each(Probe::begin);
    let mut children: Vec<(Child, Ended)> = Vec::new();
    for round in 0..220 {
        children.push(if round % 11 == 0 {
            many_killed(round % 2 == 0)
        } else {
            let mut child = Child::fork(|| two_leave_at_once(&cpus));
            let ended = child.wait();
            (child, ended)
        });
        probes.iter_mut().for_each(Probe::take);
    }
    for story in probes.map(Probe::story) {
        for (child, ended) in &children {
            same(&story, child, *ended);
        }
    }
}

#[test]
fn an_exit_tells_how_much_time_and_memory_was_used() {
    const BURN_NS: u64 = 60_000_000;
    const TOUCHED: usize = 48 << 20;
    /// A tick of the slowest clock that kernels are built with: what the scheduler may not have counted yet.
    const TICK_NS: u64 = 10_000_000;
    fn burn() {
        let cpu_ns = || {
            let mut time = [0i64; 2];
            let clock = libc::CLOCK_THREAD_CPUTIME_ID.into();
            assert_eq!(sys::call(libc::SYS_clock_gettime, &[clock, time.as_mut_ptr() as i64]), 0);
            time[0] as u64 * 1_000_000_000 + time[1] as u64
        };
        while cpu_ns() < BURN_NS {
            std::hint::spin_loop();
        }
    }
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut busy = Child::fork(|| {
        burn();
        0
    });
    let mut threads = Child::fork(|| {
        for _ in 0..2 {
            std::thread::spawn(burn).join().expect("burnt");
        }
        0
    });
    let mut large = Child::fork(|| {
        let mut memory = vec![0u8; TOUCHED];
        memory.chunks_mut(4096).for_each(|page| page[0] = 1);
        std::hint::black_box(&memory);
        0
    });
    let ended = [&mut busy, &mut threads, &mut large].map(Child::wait);
    let story = recording.stop();
    story.must_be_whole();
    let exits = [&busy, &threads, &large].map(|child| story.exit(story.id(child)));
    for (exit, ended) in exits.iter().zip(ended) {
        // The parent is told a little more, for the way out takes time too.
        assert!(exit.cpu_ns <= ended.cpu_ns + TICK_NS, "{exit:?} {ended:?}");
        assert_eq!(exit.peak_rss_kib, ended.max_rss_kib, "{exit:?} {ended:?}");
        assert!(exit.peak_rss_kib > 0 && exit.peak_rss_kib < 4 << 20, "{exit:?}");
    }
    assert!(exits[0].cpu_ns >= BURN_NS - TICK_NS, "{:?}", exits[0]);
    assert!(exits[1].cpu_ns >= 2 * (BURN_NS - TICK_NS), "threads that were gone count: {:?}", exits[1]);
    assert!(exits[2].peak_rss_kib >= TOUCHED as u64 >> 10, "{:?}", exits[2]);
    assert!(exits[0].peak_rss_kib < exits[2].peak_rss_kib);
}

#[test]
fn a_thread_that_ends_is_no_end_of_its_process() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let told = Channel::new();
    let child = Child::fork(|| {
        for _ in 0..20 {
            std::thread::spawn(|| {}).join().expect("joined");
        }
        told.tell();
        sleep_for_ever()
    });
    told.await_word();
    let story = recording.stop();
    let id = story.id(&child);
    let seen = story.pick(id, |what| matches!(what, What::Exit { .. } | What::Fork { .. }).then_some(()));
    assert_eq!(seen.len(), 1, "its own fork, and nothing of its threads");
}
