//! Cgroup directories come and go, and processes move into them: how cgroup ids get their names.
//!
//! kernel: cgroup_mkdir(struct cgroup *cgrp, const char *path)
//! kernel: cgroup_rmdir(struct cgroup *cgrp, const char *path)
//! kernel: cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup)

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use lastrites_traces::abi::{Cgroup, PATH_FLAG_CUT, PATH_MAX, kind};

use crate::config::config;
use crate::ring::{fill_header, reserve};
use crate::task::{Id, current_id, peek};

#[raw_tracepoint(tracepoint = "cgroup_mkdir")]
pub fn cgroup_mkdir(ctx: RawTracePointContext) -> i32 {
    record(kind::CGROUP_MKDIR, ctx.arg(0), ctx.arg(1), Id::KERNEL)
}

#[raw_tracepoint(tracepoint = "cgroup_rmdir")]
pub fn cgroup_rmdir(ctx: RawTracePointContext) -> i32 {
    record(kind::CGROUP_RMDIR, ctx.arg(0), ctx.arg(1), Id::KERNEL)
}

#[raw_tracepoint(tracepoint = "cgroup_attach_task")]
pub fn cgroup_attach_task(ctx: RawTracePointContext) -> i32 {
    let task: u64 = ctx.arg(2);
    let leader: u64 = peek(task, config!(task_group_leader));
    let moved =
        Id { tgid: peek(task, config!(task_tgid)), start_ns: peek(leader, config!(task_start_boottime)) };
    record(kind::CGROUP_ATTACH, ctx.arg(0), ctx.arg(1), moved)
}

#[inline(always)]
fn record(kind: u8, cgroup: u64, path: u64, moved: Id) -> i32 {
    // Room for the longest path and its NUL: the length is not known before it is copied.
    const LEN: usize = size_of::<Cgroup>() + PATH_MAX + 8;
    let Some(reserved) = reserve(kind, LEN as u64) else { return 0 };
    let record: *mut Cgroup = reserved.as_ptr();
    // SAFETY: reserved room of that size.
    unsafe {
        let to = record.add(1).cast::<u8>();
        let got = bpf_probe_read_kernel_str(to.cast(), PATH_MAX as u32 + 1, path as *const _);
        let path_len = if got > 0 { got as u16 - 1 } else { 0 };
        let flags = if usize::from(path_len) == PATH_MAX { PATH_FLAG_CUT } else { 0 };
        fill_header(&raw mut (*record).header, kind, flags, LEN as u16, current_id());
        (*record).id = peek(peek(cgroup, config!(cgroup_kn)), config!(kernfs_node_id));
        (*record).task_start_ns = moved.start_ns;
        (*record).task_tgid = moved.tgid;
        (*record).hierarchy = peek(peek(cgroup, config!(cgroup_root)), config!(cgroup_root_hierarchy_id));
        (*record).path_len = path_len;
        (*record).reserved = [0; 6];
    }
    reserved.commit();
    0
}
