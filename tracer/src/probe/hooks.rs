//! The probe's hooks: for each, the ways to it in order of preference.
//!
//! Invariant: of the ways of one hook at most one is attached, so that no event is recorded twice.

use std::path::Path;

use aya::{
    Btf, Ebpf,
    programs::{Program, ProgramError, links::FdLink},
};
use lastrites_traces::abi::kind;

use super::{LoadOptions, ProbeError, check::chain};

/// How a hook is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    TpBtf,
    RawTracepoint,
    Fentry,
    Fexit,
    /// A per-call tracepoint: while any of them is attached, every system call of the machine takes
    /// the kernel's slow path.
    Tracepoint,
    Absent,
}

impl How {
    pub const ALL: [Self; 6] =
        [Self::TpBtf, Self::RawTracepoint, Self::Fentry, Self::Fexit, Self::Tracepoint, Self::Absent];

    pub fn name(self) -> &'static str {
        match self {
            Self::TpBtf => "tp_btf",
            Self::RawTracepoint => "raw_tp",
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Tracepoint => "tracepoint",
            Self::Absent => "absent",
        }
    }
}

/// A hook, as it was attached or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub name: String,
    /// What it records, in numbers of [`kind`].
    pub kinds: Vec<u8>,
    pub how: How,
    /// Why not in the preferred way.
    pub why: Option<String>,
    /// Whether its link is pinned, so that it stays without us.
    pub pinned: bool,
    /// Name of that pin; empty when there is none.
    pub link: String,
    /// The kernel's number of its program.
    pub program: Option<u32>,
}

impl Hook {
    /// With what was tried first, and refused.
    pub(super) fn after(mut self, options: &LoadOptions) -> Self {
        if let Some((_, why)) = options.refused.as_ref().filter(|(hook, _)| *hook == self.name) {
            self.why = Some(format!("without {}: {why}", super::preempt::FUNCTIONS[0]));
        }
        self
    }
}

/// One way to attach a hook: the program, and what it is attached to.
struct Way {
    how: How,
    program: &'static str,
    /// A tracepoint's name, a function, or for [`How::Tracepoint`] "category/name".
    target: &'static str,
}

pub(super) struct Wanted {
    pub(super) name: &'static str,
    kinds: &'static [u8],
    /// Without it nothing is worth recording.
    needed: bool,
    ways: &'static [Way],
}

const fn tp(name: &'static str) -> Way {
    Way { how: How::TpBtf, program: name, target: name }
}

const fn second(program: &'static str, target: &'static str) -> Way {
    Way { how: How::TpBtf, program, target }
}

const fn raw(name: &'static str) -> Way {
    Way { how: How::RawTracepoint, program: name, target: name }
}

macro_rules! hook {
    ($name:literal, $needed:literal, [$($kind:ident),*], $($way:expr),*) => {
        Wanted { name: $name, kinds: &[$(kind::$kind),*], needed: $needed, ways: &[$($way),*] }
    };
}

macro_rules! call {
    ($name:literal, $kind:ident, $how:ident $prefix:literal, $tracepoint:literal) => {
        hook!(
            $name,
            false,
            [$kind],
            Way { how: How::$how, program: concat!($prefix, $name), target: concat!("__x64_sys_", $name) },
            Way {
                how: How::Tracepoint,
                program: concat!($tracepoint, $name),
                target: concat!("syscalls/", $tracepoint, $name)
            }
        )
    };
}

pub(super) static HOOKS: &[Wanted] = &[
    hook!("sched_process_fork", true, [FORK], tp("sched_process_fork")),
    hook!("sched_process_exec", true, [EXEC], tp("sched_process_exec")),
    hook!("sched_process_exit", true, [EXIT], tp("sched_process_exit")),
    hook!("task_rename", false, [RENAME], tp("task_rename")),
    hook!("signal_generate", true, [SIGNAL], tp("signal_generate")),
    hook!("signal_deliver", false, [DELIVER], tp("signal_deliver")),
    hook!("cgroup_mkdir", false, [CGROUP_MKDIR], raw("cgroup_mkdir")),
    hook!("cgroup_rmdir", false, [CGROUP_RMDIR], raw("cgroup_rmdir")),
    hook!("cgroup_attach_task", false, [CGROUP_ATTACH], raw("cgroup_attach_task")),
    hook!("mark_victim", false, [OOM], raw("mark_victim")),
    call!("reboot", REBOOT, Fentry "fentry_", "sys_enter_"),
    call!("umount", UMOUNT, Fentry "fentry_", "sys_enter_"),
    call!("mount", REMOUNT, Fentry "fentry_", "sys_enter_"),
    call!("mount_setattr", REMOUNT, Fentry "fentry_", "sys_enter_"),
    call!("fsconfig", REMOUNT, Fentry "fentry_", "sys_enter_"),
    call!("kill", CALL, Fexit "fexit_", "sys_exit_"),
    call!("tkill", CALL, Fexit "fexit_", "sys_exit_"),
    call!("tgkill", CALL, Fexit "fexit_", "sys_exit_"),
    call!("rt_sigqueueinfo", CALL, Fexit "fexit_", "sys_exit_"),
    call!("rt_tgsigqueueinfo", CALL, Fexit "fexit_", "sys_exit_"),
    call!("pidfd_send_signal", CALL, Fexit "fexit_", "sys_exit_"),
];

