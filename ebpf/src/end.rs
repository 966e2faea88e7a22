//! The end: reboot(2), umount2(2), and remounting read-only. Recorded on entry, for the first does
//! not return.
//!
//! kernel: __x64_sys_reboot(const struct pt_regs *regs)
//! kernel: __x64_sys_umount(const struct pt_regs *regs)
//! kernel: __x64_sys_mount(const struct pt_regs *regs)
//! kernel: __x64_sys_mount_setattr(const struct pt_regs *regs) since 5.12

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use aya_ebpf::macros::{fentry, tracepoint};
use aya_ebpf::programs::{FEntryContext, TracePointContext};
use lastrites_traces::abi::{Mount, PATH_FLAG_BY_FD, PATH_FLAG_CUT, PATH_MAX, Reboot, kind};

use crate::config::config;
use crate::ring::{fill_header, reserve};
use crate::task::{current_id, peek};

const MS_RDONLY: u64 = 1;
const MS_REMOUNT: u64 = 32;
const AT_EMPTY_PATH: u64 = 0x1000;
/// `mount_attr.attr_set` of mount_setattr(2).
const MOUNT_ATTR_RDONLY: u64 = 1;

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

/// `fd` is what the caller names if it names no path, and may do so.
#[inline(always)]
fn mount(kind: u8, path: u64, mount_flags: u64, fd: Option<i32>) {
    const LEN: usize = size_of::<Mount>() + PATH_MAX + 8;
    let Some(reserved) = reserve(kind, LEN as u64) else { return };
    let record: *mut Mount = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        let to = record.add(1).cast::<u8>();
        let got = bpf_probe_read_user_str(to.cast(), PATH_MAX as u32 + 1, path as *const _);
        let path_len = if got > 0 { got as u16 - 1 } else { 0 };
        let mut flags = if usize::from(path_len) == PATH_MAX { PATH_FLAG_CUT } else { 0 };
        if fd.is_some() && path_len == 0 {
            flags = PATH_FLAG_BY_FD;
        }
        fill_header(&raw mut (*record).header, kind, flags, LEN as u16, current_id());
        (*record).mount_flags = mount_flags;
        (*record).path_len = path_len;
        (*record).reserved = [0; 2];
        (*record).fd = fd.unwrap_or(0);
    }
    reserved.commit();
}

#[inline(always)]
fn remount(path: u64, flags: u64) {
    if flags & (MS_REMOUNT | MS_RDONLY) == MS_REMOUNT | MS_RDONLY {
        mount(kind::REMOUNT, path, flags, None);
    }
}

#[inline(always)]
fn set_attributes(dirfd: u64, path: u64, flags: u64, attributes: u64) {
    let mut set: u64 = 0;
    // SAFETY: copies eight bytes of the caller's `struct mount_attr`, whose first member is attr_set.
    let failed = unsafe { bpf_probe_read_user((&raw mut set).cast(), 8, attributes as *const _) };
    if failed == 0 && set & MOUNT_ATTR_RDONLY != 0 {
        let fd = (flags & AT_EMPTY_PATH != 0).then_some(dirfd as i32);
        mount(kind::REMOUNT, path, MS_REMOUNT | MS_RDONLY, fd);
    }
}

#[fentry(function = "__x64_sys_reboot")]
pub fn fentry_reboot(ctx: FEntryContext) -> i32 {
    reboot(peek::<u64>(ctx.arg(0), config!(regs_dx)) as u32);
    0
}

#[fentry(function = "__x64_sys_umount")]
pub fn fentry_umount(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    mount(kind::UMOUNT, peek(regs, config!(regs_di)), peek(regs, config!(regs_si)), None);
    0
}

#[fentry(function = "__x64_sys_mount")]
pub fn fentry_mount(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    remount(peek(regs, config!(regs_si)), peek(regs, config!(regs_r10)));
    0
}

#[fentry(function = "__x64_sys_mount_setattr")]
pub fn fentry_mount_setattr(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    let (dirfd, path) = (peek(regs, config!(regs_di)), peek(regs, config!(regs_si)));
    set_attributes(dirfd, path, peek(regs, config!(regs_dx)), peek(regs, config!(regs_r10)));
    0
}

/// Argument `n` of a sys_enter tracepoint; the layout is user ABI.
#[inline(always)]
fn argument(ctx: &TracePointContext, n: usize) -> u64 {
    // SAFETY: each caller names an argument that its system call has.
    unsafe { core::ptr::read_volatile(ctx.as_ptr().cast::<u8>().add(16 + 8 * n).cast::<u64>()) }
}

#[tracepoint]
pub fn sys_enter_reboot(ctx: TracePointContext) -> u32 {
    reboot(argument(&ctx, 2) as u32);
    0
}

#[tracepoint]
pub fn sys_enter_umount(ctx: TracePointContext) -> u32 {
    mount(kind::UMOUNT, argument(&ctx, 0), argument(&ctx, 1), None);
    0
}

#[tracepoint]
pub fn sys_enter_mount(ctx: TracePointContext) -> u32 {
    remount(argument(&ctx, 1), argument(&ctx, 3));
    0
}

#[tracepoint]
pub fn sys_enter_mount_setattr(ctx: TracePointContext) -> u32 {
    set_attributes(argument(&ctx, 0), argument(&ctx, 1), argument(&ctx, 2), argument(&ctx, 3));
    0
}
