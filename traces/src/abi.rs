//! The contract between the probe and whoever drains it: record layouts, map shapes, counters.
//!
//! Invariant: every struct here is `repr(C)`, has no implicit padding, and a size that is a
//! multiple of eight; every byte of a record is written before its stamp is. A change to any of
//! it raises [`VERSION`], which is part of the pin directory's name, so that a recorder never
//! reads the maps of another layout.
//!
//! # The kernel-side ring
//!
//! Each CPU owns a byte ring of `chunks` × [`CHUNK`] bytes (`chunks` is a power of two, chosen
//! when the probe is loaded). The map `RINGS` holds `cpus × chunks` entries of
//! [`CHUNK`]` + `[`SLACK`] bytes; absolute position `pos` of CPU `cpu` lives in entry
//! `cpu * chunks + ((pos / CHUNK) % chunks)` at offset `pos % CHUNK`. A record that begins near
//! the end of a chunk runs on into its slack and never wraps; the next record begins at
//! `pos + len`, wherever that is.
//!
//! The map `HEADS` holds one [`Head`] per CPU. Reserving adds `len | 1 << POS_BITS` to
//! [`Head::head`] in one atomic step: the low [`POS_BITS`] bits are the position, the rest counts
//! records. What the counter held *before* the addition, combined with the session key, is the
//! record's stamp (see [`stamp`]), written last: a record whose stamp does not match its place is
//! unfinished, or is no record at all. A reader that was lapped scans eight bytes at a time for
//! the next matching stamp.

/// Version of everything in this module.
pub const VERSION: u32 = 3;

/// Bytes of one ring chunk, without its slack.
pub const CHUNK: usize = 256 << 10;
/// Bytes behind each chunk into which its last record may run; no record is longer.
pub const SLACK: usize = 4 << 10;
/// Low bits of [`Head::head`] that are the byte position; those above count records.
pub const POS_BITS: u32 = 40;
/// Mask of the position within [`Head::head`].
pub const POS_MASK: u64 = (1 << POS_BITS) - 1;

/// What the probe sets r0 to where a call of `bpf_preempt_disable` belongs: the loader finds that instruction by it.
pub const PREEMPT_DISABLE: i32 = 0x4c52_7e01;
/// The same for `bpf_preempt_enable`.
pub const PREEMPT_ENABLE: i32 = 0x4c52_7e02;

/// One CPU's place in its ring: an entry of the map `HEADS`, on a cache line of its own.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Records reserved so far, above the position of the next one (see [`POS_BITS`]).
    pub head: u64,
    /// Position at which this CPU last rang the doorbell.
    pub bell: u64,
    /// Nesting depth, used only by the probe built for kernels without fetching atomics.
    pub nest: u64,
    /// The thread that generated a signal here last, as an address, until its call has returned.
    pub sender: u64,
    /// Entries of the map `POLLS` that were begun here since the probe was loaded.
    pub polls: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

/// The stamp of the record that was reserved when the counter held `head`.
///
/// `key` is drawn at random when the probe is loaded, so that stale or hostile bytes in the
/// payload of another record do not pass for a stamp.
#[inline(always)]
pub const fn stamp(head: u64, key: u64) -> u64 {
    head ^ key
}

/// In the place of a CPU where events were lost and nobody knows on which.
pub const NO_CPU: u32 = u32::MAX;

