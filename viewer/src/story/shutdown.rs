//! The shutdown of a recording: who asked, when it began, what kind it is, which phases it went through.
//!
//! Invariant: from events alone; every phase says which event decided and by which rule. A recording without a
//! shutdown has none, and one that was asked for and never begun is none either.

use crate::{
    names,
    processes::base_name,
    requests::{Asks, asks},
    safe,
};

use super::{
    who::words,
    world::{At, Idx, Image, Means, NONE, Reboot, Sig, World},
};

/// The init of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    Systemd,
    Sysvinit,
    Upstart,
    OpenRc,
    Runit,
    Busybox,
    Finit,
    S6,
    Dinit,
    Unknown,
}

impl Init {
    /// By what the recording says, and by what was seen to run.
    pub fn of(world: &World, stated: &str) -> Self {
        let stated = stated.to_ascii_lowercase();
        let known = [
            ("systemd", Self::Systemd),
            ("upstart", Self::Upstart),
            ("sysv", Self::Sysvinit),
            ("openrc", Self::OpenRc),
            ("runit", Self::Runit),
            ("busybox", Self::Busybox),
            ("finit", Self::Finit),
            ("s6", Self::S6),
            ("dinit", Self::Dinit),
        ];
        let found = known.iter().find(|(name, _)| stated.starts_with(name)).map(|(_, init)| *init);
        if let Some(init) = found.filter(|init| *init != Self::Sysvinit) {
            return init;
        }
        let pid_1 = world.by_pid(1, u64::MAX);
        let file = pid_1
            .and_then(|idx| world.image(world.image_of(idx)))
            .map_or(&b""[..], |image| base_name(world.strings.get(image.filename)));
        match file {
            b"systemd" | b"systemd-shutdown" => return Self::Systemd,
            b"busybox" => return Self::Busybox,
            b"openrc-init" => return Self::OpenRc,
            b"runit" | b"runit-init" => return Self::Runit,
            b"finit" => return Self::Finit,
            b"s6-svscan" => return Self::S6,
            b"dinit" => return Self::Dinit,
            b"upstart" => return Self::Upstart,
            _ => {}
        }
        let sets =
            |image: &Image| words(world.strings.get(image.env)).any(|pair| pair.starts_with(b"UPSTART_JOB="));
        if world.images.iter().any(sets) { Self::Upstart } else { found.unwrap_or(Self::Unknown) }
    }

    pub const fn is_rc(self) -> bool {
        matches!(self, Self::Sysvinit | Self::Upstart)
    }
}

/// What a shutdown is to end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    Reboot,
    PowerOff,
    Halt,
    Kexec,
    SoftReboot,
    SingleUser,
    Unknown,
}

impl Aim {
    /// `rebooted`, as in "db7 rebooted".
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Reboot => "rebooted",
            Self::PowerOff => "powered off",
            Self::Halt => "halted",
            Self::Kexec => "went into another kernel (kexec)",
            Self::SoftReboot => "restarted its user space (soft-reboot)",
            Self::SingleUser => "went to single-user mode",
            Self::Unknown => "went down",
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::PowerOff => "power-off",
            Self::Halt => "halt",
            Self::Kexec => "kexec",
            Self::SoftReboot => "soft-reboot",
            Self::SingleUser => "single-user",
            Self::Unknown => "unknown",
        }
    }

    fn of_call(cmd: u32) -> Self {
        match cmd {
            0x0123_4567 | 0xa1b2_c3d4 => Self::Reboot,
            0x4321_fedc => Self::PowerOff,
            0xcdef_0123 => Self::Halt,
            0x4558_4543 => Self::Kexec,
            _ => Self::Unknown,
        }
    }

    fn of_level(level: &[u8]) -> Self {
        match level {
            b"6" => Self::Reboot,
            b"0" => Self::PowerOff,
            b"1" | b"S" => Self::SingleUser,
            _ => Self::Unknown,
        }
    }
}

/// Who asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: At,
    /// Who executed the command or sent the signal; [`NONE`]: nobody was seen.
    pub by: Idx,
    /// `shutdown -r now`, `SIGINT to init (Ctrl-Alt-Del)`; empty if nothing was seen.
    pub how: String,
    /// `root, pts/0`, `cron`: what is known of the asker.
    pub who: String,
    /// From a session, a timer or a script down to the command.
    pub chain: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseKind {
    Asked,
    Stopping,
    TermSpree,
    KillSpree,
    Unmounting,
    End,
}

