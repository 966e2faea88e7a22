//! A signal is taken from the queue to be acted upon.
//!
//! kernel: signal_deliver(int sig, struct kernel_siginfo *info, struct k_sigaction *ka)

use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{DELIVER_FLAG_DEFAULT, DELIVER_FLAG_HANDLED, Deliver, kind};

use crate::config::{ABSENT, config};
use crate::ring::{fill_header, reserve};
use crate::task::{current_id, peek};

#[btf_tracepoint(function = "signal_deliver")]
pub fn signal_deliver(ctx: BtfTracePointContext) -> i32 {
    let sig: i32 = ctx.arg(0);
    let action: u64 = ctx.arg(2);
    let flags = if config!(sigaction_handler) == ABSENT {
        0
    } else if peek::<u64>(action, config!(sigaction_handler)) == 0 {
        DELIVER_FLAG_DEFAULT
    } else {
        DELIVER_FLAG_HANDLED
    };
    const LEN: usize = size_of::<Deliver>();
    let Some(reserved) = reserve(kind::DELIVER, LEN as u64) else { return 0 };
    let record: *mut Deliver = reserved.as_ptr();
    // SAFETY: reserved room of that size; the helper has no preconditions.
    unsafe {
        fill_header(&raw mut (*record).header, kind::DELIVER, flags, LEN as u16, current_id());
        (*record).tid = bpf_get_current_pid_tgid() as u32;
        (*record).sig = sig as u8;
        (*record).reserved = [0; 3];
    }
    reserved.commit();
    0
}
