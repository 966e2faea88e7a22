//! Who asked for the end: the last command or signal that was not taken back.
//!
//! Invariant: that it was asked for is a fact; what init's own scripts run at the end is no request.

use std::cell::Cell;

use crate::{
    names,
    processes::base_name,
    requests::{Asks, asks},
    safe,
    story::{
        intern::Str,
        stopper::says_stop,
        who::words,
        world::{At, Idx, Image, Means, NONE, Origin, Proc, Sig, World},
    },
};

use super::{
    Aim, Init, LATER_NS, PhaseKind,
    aim::aim_of_words,
    is_of_user,
    marks::{Mark, is_contained},
};

/// Init runs what a signal asks for this soon after it.
const HANDLED_NS: u64 = 10_000_000_000;

/// A command is told with so many characters.
pub(super) const HOW_MAX: usize = 80;

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
    /// It was not for later, and nobody saw it fail: whatever takes its time after it is a part of the shutdown.
    pub now: bool,
}

/// The first request between these moments that was not taken back.
pub(super) fn first_request(world: &World, init: Init, from: At, until: At) -> Option<At> {
    let mut found: Option<&Image> = None;
    let new = |image: &&Image| {
        let born_so = world.proc_at(image.proc).is_some_and(|p| image.at == p.born && image.before == NONE);
        let ours = !world.is_init(image.proc) && !is_contained(world, image.proc);
        image.at > from && image.at < until && ours && !born_so
    };
    for image in world.images.iter().filter(new) {
        match asks(world.strings.get(image.filename), world.strings.get(image.argv)) {
            Asks::End if !by_script_of_init(world, image) => found = found.or(Some(image)),
            Asks::Cancel => found = found.filter(|image| is_for_now(world, image)),
            _ => {}
        }
    }
    let signal = |sent: &&Sig| {
        sent.at > from && sent.at < until && world.is_init(sent.target) && asks_init(init, sent.sig)
    };
    let signal = world.sigs.iter().find(signal).map(|sent| sent.at);
    found.map(|image| image.at).into_iter().chain(signal).min()
}