/// Where the kernel preempts programs at tracepoints: what records the events for which it did not run the first program of a
/// hook. Each is attached right behind that.
pub(super) static SECONDS: &[Wanted] = &[
    hook!(
        "second_sched_process_fork",
        false,
        [FORK],
        second("second_sched_process_fork", "sched_process_fork")
    ),
    hook!(
        "second_sched_process_exec",
        false,
        [EXEC],
        second("second_sched_process_exec", "sched_process_exec")
    ),
    hook!(
        "second_sched_process_exit",
        false,
        [EXIT],
        second("second_sched_process_exit", "sched_process_exit")
    ),
    hook!("second_task_rename", false, [RENAME], second("second_task_rename", "task_rename")),
    hook!("second_signal_generate", false, [SIGNAL], second("second_signal_generate", "signal_generate")),
    hook!("second_signal_deliver", false, [DELIVER], second("second_signal_deliver", "signal_deliver")),
];

/// Which programs at tracepoints the kernel preempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preempts {
    None,
    /// Those that run under no lock, from 7.0 on.
    Lockless,
    /// All, as locks do not keep a kernel for real time from it.
    All,
}

impl Preempts {
    /// Of a kernel of this version, built for real time or not.
    pub(super) fn of(version: (u32, u32), realtime: bool) -> Self {
        match (version >= (7, 0), realtime) {
            (false, _) => Self::None,
            (true, false) => Self::Lockless,
            (true, true) => Self::All,
        }
    }

    /// The second programs that this wants.
    fn seconds(self) -> impl Iterator<Item = &'static Wanted> {
        let wants = move |second: &&Wanted| match self {
            Self::None => false,
            Self::Lockless => !second.is_of([kind::SIGNAL, kind::DELIVER]),
            Self::All => true,
        };
        SECONDS.iter().filter(wants)
    }

    /// The kinds of events whose hooks have a second program, each the bit of its number.
    pub(super) fn twice(self) -> u32 {
        self.seconds().flat_map(|second| second.kinds).fold(0, |bits, kind| bits | 1 << kind)
    }

    /// All hooks in the order in which they are attached, which is that in which the kernel runs those at one tracepoint.
    pub(super) fn hooks(self) -> impl Iterator<Item = &'static Wanted> {
        let seconds: Vec<_> = self.seconds().collect();
        HOOKS.iter().flat_map(move |hook| {
            let its = seconds.iter().copied().find(|second| second.stands_in_for() == Some(hook.name));
            std::iter::once(hook).chain(its)
        })
    }
}

/// Names of all hooks.
pub fn names() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().map(|hook| hook.name)
}

impl Wanted {
    fn is_of(&self, kinds: [u8; 2]) -> bool {
        self.kinds.iter().any(|kind| kinds.contains(kind))
    }

