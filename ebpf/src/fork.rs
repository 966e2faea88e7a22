//! A process forks.
//!
//! kernel: sched_process_fork(struct task_struct *parent, struct task_struct *child)

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{Fork, kind};

use crate::config::config;
use crate::preempt;
use crate::ring::{fill_header, reserve};
use crate::task::{Pointer, follow, id, is_kernel_thread, load, namespace_pid};

#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    preempt::first(kind::FORK, || forked(&ctx))
}

#[cfg(not(feature = "v2"))]
#[btf_tracepoint(function = "sched_process_fork")]
pub fn second_sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    preempt::second(kind::FORK, || forked(&ctx))
}

#[inline(always)]
fn forked(ctx: &BtfTracePointContext) -> i32 {
    let parent: Pointer = ctx.arg(0);
    let child: Pointer = ctx.arg(1);
    // SAFETY: the verifier knows the types of both arguments.
    unsafe {
        let tgid: u32 = load(child, config!(task_tgid));
        if tgid != load::<u32>(child, config!(task_pid)) || is_kernel_thread(child) {
            return 0;
        }
        const LEN: usize = size_of::<Fork>();
        let Some(reserved) = reserve(kind::FORK, LEN as u64) else { return 0 };
        let record: *mut Fork = reserved.as_ptr();
        fill_header(&raw mut (*record).header, kind::FORK, 0, LEN as u16, id(parent));
        let (ns_level, ns_pid) = namespace_pid(child);
        (*record).child_start_ns = load(child, config!(task_start_boottime));
        (*record).child_tgid = tgid;
        (*record).child_ppid = load(follow(child, config!(task_real_parent)), config!(task_tgid));
        (*record).cgroup = crate::task::cgroup(child);
        (*record).ns_level = ns_level;
        (*record).ns_pid = ns_pid;
        reserved.commit();
    }
    0
}