impl PhaseKind {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Asked => "requested",
            Self::Stopping => "stopping services",
            Self::TermSpree => "SIGTERM spree",
            Self::KillSpree => "SIGKILL spree",
            Self::Unmounting => "unmounting",
            Self::End => "reboot(2)",
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "requested",
            Self::Stopping => "stopping",
            Self::TermSpree => "term-spree",
            Self::KillSpree => "kill-spree",
            Self::Unmounting => "unmounting",
            Self::End => "end",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Phase {
    pub kind: PhaseKind,
    pub from: At,
    pub to_ns: u64,
    /// Which rule recognised its beginning.
    pub rule: &'static str,
}

#[derive(Debug, Clone)]
pub struct Shutdown {
    pub aim: Aim,
    pub asked: Option<Asked>,
    /// When things began to happen: the request, or, where it was made for later, the first act.
    pub begin: At,
    /// reboot(2), the seal at the last hook before it, or the last event.
    pub end: At,
    /// It came to its end: reboot(2) was seen to be called, or the last hook ran.
    pub ended: bool,
    /// reboot(2) itself was seen. A sealed recording ends right before it.
    pub called: bool,
    /// It was called by somebody who did not ask init first.
    pub forced: bool,
    pub phases: Vec<Phase>,
}

impl Shutdown {
    pub fn phase_at(&self, ns: u64) -> Option<&Phase> {
        self.phases.iter().rev().find(|phase| phase.from.ns <= ns)
    }

    pub fn phase(&self, kind: PhaseKind) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.kind == kind)
    }

    pub fn took_ns(&self) -> u64 {
        self.end.ns.saturating_sub(self.begin.ns)
    }

    /// The runlevel that this shutdown is, under inits that have them.
    pub const fn level(&self) -> &'static str {
        match self.aim {
            Aim::PowerOff | Aim::Halt => "0",
            Aim::SingleUser => "1",
            _ => "6",
        }
    }
}

/// A request that is older than this when things begin was made for later.
const LATER_NS: u64 = 60_000_000_000;
/// Init runs what a signal asks for this soon after it.
const HANDLED_NS: u64 = 10_000_000_000;
/// Stop signals of systemd that are further apart belong to different occasions.
const APART_NS: u64 = 100_000_000_000;
/// So long systemd does nothing between two units at most, unless it waits for somebody.
const QUIET_NS: u64 = 10_000_000_000;

/// Something that begins a phase.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: At,
    kind: PhaseKind,
    rule: &'static str,
    aim: Aim,
}

/// The last shutdown of `world`, or, without one, the last that was asked for.
///
/// `sealed_ns`: when the last hook of the shutdown ended the recording, if it did.
pub fn find(world: &World, init: Init, sealed_ns: Option<u64>) -> Option<Shutdown> {
    let call = world.reboots.iter().rev().find(|call| names::reboot(call.cmd).1 && !failed(world, call));
    let mut marks = marks(world, init);
    marks.sort_by_key(|mark| mark.at);
    // What happened before a boot's or an earlier level's quiet is not this shutdown.
    let until = call.map_or(At::NEVER, |call| call.at);
    marks.retain(|mark| mark.at <= until);
    let first = first_mark(&marks);
    let from_systemd =
        first.filter(|_| init == Init::Systemd).map(|mark| systemd_began(world, init, mark.at));
    let began = from_systemd.or(first.map(|mark| mark.at));
    let asked = asked(world, init, began.or(call.map(|call| call.at)));
    if began.is_none() && call.is_none() {
        return asked.and_then(|asked| cut_short(world, init, asked));
    }
    let aim = call.map_or(Aim::Unknown, |call| Aim::of_call(call.cmd));
    let told = marks.iter().map(|mark| mark.aim).find(|aim| *aim != Aim::Unknown);
    // Level 0 is power-off and halt alike: who asked knows which.
    let halts = asked.as_ref().is_some_and(|asked| aim_of_words(&asked.how) == Aim::Halt);
    let told = told.map(|told| if told == Aim::PowerOff && halts { Aim::Halt } else { told });
    let aim = if aim == Aim::Unknown {
        told.or(asked.as_ref().map(|a| aim_of_words(&a.how))).unwrap_or(aim)
    } else {
        aim
    };
    let end = match (call, sealed_ns) {
        (Some(call), _) => call.at,
        (None, Some(ns)) => At { ns: ns.max(world.last.ns), ..world.last },
        (None, None) => world.last,
    };
    let ended = call.is_some() || sealed_ns.is_some();
    let forced = call.is_some_and(|call| is_forced(world, call.proc, asked.as_ref(), &marks));
    let begin = match (&asked, began) {
        (Some(asked), Some(began)) if began.ns.saturating_sub(asked.at.ns) > LATER_NS => birth(world, began),
        (Some(asked), _) => asked.at,
        (None, Some(began)) => birth(world, began),
        (None, None) => end,
    };
    let mut shutdown =
        Shutdown { aim, asked, begin, end, ended, called: call.is_some(), forced, phases: Vec::new() };
    shutdown.phases = phases(&shutdown, began, &marks, call.map(|call| call.at));
    Some(shutdown)
}

