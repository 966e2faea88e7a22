//! A signal is generated.
//!
//! kernel: signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{
    SIGNAL_FLAG_GROUP, SIGNAL_FLAG_NOINFO, SIGNAL_FLAG_PRIV, Signal, is_of_an_occurrence, kind,
};

use crate::config::config;
use crate::preempt;
use crate::ring::{fill_header, reserve};
use crate::task::{Id, Pointer, current_id, id, is_kernel_thread, load, peek};

/// What the kernel passes in place of a siginfo.
const SEND_SIG_NOINFO: u64 = 0;
const SEND_SIG_PRIV: u64 = 1;
const SI_KERNEL: i32 = 0x80;

#[btf_tracepoint(function = "signal_generate")]
pub fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    preempt::first(kind::SIGNAL, || generated(&ctx))
}

#[cfg(not(feature = "v2"))]
#[btf_tracepoint(function = "signal_generate")]
pub fn second_signal_generate(ctx: BtfTracePointContext) -> i32 {
    preempt::second(kind::SIGNAL, || generated(&ctx))
}

#[inline(always)]
fn generated(ctx: &BtfTracePointContext) -> i32 {
    let sig: i32 = ctx.arg(0);
    let info: u64 = ctx.arg(1);
    let task: Pointer = ctx.arg(2);
    let group: i32 = ctx.arg(3);
    let result: i32 = ctx.arg(4);
    // SAFETY: the verifier knows the type of `task`; `info` is only handed to a helper; the record is reserved room of
    // its size.
    unsafe {
        // kill(-1) goes to every kernel thread too, and none of them cares.
        if is_kernel_thread(task) {
            return 0;
        }
        const LEN: usize = size_of::<Signal>();
        let Some(reserved) = reserve(kind::SIGNAL, LEN as u64) else { return 0 };
        let record: *mut Signal = reserved.as_ptr();
        // Of a pointer among the arguments some verifiers (6.18) take for granted that it is not null, and leave out
        // what would happen if it were; others (6.12, 7) know that it may be, and let nobody load through it. What was
        // put down and taken up again is a number, of which a helper copies.
        let place = &raw mut (*record).target_start_ns;
        place.write_volatile(info);
        let mut flags = if group != 0 { SIGNAL_FLAG_GROUP } else { 0 };
        let code: i32 = match place.read_volatile() {
            SEND_SIG_NOINFO => {
                flags |= SIGNAL_FLAG_NOINFO;
                0
            }
            SEND_SIG_PRIV => {
                flags |= SIGNAL_FLAG_PRIV;
                SI_KERNEL
            }
            info => peek(info, config!(siginfo_code)),
        };
        // A timer runs out in somebody else's time: neither is that one the sender, nor was it a call of its.
        let sender = if is_of_an_occurrence(code) { Id::KERNEL } else { current_id() };
        if code <= 0 && !is_of_an_occurrence(code) {
            crate::call::remember(reserved.head());
        }
        fill_header(&raw mut (*record).header, kind::SIGNAL, flags, LEN as u16, sender);
        let target = id(task);
        (*record).target_start_ns = target.start_ns;
        (*record).target_tgid = target.tgid;
        (*record).target_tid = load(task, config!(task_pid));
        (*record).code = code;
        (*record).sig = sig as u8;
        (*record).result = result as u8;
        (*record).reserved = [0; 2];
        reserved.commit();
    }
    0
}
