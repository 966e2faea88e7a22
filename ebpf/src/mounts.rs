//! Mounts that go, and what is made read-only: umount2(2), and the three ways to remount. Recorded on
//! entry, as what was asked.
//!
//! kernel: __x64_sys_umount(const struct pt_regs *regs)
//! kernel: __x64_sys_mount(const struct pt_regs *regs)
//! kernel: __x64_sys_mount_setattr(const struct pt_regs *regs) since 5.12
//! kernel: __x64_sys_fsconfig(const struct pt_regs *regs)

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use aya_ebpf::macros::{fentry, tracepoint};
use aya_ebpf::programs::{FEntryContext, TracePointContext};
use lastrites_traces::abi::{
    Mount, PATH_FLAG_BY_FD, PATH_FLAG_CUT, PATH_FLAG_PLACE, PATH_MAX, PLACE_BYTES, kind,
};

use crate::config::config;
use crate::place::{self, Place};
use crate::preempt::unpreempted;
use crate::ring::{fill_header, reserve};
use crate::task::{argument, current_id, peek};

const MS_RDONLY: u64 = 1;
const MS_REMOUNT: u64 = 32;
const AT_EMPTY_PATH: u64 = 0x1000;
/// `mount_attr.attr_set` of mount_setattr(2).
const MOUNT_ATTR_RDONLY: u64 = 1;
const FSCONFIG_CMD_RECONFIGURE: u32 = 7;
/// `fs_context.sb_flags`.
const SB_RDONLY: u32 = 1;

/// What the caller named by a path.
#[inline(always)]
fn by_path(kind: u8, path: u64, mount_flags: u64) {
    const LEN: usize = size_of::<Mount>() + PATH_MAX + 8;
    let Some(reserved) = reserve(kind, LEN as u64) else { return };
    let record: *mut Mount = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        let to = record.add(1).cast::<u8>();
        let got = bpf_probe_read_user_str(to.cast(), PATH_MAX as u32 + 1, path as *const _);
        let path_len = if got > 0 { got as u16 - 1 } else { 0 };
        let flags = if usize::from(path_len) == PATH_MAX { PATH_FLAG_CUT } else { 0 };
        fill(record, kind, flags, LEN as u16, mount_flags, path_len, 0);
    }
    reserved.commit();
}

/// What the caller named by the descriptor `fd`, and the place where that is, if it is known.
#[inline(always)]
fn by_fd(fd: i32, place: Option<Place>) {
    const LEN: usize = size_of::<Mount>() + PLACE_BYTES;
    let Some(reserved) = reserve(kind::REMOUNT, LEN as u64) else { return };
    let record: *mut Mount = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        let (flags, path_len) = match place {
            Some(place) if place.write(record.add(1).cast()) => (PATH_FLAG_PLACE, PLACE_BYTES as u16),
            Some(_) => (PATH_FLAG_PLACE | PATH_FLAG_CUT, PLACE_BYTES as u16),
            None => (0, 0),
        };
        let flags = flags | PATH_FLAG_BY_FD;
        fill(record, kind::REMOUNT, flags, LEN as u16, MS_REMOUNT | MS_RDONLY, path_len, fd);
    }
    reserved.commit();
}

/// # Safety
/// `record` points to reserved room.
#[inline(always)]
unsafe fn fill(record: *mut Mount, kind: u8, flags: u8, len: u16, mount_flags: u64, path_len: u16, fd: i32) {
    // SAFETY: the caller's promise.
    unsafe {
        fill_header(&raw mut (*record).header, kind, flags, len, current_id());
        (*record).mount_flags = mount_flags;
        (*record).path_len = path_len;
        (*record).reserved = [0; 2];
        (*record).fd = fd;
    }
}

#[inline(always)]
fn remount(path: u64, flags: u64) {
    if flags & (MS_REMOUNT | MS_RDONLY) == MS_REMOUNT | MS_RDONLY {
        by_path(kind::REMOUNT, path, flags);
    }
}

#[inline(always)]
fn set_attributes(dirfd: u64, path: u64, flags: u64, attributes: u64) {
    let mut set: u64 = 0;
    // SAFETY: copies eight bytes of the caller's `struct mount_attr`, whose first member is attr_set.
    let failed = unsafe { bpf_probe_read_user((&raw mut set).cast(), 8, attributes as *const _) };
    if failed != 0 || set & MOUNT_ATTR_RDONLY == 0 {
        return;
    }
    let mut first: u8 = 0;
    if flags & AT_EMPTY_PATH != 0 {
        // No path may be an empty one, or since 6.11 none at all.
        // SAFETY: copies one byte of the caller's.
        unsafe { bpf_probe_read_user((&raw mut first).cast(), 1, path as *const _) };
        if first == 0 {
            let fd = dirfd as i32;
            let at = place::of_descriptor(fd);
            // A new mount gets its attributes before it is put anywhere: nobody had it read-write.
            if !at.is_some_and(|at| at.is_elsewhere()) {
                by_fd(fd, at);
            }
            return;
        }
    }
    by_path(kind::REMOUNT, path, MS_REMOUNT | MS_RDONLY);
}

#[inline(always)]
fn configure(fd: i32, command: u32) {
    if command != FSCONFIG_CMD_RECONFIGURE {
        return;
    }
    let context = place::context(fd);
    if peek::<u32>(context, config!(fs_context_sb_flags)) & SB_RDONLY != 0 {
        by_fd(fd, place::of_context(context));
    }
}

#[fentry(function = "__x64_sys_umount")]
pub fn fentry_umount(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    unpreempted(|| by_path(kind::UMOUNT, peek(regs, config!(regs_di)), peek(regs, config!(regs_si))));
    0
}

#[fentry(function = "__x64_sys_mount")]
pub fn fentry_mount(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    unpreempted(|| remount(peek(regs, config!(regs_si)), peek(regs, config!(regs_r10))));
    0
}

#[fentry(function = "__x64_sys_mount_setattr")]
pub fn fentry_mount_setattr(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    unpreempted(|| {
        let (dirfd, path) = (peek(regs, config!(regs_di)), peek(regs, config!(regs_si)));
        set_attributes(dirfd, path, peek(regs, config!(regs_dx)), peek(regs, config!(regs_r10)));
    });
    0
}

#[fentry(function = "__x64_sys_fsconfig")]
pub fn fentry_fsconfig(ctx: FEntryContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    unpreempted(|| {
        let (fd, command): (u64, u64) = (peek(regs, config!(regs_di)), peek(regs, config!(regs_si)));
        configure(fd as i32, command as u32);
    });
    0
}

#[tracepoint]
pub fn sys_enter_umount(ctx: TracePointContext) -> u32 {
    by_path(kind::UMOUNT, argument(&ctx, 0), argument(&ctx, 1));
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

#[tracepoint]
pub fn sys_enter_fsconfig(ctx: TracePointContext) -> u32 {
    configure(argument(&ctx, 0) as i32, argument(&ctx, 1) as u32);
    0
}