/// When the process that executed something at `at` was born, if it was for that: it is a part of what it begins.
fn birth(world: &World, at: At) -> At {
    let image = world.images.iter().find(|image| image.at == at && !world.is_init(image.proc));
    let born = image.and_then(|image| world.proc_at(image.proc)).map(|proc| proc.born);
    born.filter(|born| at.ns.saturating_sub(born.ns) < 1_000_000_000).unwrap_or(at)
}

/// A shutdown that was asked for, of which nothing more is there: not begun, or cut off.
fn cut_short(world: &World, init: Init, asked: Asked) -> Option<Shutdown> {
    // pid 1 of systemd stops units by signals of its own: that is a beginning too.
    let acts = |sent: &Sig| {
        sent.at > asked.at
            && world.is_init(sent.sender)
            && matches!(sent.sig, 15 | 9)
            && sent.means != Means::Kernel
    };
    let act = world.sigs.iter().find(|sent| acts(sent)).map(|sent| sent.at)?;
    let stop_by_units = init == Init::Systemd && world.sigs.iter().filter(|sent| acts(sent)).count() >= 3;
    if !stop_by_units {
        return None;
    }
    let aim = aim_of_words(&asked.how);
    let begin = if act.ns.saturating_sub(asked.at.ns) > LATER_NS { act } else { asked.at };
    let mut shutdown = Shutdown {
        aim,
        asked: Some(asked),
        begin,
        end: world.last,
        ended: false,
        called: false,
        forced: false,
        phases: Vec::new(),
    };
    shutdown.phases = phases(&shutdown, Some(act), &[], None);
    Some(shutdown)
}

/// The first mark of the last row of marks: going to another runlevel and back is not a shutdown.
fn first_mark(marks: &[Mark]) -> Option<&Mark> {
    let stopping = |mark: &&Mark| mark.kind == PhaseKind::Stopping;
    // Some inits say it twice (`openrc off`, `openrc reboot`); single-user mode long before is another occasion.
    let near = |earlier: &Mark, later: &Mark, most: u64| later.at.ns.saturating_sub(earlier.at.ns) < most;
    if let Some(last) = marks.iter().rfind(stopping) {
        return marks.iter().filter(stopping).find(|mark| near(mark, last, LATER_NS) && mark.at <= last.at);
    }
    // Sprees alone: those of the last occasion.
    let mut first = marks.len().checked_sub(1)?;
    while first > 0 && near(&marks[first - 1], &marks[first], APART_NS * 3) {
        first -= 1;
    }
    marks.get(first)
}

/// Whether a call of reboot(2) came back: who called it went on. The probe sees it called, not what it returns.
fn failed(world: &World, call: &Reboot) -> bool {
    world.proc_at(call.proc).is_some_and(|proc| {
        let went_on =
            world.image(proc.image).is_some_and(|image| image.proc == call.proc && image.at > call.at);
        went_on || proc.dead() && proc.status != 0 && proc.exit > call.at
    })
}

/// Whether it is a process of a container: its shutdown is not the machine's.
fn is_contained(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| proc.ns_level > 0)
}

