//! Who everybody waited for: at each moment of the shutdown the one process that kept it from going on.
//!
//! Invariant: the stretches are in order, do not overlap, and add up to the length of the shutdown.

mod relays;

use std::{
    cell::{OnceCell, RefCell},
    cmp::Reverse,
    collections::HashMap,
};

use self::relays::Relays;
use super::{
    fate::{ByTarget, Fate, tells_to_stop, told_for},
    service::of_rc,
    shutdown::{PhaseKind, Shutdown},
    world::{Idx, IdxMap, IdxSet, NONE, Proc, Sig, World},
};

/// A stretch of waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// [`NONE`]: nobody in particular, init itself was at work.
    pub proc: Idx,
    pub from_ns: u64,
    pub to_ns: u64,
    pub why: Why,
}

impl Wait {
    pub const fn ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Told to stop, and not done with it.
    Stopping,
    /// A command or script of the shutdown at work.
    Running,
    /// Init between two steps.
    Init,
}

/// One that may be waited for.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    proc: Idx,
    from_ns: u64,
    to_ns: u64,
    why: Why,
    /// A stop command of a unit, which init waits for itself.
    of_unit: bool,
    /// Init ended it, and what it was there for is not known: where nobody else can be, it is what was waited for.
    doubtful: bool,
    /// Who told it to stop, or killed it where nobody had.
    told_by: Idx,
}

/// Programs that only wait for others.
const WAITERS: [&[u8]; 12] = [
    b"sleep",
    b"killall5",
    b"start-stop-daemon",
    b"sendsigs",
    b"sv",
    b"pidwait",
    b"tail",
    b"inotifywait",
    b"timeout",
    b"systemctl",
    b"invoke-rc.d",
    b"service",
];

/// Whether it is a program that does nothing but wait for others.
pub fn only_waits(world: &World, idx: Idx) -> bool {
    WAITERS.contains(&world.program_of(idx))
}

/// A command that ends so soon behind a process has waited for it.
const BEHIND_NS: u64 = 3_000_000_000;

/// What may have been there for anything, and did not run for so long, did not hang.
pub const HUNG_NS: u64 = 5_000_000_000;

/// Most that are weighed against each other, in all and at a moment.
const CANDIDATES_MAX: usize = 2048;
const ACTIVE_MAX: usize = 64;

/// Of a shutdown in which more than [`CANDIDATES_MAX`] happened the longest: they say where the time went.
#[derive(Debug, Default)]
struct Longest {
    some: Vec<Candidate>,
    /// Shorter ones have no place among them.
    least_ns: u64,
}

impl Longest {
    fn add(&mut self, candidate: Candidate) {
        if candidate.from_ns < candidate.to_ns && !self.is_short(candidate.from_ns, candidate.to_ns) {
            self.some.push(candidate);
        }
        if self.some.len() >= CANDIDATES_MAX * 2 {
            self.thin();
        }
    }

    fn is_short(&self, from_ns: u64, to_ns: u64) -> bool {
        to_ns.saturating_sub(from_ns) < self.least_ns
    }

    fn thin(&mut self) {
        let length = |c: &Candidate| (Reverse(c.to_ns.saturating_sub(c.from_ns)), c.proc, c.why as u8);
        if self.some.len() > CANDIDATES_MAX {
            let (_, next, _) = self.some.select_nth_unstable_by_key(CANDIDATES_MAX, length);
            self.least_ns = next.to_ns.saturating_sub(next.from_ns);
            self.some.truncate(CANDIDATES_MAX);
        }
    }

    fn take(mut self) -> Vec<Candidate> {
        self.thin();
        self.some
    }
}

/// What a child of init that was killed had been there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// To stop its unit; up to when it was let.
    Stops(u64),
    /// Init killed it then as it does when the time to stop is over; it may have been there to stop its unit.
    Ended(u64),
    /// Nothing that a shutdown waits for: a service that had been started again, say.
    Other,
}

