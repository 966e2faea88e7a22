//! A process execs.
//!
//! kernel: sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
//!
//! The record is made in scratch memory and copied to the ring once its length is known.

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{
    ARGV_MAX, ENV_MAX, EXEC_FLAG_ARGV_CUT, EXEC_FLAG_ARGV_FAULT, EXEC_FLAG_ENV_CUT, EXEC_FLAG_FILENAME_CUT,
    Exec, FILENAME_MAX, SLACK, kind,
};

use crate::config::{ABSENT, config};
use crate::preempt;
use crate::ring::{fill_header, lose, reserve};
use crate::task::{Pointer, cgroup, follow, id, load, peek};

/// A record, behind it room for one more string than is kept, and [`Work`].
const SCRATCH: usize = 2 * SLACK + size_of::<Work>();

/// One for each program that makes such records; the loader leaves out what is not used.
#[map]
static EXEC_SCRATCH: PerCpuArray<[u8; SCRATCH]> = PerCpuArray::with_max_entries(2, 0);

/// Longest variable that can be got past, its NUL counted; a longer one ends the search.
const VARIABLE_MAX: usize = SLACK;
/// Variables looked at.
const VARIABLES_MAX: u32 = 64;

/// First eight bytes of the variables that name a service, a runlevel or a session.
const KEPT: [[u8; 8]; 16] = [
    *b"UPSTART_",
    *b"INVOCATI",
    *b"RUNLEVEL",
    *b"PREVLEVE",
    *b"NOTIFY_S",
    *b"RC_SVCNA",
    *b"DINIT_SE",
    *b"SUPERVIS",
    *b"MONIT_SE",
    *b"INIT_VER",
    *b"SSH_CONN",
    *b"SUDO_USE",
    *b"SYSTEMD_",
    *b"runlevel",
    *b"previous",
    *b"RC_RUNLE",
];
/// Slots of [`TABLE`], as a power of two.
const SLOTS_LOG2: u32 = 6;
const SLOTS: usize = 1 << SLOTS_LOG2;
const MULTIPLIER: u64 = multiplier();
/// [`KEPT`], each in the slot that [`slot`] names: one comparison instead of sixteen, which the verifier
/// would have to follow through every turn of the loop. By its plain name: a mangled one tells in which
/// directory the object was built.
#[unsafe(no_mangle)]
static TABLE: [u64; SLOTS] = table();

const fn slot(start: u64, multiplier: u64) -> usize {
    (start.wrapping_mul(multiplier) >> (64 - SLOTS_LOG2)) as usize
}

/// A multiplier that sends no two of [`KEPT`] to one slot.
const fn multiplier() -> u64 {
    let mut multiplier: u64 = 0x9e37_79b9_7f4a_7c15;
    loop {
        let mut taken: u64 = 0;
        let mut index = 0;
        while index < KEPT.len() {
            taken |= 1 << slot(u64::from_le_bytes(KEPT[index]), multiplier);
            index += 1;
        }
        if taken.count_ones() as usize == KEPT.len() {
            return multiplier;
        }
        multiplier = multiplier.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
}

const fn table() -> [u64; SLOTS] {
    let mut table = [0; SLOTS];
    let mut index = 0;
    while index < KEPT.len() {
        let start = u64::from_le_bytes(KEPT[index]);
        table[slot(start, MULTIPLIER)] = start;
        index += 1;
    }
    table
}

#[inline(always)]
fn kept(start: u64) -> bool {
    // SAFETY: a slot is below SLOTS.
    start
        == unsafe { core::ptr::read_volatile((&raw const TABLE).cast::<u64>().add(slot(start, MULTIPLIER))) }
}

/// What the program has found out so far. It lies in a map, not in registers: of what comes back from
/// there the verifier knows nothing, so that all ways to one place look the same to it and are followed
/// once; and the compiler knows nothing either, so that it keeps the masks that the verifier wants to see.
#[repr(C)]
struct Work {
    /// Bytes of the record.
    len: usize,
    env_len: usize,
    argv_len: usize,
    filename_len: usize,
    flags: u64,
}

macro_rules! get {
    ($work:ident.$field:ident) => {
        core::ptr::read_volatile(&raw const (*$work).$field)
    };
}
macro_rules! set {
    ($work:ident.$field:ident = $value:expr) => {
        core::ptr::write_volatile(&raw mut (*$work).$field, $value)
    };
}

#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    preempt::first(kind::EXEC, || executed(&ctx, 0))
}

#[cfg(not(feature = "v2"))]
#[btf_tracepoint(function = "sched_process_exec")]
pub fn second_sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    preempt::second(kind::EXEC, || executed(&ctx, 1))
}

