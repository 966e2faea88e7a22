//! One event as one line for people.
//!
//! Invariant: one event is one line, whatever its strings contain; everything of the traced
//! machine goes through [`crate::safe`].

use std::fmt::Write as _;

use lastrites_traces::{
    abi,
    event::{Bytes, Disposition, Event, Exec, ProcId, Process, Signal, What},
    reader::Gap,
};

use crate::{
    about, names,
    output::{Look, Palette},
    processes::Processes,
    safe,
    time::{self, Clocks},
};

/// How lines look.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub palette: Palette,
    /// Wall clock times instead of seconds since the recording began.
    pub wall: bool,
}

/// Appends the line of `event`, with its newline. `processes` has learnt from it already; `was` is
/// the name that the process had before.
pub fn push(
    out: &mut String,
    event: &Event,
    was: &[u8],
    processes: &Processes,
    clocks: &Clocks,
    style: Style,
) {
    let line = Line { processes, palette: style.palette };
    line.moment(out, event.time_ns, event.number, clocks, style.wall);
    let (actor, kernel) = actor(&event.what);
    if kernel {
        out.push_str("      -  kernel           ");
    } else if let Some(id) = actor {
        line.actor(out, id);
    } else {
        out.push_str("      -  -                ");
    }
    line.what(out, &event.what, was);
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}

/// What an event says, without when and who: `SIGKILL -> 2240 mongod: delivered`.
pub fn text(event: &Event, was: &[u8], processes: &Processes) -> String {
    let mut out = String::new();
    Line { processes, palette: Palette::PLAIN }.what(&mut out, &event.what, was);
    out
}

/// Appends the line of a stretch that cannot be read.
pub fn push_gap(out: &mut String, gap: &Gap, palette: Palette) {
    palette.paint(out, Look::Warn, |out| {
        out.push_str("*** GAP: ");
        out.push_str(&about::gap(gap));
    });
    out.push('\n');
}

/// Who acts in the first column, and whether that is the kernel itself.
fn actor(what: &What) -> (Option<ProcId>, bool) {
    match what {
        What::Signal(signal) => (Some(signal.sender), signal.by_kernel() || signal.sender.tgid == 0),
        What::Oom { .. } => (None, true),
        _ => (crate::filter::processes_of(what).0, false),
    }
}

struct Line<'a> {
    processes: &'a Processes,
    palette: Palette,
}