/// The whole shutdown, stretch by stretch. `heir`: who took somebody's place; `of_unit`: who belongs to a unit;
/// `stops`: of them, who may be there to stop it; `command`: what a child of init was, of whom one was killed;
/// `underway`: what stopped a unit when the shutdown began.
#[expect(clippy::too_many_arguments, reason = "what the story knows of processes, each asked of few")]
pub fn blame(
    world: &World,
    shutdown: &Shutdown,
    fates: &[Fate],
    heir: impl Fn(Idx) -> bool,
    mut of_unit: impl FnMut(Idx) -> bool,
    stops: impl Fn(Idx) -> bool,
    command: impl Fn(Idx) -> Command,
    underway: &IdxSet,
    by_target: &ByTarget,
) -> Vec<Wait> {
    let (begin, end) = (shutdown.begin.ns, shutdown.end.ns);
    let mut longest = Longest::default();
    // Who tells many is asked for many times.
    let known: RefCell<IdxMap<u64>> = RefCell::default();
    let told_ns = |idx: Idx| {
        let when =
            || told_for(world, by_target, idx, shutdown.begin).map_or(u64::MAX, |told| told.at(world).ns);
        *known.borrow_mut().entry(idx).or_insert_with(when)
    };
    // When init ran the first command in a cgroup.
    let commands: OnceCell<HashMap<u64, Vec<(u64, Idx)>>> = OnceCell::new();
    let is_asked = |candidate: &Candidate| {
        let commands = commands.get_or_init(|| commands_of_init(world, begin));
        let cgroup = world.proc_at(candidate.told_by).map_or(0, |master| master.cgroup);
        let first =
            commands.get(&cgroup).and_then(|all| all.iter().find(|(_, idx)| *idx != candidate.told_by));
        first.is_some_and(|(born_ns, _)| *born_ns <= candidate.from_ns)
    };
    for mut candidate in stopping(world, shutdown, fates) {
        if longest.is_short(candidate.from_ns, candidate.to_ns) {
            continue;
        }
        let first = candidate;
        let is_of_it = is_told_for_it(world, shutdown, &told_ns, &candidate)
            // Whom a stranger told first the shutdown told as well.
            || stop_signals(world, by_target, &candidate).any(|sent| {
                candidate = Candidate { from_ns: sent.at.ns, told_by: sent.sender, ..candidate };
                is_told_for_it(world, shutdown, &told_ns, &candidate)
            });
        if is_of_it {
            longest.add(candidate);
        } else if is_told_by_master(world, &first)
            && (told_ns(first.told_by) <= first.from_ns || is_asked(&first))
            && of_unit(first.proc)
        {
            longest.add(first);
        }
    }
    // rc itself outlives the last hook: it is no candidate, but there.
    let mut rc_ns = u64::MAX;
    for (idx, proc) in world.all().filter(|(_, proc)| proc.born.ns >= begin) {
        if !proc.dead() && world.program_of(idx) == b"rc" {
            rc_ns = rc_ns.min(proc.born.ns);
        }
        if !longest.is_short(proc.born.ns, proc.exit.ns.min(end))
            && let Some(candidate) =
                running(world, shutdown, (idx, proc), &heir, &mut of_unit, &stops, &command)
        {
            longest.add(candidate);
        }
    }
    let there = underway.iter().filter_map(|idx| Some((*idx, world.proc_at(*idx)?)));
    for (idx, proc) in there.filter(|(_, proc)| proc.dead() || !shutdown.ended) {
        longest.add(Candidate {
            proc: idx,
            from_ns: proc.born.ns,
            to_ns: proc.exit.ns.min(end),
            why: Why::Running,
            of_unit: true,
            doubtful: false,
            told_by: NONE,
        });
    }
    let mut all = longest.take();
    let mut edges: Vec<u64> = all.iter().flat_map(|c| [c.from_ns, c.to_ns]).chain([begin, end]).collect();
    edges.retain(|ns| (begin..=end).contains(ns));
    edges.sort_unstable();
    edges.dedup();
    all.sort_by_key(|c| (c.from_ns, c.proc));
    let (pollers, relays) = (pollers(world), Relays::new(world));
    let mut waits: Vec<Wait> = Vec::new();
    let mut active: Vec<Candidate> = Vec::new();
    let mut next = 0;
    for pair in edges.windows(2) {
        let (from_ns, to_ns) = (pair[0], pair[1]);
        active.retain(|c| c.to_ns > from_ns);
        while let Some(c) = all.get(next).filter(|c| c.from_ns <= from_ns) {
            next += 1;
            if c.to_ns > from_ns {
                active.push(*c);
            }
        }
        if active.len() > ACTIVE_MAX {
            active.sort_by_key(|c| Reverse(c.to_ns.saturating_sub(c.from_ns)));
            active.truncate(ACTIVE_MAX);
        }
        let phase = shutdown.phase_at(from_ns);
        // A spree waits for those who do not go; so who outlives it is who it waited for.
        let spree = phase.is_some_and(|phase| phase.kind == PhaseKind::TermSpree);
        let phase_end = phase.filter(|_| !spree).map_or(end, |phase| phase.to_ns);
        let (proc, why) = choose(world, &active, to_ns, phase_end, rc_ns <= from_ns, &pollers, &relays);
        match waits.last_mut() {
            Some(last) if last.proc == proc && last.why == why => last.to_ns = to_ns,
            _ => waits.push(Wait { proc, from_ns, to_ns, why }),
        }
    }
    waits
}