fn marks(world: &World, init: Init) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut mark = |at: At, kind, rule, aim| marks.push(Mark { at, kind, rule, aim });
    let mut shutdown_image = At::NEVER;
    for image in &world.images {
        // What was running already begins nothing.
        if world.proc_at(image.proc).is_none_or(|proc| image.at == proc.born && image.before == NONE)
            || is_contained(world, image.proc)
        {
            continue;
        }
        let argv: Vec<&[u8]> = words(world.strings.get(image.argv)).skip(1).take(4).collect();
        let has = |wanted: &[u8]| argv.contains(&wanted);
        let under_init = world.ancestors(image.proc).count() <= 1;
        let program = world.program(image);
        match program {
            b"rc" if has(b"6") || has(b"0") || has(b"1") => {
                let level = argv.iter().find(|word| matches!(**word, b"6" | b"0" | b"1"));
                mark(
                    image.at,
                    PhaseKind::Stopping,
                    "init runs rc for that runlevel",
                    Aim::of_level(level.map_or(b"", |l| l)),
                );
            }
            b"openrc" if has(b"reboot") || has(b"shutdown") || has(b"off") => {
                let aim = if has(b"reboot") { Aim::Reboot } else { Aim::Unknown };
                mark(image.at, PhaseKind::Stopping, "openrc changes to that runlevel", aim);
            }
            b"3" if world.strings.get(image.filename) == b"/etc/runit/3" => {
                mark(image.at, PhaseKind::Stopping, "runit runs its stage 3", Aim::Unknown);
            }
            b"rc.shutdown" if under_init || init == Init::S6 => {
                mark(image.at, PhaseKind::Stopping, "init runs rc.shutdown", Aim::Unknown);
            }
            b"shutdown" if init == Init::Dinit && has(b"--system") => {
                mark(image.at, PhaseKind::Stopping, "dinit runs its shutdown helper", Aim::Unknown);
            }
            b"systemd-shutdown" if world.is_init(image.proc) => {
                shutdown_image = image.at;
                let aim = match argv.first() {
                    Some(&b"reboot") => Aim::Reboot,
                    Some(&b"poweroff") => Aim::PowerOff,
                    Some(&b"halt") => Aim::Halt,
                    Some(&b"kexec") => Aim::Kexec,
                    _ => Aim::Unknown,
                };
                mark(image.at, PhaseKind::TermSpree, "pid 1 becomes systemd-shutdown", aim);
            }
            b"killall5" if has(b"-15") || has(b"-TERM") => {
                mark(image.at, PhaseKind::TermSpree, "killall5 -15 is executed", Aim::Unknown);
            }
            b"killall5" if has(b"-9") || has(b"-KILL") => {
                mark(image.at, PhaseKind::KillSpree, "killall5 -9 is executed", Aim::Unknown);
            }
            b"kill_all" if has(b"15") || has(b"9") => {
                let kind = if has(b"9") { PhaseKind::KillSpree } else { PhaseKind::TermSpree };
                mark(image.at, kind, "kill_all is executed", Aim::Unknown);
            }
            b"umountnfs.sh" | b"umountfs" | b"umountroot" | b"mount-ro" if init != Init::Systemd => {
                mark(image.at, PhaseKind::Unmounting, "a script that unmounts is run", Aim::Unknown);
            }
            _ => {}
        }
    }
    for call in world.calls.iter().filter(|call| call.target == -1 && call.ret >= 0) {
        let kind = match call.sig {
            15 => PhaseKind::TermSpree,
            9 => PhaseKind::KillSpree,
            _ => continue,
        };
        // Of anybody but root it reaches only his own.
        let root = world.is_init(call.proc)
            || world.image(world.image_of(call.proc)).is_none_or(|image| image.uid == 0);
        if root && !is_contained(world, call.proc) {
            // The call is recorded when it returns; its first signal is its beginning.
            let of_it = |sent: &&Sig| {
                sent.sender == call.proc && sent.sig == call.sig && sent.means == Means::Broadcast
            };
            let at = world
                .sigs
                .iter()
                .filter(of_it)
                .map(|sent| sent.at)
                .find(|at| call.at.ns.saturating_sub(at.ns) < 2_000_000_000);
            mark(at.unwrap_or(call.at), kind, "everybody is killed at once, kill(-1)", Aim::Unknown);
        }
    }
    // systemd-shutdown kills one after another.
    let of_pid_1 = |sig: u8| {
        world
            .sigs
            .iter()
            .find(|sent| sent.at > shutdown_image && sent.sig == sig && world.is_init(sent.sender))
            .map(|sent| sent.at)
    };
    if let Some(at) = of_pid_1(9).filter(|_| shutdown_image != At::NEVER) {
        mark(at, PhaseKind::KillSpree, "systemd-shutdown sends SIGKILL", Aim::Unknown);
    }
    if let Some(mount) = world.mounts.iter().find(|mount| mount.at > shutdown_image) {
        mark(mount.at, PhaseKind::Unmounting, "systemd-shutdown unmounts", Aim::Unknown);
    }
    marks
}