    /// The hook whose second program this is.
    fn stands_in_for(&self) -> Option<&'static str> {
        self.name.strip_prefix("second_")
    }

    pub(super) fn absent(&self, why: String) -> Hook {
        Hook {
            name: self.name.into(),
            kinds: self.kinds.into(),
            how: How::Absent,
            why: Some(why),
            pinned: false,
            link: String::new(),
            program: None,
        }
    }

    /// Attaches the hook in the first way that the kernel allows.
    pub(super) fn attach(
        &self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        dir: &Path,
        options: &LoadOptions,
    ) -> Result<Hook, ProbeError> {
        let tried = self.first(ebpf, btf, options, attach);
        let (way, link, why) = match tried {
            Ok(found) => found,
            Err(why) if self.needed => return Err(ProbeError::Hook { hook: self.name, why }),
            Err(why) => return Ok(self.absent(why)),
        };
        let name = format!("link_{}", way.program);
        let path = dir.join(&name);
        // What a second program is missed for the first one was: nobody need count that.
        let counts = self.stands_in_for().is_none();
        let program = ebpf.program(way.program).filter(|_| counts).and_then(|program| program.info().ok());
        let program = program.map(|info| info.id());
        match link.pin(&path) {
            Ok(_) => Ok(Hook {
                how: way.how,
                why,
                pinned: true,
                link: name,
                program,
                ..self.absent(String::new())
            }),
            // Perf links of kernels before 5.15 cannot be pinned: what is gone with us records nothing.
            Err(e) if self.needed => Err(ProbeError::Pin { path, why: chain(&e) }),
            Err(e) => Ok(self.absent(format!("its link cannot be pinned: {}", chain(&e)))),
        }
    }

    /// Finds out how the hook would be attached.
    pub(super) fn rehearse(&self, ebpf: &mut Ebpf, btf: &Btf, options: &LoadOptions) -> Hook {
        match self.first(ebpf, btf, options, |_, _| Ok(())) {
            Ok((way, (), why)) => Hook { how: way.how, why, ..self.absent(String::new()) },
            Err(why) => self.absent(why),
        }
    }

    pub(super) fn is_needed(&self) -> bool {
        self.needed
    }

    /// Tries one way after the other: the way, what `then` made of it, and why not an earlier one.
    fn first<T>(
        &self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        options: &LoadOptions,
        then: impl Fn(&mut Program, &Way) -> Result<T, String>,
    ) -> Result<(&Way, T, Option<String>), String> {
        let mut why_not = Vec::new();
        for way in self.ways {
            let of_x86 = way.target.starts_with("__x64_sys_") || way.target.starts_with("syscalls/");
            let done = if of_x86 && !cfg!(target_arch = "x86_64") {
                Err("where its arguments are is only known on x86-64".into())
            } else if options.no_trampolines && matches!(way.how, How::Fentry | How::Fexit) {
                Err("not wanted".into())
            } else {
                ebpf.program_mut(way.program)
                    .ok_or_else(|| "not in this build of the probe".to_owned())
                    .and_then(|program| load(program, way, btf).and_then(|()| then(program, way)))
            };
            match done {
                Ok(made) => return Ok((way, made, (!why_not.is_empty()).then(|| why_not.join("; ")))),
                Err(why) => why_not.push(format!("{}: {why}", way.how.name())),
            }
        }
        Err(why_not.join("; "))
    }
}

pub(super) fn needed(name: &str) -> bool {
    HOOKS.iter().any(|hook| hook.name == name && hook.is_needed())
}

fn load(program: &mut Program, way: &Way, btf: &Btf) -> Result<(), String> {
    let done = match program {
        Program::BtfTracePoint(program) => program.load(way.target, btf),
        Program::RawTracePoint(program) => program.load(),
        Program::TracePoint(program) => program.load(),
        Program::FEntry(program) => program.load(way.target, btf),
        Program::FExit(program) => program.load(way.target, btf),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    done.map_err(|e| said(&e))
}

fn attach(program: &mut Program, way: &Way) -> Result<FdLink, String> {
    macro_rules! link {
        ($program:expr, $attach:expr) => {{
            let id = $attach.map_err(|e| said(&e))?;
            let link = $program.take_link(id).map_err(|e| said(&e))?;
            FdLink::try_from(link).map_err(|e| chain(&e))
        }};
    }
    match program {
        Program::BtfTracePoint(program) => link!(program, program.attach()),
        Program::RawTracePoint(program) => link!(program, program.attach(way.target)),
        Program::FEntry(program) => link!(program, program.attach()),
        Program::FExit(program) => link!(program, program.attach()),
        Program::TracePoint(program) => {
            let (category, name) = way.target.split_once('/').unwrap_or_default();
            link!(program, program.attach(category, name))
        }
        _ => Err("unexpected program type".into()),
    }
}

/// What the kernel said, in a line: of a verifier's log the last words before its statistics.
fn said(error: &ProgramError) -> String {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        if std::env::var_os("LASTRITES_VERIFIER_LOG").is_some() {
            crate::say::word(&verifier_log.to_string());
        }
        let log = verifier_log.to_string();
        let statistics = ["processed ", "stack depth ", "verification time "];
        let says_why =
            |line: &&str| !line.trim().is_empty() && !statistics.iter().any(|s| line.starts_with(s));
        let last = log.lines().rev().find(says_why);
        return match last {
            Some(line) => format!("{io_error}: {}", line.trim()),
            None => io_error.to_string(),
        };
    }
    chain(error)
}