/// Whether it was told to stop on behalf of the shutdown: by init, by what init or whoever asked had begun for it, by somebody who
/// was told himself or who looks after others; or somebody above it was told. What `timeout` tells its own child is nothing that
/// a shutdown waits for.
fn is_told_for_it(
    world: &World,
    shutdown: &Shutdown,
    told_ns: &impl Fn(Idx) -> u64,
    candidate: &Candidate,
) -> bool {
    let by = candidate.told_by;
    if by == NONE || world.is_init(by) || by == candidate.proc {
        return true;
    }
    let asked = shutdown.asked.as_ref().map_or(NONE, |asked| asked.by);
    let line = || std::iter::once(by).chain(world.ancestors(by)).take_while(|up| !world.is_init(*up));
    // Who was stopping by then goes on for whoever is told in the shutdown.
    let until_ns = if candidate.from_ns < shutdown.begin.ns { candidate.to_ns } else { candidate.from_ns };
    let told = |up: Idx| told_ns(up) <= until_ns;
    let of_it = |up: Idx| {
        let proc = world.proc_at(up);
        let begun = proc.is_some_and(|proc| world.is_init(proc.parent) && proc.born >= shutdown.begin);
        let asks = asked != NONE && (up == asked || world.ancestors(asked).any(|above| above == up));
        begun || asks || told(up) || world.is_supervisor(up)
    };
    line().any(of_it)
        || world.ancestors(candidate.proc).any(|up| !world.is_init(up) && told(up))
        || line().any(|up| runs_scripts(world.program_of(up)))
}

/// Whether the main process of something told it, which had been asked to stop in a way of its own, and ended right behind it.
fn is_told_by_master(world: &World, candidate: &Candidate) -> bool {
    let parent = |idx: Idx| world.proc_at(idx).map_or(NONE, |proc| proc.parent);
    let master = candidate.told_by;
    let ends_behind = |master: &Proc| {
        master.dead() && master.exit.ns >= candidate.to_ns && master.exit.ns - candidate.to_ns < MANAGED_NS
    };
    parent(candidate.proc) == master
        && world.is_init(parent(master))
        && !only_waits(world, master)
        && world.proc_at(master).is_some_and(ends_behind)
}

/// Who is told more often than that is told by somebody who does nothing else.
const SIGNALS_MAX: usize = 64;

/// What init ran in each cgroup from `begin_ns` on, the first two of each.
fn commands_of_init(world: &World, begin_ns: u64) -> HashMap<u64, Vec<(u64, Idx)>> {
    let mut commands: HashMap<u64, Vec<(u64, Idx)>> = HashMap::new();
    for (idx, proc) in world.all() {
        if proc.born.ns >= begin_ns && proc.cgroup != 0 && world.is_init(proc.parent) {
            let all = commands.entry(proc.cgroup).or_default();
            all.push((proc.born.ns, idx));
            all.sort_unstable();
            all.truncate(2);
        }
    }
    commands
}

/// What else told it to stop, behind the first.
fn stop_signals<'a>(
    world: &'a World,
    by_target: &'a ByTarget,
    candidate: &Candidate,
) -> impl Iterator<Item = &'a Sig> + use<'a> {
    let (from_ns, to_ns) = (candidate.from_ns, candidate.to_ns);
    let behind = by_target.to(world, candidate.proc).map(|(_, sent)| sent);
    let told = behind.filter(move |sent| {
        sent.at.ns > from_ns && sent.at.ns < to_ns && !sent.overflowed() && tells_to_stop(world, sent)
    });
    told.take(SIGNALS_MAX)
}

