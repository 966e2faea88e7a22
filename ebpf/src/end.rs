//! The end: reboot(2), recorded on entry, for it does not return.
//!
//! kernel: __x64_sys_reboot(const struct pt_regs *regs)

use aya_ebpf::macros::{fentry, tracepoint};
use aya_ebpf::programs::{FEntryContext, TracePointContext};
use lastrites_traces::abi::{Reboot, kind};

use crate::config::config;
use crate::preempt::unpreempted;
use crate::ring::{fill_header, reserve};
use crate::task::{argument, current_id, peek};

#[inline(always)]
fn reboot(cmd: u32) {
    const LEN: usize = size_of::<Reboot>();
    let Some(reserved) = reserve(kind::REBOOT, LEN as u64) else { return };
    let record: *mut Reboot = reserved.as_ptr();
    // SAFETY: reserved room of that size; helpers without preconditions.
    unsafe {
        let task = aya_ebpf::helpers::generated::bpf_get_current_task();
        fill_header(&raw mut (*record).header, kind::REBOOT, 0, LEN as u16, current_id());
        (*record).cmd = cmd;
        (*record).ns_level = peek(peek(task, config!(task_thread_pid)), config!(pid_level));
    }
    reserved.commit();
}

#[fentry(function = "__x64_sys_reboot")]
pub fn fentry_reboot(ctx: FEntryContext) -> i32 {
    unpreempted(|| reboot(peek::<u64>(ctx.arg(0), config!(regs_dx)) as u32));
    0
}

#[tracepoint]
pub fn sys_enter_reboot(ctx: TracePointContext) -> u32 {
    reboot(argument(&ctx, 2) as u32);
    0
}
