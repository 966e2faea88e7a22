//! A process gives itself another name. That costs nothing to those who keep theirs, and spares
//! every signal record a name of its own.
//!
//! kernel: task_rename(struct task_struct *task, const char *comm)

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{Rename, kind};

use crate::config::{ABSENT, config};
use crate::preempt;
use crate::ring::{fill_header, reserve};
use crate::task::{Pointer, id, is_kernel_thread, load};

#[btf_tracepoint(function = "task_rename")]
pub fn task_rename(ctx: BtfTracePointContext) -> i32 {
    preempt::first(kind::RENAME, || renamed(&ctx))
}

#[cfg(not(feature = "v2"))]
#[btf_tracepoint(function = "task_rename")]
pub fn second_task_rename(ctx: BtfTracePointContext) -> i32 {
    preempt::second(kind::RENAME, || renamed(&ctx))
}

#[inline(always)]
fn renamed(ctx: &BtfTracePointContext) -> i32 {
    let task: Pointer = ctx.arg(0);
    let comm: u64 = ctx.arg(1);
    // SAFETY: the verifier knows the type of `task`; `comm` is only handed to a helper.
    unsafe {
        let leads = load::<u32>(task, config!(task_pid)) == load::<u32>(task, config!(task_tgid));
        // An exec renames as well, and says so itself.
        let execs = config!(task_in_execve) != ABSENT
            && load::<u8>(task, config!(task_in_execve)) & config!(task_in_execve_mask) as u8 != 0;
        if !leads || execs || is_kernel_thread(task) {
            return 0;
        }
        const LEN: usize = size_of::<Rename>();
        let Some(reserved) = reserve(kind::RENAME, LEN as u64) else { return 0 };
        let record: *mut Rename = reserved.as_ptr();
        fill_header(&raw mut (*record).header, kind::RENAME, 0, LEN as u16, id(task));
        (*record).comm = [0; 16];
        bpf_probe_read_kernel_str((&raw mut (*record).comm).cast(), 16, comm as *const _);
        reserved.commit();
    }
    0
}
