//! A process execs.
//!
//! kernel: sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
//!
//! The record is made in scratch memory and copied to the ring once its length is known.

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use lastrites_traces::abi::{
    ARGV_MAX, ENV_MAX, EXEC_FLAG_ARGV_CUT, EXEC_FLAG_ARGV_FAULT, EXEC_FLAG_ENV_CUT, EXEC_FLAG_FILENAME_CUT,
    Exec, FILENAME_MAX, SLACK, kind,
};

use crate::config::{ABSENT, config};
use crate::ring::{fill_header, lose, reserve};
use crate::task::{Pointer, cgroup, follow, id, load, peek};

/// A record, and behind it room for one more string than is kept.
const SCRATCH: usize = 2 * SLACK;

#[map]
static EXEC_SCRATCH: PerCpuArray<[u8; SCRATCH]> = PerCpuArray::with_max_entries(1, 0);

/// Longest variable that is kept, its NUL counted.
const VARIABLE_MAX: usize = 256;
/// Variables looked at.
const VARIABLES_MAX: u32 = 128;

/// First eight bytes of the variables that name a service, a runlevel or a session.
const KEPT: [[u8; 8]; 16] = [
    *b"UPSTART_", *b"INVOCATI", *b"RUNLEVEL", *b"PREVLEVE", *b"NOTIFY_S", *b"RC_SVCNA", *b"DINIT_SE", *b"SUPERVIS",
    *b"MONIT_SE", *b"INIT_VER", *b"SSH_CONN", *b"SUDO_USE", *b"SYSTEMD_", *b"runlevel", *b"previous", *b"RC_RUNLE",
];

#[inline(always)]
fn kept(start: u64) -> bool {
    let mut index = 0;
    let mut found = false;
    while index < KEPT.len() {
        found |= start == u64::from_le_bytes(KEPT[index]);
        index += 1;
    }
    found
}

#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let task: Pointer = ctx.arg(0);
    let bprm: u64 = ctx.arg(2);
    let Some(scratch) = EXEC_SCRATCH.get_ptr_mut(0) else {
        lose(kind::EXEC);
        return 0;
    };
    let scratch: *mut u8 = scratch.cast();
    // SAFETY: scratch has room for the largest record and more; the verifier checks each bound.
    unsafe {
        let record: *mut Exec = scratch.cast();
        let mut flags = 0;
        let mut at = size_of::<Exec>();

        let filename: u64 = peek(bprm, config!(binprm_filename));
        let got = bpf_probe_read_kernel_str(scratch.add(at).cast(), FILENAME_MAX as u32, filename as *const _);
        // The length counts the NUL, which is not kept.
        let filename_len = if got > 0 { (got as usize - 1) & (FILENAME_MAX - 1) } else { 0 };
        if filename_len == FILENAME_MAX - 1 {
            flags |= EXEC_FLAG_FILENAME_CUT;
        }
        at += filename_len;

        let mm = follow(task, config!(task_mm));
        let arg_start: u64 = load(mm, config!(mm_arg_start));
        let arg_end: u64 = load(mm, config!(mm_arg_end));
        let mut argv_len = arg_end.saturating_sub(arg_start);
        if argv_len > ARGV_MAX as u64 - 1 {
            argv_len = ARGV_MAX as u64 - 1;
            flags |= EXEC_FLAG_ARGV_CUT;
        }
        let mut argv_len = argv_len as usize & (ARGV_MAX - 1);
        if argv_len > 0
            && bpf_probe_read_user(scratch.add(at & (SLACK - 1)).cast(), argv_len as u32, arg_start as *const _) != 0
        {
            argv_len = 0;
            flags |= EXEC_FLAG_ARGV_FAULT;
        }
        at += argv_len;

        let mut variable: u64 = load(mm, config!(mm_env_start));
        let env_end: u64 = load(mm, config!(mm_env_end));
        let mut env_len: usize = 0;
        let mut looked = 0;
        while looked < VARIABLES_MAX && variable < env_end {
            let to = scratch.add((at + env_len) & (SLACK - 1));
            let got = bpf_probe_read_user_str(to.cast(), VARIABLE_MAX as u32, variable as *const _);
            if got <= 0 {
                break;
            }
            let got = got as usize & (2 * VARIABLE_MAX - 1);
            if kept(core::ptr::read_unaligned(to.cast::<u64>())) {
                if env_len + got > ENV_MAX {
                    flags |= EXEC_FLAG_ENV_CUT;
                    break;
                }
                env_len += got;
            }
            if got == VARIABLE_MAX {
                // Too long to be one of ours; its end must be found to get past it.
                let skipped = bpf_probe_read_user_str(
                    scratch.add(SLACK).cast(),
                    (SLACK - 1) as u32,
                    (variable + VARIABLE_MAX as u64 - 1) as *const _,
                );
                if skipped <= 0 {
                    break;
                }
                variable += VARIABLE_MAX as u64 - 1 + skipped as u64;
            } else {
                variable += got as u64;
            }
            looked += 1;
        }
        if looked == VARIABLES_MAX {
            flags |= EXEC_FLAG_ENV_CUT;
        }
        let env_len = env_len & (2 * ENV_MAX - 1);
        at += env_len;

        // Zeros up to the next multiple of eight.
        let at = at & (SLACK - 1);
        core::ptr::write_unaligned(scratch.add(at).cast::<u64>(), 0);
        let len = (at + 7) & !7 & (SLACK - 1);

        let parent = id(follow(task, config!(task_real_parent)));
        let signal = follow(task, config!(task_signal));
        fill_header(&raw mut (*record).header, kind::EXEC, flags, len as u16, id(task));
        (*record).header.stamp = 0;
        (*record).parent_start_ns = parent.start_ns;
        (*record).cgroup = cgroup(task);
        (*record).ppid = parent.tgid;
        (*record).uid = peek(load::<u64>(task, config!(task_cred)), config!(cred_uid));
        let session = if config!(signal_session) == ABSENT { 0 } else { load::<u64>(signal, config!(signal_session)) };
        (*record).session = peek(session, if config!(upid_nr) == ABSENT { ABSENT } else { config!(pid_numbers) + config!(upid_nr) });
        (*record).filename_len = filename_len as u16;
        (*record).argv_len = argv_len as u16;
        (*record).env_len = env_len as u16;
        (*record).reserved = [0; 6];
        (*record).tty = [0; 16];
        let tty: u64 = load(signal, config!(signal_tty));
        if tty != 0 && config!(tty_name) != ABSENT {
            bpf_probe_read_kernel_str((&raw mut (*record).tty).cast(), 16, (tty + u64::from(config!(tty_name))) as *const _);
        }
        (*record).comm = [0; 16];
        if config!(task_comm) != ABSENT {
            bpf_probe_read_kernel_str(
                (&raw mut (*record).comm).cast(),
                16,
                (task as u64 + u64::from(config!(task_comm))) as *const _,
            );
        }

        let Some(reserved) = reserve(kind::EXEC, len as u64) else { return 0 };
        // All but the stamp, which commit() writes.
        let body = reserved.as_ptr::<u8>().add(8);
        bpf_probe_read_kernel(body.cast(), ((len - 8) & (SLACK - 1)) as u32, scratch.add(8).cast());
        reserved.commit();
    }
    0
}
