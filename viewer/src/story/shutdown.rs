//! The shutdown of a recording: who asked, when it began, what kind it is, which phases it went through.
//!
//! Invariant: from events alone; every phase says which event decided and by which rule. A recording without a
//! shutdown has none, and one that was asked for and never begun is none either.

mod aim;
mod asked;
mod back;
mod init;
mod marks;

use crate::names;

use super::{
    stopper::says_stop,
    world::{At, Idx, Image, Means, Reboot, Sig, World},
};

pub use self::{aim::Aim, asked::Asked, init::Init, marks::reaches_all};
use self::{
    aim::aim_of_words,
    asked::{asked, is_forced},
    back::back,
    marks::{Mark, TURNS, first_mark, marks, sprees_of, systemd_began},
};

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

    /// For where there is little room.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Stopping => "stop",
            Self::TermSpree => "TERM",
            Self::KillSpree => "KILL",
            Self::Unmounting => "umount",
            Self::End => "end",
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
    /// reboot(2), the seal at the last hook before it, where the machine came back without either, or the last event.
    pub end: At,
    /// It came to its end: reboot(2) was seen to be called, or the last hook ran.
    pub ended: bool,
    /// reboot(2) itself was seen. A sealed recording ends right before it.
    pub called: bool,
    /// It was called by somebody who did not ask init first.
    pub forced: bool,
    /// The kernel goes on, and `end` is where all was down: what was recorded behind it is no part of the shutdown.
    pub returned: bool,
    /// It had begun before recording, or its beginning is missing: what it had done by then was not seen.
    pub underway: bool,
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

    /// `to reboot(2)`: what it was seen to come to.
    pub const fn to(&self) -> &'static str {
        match (self.called, self.ended, self.returned) {
            (true, ..) => "to reboot(2)",
            (_, true, _) => "to the last hook",
            (_, _, true) if matches!(self.aim, Aim::SingleUser) => "to single-user mode",
            (_, _, true) => "to the new user space",
            _ => "to the last event",
        }
    }

    /// When things began to be stopped; who died before that of its own accord did not do so for the shutdown.
    pub fn stopping(&self) -> At {
        let mut later = self.phases.iter().filter(|phase| phase.kind >= PhaseKind::Stopping);
        later.next().map_or(self.begin, |phase| phase.from)
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

/// What was asked for, and not for later, may take so long until anything of it is seen.
const ASKED_NS: u64 = 1_800_000_000_000;
/// Who ends everything by hand does so right before he asks.
const BEFORE_NS: u64 = 10_000_000_000;

/// The last shutdown of `world`, or, without one, the last that was asked for.
///
/// `sealed_ns`: when the last hook of the shutdown ended the recording, if it did.
pub fn find(world: &World, init: Init, sealed_ns: Option<u64>) -> Option<Shutdown> {
    let call = world.reboots.iter().rev().find(|call| names::reboot(call.cmd).1 && !failed(world, call));
    let (mut marks, running) = marks(world, init);
    marks.sort_by_key(|mark| mark.at);
    // What happened before a boot's or an earlier level's quiet is not this shutdown.
    let until = call.map_or(At::NEVER, |call| call.at);
    marks.retain(|mark| mark.at <= until);
    // Who was killed with everybody else before pid 1 of systemd turned to that, or long before it was asked to, was killed for
    // another reason.
    if init == Init::Systemd {
        let turn = marks.iter().rfind(|mark| mark.rule == TURNS).map(|mark| mark.at.ns);
        let request = || asked(world, init, None, Aim::Unknown).filter(|asked| asked.now);
        let asked_ns = || request().map_or(0, |asked| asked.at.ns.saturating_sub(BEFORE_NS));
        let from_ns = turn.unwrap_or_else(asked_ns);
        marks.retain(|mark| mark.at.ns >= from_ns);
    }
    let first = first_mark(&marks);
    let aim = call.map_or(Aim::Unknown, |call| Aim::of_call(call.cmd));
    let told = marks.iter().map(|mark| mark.aim).find(|aim| *aim != Aim::Unknown);
    let known = if aim == Aim::Unknown { told.unwrap_or(aim) } else { aim };
    let from_systemd =
        first.filter(|_| init == Init::Systemd).map(|mark| systemd_began(world, init, mark.at, known));
    // Where rc was not seen to begin that may have been long before the first of what it runs.
    let underway = running || init.is_rc() && first.is_some_and(|mark| mark.kind != PhaseKind::Stopping);
    let from_start = world.first.filter(|_| running && (first.is_some() || call.is_some()));
    let began = from_start.or(from_systemd).or(first.map(|mark| mark.at));
    let asked = asked(world, init, began.or(call.map(|call| call.at)), known);
    if began.is_none() && call.is_none() {
        return asked.and_then(|asked| cut_short(world, init, asked));
    }
    // Level 0 is power-off and halt alike: who asked knows which.
    let halts = asked.as_ref().is_some_and(|asked| aim_of_words(&asked.how) == Aim::Halt);
    let told = told.map(|told| if told == Aim::PowerOff && halts { Aim::Halt } else { told });
    let aim = if aim == Aim::Unknown {
        told.or(asked.as_ref().map(|a| aim_of_words(&a.how))).unwrap_or(aim)
    } else {
        aim
    };
    let back = back(world, aim, began.filter(|_| call.is_none() && sealed_ns.is_none()));
    let end = match (call, sealed_ns) {
        (Some(call), _) => call.at,
        (None, Some(ns)) => At { ns: ns.max(world.last.ns), ..world.last },
        (None, None) => back.unwrap_or(world.last),
    };
    let ended = call.is_some() || sealed_ns.is_some();
    let forced = call.is_some_and(|call| is_forced(world, call.proc, asked.as_ref(), &marks, running));
    let (marks, began) = match call.filter(|_| forced && began.is_none()).map(|call| sprees_of(world, call)) {
        Some(own) if !own.is_empty() => {
            let first = own.first().map(|mark| mark.at);
            (own, first)
        }
        _ => (marks, began),
    };
    let begin = match (&asked, began) {
        (Some(asked), Some(began)) if began.ns.saturating_sub(asked.at.ns) > LATER_NS && !asked.now => {
            birth(world, began)
        }
        (Some(asked), _) => asked.at,
        (None, Some(began)) => birth(world, began),
        (None, None) => end,
    };
    let (called, returned) = (call.is_some(), back.is_some());
    let phases = Vec::new();
    let mut shutdown = Shutdown { aim, asked, begin, end, ended, called, forced, returned, underway, phases };
    shutdown.phases = phases_of(&shutdown, began, &marks, call.map(|call| call.at));
    Some(shutdown)
}

/// What was asked for last and had no time to begin.
pub fn asked_last(world: &World, init: Init) -> Option<Asked> {
    let asked = asked(world, init, None, Aim::Unknown)?;
    (asked.now && world.last.ns.saturating_sub(asked.at.ns) <= ASKED_NS).then_some(asked)
}

/// When the process that executed something at `at` was born, if it was for that: it is a part of what it begins.
fn birth(world: &World, at: At) -> At {
    let image = world.images.iter().find(|image| image.at == at && !world.is_init(image.proc));
    let born = image.and_then(|image| world.proc_at(image.proc)).map(|proc| proc.born);
    born.filter(|born| at.ns.saturating_sub(born.ns) < 1_000_000_000).unwrap_or(at)
}

/// So long behind a reboot(2) that does its work nothing is recorded any more.
const WENT_ON_NS: u64 = 1_000_000_000;

/// A shutdown that was asked for, of which nothing more is there: not begun, or cut off.
fn cut_short(world: &World, init: Init, asked: Asked) -> Option<Shutdown> {
    if init != Init::Systemd {
        return None;
    }
    // pid 1 of systemd stops units by signals of its own: that is a beginning too.
    let acts = |sent: &Sig| {
        sent.at > asked.at
            && world.is_init(sent.sender)
            && matches!(sent.sig, 15 | 9 | 1 | 2 | 3)
            && sent.means != Means::Kernel
    };
    let first = world.sigs.iter().find(|sent| acts(sent)).map(|sent| sent.at);
    // So is a stop command that it runs for a unit, behind a request that was not for later.
    let stops = |image: &&Image| {
        image.at > asked.at
            && says_stop(world.strings.get(image.argv))
            && world
                .proc_at(image.proc)
                .is_some_and(|proc| world.is_init(proc.parent) && proc.born > asked.at)
    };
    let command = || world.images.iter().find(stops).map(|image| image.at);
    let act = match asked.now {
        true => first.into_iter().chain(command()).min()?,
        // Long after a request for later it takes more to be its doing; behind one that was refused, more than that
        // somebody's session ends.
        false => {
            let refused = asked::was_refused(world, asked.by, At::NEVER);
            let matters = |sent: &&Sig| acts(sent) && !(refused && is_of_user(world, sent.target));
            first.filter(|_| world.sigs.iter().filter(matters).count() >= 3)?
        }
    };
    let aim = aim_of_words(&asked.how);
    let later = !asked.now && act.ns.saturating_sub(asked.at.ns) > LATER_NS;
    let begin = if later { act } else { asked.at };
    let back = back(world, aim, Some(act));
    let mut shutdown = Shutdown {
        aim,
        asked: Some(asked),
        begin,
        end: back.unwrap_or(world.last),
        ended: false,
        called: false,
        forced: false,
        returned: back.is_some(),
        underway: false,
        phases: Vec::new(),
    };
    shutdown.phases = phases_of(&shutdown, Some(act), &[], None);
    Some(shutdown)
}

/// Whether it belongs to a user, and ends with his session.
fn is_of_user(world: &World, idx: Idx) -> bool {
    let cgroup = world.proc_at(idx).and_then(|proc| world.cgroups.get(&proc.cgroup));
    cgroup.is_some_and(|path| world.strings.get(*path).starts_with(b"/user.slice/"))
}

/// Whether a call of reboot(2) came back: who called it went on, or was not root and the machine went on. The probe sees it
/// called, not what it returns.
fn failed(world: &World, call: &Reboot) -> bool {
    let image = world.image(world.image_of(call.proc));
    let by_other = image.is_some_and(|image| image.uid != 0) && !world.is_init(call.proc);
    let went_on = world.last.ns.saturating_sub(call.at.ns) > WENT_ON_NS;
    by_other && went_on
        || world.proc_at(call.proc).is_some_and(|proc| {
            let went_on =
                world.image(proc.image).is_some_and(|image| image.proc == call.proc && image.at > call.at);
            went_on || proc.dead() && proc.status != 0 && proc.exit > call.at
        })
}

fn phases_of(shutdown: &Shutdown, began: Option<At>, marks: &[Mark], call: Option<At>) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut push = |kind, from: At, rule| {
        // Phases only go forward: the first sign of a later one ends the earlier ones.
        if phases.last().is_none_or(|last: &Phase| last.kind < kind && last.from <= from) {
            phases.push(Phase { kind, from, to_ns: from.ns, rule });
        }
    };
    if let Some(asked) = shutdown.asked.as_ref().filter(|asked| asked.at >= shutdown.begin) {
        push(PhaseKind::Asked, asked.at, "the command that asked was executed");
    }
    if let Some(began) = began {
        let rule = marks.iter().find(|mark| mark.at == began);
        let unseen = match shutdown.underway {
            true => "it was under way when recording began",
            false => "pid 1 sends its first stop signal",
        };
        push(PhaseKind::Stopping, began, rule.map_or(unseen, |mark| mark.rule));
    }
    let of_it = |mark: &&Mark| mark.at >= shutdown.begin && mark.at <= shutdown.end;
    for mark in marks.iter().filter(of_it).filter(|mark| mark.kind > PhaseKind::Stopping) {
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
