//! What was started again through a program that stays for it: `su -c mongod`, `sudo -u mongodb mongod`, a script without an
//! exec at its end.
//!
//! Invariant: whoever was started again is such a program on both sides: a script, or one whose own words name what it runs;
//! and what it is there for (see [`Children::main`]) is one program with the same words. A job's script that is handed over
//! as a descriptor has no words of its own: what it ran says that it is the same, unless that was
//! a command which had done its work. What was found before stands; it may only get forerunners in between.

use super::{
    By, Found, LOOK_BACK, Restart, WITHIN_NS, is_cut_short, is_fork, own_image, same_program, same_words,
};
use crate::{
    processes::base_name,
    story::{
        NOBODIES, WRITERS,
        fate::{ByTarget, told},
        service::Services,
        who::{is_descriptor, words},
        world::{At, Idx, IdxMap, IdxSet, Image, NONE, Origin, Proc, World},
    },
};

/// What lives no longer may be a command.
const COMMAND_NS: u64 = 30_000_000_000;
/// A wrapper ends so soon behind what it was there for.
const ENDS_NS: u64 = 1_000_000_000;
/// A wrapper may run a wrapper.
const DEPTH: usize = 4;
/// And fork as often on the way.
const FORKS: usize = 2;
/// Whoever runs more than these is there for more than one.
const CHILDREN_MAX: usize = 64;

pub(super) fn add(
    world: &World,
    services: &mut Services,
    by_target: &ByTarget,
    from: At,
    until: At,
    found: &mut Found<'_>,
) {
    let scripts = Scripts::new(world, from, until, found);
    if found.list.is_empty() && scripts.all.is_empty() {
        return;
    }
    let children = Children::new(world, |idx| {
        found.replaced[idx as usize] || found.is_heir(idx) || scripts.all.contains(&idx)
    });
    let wraps = |idx: Idx| children.of.contains_key(&idx) && is_wrapper(world, idx);
    let known = found.list.iter().filter(|restart| restart.how != By::Script);
    let known = known.filter(|restart| wraps(restart.old) && wraps(restart.new));
    let mut outer: Vec<(Restart, bool)> = known.map(|restart| (restart.clone(), false)).collect();
    outer.extend(
        scripts
            .restarts(world, services, by_target, &children, from, found)
            .into_iter()
            .map(|restart| (restart, true)),
    );
    outer.sort_by_key(|(restart, _)| (restart.at, restart.new));
    half_started(world, by_target, &children, from, found);
    if outer.is_empty() {
        return;
    }
    let mut lines = Lines::new(&children, found, &outer);
    // Where one thing does not fit, nor does what comes behind it.
    let mut done = IdxSet::default();
    for (restart, by_child) in outer {
        let inner = pairs(world, by_target, &children, from, restart.old, restart.new);
        let next = |up: Idx| {
            let next = *lines.next.get(&up)?;
            (!pairs(world, by_target, &children, from, up, next).is_empty()).then_some(next)
        };
        let fits = |(old, new): &(Idx, Idx)| lines.fits(world, found, *old, *new, restart.new, next);
        if inner.is_empty() || done.contains(&restart.old) || !inner.iter().all(fits) {
            done.insert(restart.new);
            continue;
        }
        if by_child {
            found.add(services, restart.clone());
        }
        for (old, new) in inner {
            if !lines.known(found, old, new)
                && let Some(proc) = world.proc_at(new)
            {
                let service = services.of(world, new).or(services.of(world, old)).or(restart.service);
                let of_it =
                    Restart { old, new, ordered: NONE, at: proc.born, up: proc.image, service, ..restart };
                found.add(services, of_it);
            }
            lines.before.insert(new, old);
        }
    }
}

/// Restarts whose new wrapper came to its end, or to that of the machine, before it ran more than wrappers: it was on its way
/// to what the old one had run.
fn half_started(world: &World, by_target: &ByTarget, children: &Children, from: At, found: &mut Found<'_>) {
    for at in 0..found.list.len() {
        let Restart { old, new, how, .. } = found.list[at];
        if how == By::Script {
            continue;
        }
        let Some(main) = on_its_way_to(world, by_target, children, old, new) else { continue };
        let ended = world.proc_at(main).is_some_and(|proc| proc.dead() && proc.exit >= from);
        if ended && !is_done(world, by_target, main) && !found.replaced[main as usize] {
            found.list[at].old = main;
            found.replaced[main as usize] = true;
        }
    }
}

