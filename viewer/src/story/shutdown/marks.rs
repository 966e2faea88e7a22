//! What begins a phase: the signs by which the course of a shutdown is known, per init.
//!
//! Invariant: a sign is an event; what ran in a container, or was running already, is none.

use crate::story::{
    who::words,
    world::{At, CALL_NS, Call, Idx, Image, Means, NONE, Origin, Proc, Reboot, Sig, World},
};

use super::{
    Aim, Init, LATER_NS, PhaseKind,
    aim::aim_of_words,
    asked::{HOW_MAX, asked, first_request},
};

/// Stop signals of systemd that are further apart belong to different occasions.
const APART_NS: u64 = 100_000_000_000;
/// So long the stop commands of units may take, one after another.
const STOPPING_NS: u64 = 3_600_000_000_000;
/// So long systemd does nothing between two units at most, unless it waits for somebody.
const QUIET_NS: u64 = 10_000_000_000;

/// The rule by which the sprees of systemd are known.
pub(super) const TURNS: &str = "pid 1 becomes systemd-shutdown";

/// Something that begins a phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub at: At,
    pub kind: PhaseKind,
    pub rule: &'static str,
    pub aim: Aim,
}

/// The first mark of the last row of marks: going to another runlevel and back is not a shutdown.
pub(super) fn first_mark(marks: &[Mark]) -> Option<&Mark> {
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

/// Whether it is a process of a container: its shutdown is not the machine's.
pub(super) fn is_contained(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| proc.ns_level > 0)
}

/// Whether a kill(-1) of `idx` is one of the whole machine: of anybody but root it reaches only his own, and of a container
/// only what is in that.
pub fn reaches_all(world: &World, idx: Idx) -> bool {
    let by_root = match world.image(world.image_of(idx)) {
        Some(image) => image.uid == 0,
        // Of whom nothing was recorded but the call it is not known where it lives.
        None => world.proc_at(idx).is_some_and(|proc| proc.origin != Origin::Mentioned),
    };
    world.is_init(idx) || by_root && !is_contained(world, idx)
}

/// Whether it is a part of runit's stage 3.
fn of_stage_3(world: &World, idx: Idx) -> bool {
    let is_it = |up: Idx| {
        let file =
            world.image(world.image_of(up)).map_or(&b""[..], |image| world.strings.get(image.filename));
        file == b"/etc/runit/3"
    };
    world.ancestors(idx).any(is_it)
}

