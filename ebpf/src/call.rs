//! The kill family returns: what was asked, when the generated signals do not say it all.
//!
//! kernel: __x64_sys_kill(const struct pt_regs *regs)
//! kernel: __x64_sys_tkill(const struct pt_regs *regs)
//! kernel: __x64_sys_tgkill(const struct pt_regs *regs)
//! kernel: __x64_sys_rt_sigqueueinfo(const struct pt_regs *regs)
//! kernel: __x64_sys_rt_tgsigqueueinfo(const struct pt_regs *regs)
//! kernel: __x64_sys_pidfd_send_signal(const struct pt_regs *regs)
//!
//! fexit programs cost nothing to those who never call these. Where the kernel refuses them, the
//! tracepoints at the end of each system call take over, and find the arguments in the registers
//! that the caller saved (kernel 5.15 and later).

#[cfg(not(feature = "v2"))]
use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use lastrites_traces::abi::{Call, Head, PIDFD_SIGNAL_PROCESS_GROUP, Poll, PollKey, call, kind};

use crate::config::config;
use crate::preempt::unpreempted;
use crate::ring::{POLLS, count, fill_header, head, lose, reserve};
use crate::task::{current_address, current_id, peek};

/// Flag of an insertion: only what is not there yet.
const BPF_NOEXIST: u64 = 1;
const EEXIST: i32 = -17;

/// Notes on this CPU, whose head is `head`, that the running thread has just generated a signal.
///
/// # Safety
/// `head` is this CPU's entry of HEADS.
#[inline(always)]
pub unsafe fn remember(head: *mut Head) {
    // SAFETY: the caller's promise.
    unsafe { (*head).sender = current_address() };
}

/// Whether the running thread generated a signal on this CPU since its last call. A thread that was
/// moved to another CPU in between gets a record too many, which says nothing wrong.
#[inline(always)]
fn generated() -> bool {
    let Some(head) = head() else { return false };
    // SAFETY: this CPU's own entry.
    unsafe {
        let same = (*head).sender == current_address();
        (*head).sender = 0;
        same
    }
}

/// The registers of the caller, by the way in which they can be read: see [`crate::task`].
trait Registers: Copy {
    fn register<T: Copy + Default>(self, offset: u32) -> T;
}

impl Registers for u64 {
    #[inline(always)]
    fn register<T: Copy + Default>(self, offset: u32) -> T {
        peek(self, offset)
    }
}

/// Those whose type the verifier knows: each is a load, where a copy is a tenth of what a call costs here.
#[cfg(not(feature = "v2"))]
#[derive(Clone, Copy)]
struct Typed(crate::task::Pointer);

#[cfg(not(feature = "v2"))]
impl Registers for Typed {
    #[inline(always)]
    fn register<T: Copy + Default>(self, offset: u32) -> T {
        // SAFETY: made of what `bpf_task_pt_regs` returned.
        unsafe { crate::task::load(self.0, offset) }
    }
}

#[inline(always)]
fn returned(call: u8, regs: impl Registers, ret: i64) {
    // Most calls name one process and succeed, and their signal's record says all of it: they are got
    // rid of first. Only kill can name more than one, and since 6.9 a pidfd with a flag that says so.
    let produced = generated();
    if ret == 0 && produced && !matches!(call, call::KILL | call::PIDFD_SEND_SIGNAL) {
        return;
    }
    let first: u64 = regs.register(config!(regs_di));
    let flags: u32 = if call == call::PIDFD_SEND_SIGNAL { regs.register(config!(regs_r10)) } else { 0 };
    let names_one = match call {
        call::KILL => first as i32 > 0,
        _ => flags & PIDFD_SIGNAL_PROCESS_GROUP == 0,
    };
    if ret == 0 && produced && names_one {
        return;
    }
    let second: u64 = regs.register(config!(regs_si));
    let (target, tgid_arg, sig) = match call {
        call::TGKILL | call::RT_TGSIGQUEUEINFO => {
            let third: u64 = regs.register(config!(regs_dx));
            (i64::from(second as i32), first as i32, third as i32)
        }
        _ => (i64::from(first as i32), flags as i32, second as i32),
    };
    if sig == 0 {
        return poll(call, target, ret);
    }
    const LEN: usize = size_of::<Call>();
    let Some(reserved) = reserve(kind::CALL, LEN as u64) else { return };
    let record: *mut Call = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        fill_header(&raw mut (*record).header, kind::CALL, 0, LEN as u16, current_id());
        (*record).target = target;
        (*record).ret = ret;
        (*record).tgid_arg = tgid_arg;
        (*record).call = call;
        (*record).sig = sig as u8;
        (*record).reserved = [0; 2];
    }
    reserved.commit();
}