/// What `old` had run at last, if `new` had begun to run it as well when it was cut short. What somebody types into a shell, the
/// next one is not there for; nor is a loop for what it sleeps by.
fn on_its_way_to(
    world: &World,
    by_target: &ByTarget,
    children: &Children,
    old: Idx,
    new: Idx,
) -> Option<Idx> {
    let is_nobody = |idx: Idx| NOBODIES.contains(&world.program_of(idx));
    // How far the new one had come.
    let (mut up, mut came) = (old, Some(new));
    for _ in 0..DEPTH {
        if !is_wrapper(world, up) || is_typed_into(world, up) {
            return None;
        }
        if let Some(idx) = came {
            if !is_nobody(idx) || !one_line(world, up, idx) || !is_cut_short(world, idx) {
                return None;
            }
            came = match children.of.contains_key(&idx) {
                true => Some(children.main(world, by_target, idx)?),
                false => None,
            };
        }
        let main = children.main(world, by_target, up).filter(|main| runs(world, up, *main))?;
        if !is_nobody(main) {
            return came.is_none().then_some(main);
        }
        up = main;
    }
    None
}

/// How what was run through wrappers goes together with restarts that were known before: one that took the place of what
/// had begun to stop long before it may have had forerunners that failed meanwhile.
struct Lines {
    /// Of the wrappers: who came behind whom.
    next: IdxMap<Idx>,
    /// Places of known restarts of what wrappers ran, by the old and by the new one.
    by_old: IdxMap<usize>,
    by_new: IdxMap<usize>,
    /// Of what they ran: who came before whom.
    before: IdxMap<Idx>,
}

/// So many are looked at.
const LINE: usize = 64;

impl Lines {
    fn new(children: &Children, found: &Found<'_>, outer: &[(Restart, bool)]) -> Self {
        let of = |which: fn(&Restart) -> Idx| {
            let all = found.list.iter().enumerate().map(|(at, restart)| (which(restart), at));
            all.filter(|(idx, _)| children.ran.contains(idx)).collect()
        };
        let next = outer.iter().map(|(restart, _)| (restart.old, restart.new)).collect();
        Self { next, by_old: of(|r| r.old), by_new: of(|r| r.new), before: IdxMap::default() }
    }

    /// Whether `new`, which `up` ran, may have come behind `old` by what was known.
    fn fits(
        &self,
        world: &World,
        found: &Found<'_>,
        old: Idx,
        new: Idx,
        up: Idx,
        next: impl Fn(Idx) -> Option<Idx>,
    ) -> bool {
        if found.is_heir(new) {
            return self.by_new.get(&new).is_some_and(|at| self.is_before(found.list[*at].old, old));
        }
        if !found.replaced[old as usize] {
            return true;
        }
        // Its heir has to come in the same line, later.
        let Some(heir) = self.by_old.get(&old).map(|at| found.list[*at].new) else { return false };
        let mut later = std::iter::successors(next(up), |up| next(*up)).take(LINE);
        later.any(|later| world.ancestors(heir).any(|above| above == later))
    }

    /// Whether `first` is `old`, or a forerunner of it.
    fn is_before(&self, first: Idx, old: Idx) -> bool {
        std::iter::successors(Some(old), |idx| self.before.get(idx).copied())
            .take(LINE)
            .any(|idx| idx == first)
    }

    /// Whether it was known, be it as the heir of a forerunner, which is then put right.
    fn known(&self, found: &mut Found<'_>, old: Idx, new: Idx) -> bool {
        let Some(restart) = self.by_new.get(&new).and_then(|at| found.list.get_mut(*at)) else {
            return false;
        };
        restart.old = old;
        found.replaced[old as usize] = true;
        true
    }
}

