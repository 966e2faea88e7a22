//! A signal is taken from the queue to be acted upon.
//!
//! kernel: signal_deliver(int sig, struct kernel_siginfo *info, struct k_sigaction *ka)

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{
    DELIVER_FLAG_DEFAULT, DELIVER_FLAG_HANDLED, DELIVER_FLAG_IGNORED, Deliver, kind,
};

use crate::config::{ABSENT, config};
use crate::preempt;
use crate::ring::{fill_header, reserve};
use crate::task::{SIGNAL_GROUP_EXIT, current_address, current_id, peek};

const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;
const SIGKILL: i32 = 9;
/// What the kernel passes in place of a siginfo when a thread goes because its process goes.
const SEND_SIG_NOINFO: u64 = 0;

/// What the running thread goes of, whom the kernel has told SIGKILL as it tells every thread of a process
/// that ends, and every other thread of one that executes something. It is one of the process only when
/// a signal ends that, and for the leader: what the others are told would be a record for each of them,
/// of a SIGKILL that nobody sent. Nothing is left out where the kernel does not let us see which it is.
#[inline(always)]
fn goes_of(leads: bool) -> i32 {
    if config!(task_signal) == ABSENT
        || config!(signal_flags) == ABSENT
        || config!(signal_group_exit_code) == ABSENT
    {
        return SIGKILL;
    }
    let signal: u64 = peek(current_address(), config!(task_signal));
    if !leads || peek::<u32>(signal, config!(signal_flags)) & SIGNAL_GROUP_EXIT == 0 {
        return 0;
    }
    // As wait(2) gives it: of an exit the lower bits are zero.
    peek::<i32>(signal, config!(signal_group_exit_code)) & 0x7f
}

#[btf_tracepoint(function = "signal_deliver")]
pub fn signal_deliver(ctx: BtfTracePointContext) -> i32 {
    preempt::first(kind::DELIVER, || delivered(&ctx))
}

#[cfg(not(feature = "v2"))]
#[btf_tracepoint(function = "signal_deliver")]
pub fn second_signal_deliver(ctx: BtfTracePointContext) -> i32 {
    preempt::second(kind::DELIVER, || delivered(&ctx))
}

#[inline(always)]
fn delivered(ctx: &BtfTracePointContext) -> i32 {
    let mut sig: i32 = ctx.arg(0);
    let action: u64 = ctx.arg(2);
    // SAFETY: a helper without preconditions.
    let both = unsafe { bpf_get_current_pid_tgid() };
    let tid = both as u32;
    // Of a pointer among the arguments verifiers take for granted that it is not null, and leave out what
    // would happen if it were: it has to be read as a number.
    if sig == SIGKILL && peek::<u64>(ctx.as_ptr() as u64, 8) == SEND_SIG_NOINFO {
        sig = goes_of(tid == (both >> 32) as u32);
        if sig == 0 {
            return 0;
        }
    }
    let flags = if config!(sigaction_handler) == ABSENT {
        0
    } else {
        match peek::<u64>(action, config!(sigaction_handler)) {
            SIG_DFL => DELIVER_FLAG_DEFAULT,
            SIG_IGN => DELIVER_FLAG_IGNORED,
            _ => DELIVER_FLAG_HANDLED,
        }
    };
    const LEN: usize = size_of::<Deliver>();
    let Some(reserved) = reserve(kind::DELIVER, LEN as u64) else { return 0 };
    let record: *mut Deliver = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        fill_header(&raw mut (*record).header, kind::DELIVER, flags, LEN as u16, current_id());
        (*record).tid = tid;
        (*record).sig = sig as u8;
        (*record).reserved = [0; 3];
    }
    reserved.commit();
    0
}
