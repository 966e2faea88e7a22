//! What the kernel did not ask the probe about: it runs no program inside itself, and counts how often that was so.

use std::{
    fs,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use lastrites_tracer::{
    kernel,
    kernel_ring::sys::{open_pin, prog_misses, update},
    probe::meta::Meta,
};
use lastrites_traces::abi::{NO_CPU, kind};

use crate::{
    hooks::info,
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
}