/// Those who were told to stop, until they had.
fn stopping<'a>(
    world: &'a World,
    shutdown: &'a Shutdown,
    fates: &'a [Fate],
) -> impl Iterator<Item = Candidate> + 'a {
    // Who was not told is waited for from the spree on that leaves nobody.
    let spree = shutdown.phase(PhaseKind::TermSpree).map(|phase| phase.from.ns);
    let kill = move |fate: &Fate| {
        let sent = fate.killer.and_then(|killer| world.sig(killer)).filter(|sent| sent.sig == 9)?;
        let born = world.proc_at(fate.proc)?.born.ns;
        Some(spree.map_or(sent.at.ns, |ns| ns.max(born)).min(sent.at.ns))
    };
    let of = move |fate: &Fate| {
        let told = fate.told.map(|told| told.at(world).ns).or_else(|| kill(fate))?;
        let exit = world.proc_at(fate.proc)?.exit.ns;
        Some(Candidate {
            proc: fate.proc,
            from_ns: told,
            to_ns: exit.min(shutdown.end.ns),
            why: Why::Stopping,
            of_unit: false,
            doubtful: false,
            // Or killed it: a spree that has told everybody waits for those too whom it did not meet then.
            told_by: fate
                .told
                .map(|told| told.sent)
                .or(fate.killer)
                .and_then(|sent| world.sig(sent))
                .map_or(NONE, |sent| sent.sender),
        })
    };
    fates.iter().filter_map(of)
}

/// A command that the shutdown runs, once it runs it.
fn running(
    world: &World,
    shutdown: &Shutdown,
    (idx, proc): (Idx, &Proc),
    heir: impl Fn(Idx) -> bool,
    of_unit: impl FnOnce(Idx) -> bool,
    stops: impl Fn(Idx) -> bool,
    command: impl Fn(Idx) -> Command,
) -> Option<Candidate> {
    let born_in_it = proc.born >= shutdown.begin && proc.born < shutdown.end;
    if !born_in_it || world.is_init(idx) {
        return None;
    }
    world.image(proc.image).filter(|image| image.proc == idx)?;
    // What is started and stays is a service, not a step; nobody waits for its end.
    let under_rc = || world.ancestors(idx).any(|up| runs_scripts(world.program_of(up)));
    // But where nobody saw the end, a stop command may be what it hung on.
    if heir(idx) || shutdown.ended && !proc.dead() {
        return None;
    }
    let top = step_under_init(world, shutdown, idx)?;
    // A restarted service runs beside the shutdown, and is killed at its end. So is a stop command that hangs.
    let killed = proc.killed_by() != 0 && !is_script_of_rc(world, idx);
    let (until_ns, doubtful) = match killed.then(|| command(top)) {
        None => (u64::MAX, false),
        Some(Command::Stops(until_ns)) => (until_ns, false),
        Some(Command::Ended(until_ns)) => (until_ns, true),
        Some(Command::Other) => return None,
    };
    let of_unit = of_unit(idx);
    let step = proc.dead() || of_unit && stops(top) || under_rc();
    step.then(|| Candidate {
        proc: idx,
        from_ns: proc.born.ns,
        to_ns: proc.exit.ns.min(until_ns).min(shutdown.end.ns),
        why: Why::Running,
        of_unit,
        doubtful,
        told_by: NONE,
    })
}

/// The commands and scripts of the shutdown that had not ended at its last event; who had run longest is first.
pub fn at_work(
    world: &World,
    shutdown: &Shutdown,
    heir: impl Fn(Idx) -> bool,
    mut of_unit: impl FnMut(Idx) -> bool,
    stops: impl Fn(Idx) -> bool,
) -> Vec<Idx> {
    let asked = shutdown.asked.as_ref().map_or(NONE, |asked| asked.by);
    let asks = |idx: Idx| asked != NONE && (idx == asked || world.ancestors(asked).any(|up| up == idx));
    let ours = |idx: Idx| world.is_ours(idx) || world.program_of(idx) == b"lastrites-seal";
    let open = world.all().filter(|(_, proc)| !proc.dead());
    let open = open.filter_map(|who| {
        Some(running(world, shutdown, who, &heir, &mut of_unit, &stops, |_| Command::Other)?.proc)
    });
    let mut steps: Vec<Idx> = open
        .map(|idx| step_of(world, idx))
        .filter(|idx| !asks(*idx) && !ours(*idx) && !runs_scripts(world.program_of(*idx)))
        .collect();
    steps.sort_unstable_by_key(|idx| (world.proc_at(*idx).map(|proc| proc.born), *idx));
    steps.dedup();
    steps
}