/// Scripts of jobs that init ran, handed over as descriptors.
struct Scripts {
    /// Those that had ended, in order of that.
    gone: Vec<(At, Idx)>,
    /// Those born in the shutdown, in order of that.
    new: Vec<(At, Idx)>,
    /// Both, unless there are none of one sort: then there is nothing to compare.
    all: IdxSet,
}

impl Scripts {
    fn new(world: &World, from: At, until: At, found: &Found<'_>) -> Self {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (idx, proc) in world.all().filter(|(_, proc)| world.is_init(proc.parent) && proc.exit >= from) {
            let of_job = own_image(world, idx, proc)
                .is_some_and(|image| words(world.strings.get(image.argv)).any(is_descriptor));
            if of_job && proc.dead() && !found.replaced[idx as usize] {
                gone.push((proc.exit, idx));
            }
            let born = proc.born >= from && proc.born <= until && proc.origin == Origin::Forked;
            if of_job && born && !found.is_heir(idx) {
                new.push((proc.born, idx));
            }
        }
        gone.sort_unstable();
        new.sort_unstable();
        let both = gone.iter().chain(&new).filter(|_| !gone.is_empty() && !new.is_empty());
        let all = both.map(|(_, idx)| *idx).collect();
        Self { gone, new, all }
    }

    /// Which of them took the place of which: what they ran for their job was one thing.
    fn restarts(
        &self,
        world: &World,
        services: &mut Services,
        by_target: &ByTarget,
        children: &Children,
        from: At,
        found: &Found<'_>,
    ) -> Vec<Restart> {
        let (mut taken, mut heirs) = (IdxSet::default(), IdxSet::default());
        let mut restarts = Vec::new();
        for &(born, new) in &self.new {
            let Some(service) = services.of(world, new) else { continue };
            let before = self.gone.partition_point(|(exit, _)| *exit <= born);
            let near = self.gone[..before].iter().rev().take(LOOK_BACK);
            let near = near.take_while(|(exit, _)| exit.ns.saturating_add(WITHIN_NS) >= born.ns);
            let mut near = near.map(|(_, old)| *old).filter(|old| *old != new && !taken.contains(old));
            let runs_it = |old: Idx| {
                let pairs = pairs(world, by_target, children, from, old, new);
                let is_old = |idx: Idx| world.proc_at(idx).is_some_and(|proc| proc.born < from);
                !pairs.is_empty()
                    // What init runs beside the job (pre-start, post-start, post-stop) did not run before.
                    && (is_old(old) || heirs.contains(&old) || pairs.iter().any(|(a, _)| is_old(*a)))
                    && pairs.iter().all(|(a, b)| one_line(world, *a, *b) && !is_done(world, by_target, *a))
            };
            let of_it = |old: &Idx| runs_it(*old) && services.of(world, *old) == Some(service);
            let Some(old) = near.find(of_it) else { continue };
            let Some(proc) = world.proc_at(new) else { continue };
            let restart = Restart {
                old,
                new,
                by: proc.parent,
                how: By::Init,
                ordered: NONE,
                at: born,
                up: proc.image,
                service: Some(service),
            };
            // What init has stopped itself it does not start again, unless somebody asks for that.
            let by_init = |idx: Idx| {
                told(world, by_target, idx, from)
                    .is_some_and(|told| world.sig(told.sent).is_some_and(|sent| world.is_init(sent.sender)))
            };
            let ran = pairs(world, by_target, children, from, old, new);
            let stopped_by_init = by_init(old) || ran.iter().any(|(old, _)| by_init(*old));
            if stopped_by_init && found.orders.of(world, services, by_target, &restart).is_none() {
                continue;
            }
            taken.insert(old);
            heirs.insert(new);
            restarts.push(restart);
        }
        restarts
    }
}