/// The last request before `began` that was not taken back, and that can have led to what is `known` to have come.
pub(super) fn asked(world: &World, init: Init, began: Option<At>, known: Aim) -> Option<Asked> {
    let until = began.unwrap_or(At::NEVER);
    let until_ns = began.map_or(world.last.ns, |began| began.ns);
    // A request that was refused, or one for something else, is not who asked for what came a minute later.
    let looks = Cell::new(0);
    let broken_off = |idx: Idx| {
        was_ended(world, idx, until)
            && (looks.replace(looks.get() + 1) >= BROKEN_MAX || !only_waited(world, idx))
    };
    let of_another = |image: &Image| {
        let old = until_ns.saturating_sub(image.at.ns) > LATER_NS;
        let differs = || !aim_of_words(&world.command(image, HOW_MAX)).may_be(known);
        match failed(world, image.proc) {
            false if broken_off(image.proc) => true,
            true => old || differs(),
            false => old && differs(),
        }
    };
    let made = |image: &Image| {
        !failed(world, image.proc) && aim_of_words(&world.command(image, HOW_MAX)).may_be(known)
    };
    let stands = |image: &Image| made(image) && !is_for_later(world, image);
    let mut found: Option<&Image> = None;
    for image in &world.images {
        // systemctl goes on by itself; what begins first is then the request's own doing.
        if image.at > until {
            continue;
        }
        let asks = asks(world.strings.get(image.filename), world.strings.get(image.argv));
        if asks == Asks::Nothing || world.is_init(image.proc) || is_contained(world, image.proc) {
            continue;
        }
        let running = world.proc_at(image.proc).is_some_and(|p| image.at == p.born && image.before == NONE);
        match asks {
            // `reboot -d -f` of the last script is the end, not the beginning.
            Asks::Single if init.is_rc() && !running && !by_script_of_init(world, image) => {
                // Of a level that was not seen to be gone to only what has just been asked for.
                let unseen = known == Aim::Unknown && began.is_some() && recent(image.at, until);
                if known == Aim::SingleUser || unseen {
                    found = Some(image);
                }
            }
            Asks::End if !running && !by_script_of_init(world, image) && !of_another(image) => {
                // The same process, or one of its children, goes on asking.
                let goes_on = found.is_some_and(|first| {
                    first.proc == image.proc || world.ancestors(image.proc).any(|up| up == first.proc)
                });
                // Nor does who is refused take the place of who was not; and what init itself runs behind a request is its doing.
                let idle = found.is_some_and(|first| {
                    let is_doing =
                        || is_made(world, first.proc, image.at) && is_run_behind(world, image, first);
                    made(first) && failed(world, image.proc) || stands(first) && is_doing()
                });
                if !goes_on && !idle {
                    found = Some(image);
                }
            }
            // What was for this moment is not waiting any more: there is nothing to take back.
            Asks::Cancel => found = found.filter(|image| is_for_now(world, image)),
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
    // Who sends a signal behind his own command, or behind one that stands, begins nothing; but behind one that was refused, or
    // was for later.
    let outweighs = |image: &Image, sent: &Sig| {
        let of_it = || sent.sender == image.proc || world.ancestors(sent.sender).any(|up| up == image.proc);
        sent.at < image.at || of_it() || recent(image.at, until) && stands(image)
    };
    match (found, by_signal) {
        (Some(image), signal) if signal.is_none_or(|sent| outweighs(image, sent)) => {
            Some(by_command(world, image, until))
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
            Some(Asked { at: sent.at, by: sent.sender, how, who, chain, now: true })
        }
        _ => None,
    }
}

/// Whether init itself ran it for something right behind the request `first`: as a stop command that is called shutdown.
fn is_run_behind(world: &World, image: &Image, first: &Image) -> bool {
    let line = std::iter::once(image.proc).chain(world.ancestors(image.proc));
    let top = line.take_while(|up| !world.is_init(*up)).last().and_then(|top| world.proc_at(top));
    let of_init = |top: &Proc| world.is_init(top.parent) && top.born > first.at;
    recent(first.at, image.at) && top.is_some_and(of_init)
}

/// Whether who asked was done with that by then: he may still be asked for a password, or at the prompt of molly-guard.
fn is_made(world: &World, idx: Idx, by: At) -> bool {
    world.proc_at(idx).is_some_and(|proc| proc.exit < by)
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

fn by_command(world: &World, image: &Image, until: At) -> Asked {
    Asked {
        at: image.at,
        by: image.proc,
        how: world.command(image, HOW_MAX),
        who: who(world, image.proc, image.at.ns),
        chain: world.chain(image.proc, image.at.ns),
        now: is_for_now(world, image) && !was_refused(world, image.proc, until),
    }
}

/// Whether a request is one for this moment: `shutdown -r now`, but not `shutdown -r 02:00`, nor `shutdown -r +30 save now`.
fn is_for_now(world: &World, image: &Image) -> bool {
    let argv = world.strings.get(image.argv);
    let later = says_when(argv);
    let called = words(argv).next().map(base_name).unwrap_or_default();
    let by_time = [called, base_name(world.strings.get(image.filename))]
        .iter()
        .any(|name| matches!(*name, b"shutdown" | b"openrc-shutdown" | b"s6-linux-init-shutdown"));
    !later && (!by_time || matches!(time_of(argv), Some(b"now" | b"+0" | b"0")))
}

/// Whether it is one that names another time: not every init's shutdown(8) wants to be given one.
fn is_for_later(world: &World, image: &Image) -> bool {
    let argv = world.strings.get(image.argv);
    !is_for_now(world, image) && (says_when(argv) || time_of(argv).is_some())
}

fn says_when(argv: &[u8]) -> bool {
    words(argv).any(|word| word == b"--when" || word.starts_with(b"--when="))
}

/// The time that shutdown(8) is given: its first word that is no option. What follows is a message.
fn time_of(argv: &[u8]) -> Option<&[u8]> {
    let mut words = words(argv).skip(1);
    while let Some(word) = words.next() {
        match word {
            // Seconds between the signals follow.
            b"-t" => drop(words.next()),
            _ if !word.starts_with(b"-") => return Some(word),
            _ => {}
        }
    }
    None
}

/// Whether who asked exited with an error (an inhibitor, or nobody to ask), or was broken off.
pub(super) fn was_refused(world: &World, idx: Idx, until: At) -> bool {
    failed(world, idx) || was_ended(world, idx, until) && !only_waited(world, idx)
}

fn failed(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).and_then(Proc::code).is_some_and(|code| code != 0)
}

/// Whether somebody ended it before anything began at `until`: Ctrl-C at the prompt of molly-guard, a terminal that was closed.
/// What init stops, it stops for the shutdown.
fn was_ended(world: &World, idx: Idx, until: At) -> bool {
    let Some(proc) = world.proc_at(idx) else { return false };
    let sig = proc.killed_by();
    let by_init = || {
        let first = world.sigs.partition_point(|sent| sent.at < proc.born);
        let mut sent = world.sigs[first..].iter().take_while(|sent| sent.at <= proc.exit);
        sent.any(|sent| sent.target == idx && sent.sig == sig && world.is_init(sent.sender))
    };
    matches!(sig, 1..=3 | 15) && proc.exit < until && !by_init()
}

/// Of so many requests that were ended it is looked whether they had been handed on: each takes a look at all processes.
const BROKEN_MAX: u32 = 16;

/// So many that pid 1 stops are looked at.
const STOPPED_MAX: usize = 64;

/// Whether it had handed on its request and only waited for the end, as `systemctl isolate` and the client of dinit do: pid 1 had
/// begun to stop things by then. A script asks somebody first, as whoever is not root may be asked for a password; and what waits
/// for its time is ended with that.
fn only_waited(world: &World, idx: Idx) -> bool {
    let Some(proc) = world.proc_at(idx) else { return false };
    let request = world.own_images(idx).next().filter(|image| {
        let asks = asks(world.strings.get(image.filename), world.strings.get(image.argv));
        asks == Asks::End && image.uid == 0 && !is_for_later(world, image) && !world.is_script(idx)
    });
    let Some(request) = request else { return false };
    let meanwhile = |at: At| at > request.at && at < proc.exit;
    // What is stopped to be started again is stopped for something else.
    let path = |proc: &Proc| world.cgroups.get(&proc.cgroup);
    let is_next = |stopped: &(Idx, At, Option<&Str>), idx: Idx, other: &Proc| {
        let says = || world.own_images(idx).any(|image| says_stop(world.strings.get(image.argv)));
        other.born > stopped.1
            && path(other) == stopped.2
            && (world.program_of(idx) == world.program_of(stopped.0) || stopped.2.is_some() && !says())
    };
    let first = world.sigs.partition_point(|sent| sent.at <= request.at);
    let sent = world.sigs[first..].iter().take_while(|sent| sent.at < proc.exit);
    let tells = |sent: &Sig| {
        matches!(sent.sig, 1..=3 | 9 | 15)
            && world.is_init(sent.sender)
            && sent.means != Means::Kernel
            && !is_of_user(world, sent.target)
    };
    let runs = |image: &&Image| {
        meanwhile(image.at)
            && says_stop(world.strings.get(image.argv))
            && world
                .proc_at(image.proc)
                .is_some_and(|proc| world.is_init(proc.parent) && meanwhile(proc.born))
    };
    let told = sent.filter(|sent| tells(sent)).map(|sent| sent.target);
    let commands = world.images.iter().filter(runs).map(|image| image.proc);
    let stopped = told.take(STOPPED_MAX).chain(commands.take(STOPPED_MAX));
    let mut stopped: Vec<(Idx, At, Option<&Str>)> = stopped
        .filter_map(|idx| Some(idx).zip(world.proc_at(idx)))
        .filter(|(_, proc)| proc.origin != Origin::Mentioned)
        .map(|(idx, proc)| (idx, proc.exit, path(proc)))
        .collect();
    for (idx, other) in world.all().filter(|(_, other)| world.is_init(other.parent)) {
        if stopped.is_empty() {
            break;
        }
        stopped.retain(|stopped| !is_next(stopped, idx, other));
    }
    !stopped.is_empty()
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
            b"dpkg" | b"apt" | b"apt-get" => "a package's script",
            // Its Automatic-Reboot has it ask itself.
            b"unattended-upgrade" | b"unattended-upgrades" => "unattended-upgrade",
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
pub(super) fn is_forced(
    world: &World,
    caller: Idx,
    asked: Option<&Asked>,
    marks: &[Mark],
    underway: bool,
) -> bool {
    let stopping = underway || marks.iter().any(|mark| mark.kind == PhaseKind::Stopping);
    let of_init = world.is_init(caller)
        || world
            .ancestors(caller)
            .any(|up| matches!(world.program_of(up), b"rc" | b"openrc" | b"openrc-run.sh" if stopping))
        || world
            .proc_at(caller)
            .is_some_and(|proc| world.is_init(proc.parent) && (underway || !marks.is_empty()));
    let is_asker = asked.is_some_and(|asked| {
        asked.by == caller
            || world.ancestors(caller).any(|up| up == asked.by)
            || world.ancestors(asked.by).any(|up| up == caller)
    });
    !of_init && (is_asker || marks.is_empty() && !underway)
}
