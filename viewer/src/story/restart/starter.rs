//! Who had somebody started, and whether that one stayed.
//!
//! Invariant: where something is missing that would speak against it, nobody is taken for a daemon, and nobody for its starter.

use super::By;
use crate::story::world::{At, Hole, Idx, NONE, Origin, World};

/// Whether it is more than a command of a script. `exit` is when it ended, or whoever went on for it.
pub(super) fn is_started(world: &World, idx: Idx, exit: At) -> bool {
    starter(world, idx, exit).1 != By::Script || is_daemon(world, idx, exit)
}

/// Who had it started: the supervisor or init above it, or the script that is a forefather of it.
pub(super) fn starter(world: &World, idx: Idx, exit: At) -> (Idx, By) {
    let parent = world.proc_at(idx).map_or(NONE, |proc| proc.parent);
    if world.is_init(parent) {
        return (parent, By::Init);
    }
    // What a script does before it becomes a supervisor is no supervision.
    let born_ns = world.proc_at(idx).map_or(0, |proc| proc.born.ns);
    if world.is_supervisor(parent) && world.program_at(parent, born_ns) == world.program_of(parent) {
        return (parent, By::Supervisor);
    }
    // A supervisor may start things through scripts and helpers of its own.
    for up in world.ancestors(parent).take(4) {
        // What such a script runs on the way ends before it does.
        let through = world.is_supervisor(up) && outlives(world, exit, parent);
        if through && !matches!(world.program_of(up), b"runsvdir" | b"s6-svscan" | b"svscan") {
            return (up, By::Supervisor);
        }
        if world.is_init(up) && outlives(world, exit, parent) && is_init_child_shell(world, parent) {
            return (up, By::Init);
        }
    }
    (parent, By::Script)
}

/// Whether what ended at `exit` went on when its parent had left: what the parent was there for.
fn outlives(world: &World, exit: At, parent: Idx) -> bool {
    world.proc_at(parent).map_or(At::NEVER, |parent| parent.exit) < exit && !went_with(world, exit, parent)
}

/// Who ends with somebody does so this soon.
const WITH_NS: u64 = 1_000_000_000;

/// Whether what was not seen to end may have ended with its parent: something is missing from about then.
fn went_with(world: &World, exit: At, parent: Idx) -> bool {
    exit == At::NEVER
        && world.proc_at(parent).is_some_and(|parent| {
            let (from_ns, to_ns) =
                (parent.exit.ns.saturating_sub(WITH_NS), parent.exit.ns.saturating_add(WITH_NS));
            parent.dead() && is_missing(world, from_ns, to_ns)
        })
}

/// Where events were lost more often than that, they may have been lost at any time.
const HOLES_MAX: usize = 64;

/// Whether something may be missing of that time.
fn is_missing(world: &World, from_ns: u64, to_ns: u64) -> bool {
    let within = |hole: &Hole| hole.from_ns <= to_ns && hole.to_ns >= from_ns;
    world.holes.len() > HOLES_MAX || world.holes.iter().any(within)
}

/// A child of init that only starts something and goes: `expect fork`, a shell of an `exec` line.
fn is_init_child_shell(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| {
        world.is_init(proc.parent)
            && !matches!(world.program_of(idx), b"rc" | b"rcS" | b"openrc" | b"rc.shutdown")
    })
}

/// Somebody who stayed when whoever started it left. `exit` is when it ended, or whoever went on for it.
pub(super) fn is_daemon(world: &World, idx: Idx, exit: At) -> bool {
    let Some(proc) = world.proc_at(idx) else { return false };
    if world.is_init(proc.parent) || proc.origin == Origin::Running && proc.parent == NONE {
        return true;
    }
    // Its parent was gone before it.
    let is_left = world.proc_at(proc.parent).is_some_and(|parent| {
        parent.dead() && parent.exit < exit && exit.ns.saturating_sub(parent.exit.ns) > 100_000_000
    });
    is_left && !went_with(world, exit, proc.parent)
}

/// Whether it did not end by itself, and nothing is missing of what it may have done.
pub(super) fn is_cut_short(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| proc.code().is_none()) && is_whole(world, idx)
}

/// Whether nothing is missing of what it may have done.
pub fn is_whole(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| !is_missing(world, proc.born.ns, proc.exit.ns))
}