/// Counts signal 0: a script asks again and again whether somebody is still there.
#[inline(always)]
fn poll(call: u8, target: i64, ret: i64) {
    let caller = current_id();
    let key = PollKey { start_ns: caller.start_ns, target, tgid: caller.tgid, call: u32::from(call) };
    // SAFETY: a helper without preconditions.
    let now = unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns() };
    if let Some(poll) = POLLS.get_ptr_mut(&key) {
        // SAFETY: an entry of the map; two threads at once may cost a count.
        unsafe {
            (*poll).count += 1;
            (*poll).last_ns = now;
            (*poll).last_ret = ret;
        }
    } else {
        let poll = Poll { first_ns: now, last_ns: now, count: 1, last_ret: ret };
        match POLLS.insert(&key, &poll, BPF_NOEXIST) {
            Ok(()) => begun(),
            // Another thread was faster: that costs a count.
            Err(e) if e == EEXIST => {}
            Err(_) => lose(kind::POLL),
        }
    }
}

/// Counts an entry of POLLS: those that make way for others are told by what is missing.
#[inline(always)]
fn begun() {
    if let Some(head) = head() {
        // SAFETY: this CPU's own entry.
        unsafe { count(&raw mut (*head).polls) };
    }
}

/// `ctx` of an fexit program of one argument: the argument, then the return value.
#[inline(always)]
fn at_exit(call: u8, ctx: &FExitContext) -> i32 {
    unpreempted(|| returned(call, ctx.arg::<u64>(0), ctx.arg::<i64>(1)));
    0
}

#[cfg(not(feature = "v2"))]
#[inline(always)]
fn at_tracepoint(call: u8, ctx: &aya_ebpf::programs::TracePointContext) -> i32 {
    // SAFETY: the running task is typed; sys_exit tracepoints carry the return value at byte 16
    // (their layout is user ABI).
    unsafe {
        let regs = aya_ebpf::helpers::generated::bpf_task_pt_regs(crate::task::current() as *mut _);
        let ret = core::ptr::read_volatile(ctx.as_ptr().cast::<u8>().add(16).cast::<i64>());
        returned(call, Typed(regs as crate::task::Pointer), ret);
    }
    0
}

macro_rules! hooks {
    ($($call:expr, $function:literal, $fexit:ident, $tracepoint:ident;)*) => {$(
        #[fexit(function = $function)]
        pub fn $fexit(ctx: FExitContext) -> i32 {
            at_exit($call, &ctx)
        }

        #[cfg(not(feature = "v2"))]
        #[aya_ebpf::macros::tracepoint]
        pub fn $tracepoint(ctx: aya_ebpf::programs::TracePointContext) -> u32 {
            at_tracepoint($call, &ctx) as u32
        }
    )*};
}

hooks! {
    call::KILL, "__x64_sys_kill", fexit_kill, sys_exit_kill;
    call::TKILL, "__x64_sys_tkill", fexit_tkill, sys_exit_tkill;
    call::TGKILL, "__x64_sys_tgkill", fexit_tgkill, sys_exit_tgkill;
    call::RT_SIGQUEUEINFO, "__x64_sys_rt_sigqueueinfo", fexit_rt_sigqueueinfo, sys_exit_rt_sigqueueinfo;
    call::RT_TGSIGQUEUEINFO, "__x64_sys_rt_tgsigqueueinfo", fexit_rt_tgsigqueueinfo, sys_exit_rt_tgsigqueueinfo;
    call::PIDFD_SEND_SIGNAL, "__x64_sys_pidfd_send_signal", fexit_pidfd_send_signal, sys_exit_pidfd_send_signal;
}