/// What the two ran, from without to within: each the same on both sides.
fn pairs(
    world: &World,
    by_target: &ByTarget,
    children: &Children,
    from: At,
    old: Idx,
    new: Idx,
) -> Vec<(Idx, Idx)> {
    let (mut old, mut new) = (old, new);
    let mut pairs = Vec::new();
    for _ in 0..DEPTH {
        let main = |up: Idx| children.main(world, by_target, up);
        let (Some(a), Some(b)) = (main(old), main(new)) else { break };
        // It was there when the shutdown began, or came later, and has an end: who still runs was not run again.
        let is_there = world.proc_at(a).is_some_and(|proc| proc.dead() && proc.exit >= from);
        if !is_there || !same_program(world, a, b) || !runs(world, old, a) || !runs(world, new, b) {
            break;
        }
        // Who is told to stop ends as it can, and as it has to the script that runs it; that may go on for a while then, unless
        // somebody has to end it.
        let told = |idx: Idx| {
            let born = world.proc_at(idx).map_or(At::NEVER, |proc| proc.born);
            told(world, by_target, idx, born).is_some()
        };
        let ended = |idx: Idx| world.proc_at(idx).is_some_and(|proc| proc.dead());
        let killed = |idx: Idx| world.proc_at(idx).is_some_and(|proc| proc.killed_by() == 9);
        let excused = told(b) && ended(new) && !killed(new);
        // Of a pipe the status is that of its last.
        let succeeds = goes_on(world, old, a) && !children.writes(world, old);
        if succeeds && !told(a) || outlives(world, new, b) && !excused {
            break;
        }
        if !NOBODIES.contains(&world.program_of(b)) {
            pairs.push((a, b));
        }
        (old, new) = (a, b);
        if !is_wrapper(world, old) || !is_wrapper(world, new) {
            break;
        }
    }
    pairs
}

/// Whether `idx` failed, and the script that had run it, `up`, succeeded all the same.
fn goes_on(world: &World, up: Idx, idx: Idx) -> bool {
    let code = |idx: Idx| world.proc_at(idx).and_then(Proc::code);
    code(up) == Some(0) && code(idx).is_some_and(|code| code != 0)
}

/// Whether `up` went on for long behind `idx`, which it had run: it is there for more than that. Of one whose end is not known
/// while that of `up` is, nobody knows.
fn outlives(world: &World, up: Idx, idx: Idx) -> bool {
    let (Some(up), Some(idx)) = (world.proc_at(up), world.proc_at(idx)) else { return true };
    up.exit.ns > idx.exit.ns.saturating_add(ENDS_NS) || up.dead() && !idx.dead()
}

/// Whether it was a command that had done its work.
fn is_done(world: &World, by_target: &ByTarget, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| {
        let is_short = proc.exit.ns.saturating_sub(proc.born.ns) < COMMAND_NS;
        is_short && proc.code() == Some(0) && told(world, by_target, idx, proc.born).is_none()
    })
}

/// Whether they have the same words, also where the first may have been written over.
fn one_line(world: &World, a: Idx, b: Idx) -> bool {
    let of = |idx: Idx| -> Option<&Image> { world.image(world.image_of(idx)) };
    of(a).zip(of(b)).is_some_and(|(a, b)| same_words(world, a, b))
}

/// Whether it may be there for something else that it runs.
fn is_wrapper(world: &World, idx: Idx) -> bool {
    let argv = || world.image(world.image_of(idx)).map_or(&b""[..], |image| world.strings.get(image.argv));
    !world.is_supervisor(idx) && (is_shell(world, idx) || words(argv()).nth(1).is_some())
}

/// Whether a shell runs it, whatever that runs.
fn is_shell(world: &World, idx: Idx) -> bool {
    world.image(world.image_of(idx)).is_some_and(|image| world.is_shell(image))
}

/// Whether somebody types into it: see [`World::is_typed_into`].
fn is_typed_into(world: &World, idx: Idx) -> bool {
    world.image(world.image_of(idx)).is_some_and(|image| world.is_typed_into(image))
}

/// Whether its words name `program`, as a command's of their own or within one: `-c 'exec /usr/bin/mongod --config ...'`.
fn names(world: &World, idx: Idx, program: &[u8]) -> bool {
    let argv = world.image(world.image_of(idx)).map_or(&b""[..], |image| world.strings.get(image.argv));
    let mut parts = words(argv).skip(1).flat_map(|word| word.split(u8::is_ascii_whitespace));
    parts.any(|part| base_name(part) == program)
}

/// Whether `up` is there for what it runs, as `idx` is.
fn runs(world: &World, up: Idx, idx: Idx) -> bool {
    is_shell(world, up) || names(world, up, world.program_of(idx)) || hands_on(world, up, idx)
}