impl Line<'_> {
    fn moment(&self, out: &mut String, time_ns: u64, number: u64, clocks: &Clocks, wall: bool) {
        self.palette.on(out, Look::Dim);
        if wall {
            let _ = write!(out, "{}", clocks.wall(time_ns).format("%Y-%m-%d %H:%M:%S%.6f"));
        } else {
            time::push_padded(out, clocks.since_start_ns(time_ns));
        }
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let _ = write!(out, " {:>pad$}{number} ", '#', pad = 8usize.saturating_sub(digits).max(1));
        self.palette.off(out);
    }

    /// `    812  mongod           `.
    fn actor(&self, out: &mut String, id: ProcId) {
        let _ = write!(out, "{:>7}  ", id.tgid);
        self.palette.on(out, Look::Name);
        let painted = out.len();
        self.comm(out, id);
        let width = out[painted..].chars().count();
        self.palette.off(out);
        for _ in width..16 {
            out.push(' ');
        }
        out.push(' ');
    }

    fn comm(&self, out: &mut String, id: ProcId) {
        match self.processes.comm(id) {
            b"" if id.tgid == 0 => out.push_str("kernel"),
            b"" => out.push('?'),
            comm => safe::push(out, comm),
        }
    }

    /// `812 mongod`.
    fn process(&self, out: &mut String, id: ProcId) {
        if id.tgid != 0 {
            let _ = write!(out, "{} ", id.tgid);
        }
        self.palette.on(out, Look::Name);
        self.comm(out, id);
        self.palette.off(out);
    }

    fn bad_if(&self, bad: bool, out: &mut String, text: &str) {
        if bad {
            self.palette.paint(out, Look::Bad, |out| out.push_str(text));
        } else {
            out.push_str(text);
        }
    }

    fn what(&self, out: &mut String, what: &What, was: &[u8]) {
        match what {
            What::Process(process) => self.census(out, process),
            What::Fork { parent, child, child_ppid, ns_level, ns_pid, .. } => {
                let _ = write!(out, "fork -> {}", child.tgid);
                if *child_ppid != parent.tgid {
                    let _ = write!(out, ", child of {child_ppid}");
                }
                if *ns_level > 0 {
                    let _ = write!(out, ", pid {ns_pid} in its namespace");
                }
            }
            What::Exec(exec) => self.exec(out, exec, was),
            What::Exit { status, cpu_ns, peak_rss_kib, .. } => {
                self.bad_if(*status != 0, out, &names::status(*status));
                self.dim(out, |out| {
                    let _ = write!(out, "  (cpu {}, peak {} KiB)", time::duration(*cpu_ns), peak_rss_kib);
                });
            }
            What::Rename { .. } => {
                out.push_str("renamed itself, was ");
                safe::push(out, if was.is_empty() { b"?" } else { was });
            }
            What::Signal(signal) => self.signal(out, signal),
            What::Deliver { process, tid, sig, disposition } => {
                let _ = write!(out, "took {}: ", names::signal(*sig));
                out.push_str(match disposition {
                    Disposition::Default => "default action",
                    Disposition::Handled => "handler",
                    Disposition::Ignored => "ignored",
                });
                if *tid != process.tgid {
                    let _ = write!(out, " (thread {tid})");
                }
            }
            What::Call { call, target, tgid_arg, sig, ret, .. } => {
                call_text(out, *call, *target, *tgid_arg, *sig);
                out.push_str(" = ");
                self.bad_if(*ret < 0, out, &names::ret(*ret));
            }
            What::Poll { call, target, count, first_ns: _, last_ret, .. } => {
                call_text(out, *call, *target, 0, 0);
                let _ = write!(out, ", {count} times, at last = {}", names::ret(*last_ret));
            }
            What::Reboot { cmd, ns_level, .. } => {
                let (word, ends) = names::reboot(*cmd);
                self.bad_if(ends, out, &format!("reboot(2): {word}"));
                if *ns_level > 0 {
                    out.push_str(", of its pid namespace only");
                }
            }
            What::Umount { path, flags, .. } => self.mount(out, "umount", path, &names::umount_flags(*flags)),
            What::Remount { path, flags, .. } => {
                self.mount(out, "remount", path, &names::mount_flags(*flags))
            }
            What::CgroupMkdir { path, hierarchy, .. } => cgroup(out, "cgroup made", *hierarchy, path),
            What::CgroupRmdir { path, hierarchy, .. } => cgroup(out, "cgroup removed", *hierarchy, path),
            What::CgroupAttach { moved, path, hierarchy, .. } => {
                out.push_str("moved ");
                self.process(out, *moved);
                cgroup(out, " to cgroup", *hierarchy, path);
            }
            What::Oom { process, victim } => {
                self.bad_if(true, out, "out of memory: chose ");
                self.process(out, *victim);
                if process.tgid != 0 {
                    out.push_str("  (wanted by ");
                    self.process(out, *process);
                    out.push(')');
                }
            }
            What::Lost { cpu, kind, count, bytes } => {
                let kind = abi::kind::NAMES.get(usize::from(*kind)).copied().unwrap_or("unknown");
                self.palette.paint(out, Look::Warn, |out| {
                    let of = if kind == "unknown" { String::new() } else { format!(" of kind {kind}") };
                    let _ = write!(out, "*** LOST: {count} events{of}");
                    if *cpu != abi::NO_CPU {
                        let _ = write!(out, " on CPU {cpu}");
                    }
                    if *bytes > 0 {
                        let _ = write!(out, ", {bytes} bytes overwritten before they were read");
                    }
                });
            }
        }
    }

    fn dim(&self, out: &mut String, write: impl FnOnce(&mut String)) {
        self.palette.paint(out, Look::Dim, write);
    }

    fn census(&self, out: &mut String, process: &Process) {
        let _ = write!(out, "was running, child of {}, {}: ", process.ppid, names::user(process.uid));
        if process.argv.is_empty() {
            safe::push(out, if process.filename.is_empty() { &process.comm } else { &process.filename });
        } else {
            safe::push_argv(out, &process.argv);
        }
        if !process.cgroup_path.is_empty() {
            self.dim(out, |out| {
                out.push_str("  [");
                safe::push(out, &process.cgroup_path);
                out.push(']');
            });
        }
    }

    fn exec(&self, out: &mut String, exec: &Exec, was: &[u8]) {
        out.push_str("exec ");
        // Where the first argument is the file anyway, saying it once is enough.
        if exec.argv.split(|byte| *byte == 0).next() != Some(&*exec.filename) {
            safe::push(out, &exec.filename);
            if exec.flags & abi::EXEC_FLAG_FILENAME_CUT != 0 {
                out.push_str("...");
            }
            out.push_str(": ");
        }
        safe::push_argv(out, &exec.argv);
        if exec.flags & abi::EXEC_FLAG_ARGV_CUT != 0 {
            out.push_str(" ...");
        }
        if exec.flags & abi::EXEC_FLAG_ARGV_FAULT != 0 {
            out.push_str("(arguments not readable)");
        }
        self.dim(out, |out| {
            let _ = write!(out, "  ({}, child of {}", names::user(exec.uid), exec.parent.tgid);
            if !exec.tty.is_empty() {
                out.push_str(", ");
                safe::push(out, &exec.tty);
            }
            if !was.is_empty() && was != &*exec.comm {
                out.push_str(", was ");
                safe::push(out, was);
            }
            for pair in exec.env.split(|byte| *byte == 0).filter(|pair| !pair.is_empty()) {
                out.push_str(", ");
                safe::push(out, pair);
            }
            out.push(')');
        });
    }

    fn signal(&self, out: &mut String, signal: &Signal) {
        let kernel = signal.by_kernel();
        let killing = matches!(signal.sig, 9 | 15);
        let name = names::signal(signal.sig);
        if killing {
            self.palette.paint(out, Look::Strong, |out| out.push_str(&name));
        } else {
            out.push_str(&name);
        }
        out.push_str(" -> ");
        self.process(out, signal.target);
        let _ = write!(out, ": {}", names::result(signal.result));
        let mut notes: Vec<String> = Vec::new();
        let why = names::si_code(signal.sig, signal.code);
        let known = kernel && why == "kernel";
        if !why.is_empty() && !known {
            notes.push(why.into_owned());
        }
        if signal.no_info {
            notes.push("no siginfo".into());
        }
        if !signal.group {
            notes.push(format!("thread {}", signal.target_tid));
        }
        if kernel && signal.sender.tgid != 0 {
            let mut who = String::from(if signal.sig == 17 { "for " } else { "while running " });
            self.process(&mut who, signal.sender);
            notes.push(who);
        }
        if !notes.is_empty() {
            let _ = write!(out, "  ({})", notes.join(", "));
        }
    }

    fn mount(&self, out: &mut String, verb: &str, path: &Bytes, flags: &str) {
        let _ = write!(out, "{verb} ");
        safe::push(out, path);
        if !flags.is_empty() {
            let _ = write!(out, "  ({flags})");
        }
    }
}