/// When systemd began to stop its units: the first of the row of stop signals that leads to systemd-shutdown.
fn systemd_began(world: &World, init: Init, until: At) -> At {
    let stops = |sent: &Sig| world.is_init(sent.sender) && matches!(sent.sig, 15 | 9 | 1 | 2 | 3 | 18);
    let mut began = until;
    for sent in world.sigs.iter().rev() {
        if sent.at >= began || !stops(sent) {
            continue;
        }
        if began.ns.saturating_sub(sent.at.ns) > APART_NS {
            break;
        }
        // Meanwhile systemd waits for whom it has told; where it did not, this was another occasion.
        let exit = world.proc_at(sent.target).map_or(sent.at, |proc| proc.exit);
        let waited_to = exit.min(began).max(sent.at);
        if began.ns.saturating_sub(waited_to.ns) < QUIET_NS {
            began = sent.at;
        }
    }
    // A unit that was restarted shortly before the request was not stopped by the shutdown.
    if asked(world, init, Some(began)).is_some_and(|asked| began.ns.saturating_sub(asked.at.ns) < LATER_NS) {
        return began;
    }
    let Some(request) = first_request(world, init, began, until) else { return began };
    world.sigs.iter().find(|sent| sent.at > request && stops(sent)).map_or(until, |sent| sent.at.min(until))
}

/// The first request between these moments that was not taken back.
fn first_request(world: &World, init: Init, from: At, until: At) -> Option<At> {
    let mut found: Option<At> = None;
    let new = |image: &&Image| {
        let born_so = world.proc_at(image.proc).is_some_and(|p| image.at == p.born && image.before == NONE);
        let ours = !world.is_init(image.proc) && !is_contained(world, image.proc);
        image.at > from && image.at < until && ours && !born_so
    };
    for image in world.images.iter().filter(new) {
        match asks(world.strings.get(image.filename), world.strings.get(image.argv)) {
            Asks::End if !by_script_of_init(world, image) => found = found.or(Some(image.at)),
            Asks::Cancel => found = None,
            _ => {}
        }
    }
    let signal = |sent: &&Sig| {
        sent.at > from && sent.at < until && world.is_init(sent.target) && asks_init(init, sent.sig)
    };
    let signal = world.sigs.iter().find(signal).map(|sent| sent.at);
    found.into_iter().chain(signal).min()
}