/// What happened. The number is the record's `kind` byte and the index into `LOST`.
pub mod kind {
    /// [`Fork`](super::Fork).
    pub const FORK: u8 = 1;
    /// [`Exec`](super::Exec).
    pub const EXEC: u8 = 2;
    /// [`Exit`](super::Exit).
    pub const EXIT: u8 = 3;
    /// [`Rename`](super::Rename).
    pub const RENAME: u8 = 4;
    /// [`Signal`](super::Signal).
    pub const SIGNAL: u8 = 5;
    /// [`Deliver`](super::Deliver).
    pub const DELIVER: u8 = 6;
    /// [`Call`](super::Call).
    pub const CALL: u8 = 7;
    /// [`Reboot`](super::Reboot).
    pub const REBOOT: u8 = 8;
    /// [`Mount`](super::Mount), of umount2(2).
    pub const UMOUNT: u8 = 9;
    /// [`Mount`](super::Mount), of a call that remounts read-only.
    pub const REMOUNT: u8 = 10;
    /// [`Cgroup`](super::Cgroup), which was made.
    pub const CGROUP_MKDIR: u8 = 11;
    /// [`Cgroup`](super::Cgroup), which was removed.
    pub const CGROUP_RMDIR: u8 = 12;
    /// [`Cgroup`](super::Cgroup), into which a process moved.
    pub const CGROUP_ATTACH: u8 = 13;
    /// [`Oom`](super::Oom).
    pub const OOM: u8 = 14;
    /// No record, but an entry of the map `POLLS`: one of them is lost when it makes way for another.
    pub const POLL: u8 = 15;
    /// One more than the largest kind: the length of `LOST`.
    pub const COUNT: usize = 16;
    /// Names in the order of the numbers, as commands print them.
    pub const NAMES: [&str; COUNT] = [
        "unknown",
        "fork",
        "exec",
        "exit",
        "rename",
        "signal",
        "deliver",
        "call",
        "reboot",
        "umount",
        "remount",
        "cgroup-mkdir",
        "cgroup-rmdir",
        "cgroup-attach",
        "oom",
        "poll",
    ];
}

/// How every record begins. The actor is the process on whose time the event happened: the
/// forking parent, the sender of a signal, the one that exits. `tgid` 0 is the kernel's idle
/// task, that is: nobody.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// [`stamp`]; written last.
    pub stamp: u64,
    /// `bpf_ktime_get_boot_ns`: nanoseconds since boot, suspend included.
    pub time_ns: u64,
    /// Length of the whole record in bytes, header included; a multiple of eight.
    pub len: u16,
    /// One of [`kind`].
    pub kind: u8,
    /// Bits whose meaning depends on the kind: see `*_FLAG_*`.
    pub flags: u8,
    /// Thread group id of the actor, in the initial pid namespace.
    pub tgid: u32,
    /// `start_boottime` of the actor's group leader, in nanoseconds; 0 if unknown.
    pub start_ns: u64,
}

/// A new process (not a thread). Actor: the process that called fork.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// How every record begins.
    pub header: Header,
    /// `start_boottime` of the child, in nanoseconds.
    pub child_start_ns: u64,
    /// The child, in the initial pid namespace.
    pub child_tgid: u32,
    /// The child's real parent: differs from the actor under `CLONE_PARENT`.
    pub child_ppid: u32,
    /// Cgroup id of the child in the unified hierarchy; 0 if unknown.
    pub cgroup: u64,
    /// Depth of the child's pid namespace (0: the initial one).
    pub ns_level: u32,
    /// The child's pid in its own pid namespace.
    pub ns_pid: u32,
}

/// Argv did not fit and was cut.
pub const EXEC_FLAG_ARGV_CUT: u8 = 1;
/// More of the environment matched than fits, or there were more variables than are looked at.
pub const EXEC_FLAG_ENV_CUT: u8 = 2;
/// Filename did not fit and was cut.
pub const EXEC_FLAG_FILENAME_CUT: u8 = 4;
/// Argv could not be read (its page was not there).
pub const EXEC_FLAG_ARGV_FAULT: u8 = 8;

/// Most bytes of filename, argv and kept environment in an [`Exec`].
pub const FILENAME_MAX: usize = 256;
/// Of its arguments.
pub const ARGV_MAX: usize = 2048;
/// Of its kept environment.
pub const ENV_MAX: usize = 512;

/// A successful exec. `filename_len`, `argv_len` and `env_len` bytes follow, in this order,
/// then zeros up to a multiple of eight. Argv and env are NUL-terminated strings one after
/// another (the last may lack its NUL when cut); the filename has no NUL.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exec {
    /// How every record begins.
    pub header: Header,
    /// `start_boottime` of the parent's group leader, in nanoseconds.
    pub parent_start_ns: u64,
    /// Cgroup id in the unified hierarchy; 0 if unknown.
    pub cgroup: u64,
    /// Its real parent, in the initial pid namespace.
    pub ppid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Session id, in the initial pid namespace.
    pub session: u32,
    /// Bytes of filename that follow.
    pub filename_len: u16,
    /// Bytes of argv.
    pub argv_len: u16,
    /// Bytes of kept environment.
    pub env_len: u16,
    /// Zero.
    pub reserved: [u8; 6],
    /// Name of the controlling terminal ("pts/0", "ttyS0"), NUL-padded; empty if none.
    pub tty: [u8; 16],
    /// Its name from now on (`task_struct.comm`), NUL-padded.
    pub comm: [u8; 16],
}

