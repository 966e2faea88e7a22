//! The last thread of a process exits.
//!
//! kernel: sched_process_exit(struct task_struct *p)
//! kernel: sched_process_exit(struct task_struct *p, bool group_dead)

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{Exit, kind};

use crate::config::config;
use crate::ring::{fill_header, reserve};
use crate::task::{Pointer, follow, id, is_kernel_thread, load};

/// `signal_struct.flags`: the whole group is going, with `group_exit_code`.
const SIGNAL_GROUP_EXIT: u32 = 4;

#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let task: Pointer = ctx.arg(0);
    // SAFETY: the verifier knows the type of the argument and of what is followed.
    unsafe {
        let signal = follow(task, config!(task_signal));
        // do_exit() has taken itself off `live` before it comes here.
        if load::<i32>(signal, config!(signal_live)) > 0 || is_kernel_thread(task) {
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