/// The last request before `began` that was not taken back.
fn asked(world: &World, init: Init, began: Option<At>) -> Option<Asked> {
    let until = began.unwrap_or(At::NEVER);
    let mut found: Option<&Image> = None;
    for image in &world.images {
        // systemctl goes on by itself; what begins first is then the request's own doing.
        if image.at > until || world.is_init(image.proc) || is_contained(world, image.proc) {
            continue;
        }
        let running = world.proc_at(image.proc).is_some_and(|p| image.at == p.born && image.before == NONE);
        match asks(world.strings.get(image.filename), world.strings.get(image.argv)) {
            // `reboot -d -f` of the last script is the end, not the beginning.
            Asks::End if !running && !by_script_of_init(world, image) => {
                // The same process, or one of its children, goes on asking.
                let goes_on = found.is_some_and(|first| {
                    first.proc == image.proc || world.ancestors(image.proc).any(|up| up == first.proc)
                });
                if !goes_on {
                    found = Some(image);
                }
            }
            Asks::Cancel => found = None,
            _ => {}
        }
    }
    let by_signal = world.sigs.iter().rev().find(|sent| {
        sent.at <= until
            && world.is_init(sent.target)
            && asks_init(init, sent.sig)
            && began.is_none_or(|began| began.ns.saturating_sub(sent.at.ns) < LATER_NS)
    });
    // What init itself runs when it was sent a signal (ctrlaltdel, powerfail of inittab) was asked for by that.
    let of_signal = |image: &Image| {
        world.proc_at(image.proc).is_some_and(|proc| world.is_init(proc.parent))
            && by_signal
                .is_some_and(|sent| sent.at < image.at && image.at.ns.saturating_sub(sent.at.ns) < HANDLED_NS)
    };
    let found = found.filter(|image| !of_signal(image));
    match (found, by_signal) {
        (Some(image), signal) if signal.is_none_or(|sent| recent(image.at, until) || sent.at < image.at) => {
            Some(by_command(world, image))
        }
        (_, Some(sent)) => {
            let kernel = sent.sender == NONE;
            let name = names::signal(sent.sig);
            let how = match (kernel, sent.sig) {
                (true, 2) => "Ctrl-Alt-Del".to_owned(),
                (true, _) => format!("{name} from the kernel to init"),
                (false, _) => format!("{name} to init"),
            };
            let who = if kernel { String::new() } else { who(world, sent.sender, sent.at.ns) };
            let chain = if kernel { String::new() } else { world.chain(sent.sender, sent.at.ns) };
            Some(Asked { at: sent.at, by: sent.sender, how, who, chain })
        }
        _ => None,
    }
}

fn recent(at: At, until: At) -> bool {
    until.ns.saturating_sub(at.ns) < LATER_NS
}

/// Signals that tell pid 1 to end the machine.
fn asks_init(init: Init, sig: u8) -> bool {
    match init {
        Init::Systemd => matches!(sig, 2 | 37..=41 | 47..=51),
        Init::Busybox => matches!(sig, 15 | 10 | 12 | 2),
        Init::Runit => matches!(sig, 18 | 2),
        Init::Sysvinit | Init::Upstart => matches!(sig, 2 | 30),
        Init::Finit => matches!(sig, 2 | 10 | 12 | 15),
        Init::S6 | Init::Dinit | Init::OpenRc => matches!(sig, 2 | 15),
        Init::Unknown => matches!(sig, 2),
    }
}

/// Whether a command is run by init's own scripts.
fn by_script_of_init(world: &World, image: &Image) -> bool {
    world.ancestors(image.proc).any(|up| {
        let program = world.program_of(up);
        matches!(program, b"rc" | b"openrc" | b"openrc-run.sh" | b"rc.shutdown")
            || world.strings.get(world.image(world.image_of(up)).map_or(Default::default(), |i| i.filename))
                == b"/etc/runit/3"
    }) || words(world.strings.get(image.env)).any(|pair| matches!(pair, b"RUNLEVEL=6" | b"RUNLEVEL=0"))
}

fn by_command(world: &World, image: &Image) -> Asked {
    Asked {
        at: image.at,
        by: image.proc,
        how: world.command(image, 80),
        who: who(world, image.proc, image.at.ns),
        chain: world.chain(image.proc, image.at.ns),
    }
}

/// `root, pts/0 over ssh`, `root, cron`, `uid 1000 as root by sudo`.
fn who(world: &World, idx: Idx, ns: u64) -> String {
    let mut parts = Vec::new();
    let image = world.image_at(idx, ns);
    parts.extend(image.map(|image| names::user(image.uid).into_owned()));
    let tty = image.map_or(&b""[..], |image| world.strings.get(image.tty));
    if !tty.is_empty() {
        parts.push(safe::text(tty));
    }
    let ssh = image.and_then(|image| {
        words(world.strings.get(image.env))
            .find_map(|pair| pair.strip_prefix(b"SSH_CONNECTION=").map(<[u8]>::to_owned))
    });
    if let Some(ssh) = ssh {
        let from = ssh.split(|byte| *byte == b' ').next().unwrap_or_default();
        parts.push(format!("ssh from {}", safe::text(from)));
    }
    for up in world.ancestors(idx) {
        let by = match world.program_of(up) {
            b"sshd" | b"sshd-session" if !parts.iter().any(|part| part.starts_with("ssh")) => "ssh",
            b"sudo" => {
                let uid = world.image(world.image_of(up)).map_or(0, |image| image.uid);
                parts.push(format!("sudo by {}", names::user(uid)));
                continue;
            }
            b"cron" | b"crond" | b"anacron" => "cron",
            b"atd" => "at",
            b"dpkg" | b"apt" | b"apt-get" | b"unattended-upgrade" => "a package's script",
            b"systemd-logind" => "logind",
            b"acpid" => "acpid",
            _ => continue,
        };
        if !parts.iter().any(|part| part == by) {
            parts.push(by.to_owned());
        }
    }
    if let Some(unit) = world.proc_at(idx).and_then(|proc| world.cgroups.get(&proc.cgroup)) {
        let unit = base_name(world.strings.get(*unit));
        if unit.ends_with(b".service") && !unit.starts_with(b"user@") {
            parts.push(format!("from unit {}", safe::text(unit)));
        }
    }
    parts.join(", ")
}

