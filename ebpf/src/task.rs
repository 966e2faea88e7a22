//! Reading the kernel's structures at the offsets of [`crate::config`].
//!
//! Two ways to the same bytes: in a BTF-typed program the verifier checks a plain load and the
//! processor does it; where only an address is known, `bpf_probe_read_kernel` copies. Either gives
//! zero for what cannot be read.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::programs::TracePointContext;

use crate::config::{ABSENT, config};

/// An address in the kernel whose type the verifier knows (or, for 5.10's current task, does not).
pub type Pointer = *const u8;

/// `signal_struct.flags`: the whole group is going, with `group_exit_code`.
pub const SIGNAL_GROUP_EXIT: u32 = 4;

/// A process, as records name it.
#[derive(Clone, Copy)]
pub struct Id {
    pub tgid: u32,
    pub start_ns: u64,
}

impl Id {
    pub const KERNEL: Self = Self { tgid: 0, start_ns: 0 };
}

/// Loads a `T` at `offset` of a typed pointer; zero when the pointer is null or the member absent.
///
/// # Safety
/// `base` is null or a pointer the verifier knows the type of.
#[inline(always)]
pub unsafe fn load<T: Copy + Default>(base: Pointer, offset: u32) -> T {
    if base.is_null() || offset == ABSENT {
        return T::default();
    }
    // SAFETY: the verifier checks this very load.
    unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<T>()) }
}

/// Follows the pointer member at `offset`.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn follow(base: Pointer, offset: u32) -> Pointer {
    if base.is_null() || offset == ABSENT {
        return core::ptr::null();
    }
    // SAFETY: as in `load`.
    unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<Pointer>()) }
}

/// Copies a `T` from anywhere in the kernel; zero when it cannot be read.
#[inline(always)]
pub fn peek<T: Copy + Default>(base: u64, offset: u32) -> T {
    if base == 0 || offset == ABSENT {
        return T::default();
    }
    // SAFETY: the helper fails cleanly on a bad address.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.unwrap_or_default()
}

/// The identity of the process that `task` belongs to.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn id(task: Pointer) -> Id {
    // SAFETY: the caller's promise.
    unsafe {
        let leader = follow(task, config!(task_group_leader));
        Id { tgid: load(task, config!(task_tgid)), start_ns: load(leader, config!(task_start_boottime)) }
    }
}

/// The running task, typed.
#[cfg(not(feature = "v2"))]
#[inline(always)]
pub fn current() -> Pointer {
    // SAFETY: a helper without preconditions.
    unsafe { aya_ebpf::helpers::generated::bpf_get_current_task_btf() as Pointer }
}

/// Where the running task is: a name for the thread while it runs.
#[inline(always)]
pub fn current_address() -> u64 {
    // SAFETY: a helper without preconditions.
    unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() }
}

/// The identity of the running process.
#[cfg(not(feature = "v2"))]
#[inline(always)]
pub fn current_id() -> Id {
    // SAFETY: `current` is typed.
    unsafe { id(current()) }
}

/// The identity of the running process, without typed pointers.
#[cfg(feature = "v2")]
#[inline(always)]
pub fn current_id() -> Id {
    // SAFETY: a helper without preconditions.
    let task = unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() };
    let leader: u64 = peek(task, config!(task_group_leader));
    Id { tgid: peek(task, config!(task_tgid)), start_ns: peek(leader, config!(task_start_boottime)) }
}

/// Whether `task` is a thread of the kernel (`PF_KTHREAD`).
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn is_kernel_thread(task: Pointer) -> bool {
    const PF_KTHREAD: u32 = 0x0020_0000;
    // SAFETY: the caller's promise.
    unsafe { load::<u32>(task, config!(task_flags)) & PF_KTHREAD != 0 }
}

/// The id of the unified-hierarchy cgroup of `task`; 0 if unknown.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn cgroup(task: Pointer) -> u64 {
    // SAFETY: the caller's promise; each step is checked for null.
    unsafe {
        let css_set = follow(task, config!(task_cgroups));
        let cgroup = follow(css_set, config!(css_set_dfl_cgrp));
        let node = follow(cgroup, config!(cgroup_kn));
        load(node, config!(kernfs_node_id))
    }
}

/// Depth of the pid namespace of `task` and its pid in there; zeros if unknown.
#[inline(always)]
pub fn namespace_pid(task: Pointer) -> (u32, u32) {
    let task = task as u64;
    let pid: u64 = peek(task, config!(task_thread_pid));
    let level: u32 = peek(pid, config!(pid_level));
    let (numbers, stride, nr) = (config!(pid_numbers), config!(upid_size), config!(upid_nr));
    if pid == 0 || numbers == ABSENT || stride == ABSENT || nr == ABSENT || level > 32 {
        return (0, 0);
    }
    (level, peek(pid + u64::from(level) * u64::from(stride), numbers + nr))
}

/// Argument `n` of a sys_enter tracepoint; the layout is user ABI.
#[inline(always)]
pub fn argument(ctx: &TracePointContext, n: usize) -> u64 {
    // SAFETY: each caller names an argument that its system call has.
    unsafe { core::ptr::read_volatile(ctx.as_ptr().cast::<u8>().add(16 + 8 * n).cast::<u64>()) }
}