/// The last thread of a process is gone.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// How every record begins.
    pub header: Header,
    /// CPU time of all its threads.
    pub cpu_ns: u64,
    /// Peak resident set size in pages.
    pub peak_rss_pages: u64,
    /// As wait(2) reports it: `exit code << 8`, or the fatal signal, with 0x80 for a core dump.
    pub status: u32,
    /// Zero.
    pub reserved: u32,
}

/// The group leader's name changed other than by exec.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rename {
    /// How every record begins.
    pub header: Header,
    /// The new name, NUL-padded.
    pub comm: [u8; 16],
}

/// The signal is for the whole process, not for one thread.
pub const SIGNAL_FLAG_GROUP: u8 = 1;
/// `info` was `SEND_SIG_NOINFO`: sent by the actor, code 0, no siginfo of its own.
pub const SIGNAL_FLAG_NOINFO: u8 = 2;
/// `info` was `SEND_SIG_PRIV`: the kernel sent it, code `SI_KERNEL`.
pub const SIGNAL_FLAG_PRIV: u8 = 4;

/// Whether the kernel made a signal with this `si_code` because a timer ran out, a message arrived or
/// input or output was done (`SI_TIMER`, `SI_MESGQ`, `SI_ASYNCIO`, `SI_SIGIO`): the task that was running
/// then has nothing to do with it.
#[inline(always)]
pub const fn is_of_an_occurrence(code: i32) -> bool {
    matches!(code, -5..=-2)
}

/// A signal was generated. Actor: the task that was running, which is the sender when `code` is 0 or less
/// and of no occurrence. Nobody, when it is [of one](is_of_an_occurrence); when `code` is above 0, whoever
/// gave the kernel the reason, or a bystander.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// How every record begins.
    pub header: Header,
    /// `start_boottime` of the target's group leader, in nanoseconds.
    pub target_start_ns: u64,
    /// Thread group of the target, in the initial pid namespace.
    pub target_tgid: u32,
    /// The thread that `signal_generate` named.
    pub target_tid: u32,
    /// `si_code` (sigaction(2)).
    pub code: i32,
    /// Number of the signal (signal(7)).
    pub sig: u8,
    /// `TRACE_SIGNAL_*`: 0 delivered, 1 ignored, 2 already pending, 3 overflow, 4 info lost.
    pub result: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// The disposition of a delivered signal was `SIG_DFL`.
pub const DELIVER_FLAG_DEFAULT: u8 = 1;
/// ... or a handler of the process.
pub const DELIVER_FLAG_HANDLED: u8 = 2;
/// ... or `SIG_IGN`: it was blocked when it came, and was thrown away when it was let through.
pub const DELIVER_FLAG_IGNORED: u8 = 4;

/// A signal was taken from the queue to be acted upon. Actor: the receiver.
///
/// When a fatal signal ends a process, the kernel tells each of its threads SIGKILL instead: that is
/// recorded once, of the thread that leads, and as the signal that it was. Threads that go because their process
/// exits, or because another of them executes something, have no record.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deliver {
    /// How every record begins.
    pub header: Header,
    /// The thread that took it, in the initial pid namespace.
    pub tid: u32,
    /// Number of the signal (signal(7)).
    pub sig: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Which system call a [`Call`] records.
pub mod call {
    /// kill(2).
    pub const KILL: u8 = 1;
    /// tkill(2).
    pub const TKILL: u8 = 2;
    /// tgkill(2).
    pub const TGKILL: u8 = 3;
    /// rt_sigqueueinfo(2).
    pub const RT_SIGQUEUEINFO: u8 = 4;
    /// rt_tgsigqueueinfo(2).
    pub const RT_TGSIGQUEUEINFO: u8 = 5;
    /// pidfd_send_signal(2).
    pub const PIDFD_SEND_SIGNAL: u8 = 6;
    /// Names in the order of the numbers, as commands print them.
    pub const NAMES: [&str; 7] =
        ["unknown", "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"];
}

/// The flag of `pidfd_send_signal` by which it names the process group, since 6.9.
pub const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;

