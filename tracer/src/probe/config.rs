//! The probe's read-only data: offsets of this kernel's structures.

use lastrites_traces::abi::{ABSENT, Config};

use crate::btf::{Btf, Member};

/// Offsets found, and what this kernel lacks.
#[derive(Debug, Clone)]
pub struct Offsets {
    pub config: Config,
    /// `sched_process_exit` tells whether the thread is its process's last.
    pub exit_says_last: bool,
    /// "struct.member: what becomes unknown", for each member that is not there.
    pub missing: Vec<String>,
}

/// Without it nothing is missing in a recording but a count of what may be.
pub const LOSS_COUNTER: &str = "bpf_prog_info.recursion_misses";

/// Looks up every member that the probe reads.
pub fn offsets(btf: &Btf) -> Offsets {
    let mut missing = Vec::new();
    let mut config = Config::absent();
    let mut find = |structure: &str, paths: &[&str], means: &str| -> Option<Member> {
        let found = paths.iter().find_map(|path| btf.member(structure, path));
        if found.is_none() {
            missing.push(format!("{structure}.{}: {means} unknown", paths[0]));
        }
        found
    };
    macro_rules! offsets {
        ($($field:ident = $structure:literal $($path:literal)|+, $means:literal;)*) => {$(
            config.$field = find($structure, &[$($path),+], $means).map_or(ABSENT, Member::byte_offset);
        )*};
    }
    offsets! {
        task_tgid = "task_struct" "tgid", "which process acted is";
        task_pid = "task_struct" "pid", "threads are";
        task_flags = "task_struct" "flags", "kernel threads are";
        task_group_leader = "task_struct" "group_leader", "start times are";
        task_real_parent = "task_struct" "real_parent", "parents are";
        task_start_boottime = "task_struct" "start_boottime" | "real_start_time", "start times are";
        task_exit_code = "task_struct" "exit_code", "exit codes are";
        task_signal = "task_struct" "signal", "exits, sessions and terminals are";
        task_cgroups = "task_struct" "cgroups", "cgroups are";
        task_mm = "task_struct" "mm", "arguments and environment are";
        task_comm = "task_struct" "comm", "names at exec are";
        task_cred = "task_struct" "real_cred" | "cred", "user ids are";
        task_thread_pid = "task_struct" "thread_pid", "pid namespaces are";
        task_sum_exec_runtime = "task_struct" "se.sum_exec_runtime", "CPU time is";
        signal_live = "signal_struct" "live", "which thread is the last is";
        signal_flags = "signal_struct" "flags", "exit codes of groups are";
        signal_group_exit_code = "signal_struct" "group_exit_code", "exit codes of groups are";
        signal_maxrss = "signal_struct" "maxrss", "peak memory is";
        signal_sum_sched_runtime = "signal_struct" "sum_sched_runtime", "CPU time of threads is";
        signal_tty = "signal_struct" "tty", "terminals are";
        signal_session = "signal_struct" "pids", "sessions are";
        css_set_dfl_cgrp = "css_set" "dfl_cgrp", "cgroups are";
        cgroup_kn = "cgroup" "kn", "cgroups are";
        cgroup_root = "cgroup" "root", "cgroup hierarchies are";
        kernfs_node_id = "kernfs_node" "id", "cgroups are";
        cgroup_root_hierarchy_id = "cgroup_root" "hierarchy_id", "cgroup hierarchies are";
        mm_arg_start = "mm_struct" "arg_start", "arguments are";
        mm_arg_end = "mm_struct" "arg_end", "arguments are";
        mm_env_start = "mm_struct" "env_start", "environment is";
        mm_env_end = "mm_struct" "env_end", "environment is";
        cred_uid = "cred" "uid", "user ids are";
        pid_level = "pid" "level", "pid namespaces are";
        pid_numbers = "pid" "numbers", "sessions and namespaced pids are";
        upid_nr = "upid" "nr", "sessions and namespaced pids are";
        tty_name = "tty_struct" "name", "terminals are";
        siginfo_code = "kernel_siginfo" "si_code", "why a signal was sent is";
        sigaction_handler = "k_sigaction" "sa.sa_handler", "whether a signal was handled is";
        binprm_filename = "linux_binprm" "filename", "file names at exec are";
        regs_di = "pt_regs" "di", "arguments of kill and reboot are";
        regs_si = "pt_regs" "si", "arguments of kill and reboot are";
        regs_dx = "pt_regs" "dx", "arguments of kill and reboot are";
        regs_r10 = "pt_regs" "r10", "arguments of mount are";
        task_files = "task_struct" "files", "what is remounted by a descriptor is";
        task_nsproxy = "task_struct" "nsproxy", "where what is remounted by a descriptor is";
        nsproxy_mnt_ns = "nsproxy" "mnt_ns", "where what is remounted by a descriptor is";
        files_fdt = "files_struct" "fdt", "what is remounted by a descriptor is";
        fdtable_fd = "fdtable" "fd", "what is remounted by a descriptor is";
        fdtable_max_fds = "fdtable" "max_fds", "what is remounted by a descriptor is";
        file_private_data = "file" "private_data", "what is remounted by fsconfig is";
        file_path_mnt = "file" "f_path.mnt", "where what is remounted by a descriptor is";
        file_path_dentry = "file" "f_path.dentry", "where what is remounted by a descriptor is";
        dentry_name = "dentry" "d_name.name", "where what is remounted by a descriptor is";
        dentry_parent = "dentry" "d_parent", "where what is remounted by a descriptor is";
        dentry_sb = "dentry" "d_sb", "where what is remounted by fsconfig is";
        sb_mounts = "super_block" "s_mounts", "where what is remounted by fsconfig is";
        mount_next = "mount" "mnt_next_for_sb" | "mnt_instance", "where what is remounted by fsconfig is";
        mount_mnt = "mount" "mnt", "where what is remounted by a descriptor is";
        mount_root = "mount" "mnt.mnt_root", "where what is remounted by a descriptor is";
        mount_parent = "mount" "mnt_parent", "where what is remounted by a descriptor is";
        mount_mountpoint = "mount" "mnt_mountpoint", "where what is remounted by a descriptor is";
        mount_ns = "mount" "mnt_ns", "where what is remounted by a descriptor is";
        fs_context_root = "fs_context" "root", "where what is remounted by fsconfig is";
        fs_context_sb_flags = "fs_context" "sb_flags", "what fsconfig makes read-only is";
    }
    // A list of mounts by their links, or since 6.18 of the mounts themselves.
    config.mount_instance =
        if btf.member("mount", "mnt_next_for_sb").is_some() { 0 } else { config.mount_next };
    if btf.member("bpf_prog_info", "recursion_misses").is_none() {
        missing.push(format!(
            "{LOSS_COUNTER}: how often a hook was missed because one was at work on that CPU already is unknown"
        ));
    }
    config.upid_size = btf.size("upid").unwrap_or(ABSENT);
    // `signal_struct.pids` has one pointer for each enum pid_type.
    config.signal_session = match btf.enumerator("PIDTYPE_SID") {
        Some(index) if config.signal_session != ABSENT => config.signal_session + index * 8,
        _ => ABSENT,
    };
    // A bit of `task_struct`; without it a rename at exec is recorded beside the exec.
    if let Some(bit) = btf.member("task_struct", "in_execve") {
        config.task_in_execve = bit.byte_offset();
        config.task_in_execve_mask = 1 << (bit.bit_offset % 8);
    }
    config.oom_is_task = u32::from(
        btf.tracepoint("mark_victim").is_some_and(|args| args.first().is_some_and(|t| t.ends_with('*'))),
    );
    let exit_says_last = btf.tracepoint("sched_process_exit").is_some_and(|args| args.len() > 1);
    Offsets { config, exit_says_last, missing }
}
