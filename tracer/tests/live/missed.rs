//! What the kernel did not ask the probe about: it runs no program inside itself, and counts how often that was so.

use std::{
    fs,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use lastrites_tracer::{
    kernel,
    kernel_ring::sys::{is_program, lookup, open_pin, prog_misses, update},
    probe::{How, LoadOptions, Preempts, meta::Meta},
};
use lastrites_traces::abi::{NO_CPU, kind};

use crate::{
    hooks::{info, lives, told_of},
    recording::{Probe, ample},
    sandbox::Sandbox,
    sys,
};

/// bpf(2) with these words, which makes a descriptor.
fn bpf(command: i64, attr: &[u64]) -> OwnedFd {
    let args = [command, attr.as_ptr() as i64, size_of_val(attr) as i64];
    let fd = sys::call(libc::SYS_bpf, &args);
    assert!(fd >= 0, "bpf({command}): {fd}");
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// A program that runs at each page fault of the kernel, and makes one.
fn recursive() -> (OwnedFd, OwnedFd) {
    const BPF_PROG_LOAD: i64 = 5;
    const BPF_RAW_TRACEPOINT_OPEN: i64 = 17;
    const BPF_PROG_TYPE_RAW_TRACEPOINT: u64 = 17;
    const PROBE_READ_USER: i32 = 112;
    let instruction =
        |code: u64, registers: u64, immediate: i32| code | registers << 8 | u64::from(immediate as u32) << 32;
    // probe_read_user(r10 - 8, 8, an address where nothing is)
    let program = [
        instruction(0xbf, 0xa1, 0),
        instruction(0x07, 1, -8),
        instruction(0xb7, 2, 8),
        instruction(0xb7, 3, 16),
        instruction(0x85, 0, PROBE_READ_USER),
        instruction(0xb7, 0, 0),
        instruction(0x95, 0, 0),
    ];
    let attr = [
        BPF_PROG_TYPE_RAW_TRACEPOINT | (program.len() as u64) << 32,
        program.as_ptr() as u64,
        c"GPL".as_ptr() as u64,
        0,
        0,
        0,
    ];
    let program = bpf(BPF_PROG_LOAD, &attr);
    let name = c"page_fault_kernel".as_ptr() as u64;
    let link = bpf(BPF_RAW_TRACEPOINT_OPEN, &[name, program.as_raw_fd() as u64]);
    (program, link)
}

/// Makes the kernel write to a page that is not there yet.
fn fault() {
    // SAFETY: a new mapping at a place of the kernel's choosing.
    let page = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    assert_ne!(page, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    assert_eq!(sys::call(libc::SYS_clock_gettime, &[0, page as i64]), 0);
}

/// How often it was missed, as the kernel tells people.
fn told(program: &OwnedFd) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = fs::read_to_string(path).expect("the program's fdinfo");
    let count = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"));
    count.and_then(|count| count.trim().parse().ok()).expect("recursion_misses, Linux 5.12")
}

/// The kernel counted what our programs were not asked about, and nobody looked.
#[test]
fn what_a_hook_misses_is_counted_as_lost_and_status_tells_of_it() {
    let sandbox = Sandbox::new();
    let (program, link) = recursive();
    let id = info(&program)[1];
    fault();
    drop(link);
    // What is running still may miss once more.
    let (before, missed, after) = (told(&program), prog_misses(id).expect("it is there"), told(&program));
    let missed = missed.expect("this kernel counts");
    assert!(missed > 0 && (before..=after).contains(&missed), "{before} {missed} {after}");

    let probe = Probe::load(&sandbox, "probe", &ample());
    let of_signals = |counts: Vec<((u32, u8), u64)>| {
        counts
            .into_iter()
            .find(|((cpu, of), _)| (*cpu, *of) == (NO_CPU, kind::SIGNAL))
            .map(|(_, count)| count)
    };
    let mut ring = probe.open();
    ring.look();
    assert_eq!(of_signals(ring.lost()), None, "the probe itself has missed nothing");
    // As if that were the program of this hook.
    let mut meta = Meta::read(&probe.dir).unwrap_or_else(|e| panic!("{e}"));
    let hook = meta.hooks.iter_mut().find(|hook| hook.name == "signal_generate").expect("attached");
    assert!(hook.program.is_some_and(|id| prog_misses(id).is_ok()), "{hook:?}");
    hook.program = Some(id);
    let map = open_pin(&probe.dir.join("META")).expect("pinned");
    update(&map, &0u32.to_ne_bytes(), &mut meta.to_bytes()).expect("written");

    let mut ring = probe.open();
    assert_eq!(of_signals(ring.lost()), None, "nobody has looked");
    ring.look();
    assert_eq!(of_signals(ring.lost()), Some(told(&program)));
    let hooks = kernel::hooks(&probe.dir);
    let line = hooks.iter().find(|line| line.starts_with("signal_generate")).expect("a line");
    assert!(line.contains(&format!("missed {} times", told(&program))), "{line}");
    assert_eq!(hooks.iter().filter(|line| line.contains("missed")).count(), 1, "{hooks:#?}");

    // What a second program has recorded is not lost.
    set_caught(&probe, kind::SIGNAL, told(&program));
    ring.look();
    assert_eq!(of_signals(ring.lost()), None);
    let hooks = kernel::hooks(&probe.dir);
    assert!(!hooks.iter().any(|line| line.contains("missed")), "{hooks:#?}");
}

/// Says that second programs have recorded so many events of `kind`, all on one CPU.
fn set_caught(probe: &Probe, kind: u8, count: u64) {
    let map = open_pin(&probe.dir.join("CAUGHT")).expect("pinned");
    let mut values = vec![0; 8 * probe.report.cpus as usize];
    values[..8].copy_from_slice(&count.to_ne_bytes());
    update(&map, &u32::from(kind).to_ne_bytes(), &mut values).expect("written");
}

/// How many it says.
fn caught(probe: &Probe, kind: u8) -> u64 {
    let map = open_pin(&probe.dir.join("CAUGHT")).expect("pinned");
    let mut values = vec![0; 8 * probe.report.cpus as usize];
    lookup(&map, &u32::from(kind).to_ne_bytes(), &mut values).expect("there");
    values.chunks(8).map(|count| u64::from_ne_bytes(count.try_into().expect("eight bytes"))).sum()
}

/// Since 7.0 the kernel preempts programs at tracepoints, and runs none for who comes there meanwhile on that CPU: forks, execs
/// and exits were lost. Here it is the first programs themselves that are taken away.
#[test]
fn what_the_first_program_of_a_hook_is_not_run_for_the_second_one_records() {
    let sandbox = Sandbox::new();
    let twice = LoadOptions { preempts: Some(Preempts::All), ..ample() };
    let mut probes = [Probe::load(&sandbox, "whole", &ample()), Probe::load(&sandbox, "second", &twice)];
    let kinds = [kind::FORK, kind::EXEC, kind::EXIT, kind::RENAME, kind::SIGNAL, kind::DELIVER];
    assert_eq!(kinds.map(|kind| caught(&probes[1], kind)), [0; 6], "the first ones were run");
    let seconds: Vec<_> =
        probes[1].report.hooks.iter().filter(|hook| hook.name.starts_with("second_")).cloned().collect();
    assert_eq!(seconds.len(), kinds.len(), "{seconds:#?}");
    for hook in &seconds {
        assert_eq!((hook.how, hook.pinned, hook.program), (How::TpBtf, true, None), "{hook:?}");
        let first = probes[1].dir.join(hook.link.replace("second_", ""));
        fs::remove_file(&first).unwrap_or_else(|e| panic!("{}: {e}", first.display()));
    }
    // The kernel takes its time over what nobody holds any more.
    let is_first = |name: &str| seconds.iter().any(|hook| hook.name == format!("second_{name}"));
    let firsts = probes[1].report.hooks.iter().filter(|hook| is_first(&hook.name));
    let firsts: Vec<u32> = firsts.filter_map(|hook| hook.program).collect();
    assert_eq!(firsts.len(), kinds.len());
    while firsts.iter().any(|program| is_program(*program)) {
        std::thread::yield_now();
    }
    probes.iter_mut().for_each(Probe::begin);
    let children = lives();
    for kind in kinds {
        assert!(caught(&probes[1], kind) > 0, "kind {kind}");
    }
    let [whole, second] = probes.map(|probe| told_of(&probe.story(), &children, |_| true));
    assert!(whole.iter().all(|events| events.len() >= 4), "{whole:#?}");
    assert_eq!(whole, second);
}

/// What the kernel may not be asked for, as it is not for programs or not there, costs nothing but what it would have given.
#[test]
fn without_functions_against_preemption_the_probe_is_loaded_all_the_same_and_says_why() {
    let sandbox = Sandbox::new();
    let refused = LoadOptions {
        preempts: Some(Preempts::Lockless),
        preempt_functions: Some(["do_exit", "do_exit"]),
        ..ample()
    };
    let unknown = LoadOptions { preempt_functions: Some(["no_such_function"; 2]), ..refused.clone() };
    let known = LoadOptions { preempt_functions: None, ..refused.clone() };
    let all = [("refused", refused), ("unknown", unknown), ("known", known)];
    let mut probes = all.each_ref().map(|(name, options)| Probe::load(&sandbox, name, options));
    let whys = probes.each_ref().map(|probe| {
        let whys = probe.report.hooks.iter().filter(|hook| hook.how == How::TpBtf);
        whys.filter_map(|hook| Some((hook.name.clone(), hook.why.clone()?))).collect::<Vec<_>>()
    });
    let [refused, unknown, known] = &whys;
    assert!(
        matches!(&refused[..], [(hook, why)] if hook == "sched_process_fork"
        && why.starts_with("without bpf_preempt_disable: ")),
        "{refused:?}"
    );
    assert_eq!((&unknown[..], &known[..]), (&[][..], &[][..]));
    probes.iter_mut().for_each(Probe::begin);
    let children = lives();
    let [refused, unknown, known] = probes.map(|probe| told_of(&probe.story(), &children, |_| true));
    assert!(known.iter().all(|events| events.len() >= 4), "{known:#?}");
    assert_eq!(refused, known);
    assert_eq!(unknown, known);
}
