//! The last thread of a process exits.
//!
//! kernel: sched_process_exit(struct task_struct *p)
//! kernel: sched_process_exit(struct task_struct *p, bool group_dead)
//!
//! Newer kernels say which thread is the last. Older ones only let us ask how many are left, and threads
//! that leave on several CPUs at once may all find that none is: there the first that claims its process
//! in [`EXITED`] is the one that is recorded.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{Exit, kind};

use crate::config::{config, read};
use crate::preempt;
use crate::ring::{fill_header, reserve};
use crate::task::{Id, Pointer, SIGNAL_GROUP_EXIT, follow, id, is_kernel_thread, load};

/// Whether the tracepoint has its second argument; the loader sets it.
#[unsafe(no_mangle)]
static EXIT_SAYS_LAST: u32 = 0;

/// Processes whose exit was recorded, for as long as their other threads may still be on the way out.
#[map]
static EXITED: LruHashMap<[u64; 2], u8> = LruHashMap::with_max_entries(1024, 0);

/// Whether nobody has recorded the exit of this process yet. When the map is out of room an exit may be
/// recorded twice, but none is lost.
#[inline(always)]
fn claim(process: Id) -> bool {
    const BPF_NOEXIST: u64 = 1;
    const EEXIST: i32 = 17;
    let key = [u64::from(process.tgid), process.start_ns];
    EXITED.insert(&key, &1, BPF_NOEXIST) != Err(-EEXIST)
}

#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    preempt::first(kind::EXIT, || exited(&ctx))
}

#[cfg(not(feature = "v2"))]
#[btf_tracepoint(function = "sched_process_exit")]
pub fn second_sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    preempt::second(kind::EXIT, || exited(&ctx))
}

#[inline(always)]
fn exited(ctx: &BtfTracePointContext) -> i32 {
    let task: Pointer = ctx.arg(0);
    // SAFETY: the verifier knows the type of the argument and of what is followed.
    unsafe {
        if is_kernel_thread(task) {
            return 0;
        }
        let signal = follow(task, config!(task_signal));
        if read(&raw const EXIT_SAYS_LAST) != 0 {
            if ctx.arg::<u64>(1) == 0 {
                return 0;
            }
        // do_exit() has taken itself off `live` before it comes here.
        } else if load::<i32>(signal, config!(signal_live)) > 0 || !claim(id(task)) {
            return 0;
        }
        let leader = follow(task, config!(task_group_leader));
        let group_exit = load::<u32>(signal, config!(signal_flags)) & SIGNAL_GROUP_EXIT != 0;
        let status: u32 = if group_exit {
            load(signal, config!(signal_group_exit_code))
        } else {
            load(leader, config!(task_exit_code))
        };
        const LEN: usize = size_of::<Exit>();
        let Some(reserved) = reserve(kind::EXIT, LEN as u64) else { return 0 };
        let record: *mut Exit = reserved.as_ptr();
        fill_header(&raw mut (*record).header, kind::EXIT, 0, LEN as u16, id(task));
        // Threads that are gone have left their time in `sum_sched_runtime`; a leader that ended before
        // the last thread is still there, as a zombie, with its own.
        let mut cpu_ns: u64 = load(signal, config!(signal_sum_sched_runtime));
        cpu_ns += load::<u64>(task, config!(task_sum_exec_runtime));
        if leader as u64 != task as u64 {
            cpu_ns += load::<u64>(leader, config!(task_sum_exec_runtime));
        }
        (*record).cpu_ns = cpu_ns;
        (*record).peak_rss_pages = load(signal, config!(signal_maxrss));
        (*record).status = status;
        (*record).reserved = 0;
        reserved.commit();
    }
    0
}