fn cgroup(out: &mut String, verb: &str, hierarchy: u32, path: &Bytes) {
    let _ = write!(out, "{verb} ");
    safe::push(out, path);
    if hierarchy != 0 {
        let _ = write!(out, "  (version 1 hierarchy {hierarchy})");
    }
}

/// `kill(-1, SIGTERM)`, `tgkill(812, 813, SIGABRT)`.
fn call_text(out: &mut String, call: u8, target: i64, tgid_arg: i32, sig: u8) {
    let name = abi::call::NAMES.get(usize::from(call)).copied().unwrap_or("unknown");
    let _ = write!(out, "{name}(");
    match (call, target) {
        (abi::call::TGKILL | abi::call::RT_TGSIGQUEUEINFO, _) => {
            let _ = write!(out, "{tgid_arg}, {target}");
        }
        (abi::call::PIDFD_SEND_SIGNAL, _) => {
            let _ = write!(out, "pidfd {target}");
            if tgid_arg as u32 & abi::PIDFD_SIGNAL_PROCESS_GROUP != 0 {
                out.push_str(": process group");
            }
        }
        (_, -1) => out.push_str("-1: everybody"),
        (_, ..-1) => {
            let _ = write!(out, "{target}: process group");
        }
        _ => {
            let _ = write!(out, "{target}");
        }
    }
    let _ = write!(out, ", {})", if sig == 0 { "0".into() } else { names::signal(sig) });
}
