//! What others do on a CPU while one of these programs is preempted there.
//!
//! The kernel does not run a program inside itself: who comes to a hook on a CPU where another task was preempted in the
//! middle of its program is missed. Since 7.0 that can happen at tracepoints (kernel: include/linux/tracepoint.h,
//! __DECLARE_TRACE, which holds an SRCU lock where it disabled preemption); on kernels for real time even where a signal's lock is held.
//!
//! There these programs do two things.
//!
//! They ask not to be preempted, by bpf_preempt_disable() and bpf_preempt_enable(), so that no record stays half-written. Neither
//! function is known when this is compiled: what stands in their place are two instructions that do nothing, over which the
//! loader writes the calls. It does not keep others from being missed, for the latter is the moment at which whoever waits gets
//! the CPU, and that is still within the program.
//!
//! And each hook has a second program, which the kernel runs right behind the first. The first leaves a mark for it in the name of
//! the running task; where there is none, the first was not run, and the second does its work. What is missed then is what comes
//! while a second program too is preempted on that CPU; and should two tasks of one slot be between the two programs at once,
//! an event of theirs is told twice.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray};
use lastrites_traces::abi::kind;
#[cfg(not(feature = "v2"))]
use lastrites_traces::abi::{PREEMPT_DISABLE, PREEMPT_ENABLE};

#[cfg(not(feature = "v2"))]
use crate::{config::read, ring::count, task::current_address};

/// Kinds of events whose hooks shall have a second program, each the bit of its number; the loader sets it.
#[cfg(not(feature = "v2"))]
#[unsafe(no_mangle)]
static TWICE: u32 = 0;

/// Events of a kind that second programs have recorded.
#[map]
static CAUGHT: PerCpuArray<u64> = PerCpuArray::with_max_entries(kind::COUNT as u32, 0);

/// Slots for the tasks that are between the two programs of a hook, as a power of two.
const SLOTS_LOG2: u32 = 10;
/// Kinds that have slots: those from zero to [`kind::DELIVER`].
const KINDS: u32 = kind::DELIVER as u32 + 1;

/// For each kind and slot the task for which the first program was run last: its address. Without second programs the loader leaves
/// out all of it.
#[map]
static DONE: Array<u64> = Array::with_max_entries(KINDS << SLOTS_LOG2, 0);

/// An instruction that sets r0 to `$mark`, which nobody reads; a call is as long, and changes these registers.
#[cfg(not(feature = "v2"))]
macro_rules! instead_of_call {
    ($mark:ident) => {
        // SAFETY: changes nothing but registers that it names.
        unsafe {
            core::arch::asm!(
                "r0 = {mark}",
                mark = const $mark,
                out("r0") _, out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            )
        }
    };
}

/// Does `work` without a pause, where the loader has written the calls.
#[inline(always)]
pub fn unpreempted<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(not(feature = "v2"))]
    instead_of_call!(PREEMPT_DISABLE);
    let done = work();
    #[cfg(not(feature = "v2"))]
    instead_of_call!(PREEMPT_ENABLE);
    done
}

/// The slot of the running task.
#[cfg(not(feature = "v2"))]
#[inline(always)]
fn slot(kind: u8, task: u64) -> Option<*mut u64> {
    // Tasks lie on cache lines of their own.
    let hash = (task >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS_LOG2);
    DONE.get_ptr_mut((u32::from(kind) << SLOTS_LOG2) + hash as u32)
}

/// The first program of a hook, for events of `kind`.
#[inline(always)]
pub fn first(kind: u8, work: impl FnOnce() -> i32) -> i32 {
    let done = unpreempted(work);
    #[cfg(not(feature = "v2"))]
    if read(&raw const TWICE) & (1 << kind) != 0 {
        let task = current_address();
        if let Some(slot) = slot(kind, task) {
            // SAFETY: an entry of the map, aligned; whole words only.
            unsafe { slot.write_volatile(task) };
        }
    }
    let _ = kind;
    done
}

/// The second one, which does the same `work` where the first was not run.
#[cfg(not(feature = "v2"))]
#[inline(always)]
pub fn second(kind: u8, work: impl FnOnce() -> i32) -> i32 {
    let task = current_address();
    let Some(slot) = slot(kind, task) else { return 0 };
    // SAFETY: an entry of the map, aligned; whole words only.
    unsafe {
        if slot.read_volatile() == task {
            slot.write_volatile(0);
            return 0;
        }
    }
    if let Some(caught) = CAUGHT.get_ptr_mut(u32::from(kind)) {
        // SAFETY: an entry of the map.
        unsafe { count(caught) };
    }
    unpreempted(work)
}