/// One of the kill family returned, and said something that its [`Signal`] records do not: it
/// failed, it was a broadcast, or no signal came of it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// How every record begins.
    pub header: Header,
    /// What the caller named, in its own pid namespace: a pid, 0, -1, -pgrp, a tid, or a pidfd.
    pub target: i64,
    /// 0 or a negated errno.
    pub ret: i64,
    /// The thread group of `tgkill` and `rt_tgsigqueueinfo`, the flags of `pidfd_send_signal`; 0 for the others.
    pub tgid_arg: i32,
    /// One of [`call`].
    pub call: u8,
    /// The signal that it was to send (signal(7)).
    pub sig: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// reboot(2) was called. Actor: the caller. Recorded before the kernel acts on it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reboot {
    /// How every record begins.
    pub header: Header,
    /// `LINUX_REBOOT_CMD_*`.
    pub cmd: u32,
    /// Depth of the caller's pid namespace: above 0 it ends a container, not the machine.
    pub ns_level: u32,
}

/// Most bytes of a path in [`Mount`] and [`Cgroup`], its NUL not counted.
pub const PATH_MAX: usize = 512;
/// The path did not fit and was cut.
pub const PATH_FLAG_CUT: u8 = 1;

/// Of a [`Mount`]: the caller gave no path, and named the mount by the descriptor [`Mount::fd`].
pub const PATH_FLAG_BY_FD: u8 = 2;
/// Of a [`Mount`]: its path was found by walking the kernel's tree. It is given as [`PLACE_PARTS`] slots of [`PLACE_PART`]
/// bytes, each a name that ends with NUL, the innermost first; an empty one is no part of the path.
/// With [`PATH_FLAG_CUT`] there was more in front.
pub const PATH_FLAG_PLACE: u8 = 4;

/// Names and mounts on the way from a mount to the root, at most.
pub const PLACE_PARTS: usize = 16;
/// Most bytes of one of those names, its NUL counted: room for the 64 digits by which containers are called.
pub const PLACE_PART: usize = 72;
/// All of them.
pub const PLACE_BYTES: usize = PLACE_PARTS * PLACE_PART;

/// umount2(2), or a mount(2), mount_setattr(2) or fsconfig(2) that remounts read-only, was called. Actor: the caller.
/// `path_len` bytes of path follow (no NUL), then bytes of no meaning up to `len`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// How every record begins.
    pub header: Header,
    /// The call's flags: `MNT_*` for umount2, `MS_*` for mount and what comes to the same.
    pub mount_flags: u64,
    /// Bytes of path that follow.
    pub path_len: u16,
    /// Zero.
    pub reserved: [u8; 2],
    /// See [`PATH_FLAG_BY_FD`]; otherwise 0. Of fsconfig, the descriptor of the file system's context.
    pub fd: i32,
}

/// A cgroup directory was made or removed, or (kind `CGROUP_ATTACH`) a process moved into one.
/// Actor: who did it. `path_len` bytes of path follow as in [`Mount`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cgroup {
    /// How every record begins.
    pub header: Header,
    /// The cgroup's id (its kernfs node's).
    pub id: u64,
    /// For `CGROUP_ATTACH` the process that moved; otherwise 0.
    pub task_start_ns: u64,
    /// Its thread group, in the initial pid namespace; otherwise 0.
    pub task_tgid: u32,
    /// 0 for the unified hierarchy; a number of the kernel's for a version 1 hierarchy.
    pub hierarchy: u32,
    /// Bytes of path that follow.
    pub path_len: u16,
    /// Zero.
    pub reserved: [u8; 6],
}

/// The out-of-memory killer chose a victim. Actor: the task that ran out of memory.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oom {
    /// How every record begins.
    pub header: Header,
    /// `start_boottime` of the victim's group leader, in nanoseconds; 0 if unknown.
    pub victim_start_ns: u64,
    /// Thread group of the victim, in the initial pid namespace.
    pub victim_tgid: u32,
    /// Zero.
    pub reserved: u32,
}