/// reboot(2) without init: `reboot -f`, sysrq's friends.
fn is_forced(world: &World, caller: Idx, asked: Option<&Asked>, marks: &[Mark]) -> bool {
    let of_init = world.is_init(caller) || world.ancestors(caller).any(|up| {
        matches!(world.program_of(up), b"rc" | b"openrc" | b"openrc-run.sh" if marks.iter().any(|m| m.kind == PhaseKind::Stopping))
    }) || world.proc_at(caller).is_some_and(|proc| world.is_init(proc.parent) && !marks.is_empty());
    let is_asker = asked.is_some_and(|asked| {
        asked.by == caller
            || world.ancestors(caller).any(|up| up == asked.by)
            || world.ancestors(asked.by).any(|up| up == caller)
    });
    !of_init && (is_asker || marks.is_empty())
}

fn aim_of_words(how: &str) -> Aim {
    let mut words = how.split(' ');
    let program = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let has = |wanted: &str| rest.contains(&wanted);
    match base_name(program.as_bytes()) {
        b"reboot" => Aim::Reboot,
        b"poweroff" => Aim::PowerOff,
        b"halt" if has("-p") => Aim::PowerOff,
        b"halt" => Aim::Halt,
        b"kexec" => Aim::Kexec,
        b"shutdown" if has("-r") => Aim::Reboot,
        b"shutdown" if has("-h") || has("-P") => Aim::PowerOff,
        b"shutdown" if has("-H") => Aim::Halt,
        _ if has("reboot") || has("6") || has("reboot.target") => Aim::Reboot,
        _ if has("poweroff") || has("0") || has("poweroff.target") => Aim::PowerOff,
        _ if has("halt") => Aim::Halt,
        _ if has("kexec") => Aim::Kexec,
        _ if has("soft-reboot") => Aim::SoftReboot,
        _ if how == "Ctrl-Alt-Del" => Aim::Reboot,
        _ => Aim::Unknown,
    }
}

fn phases(shutdown: &Shutdown, began: Option<At>, marks: &[Mark], call: Option<At>) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut push = |kind, from: At, rule| {
        // Phases only go forward: the first sign of a later one ends the earlier ones.
        if phases.last().is_none_or(|last: &Phase| last.kind < kind && last.from <= from) {
            phases.push(Phase { kind, from, to_ns: from.ns, rule });
        }
    };
    if let Some(asked) = shutdown.asked.as_ref().filter(|asked| asked.at >= shutdown.begin) {
        push(PhaseKind::Asked, asked.at, "who asked was executed");
    }
    if let Some(began) = began {
        let rule = marks.iter().find(|mark| mark.at == began && mark.kind == PhaseKind::Stopping);
        push(PhaseKind::Stopping, began, rule.map_or("pid 1 sends its first stop signal", |mark| mark.rule));
    }
    for mark in marks.iter().filter(|mark| mark.at >= shutdown.begin && mark.kind > PhaseKind::Stopping) {
        // Unmounting between the sprees (umountnfs) is not the unmounting that ends everything.
        push(mark.kind, mark.at, mark.rule);
    }
    if let Some(call) = call {
        push(PhaseKind::End, call, "reboot(2) is called");
    }
    for at in 0..phases.len() {
        phases[at].to_ns = phases.get(at + 1).map_or(shutdown.end.ns, |next| next.from.ns);
    }
    phases
}
