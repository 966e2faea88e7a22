//! The out-of-memory killer chooses a victim.
//!
//! kernel: mark_victim(int pid)
//! kernel: mark_victim(struct task_struct *task, uid_t uid)

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use lastrites_traces::abi::{Oom, kind};

use crate::config::config;
use crate::ring::{fill_header, reserve};
use crate::task::{current_id, peek};

#[raw_tracepoint(tracepoint = "mark_victim")]
pub fn mark_victim(ctx: RawTracePointContext) -> i32 {
    let victim: u64 = ctx.arg(0);
    let (tgid, start_ns) = if config!(oom_is_task) != 0 {
        let leader: u64 = peek(victim, config!(task_group_leader));
        (peek(victim, config!(task_tgid)), peek(leader, config!(task_start_boottime)))
    } else {
        (victim as u32, 0)
    };
    const LEN: usize = size_of::<Oom>();
    let Some(reserved) = reserve(kind::OOM, LEN as u64) else { return 0 };
    let record: *mut Oom = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        fill_header(&raw mut (*record).header, kind::OOM, 0, LEN as u16, current_id());
        (*record).victim_start_ns = start_ns;
        (*record).victim_tgid = tgid;
        (*record).reserved = 0;
    }
    reserved.commit();
    0
}