/// All marks; and whether what would be one was running when recording began.
pub(super) fn marks(world: &World, init: Init) -> (Vec<Mark>, bool) {
    let (mut marks, mut underway) = (Vec::new(), false);
    let mut mark = |at: At, kind, rule, aim| marks.push(Mark { at, kind, rule, aim });
    let mut shutdown_image = At::NEVER;
    // What was running already begins nothing.
    let begins = |image: &Image| {
        world.proc_at(image.proc).is_some_and(|proc| image.at != proc.born || image.before != NONE)
            && !is_contained(world, image.proc)
    };
    for image in &world.images {
        let argv = || words(world.strings.get(image.argv)).skip(1).take(4);
        let has = |wanted: &[u8]| argv().any(|word| word == wanted);
        let under_init = || world.ancestors(image.proc).count() <= 1;
        let sign = match world.program(image) {
            b"rc" if has(b"6") || has(b"0") || has(b"1") => {
                let level = argv().find(|word| matches!(*word, b"6" | b"0" | b"1"));
                let aim = Aim::of_level(level.map_or(b"", |l| l));
                (PhaseKind::Stopping, "init runs rc for that runlevel", aim)
            }
            // Of inits whose levels are one script each.
            b"rc.6" if under_init() => (PhaseKind::Stopping, "init runs rc.6", Aim::Reboot),
            b"rc.0" if under_init() => (PhaseKind::Stopping, "init runs rc.0", Aim::PowerOff),
            b"openrc" if has(b"reboot") || has(b"shutdown") || has(b"off") => {
                let aim = if has(b"reboot") { Aim::Reboot } else { Aim::Unknown };
                (PhaseKind::Stopping, "openrc changes to that runlevel", aim)
            }
            b"3" if world.strings.get(image.filename) == b"/etc/runit/3" => {
                (PhaseKind::Stopping, "runit runs its stage 3", Aim::Unknown)
            }
            b"rc.shutdown" if under_init() || init == Init::S6 => {
                (PhaseKind::Stopping, "init runs rc.shutdown", Aim::Unknown)
            }
            b"shutdown" if init == Init::Dinit && has(b"--system") => {
                (PhaseKind::Stopping, "dinit runs its shutdown helper", Aim::Unknown)
            }
            b"systemd-shutdown" if world.is_init(image.proc) => {
                let aim = match argv().next() {
                    Some(b"reboot") => Aim::Reboot,
                    Some(b"poweroff") => Aim::PowerOff,
                    Some(b"halt") => Aim::Halt,
                    Some(b"kexec") => Aim::Kexec,
                    _ => Aim::Unknown,
                };
                (PhaseKind::TermSpree, TURNS, aim)
            }
            b"killall5" if has(b"-15") || has(b"-TERM") => {
                (PhaseKind::TermSpree, "killall5 -15 is executed", Aim::Unknown)
            }
            b"killall5" if has(b"-9") || has(b"-KILL") => {
                (PhaseKind::KillSpree, "killall5 -9 is executed", Aim::Unknown)
            }
            b"kill_all" if has(b"15") || has(b"9") => {
                let kind = if has(b"9") { PhaseKind::KillSpree } else { PhaseKind::TermSpree };
                (kind, "kill_all is executed", Aim::Unknown)
            }
            // Void's stage 3 leaves out the kernel's and its own session that way.
            b"pkill" if (has(b"--inverse") || has(b"-v")) && of_stage_3(world, image.proc) => {
                match (has(b"-TERM") || has(b"-15"), has(b"-KILL") || has(b"-9")) {
                    (true, _) => (PhaseKind::TermSpree, "pkill --inverse tells all others", Aim::Unknown),
                    (_, true) => (PhaseKind::KillSpree, "pkill --inverse kills all others", Aim::Unknown),
                    _ => continue,
                }
            }
            b"umountnfs.sh" | b"umountfs" | b"umountroot" | b"mount-ro" if init != Init::Systemd => {
                (PhaseKind::Unmounting, "a script that unmounts is run", Aim::Unknown)
            }
            _ => continue,
        };
        if !begins(image) {
            let was_there = !is_contained(world, image.proc);
            if was_there && sign.0 == PhaseKind::TermSpree && sign.1 == TURNS {
                shutdown_image = At::default();
            }
            underway |= was_there;
            continue;
        }
        if world.program(image) == b"systemd-shutdown" {
            shutdown_image = image.at;
        }
        let (kind, rule, aim) = sign;
        mark(image.at, kind, rule, aim);
    }
    for call in world.calls.iter().filter(|call| call.target == -1 && call.ret >= 0) {
        let kind = match call.sig {
            15 => PhaseKind::TermSpree,
            9 => PhaseKind::KillSpree,
            _ => continue,
        };
        if reaches_all(world, call.proc) {
            // The call is recorded when it returns; its first signal is its beginning.
            let of_it = |sent: &&Sig| {
                sent.sender == call.proc && sent.sig == call.sig && sent.means == Means::Broadcast
            };
            let near = world.sigs.partition_point(|sent| call.at.ns.saturating_sub(sent.at.ns) >= CALL_NS);
            let at = world.sigs[near..].iter().find(of_it).map(|sent| sent.at);
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
    for (sig, kind) in [(15, PhaseKind::TermSpree), (9, PhaseKind::KillSpree)] {
        if shutdown_image == At::NEVER
            && init == Init::Systemd
            && let Some(at) = last_of_user_space(world, sig)
        {
            mark(at, kind, "pid 1 has everybody stop running, and ends them", Aim::SoftReboot);
        }
    }
    // What containers and file systems in user space unmount when they are told to stop is their own.
    let of_it =
        |idx: Idx| world.is_init(idx) || world.proc_at(idx).is_some_and(|proc| world.is_init(proc.parent));
    if let Some(mount) = world.mounts.iter().find(|mount| mount.at > shutdown_image && of_it(mount.proc)) {
        mark(mount.at, PhaseKind::Unmounting, "systemd-shutdown unmounts", Aim::Unknown);
    }
    (marks, underway)
}

/// When pid 1, as systemd still, sent `sig` to all that was left for the first time, on the way to a soft-reboot: it has everybody stop
/// running before that (`broadcast_signal()`). It does the same when it leaves the initrd, for which nobody asks.
fn last_of_user_space(world: &World, sig: u8) -> Option<At> {
    let asks = |image: &&Image| aim_of_words(&world.command(image, HOW_MAX)) == Aim::SoftReboot;
    let mut asked = world.images.iter().filter(asks).map(|image| image.at).chain(
        world
            .sigs
            .iter()
            .filter(|sent| matches!(sent.sig, 41 | 51) && world.is_init(sent.target))
            .map(|sent| sent.at),
    );
    let stops =
        |call: &&Call| call.sig == 19 && call.target == -1 && call.ret >= 0 && world.is_init(call.proc);
    let mut calls = world.calls.iter().filter(stops).peekable();
    calls.peek()?;
    let asked = asked.next()?;
    calls.filter(|call| call.at > asked).find_map(|call| {
        let first = world.sigs.partition_point(|sent| sent.at < call.at);
        let mut near =
            world.sigs[first..].iter().take_while(|sent| sent.at.ns.saturating_sub(call.at.ns) < CALL_NS);
        near.find(|sent| sent.sig == sig && world.is_init(sent.sender)).map(|sent| sent.at)
    })
}

/// The sprees of who then called reboot(2) himself, as watchdog(8) does: it has everybody stop running, and tells or kills
/// one after another.
pub(super) fn sprees_of(world: &World, call: &Reboot) -> Vec<Mark> {
    let near = |at: At| at < call.at && call.at.ns.saturating_sub(at.ns) < LATER_NS;
    let stops = world.calls.iter().filter(|stop| {
        stop.proc == call.proc && stop.sig == 19 && stop.target == -1 && stop.ret >= 0 && near(stop.at)
    });
    let Some(first) = stops.map(|stop| stop.at).min().filter(|_| reaches_all(world, call.proc)) else {
        return Vec::new();
    };
    let spree = |sig: u8, kind, rule| {
        let mut sent = world.sigs.iter().filter(|sent| sent.at > first && sent.at < call.at);
        let sent = sent.find(|sent| sent.sig == sig && sent.sender == call.proc)?;
        Some(Mark { at: sent.at, kind, rule, aim: Aim::Unknown })
    };
    let told = spree(15, PhaseKind::TermSpree, "who reboots tells everybody");
    let killed = spree(9, PhaseKind::KillSpree, "who reboots kills everybody");
    let mut marks: Vec<Mark> = told.into_iter().chain(killed).collect();
    marks.sort_by_key(|mark| mark.at);
    marks
}

/// When systemd began to stop its units: the first of the row of stop signals that leads to systemd-shutdown.
pub(super) fn systemd_began(world: &World, init: Init, until: At, known: Aim) -> At {
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
    // Nor of what a stop command of a unit tells the unit's processes to do (ExecStop=/bin/kill).
    let by_command = |request: At, sent: &Sig| {
        let line = || std::iter::once(sent.sender).chain(world.ancestors(sent.sender));
        let top = line().take_while(|up| !world.is_init(*up)).last().and_then(|top| world.proc_at(top));
        let of_unit = |top: &Proc| {
            let target = world.proc_at(sent.target);
            let of_init = world.is_init(top.parent) && top.born > request;
            of_init && target.is_some_and(|target| target.cgroup == top.cgroup && target.born < request)
        };
        matches!(sent.sig, 15 | 2 | 3) && top.is_some_and(of_unit)
    };
    let first_behind = |request: At| {
        world
            .sigs
            .iter()
            .find(|sent| sent.at > request && (stops(sent) || by_command(request, sent)))
            .map_or(until, |sent| sent.at.min(until))
    };
    match asked(world, init, Some(began), known) {
        // What was asked for this moment begins with the first signal behind the request, however long a stop command
        // takes then: of that systemd sends none. A unit that was restarted shortly before was not stopped by the shutdown.
        Some(asked) if asked.now && until.ns.saturating_sub(asked.at.ns) < STOPPING_NS => {
            return first_behind(asked.at);
        }
        Some(asked) if began.ns.saturating_sub(asked.at.ns) < LATER_NS => return began,
        _ => {}
    }
    first_request(world, init, began, until).map_or(began, first_behind)
}