/// Key of the map `POLLS`, in which the entry that was used the longest ago makes way when it is full. What the recorder has
/// taken out of it, it counts in the map `TAKEN`: entries that were begun, are not there and were not taken are lost.
///
/// The key: who asked whether whom exists (kill with signal 0).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PollKey {
    /// `start_boottime` of the caller's group leader, in nanoseconds.
    pub start_ns: u64,
    /// As [`Call::target`].
    pub target: i64,
    /// Thread group of the caller, in the initial pid namespace.
    pub tgid: u32,
    /// One of [`call`], widened.
    pub call: u32,
}

/// Value of the map `POLLS`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Boot time of the first call.
    pub first_ns: u64,
    /// Boot time of the last one.
    pub last_ns: u64,
    /// Calls.
    pub count: u64,
    /// What the last call returned.
    pub last_ret: i64,
}

/// An offset that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// What the loader tells the probe, in the global `CONFIG`. Offsets are in bytes from the start of
/// the structure that the name begins with, [`ABSENT`] where the running kernel lacks the member.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "what is not documented is the offset of the member that its name ends with")]
pub struct Config {
    /// Mixed into every stamp.
    pub key: u64,
    /// Bytes a CPU writes between two strokes of the doorbell.
    pub bell_bytes: u64,
    /// Chunks per CPU; a power of two.
    pub chunks: u32,
    /// `mark_victim` passes a task, not a pid.
    pub oom_is_task: u32,
    /// Mask of the bit `in_execve` in the byte at `task_in_execve`.
    pub task_in_execve_mask: u32,
    pub task_tgid: u32,
    pub task_pid: u32,
    pub task_flags: u32,
    pub task_group_leader: u32,
    pub task_real_parent: u32,
    pub task_start_boottime: u32,
    pub task_exit_code: u32,
    pub task_signal: u32,
    pub task_cgroups: u32,
    pub task_mm: u32,
    pub task_comm: u32,
    pub task_cred: u32,
    pub task_thread_pid: u32,
    pub task_in_execve: u32,
    pub task_sum_exec_runtime: u32,
    pub signal_live: u32,
    pub signal_flags: u32,
    pub signal_group_exit_code: u32,
    pub signal_maxrss: u32,
    pub signal_sum_sched_runtime: u32,
    pub signal_tty: u32,
    pub signal_session: u32,
    pub css_set_dfl_cgrp: u32,
    pub cgroup_kn: u32,
    pub cgroup_root: u32,
    pub kernfs_node_id: u32,
    pub cgroup_root_hierarchy_id: u32,
    pub mm_arg_start: u32,
    pub mm_arg_end: u32,
    pub mm_env_start: u32,
    pub mm_env_end: u32,
    pub cred_uid: u32,
    pub pid_level: u32,
    pub pid_numbers: u32,
    pub upid_size: u32,
    pub upid_nr: u32,
    pub tty_name: u32,
    pub siginfo_code: u32,
    pub sigaction_handler: u32,
    pub binprm_filename: u32,
    pub regs_di: u32,
    pub regs_si: u32,
    pub regs_dx: u32,
    pub regs_r10: u32,
    pub task_files: u32,
    pub task_nsproxy: u32,
    pub nsproxy_mnt_ns: u32,
    pub files_fdt: u32,
    pub fdtable_fd: u32,
    pub fdtable_max_fds: u32,
    pub file_private_data: u32,
    pub file_path_mnt: u32,
    pub file_path_dentry: u32,
    pub dentry_name: u32,
    pub dentry_parent: u32,
    pub dentry_sb: u32,
    pub sb_mounts: u32,
    /// From the link in `super_block.s_mounts` back to its mount.
    pub mount_instance: u32,
    /// Of the link to the next mount of the file system.
    pub mount_next: u32,
    pub mount_mnt: u32,
    pub mount_root: u32,
    pub mount_parent: u32,
    pub mount_mountpoint: u32,
    pub mount_ns: u32,
    pub fs_context_root: u32,
    pub fs_context_sb_flags: u32,
    pub reserved: u32,
}