/// Programs that run the scripts of a shutdown, one by one or side by side.
fn runs_scripts(program: &[u8]) -> bool {
    matches!(program, b"rc" | b"startpar" | b"openrc" | b"3" | b"rc.shutdown")
}

/// The script that a command is a part of: what whoever runs the scripts, or init itself, has started.
fn step_of(world: &World, idx: Idx) -> Idx {
    let mut at = idx;
    for up in world.ancestors(idx) {
        if world.is_init(up) {
            break;
        }
        if runs_scripts(world.program_of(up)) {
            return at;
        }
        at = up;
    }
    at
}

/// The child of init that a process born in the shutdown is a part of, if that was born in it too: rc, or a command of a
/// unit.
fn step_under_init(world: &World, shutdown: &Shutdown, idx: Idx) -> Option<Idx> {
    let begin = shutdown.begin;
    let born_in_it = |idx: Idx| world.proc_at(idx).is_some_and(|proc| proc.born >= begin);
    // Up to the one that init started: all of them born in it.
    let mut at = idx;
    let mut of_init = world.proc_at(idx).is_some_and(|proc| world.is_init(proc.parent));
    for up in world.ancestors(idx) {
        if of_init {
            break;
        }
        if !born_in_it(up) {
            return None;
        }
        at = up;
        of_init = world.proc_at(up).is_some_and(|proc| world.is_init(proc.parent));
    }
    (of_init && !world.is_supervisor(at)).then_some(at)
}

/// Whether it is a script that rc runs itself.
fn is_script_of_rc(world: &World, idx: Idx) -> bool {
    let by_rc = world.proc_at(idx).is_some_and(|proc| runs_scripts(world.program_of(proc.parent)));
    by_rc && world.own_images(idx).any(|image| of_rc(world.strings.get(image.filename)))
}

/// Those whose scripts ask for somebody with signal 0: they wait for that one.
fn pollers(world: &World) -> IdxSet {
    world.polls.iter().map(|poll| script_of(world, poll.proc)).collect()
}