#[inline(always)]
fn executed(ctx: &BtfTracePointContext, program: u32) -> i32 {
    let task: Pointer = ctx.arg(0);
    let bprm: u64 = ctx.arg(2);
    let Some(scratch) = EXEC_SCRATCH.get_ptr_mut(program) else {
        lose(kind::EXEC);
        return 0;
    };
    let scratch: *mut u8 = scratch.cast();
    // SAFETY: scratch has room for all that is written; the verifier checks each bound.
    unsafe {
        let work: *mut Work = scratch.add(2 * SLACK).cast();
        set!(work.flags = 0);
        filename(scratch, work, bprm);
        let mm = follow(task, config!(task_mm));
        argv(scratch, work, load(mm, config!(mm_arg_start)), load(mm, config!(mm_arg_end)));
        environment(scratch, work, load(mm, config!(mm_env_start)), load(mm, config!(mm_env_end)));

        // Zeros up to the next multiple of eight.
        let at = get!(work.len) & (SLACK - 1);
        core::ptr::write_unaligned(scratch.add(at).cast::<u64>(), 0);
        set!(work.len = (at + 7) & !7);
        let len = get!(work.len) & (SLACK - 1);
        fixed(scratch.cast(), work, task, len);

        let Some(reserved) = reserve(kind::EXEC, len as u64) else { return 0 };
        // All but the stamp, which commit() writes.
        let body = reserved.as_ptr::<u8>().add(8);
        set!(work.len = len - 8);
        bpf_probe_read_kernel(body.cast(), (get!(work.len) & (SLACK - 8)) as u32, scratch.add(8).cast());
        reserved.commit();
    }
    0
}

#[inline(always)]
unsafe fn filename(scratch: *mut u8, work: *mut Work, bprm: u64) {
    // SAFETY: see `executed`.
    unsafe {
        let from: u64 = peek(bprm, config!(binprm_filename));
        let to = scratch.add(size_of::<Exec>());
        let got = bpf_probe_read_kernel_str(to.cast(), FILENAME_MAX as u32, from as *const _);
        // The length counts the NUL, which is not kept.
        let len = if got > 0 { got as usize - 1 } else { 0 };
        if len == FILENAME_MAX - 1 {
            set!(work.flags = get!(work.flags) | u64::from(EXEC_FLAG_FILENAME_CUT));
        }
        set!(work.filename_len = len);
        set!(work.len = size_of::<Exec>() + len);
    }
}

#[inline(always)]
unsafe fn argv(scratch: *mut u8, work: *mut Work, start: u64, end: u64) {
    // SAFETY: see `executed`.
    unsafe {
        let mut len = end.saturating_sub(start);
        if len > ARGV_MAX as u64 - 1 {
            len = ARGV_MAX as u64 - 1;
            set!(work.flags = get!(work.flags) | u64::from(EXEC_FLAG_ARGV_CUT));
        }
        set!(work.argv_len = len as usize);
        let len = get!(work.argv_len) & (ARGV_MAX - 1);
        let at = get!(work.len) & (SLACK - 1);
        if len > 0 && bpf_probe_read_user(scratch.add(at).cast(), len as u32, start as *const _) != 0 {
            set!(work.argv_len = 0);
            set!(work.flags = get!(work.flags) | u64::from(EXEC_FLAG_ARGV_FAULT));
        }
        set!(work.len = at + get!(work.argv_len));
    }
}

#[inline(always)]
unsafe fn environment(scratch: *mut u8, work: *mut Work, start: u64, end: u64) {
    // SAFETY: see `executed`.
    unsafe {
        let mut variable = start;
        set!(work.env_len = 0);
        let mut looked = 0;
        while looked < VARIABLES_MAX && variable < end {
            let to = scratch.add(get!(work.len) & (SLACK - 1));
            let got = bpf_probe_read_user_str(to.cast(), VARIABLE_MAX as u32, variable as *const _);
            if got <= 0 || got >= VARIABLE_MAX as i64 {
                break;
            }
            if kept(core::ptr::read_unaligned(to.cast::<u64>())) {
                let env_len = get!(work.env_len) + got as usize;
                if env_len > ENV_MAX {
                    break;
                }
                set!(work.env_len = env_len);
                set!(work.len = get!(work.len) + got as usize);
            }
            variable += got as u64;
            looked += 1;
        }
        // Whatever ended the search, something is left that was not looked at.
        if variable < end {
            set!(work.flags = get!(work.flags) | u64::from(EXEC_FLAG_ENV_CUT));
        }
    }
}

#[inline(always)]
unsafe fn fixed(record: *mut Exec, work: *mut Work, task: Pointer, len: usize) {
    // SAFETY: see `executed`.
    unsafe {
        let parent = id(follow(task, config!(task_real_parent)));
        let signal = follow(task, config!(task_signal));
        fill_header(&raw mut (*record).header, kind::EXEC, get!(work.flags) as u8, len as u16, id(task));
        (*record).header.stamp = 0;
        (*record).parent_start_ns = parent.start_ns;
        (*record).cgroup = cgroup(task);
        (*record).ppid = parent.tgid;
        (*record).uid = peek(load::<u64>(task, config!(task_cred)), config!(cred_uid));
        let nr = config!(upid_nr);
        let pids =
            if config!(signal_session) == ABSENT { 0 } else { load::<u64>(signal, config!(signal_session)) };
        (*record).session = peek(pids, if nr == ABSENT { ABSENT } else { config!(pid_numbers) + nr });
        (*record).filename_len = get!(work.filename_len) as u16;
        (*record).argv_len = get!(work.argv_len) as u16;
        (*record).env_len = get!(work.env_len) as u16;
        (*record).reserved = [0; 6];
        (*record).tty = [0; 16];
        let tty: u64 = load(signal, config!(signal_tty));
        if tty != 0 && config!(tty_name) != ABSENT {
            let name = tty + u64::from(config!(tty_name));
            bpf_probe_read_kernel_str((&raw mut (*record).tty).cast(), 16, name as *const _);
        }
        (*record).comm = [0; 16];
        if config!(task_comm) != ABSENT {
            let name = task as u64 + u64::from(config!(task_comm));
            bpf_probe_read_kernel_str((&raw mut (*record).comm).cast(), 16, name as *const _);
        }
    }
}