/// Whether the line that `idx`, a shell, runs is one of the words of `up`: `su mongodb -c 'mongod ...'`.
fn hands_on(world: &World, up: Idx, idx: Idx) -> bool {
    let argv =
        |idx: Idx| world.image(world.image_of(idx)).map_or(&b""[..], |image| world.strings.get(image.argv));
    let line = words(argv(idx)).skip_while(|word| *word != b"-c").nth(1);
    is_shell(world, idx) && line.is_some_and(|line| words(argv(up)).skip(1).any(|word| word == line))
}

/// What each ran itself or by a fork of itself, as a subshell is one, or the monitor of sudo.
#[derive(Default)]
struct Children {
    of: IdxMap<Vec<Idx>>,
    /// All of them.
    ran: IdxSet,
}

impl Children {
    /// Those of whoever is `wanted`, and theirs.
    fn new(world: &World, wanted: impl Fn(Idx) -> bool) -> Self {
        let mut children = Self::default();
        // By parent: for whom that one runs things.
        let mut parents: Option<IdxMap<Idx>> = None;
        for _ in 0..DEPTH + FORKS {
            let mut next: IdxMap<Idx> = IdxMap::default();
            for (idx, proc) in world.all().filter(|(_, proc)| proc.parent != NONE) {
                let of = match &parents {
                    None => wanted(proc.parent).then_some(proc.parent),
                    Some(of) => of.get(&proc.parent).copied(),
                };
                let Some(of) = of else { continue };
                if is_fork(world, idx, proc) {
                    next.insert(idx, of);
                    continue;
                }
                let those = children.of.entry(of).or_default();
                if those.len() <= CHILDREN_MAX {
                    those.push(idx);
                    next.insert(idx, idx);
                }
            }
            next.retain(|idx, of| idx != of || !children.of.contains_key(idx));
            children.ran.extend(next.iter().filter(|(idx, of)| idx == of).map(|(idx, _)| *idx));
            if next.is_empty() {
                break;
            }
            parents = Some(next);
        }
        children
    }

    /// Whether it ran somebody who writes down what others say.
    fn writes(&self, world: &World, up: Idx) -> bool {
        self.of.get(&up).is_some_and(|those| those.iter().any(|idx| is_writer(world, *idx)))
    }

    /// What `up` is there for: the last that it ran and that was no command, if all before had ended by then, but for who writes
    /// down what that says, at the other end of a pipe. Where it ran nothing but commands, the last of these.
    fn main(&self, world: &World, by_target: &ByTarget, up: Idx) -> Option<Idx> {
        let mut those = self.of.get(&up).filter(|those| those.len() <= CHILDREN_MAX)?.clone();
        let born = |idx: &Idx| world.proc_at(*idx).map_or(At::NEVER, |proc| proc.born);
        let exit = |idx: &Idx| world.proc_at(*idx).map_or(At::default(), |proc| proc.exit);
        those.sort_unstable_by_key(|idx| (born(idx), *idx));
        if those.iter().any(|idx| !is_writer(world, *idx)) {
            those.retain(|idx| !is_writer(world, *idx));
        }
        let is_told = |idx: &Idx| told(world, by_target, *idx, born(idx)).is_some();
        // Behind what was told to stop a script cleans up, and that may fail.
        let stopped = those.iter().filter(|idx| is_told(idx)).map(exit).max();
        let cleans = |idx: &Idx| {
            let is_short = exit(idx).ns.saturating_sub(born(idx).ns) < COMMAND_NS;
            is_short && stopped.is_some_and(|stopped| stopped < born(idx)) && !is_told(idx)
        };
        let is_command = |idx: &Idx| is_done(world, by_target, *idx) || cleans(idx);
        let last = those.iter().rposition(|idx| !is_command(idx)).unwrap_or(those.len() - 1);
        let alone = |idx: &Idx| exit(idx) < born(&those[last]);
        those[..last].iter().all(alone).then_some(those[last])
    }
}

/// Whether it only writes down what others say.
fn is_writer(world: &World, idx: Idx) -> bool {
    WRITERS.contains(&world.program_of(idx))
}