/// Who is waited for in a stretch up to `to_ns`: what was born in it is known by then by what it executed.
fn choose(
    world: &World,
    active: &[Candidate],
    to_ns: u64,
    phase_end: u64,
    rc: bool,
    pollers: &IdxSet,
    relays: &Relays<'_>,
) -> (Idx, Why) {
    // Whatever the script of the sprees runs, it waits for whom it has told.
    let waits = |c: &Candidate| {
        c.why == Why::Running
            && (WAITERS.contains(&world.program_at(c.proc, to_ns))
                || world.program_of(script_of(world, c.proc)) == b"sendsigs")
    };
    // Who waits for its own child is not what is waited for.
    let has_child = |c: &Candidate| {
        active
            .iter()
            .any(|other| other.why == Why::Running && world.ancestors(other.proc).any(|up| up == c.proc))
    };
    let told = |script: Idx| {
        let all = active.iter().filter(|c| c.why == Why::Stopping && c.told_by != NONE);
        let mut all = all.filter(|c| world.proc_at(c.told_by).is_some());
        all.any(|c| c.told_by == script || world.ancestors(c.told_by).any(|up| up == script))
    };
    // A script that sleeps again and again, and waits for nobody who could be seen, is itself what is waited for.
    let sleeper = |c: &Candidate| {
        let script = script_of(world, c.proc);
        let sleeps = script != c.proc && world.program_at(c.proc, to_ns) == b"sleep";
        let of_script = |other: &&Candidate| other.why == Why::Running && other.proc == script;
        let alone = sleeps && !pollers.contains(&script) && !told(script);
        active.iter().find(of_script).filter(|_| alone).copied()
    };
    let steps: Vec<Candidate> = active
        .iter()
        .filter(|c| c.why == Why::Running && !c.doubtful && !has_child(c))
        .map(|c| sleeper(c).unwrap_or(*c))
        .collect();
    let steps = &steps;
    let last = |steps: &mut dyn Iterator<Item = &Candidate>| -> Option<Candidate> {
        steps.filter(|c| !waits(c)).max_by_key(|c| (c.to_ns.min(phase_end), c.proc)).copied()
    };
    let working = last(&mut steps.iter());
    let of_units = last(&mut steps.iter().filter(|c| c.of_unit));
    let rc = rc || active.iter().any(|c| c.why == Why::Running && world.program_at(c.proc, to_ns) == b"rc");
    let stopping = || {
        let all = active.iter().filter(|c| c.why == Why::Stopping);
        // Of those who end in this phase the last; who outlives it was not waited for to its end.
        // Among equals not the supervisor, which only waits for its children; and of two who end together who was told first.
        let rank = |c: &&Candidate| {
            (c.to_ns <= phase_end, !world.is_supervisor(c.proc), c.to_ns, Reverse(c.from_ns), c.proc)
        };
        let mut last = all.max_by_key(rank).copied()?;
        // Who had told somebody, or whose child had, and ends right behind that one, has only waited for it.
        for _ in 0..MANAGERS_MAX {
            let waited = |c: &&Candidate| {
                let told = c.told_by == last.proc || world.ancestors(c.told_by).any(|up| up == last.proc);
                let behind = c.to_ns <= last.to_ns && last.to_ns - c.to_ns < MANAGED_NS;
                c.why == Why::Stopping && c.proc != last.proc && told && behind && relays.is_managed(c, &last)
            };
            let managed = active.iter().filter(waited).max_by_key(rank);
            let behind = || relays.run_by(active, &last).or_else(|| relays.contained(active, &last));
            match managed.or_else(behind) {
                Some(c) => last = *c,
                None => break,
            }
        }
        Some(last)
    };
    // rc waits for its scripts, and for others only where a script does nothing but wait. Of units that are stopped side
    // by side the last counts; a command that ends right behind a process that it told to stop has waited for that one.
    let chosen = if rc && !steps.iter().any(waits) {
        working.or_else(stopping)
    } else {
        let outlasts = |step: &Candidate| {
            let ends = |c: &Candidate| (c.to_ns <= phase_end, c.to_ns);
            stopping().is_none_or(|c| {
                let by_step = |c: &Candidate| {
                    c.told_by == step.proc || world.ancestors(c.told_by).any(|up| up == step.proc)
                };
                // Or whoever handed it on to that one.
                let told = by_step(&c) || active.iter().any(|by| by.proc == c.told_by && by_step(by));
                let waited =
                    told && ends(step).0 == ends(&c).0 && step.to_ns - c.to_ns.min(step.to_ns) < BEHIND_NS;
                ends(step) > ends(&c) && !waited
            })
        };
        of_units.filter(outlasts).or_else(stopping).or(working)
    };
    let chosen = chosen.or(steps.iter().max_by_key(|c| c.to_ns).copied());
    // Who init has nothing to do with is no reason to wait: then it is the command that it ends later. It has to do with
    // those whom it told, or told somebody above them, or whom a child of its own has told.
    let doubtful = active.iter().filter(|c| c.doubtful).max_by_key(|c| c.to_ns).copied();
    let told_by_init =
        |idx: Idx| active.iter().any(|c| c.proc == idx && c.why == Why::Stopping && world.is_init(c.told_by));
    let by_init = |c: &Candidate| {
        let by_child = world.proc_at(c.told_by).is_some_and(|proc| world.is_init(proc.parent));
        !steps.is_empty() || world.is_init(c.told_by) || by_child || world.ancestors(c.proc).any(told_by_init)
    };
    match chosen.filter(|c| doubtful.is_none() || by_init(c)).or(doubtful) {
        Some(c) if c.why == Why::Running => (script_of(world, c.proc), c.why),
        Some(c) => (c.proc, c.why),
        None => (NONE, Why::Init),
    }
}

/// So soon behind who it has told a manager ends, of whom so many may stand above each other.
const MANAGED_NS: u64 = 1_000_000_000;
const MANAGERS_MAX: usize = 4;

/// The script that a command is a part of: what rc, or init itself, started.
fn script_of(world: &World, idx: Idx) -> Idx {
    let mut at = idx;
    for up in world.ancestors(idx) {
        if world.is_init(up) || matches!(world.program_of(up), b"rc" | b"startpar" | b"openrc") {
            break;
        }
        at = up;
    }
    at
}

/// The stretches of one process together, longest first.
pub fn totals(waits: &[Wait]) -> Vec<(Idx, u64, Why)> {
    let mut totals: Vec<(Idx, u64, Why)> = Vec::new();
    for wait in waits {
        match totals.iter_mut().find(|(proc, _, why)| *proc == wait.proc && *why == wait.why) {
            Some((_, ns, _)) => *ns += wait.ns(),
            None => totals.push((wait.proc, wait.ns(), wait.why)),
        }
    }
    totals.sort_by_key(|(proc, ns, _)| (Reverse(*ns), *proc));
    totals
}