impl Config {
    /// Nothing known yet.
    pub const fn absent() -> Self {
        Self {
            key: 0,
            bell_bytes: 0,
            chunks: 1,
            oom_is_task: 0,
            task_in_execve_mask: 0,
            task_tgid: ABSENT,
            task_pid: ABSENT,
            task_flags: ABSENT,
            task_group_leader: ABSENT,
            task_real_parent: ABSENT,
            task_start_boottime: ABSENT,
            task_exit_code: ABSENT,
            task_signal: ABSENT,
            task_cgroups: ABSENT,
            task_mm: ABSENT,
            task_comm: ABSENT,
            task_cred: ABSENT,
            task_thread_pid: ABSENT,
            task_in_execve: ABSENT,
            task_sum_exec_runtime: ABSENT,
            signal_live: ABSENT,
            signal_flags: ABSENT,
            signal_group_exit_code: ABSENT,
            signal_maxrss: ABSENT,
            signal_sum_sched_runtime: ABSENT,
            signal_tty: ABSENT,
            signal_session: ABSENT,
            css_set_dfl_cgrp: ABSENT,
            cgroup_kn: ABSENT,
            cgroup_root: ABSENT,
            kernfs_node_id: ABSENT,
            cgroup_root_hierarchy_id: ABSENT,
            mm_arg_start: ABSENT,
            mm_arg_end: ABSENT,
            mm_env_start: ABSENT,
            mm_env_end: ABSENT,
            cred_uid: ABSENT,
            pid_level: ABSENT,
            pid_numbers: ABSENT,
            upid_size: ABSENT,
            upid_nr: ABSENT,
            tty_name: ABSENT,
            siginfo_code: ABSENT,
            sigaction_handler: ABSENT,
            binprm_filename: ABSENT,
            regs_di: ABSENT,
            regs_si: ABSENT,
            regs_dx: ABSENT,
            regs_r10: ABSENT,
            task_files: ABSENT,
            task_nsproxy: ABSENT,
            nsproxy_mnt_ns: ABSENT,
            files_fdt: ABSENT,
            fdtable_fd: ABSENT,
            fdtable_max_fds: ABSENT,
            file_private_data: ABSENT,
            file_path_mnt: ABSENT,
            file_path_dentry: ABSENT,
            dentry_name: ABSENT,
            dentry_parent: ABSENT,
            dentry_sb: ABSENT,
            sb_mounts: ABSENT,
            mount_instance: ABSENT,
            mount_next: ABSENT,
            mount_mnt: ABSENT,
            mount_root: ABSENT,
            mount_parent: ABSENT,
            mount_mountpoint: ABSENT,
            mount_ns: ABSENT,
            fs_context_root: ABSENT,
            fs_context_sb_flags: ABSENT,
            reserved: 0,
        }
    }
}

/// Bytes of the field that `_field` picks.
const fn size_of_field<T, F>(_field: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Proves, of each struct, that it is its fields and nothing between them. The pattern names every field: who
/// adds one has to name it here, and to raise [`VERSION`].
macro_rules! without_padding {
    ($($name:ident { $($field:ident),+ })+) => { $(const _: () = {
        let _all: fn(&$name) = |$name { $($field: _),+ }| ();
        let fields = 0 $(+ size_of_field(|value: &$name| &value.$field))+;
        assert!(size_of::<$name>() == fields, concat!(stringify!($name), " has padding"));
        assert!(size_of::<$name>() % 8 == 0, concat!(stringify!($name), " is no multiple of eight"));
    };)+ };
}

without_padding! {
    Head { head, bell, nest, sender, polls, reserved }
    Header { stamp, time_ns, len, kind, flags, tgid, start_ns }
    Fork { header, child_start_ns, child_tgid, child_ppid, cgroup, ns_level, ns_pid }
    Exec { header, parent_start_ns, cgroup, ppid, uid, session, filename_len, argv_len, env_len, reserved, tty, comm }
    Exit { header, cpu_ns, peak_rss_pages, status, reserved }
    Rename { header, comm }
    Signal { header, target_start_ns, target_tgid, target_tid, code, sig, result, reserved }
    Deliver { header, tid, sig, reserved }
    Call { header, target, ret, tgid_arg, call, sig, reserved }
    Reboot { header, cmd, ns_level }
    Mount { header, mount_flags, path_len, reserved, fd }
    Cgroup { header, id, task_start_ns, task_tgid, hierarchy, path_len, reserved }
    Oom { header, victim_start_ns, victim_tgid, reserved }
    PollKey { start_ns, target, tgid, call }
    Poll { first_ns, last_ns, count, last_ret }
}

// The fields of `Config` are two words and then half words: only its end could be padded.
const _: () = assert!(core::mem::offset_of!(Config, reserved) + 4 == size_of::<Config>());
