//! Who only waits for somebody else: of two that are told to stop, the one that the other is there for.
//!
//! Invariant: whoever is put in somebody's place was told to stop as well, and ended right before him.

use super::{Candidate, MANAGED_NS, Why, only_waits};
use crate::story::world::{Idx, World};

/// Whether `child` is what its `master` had waited for: one that had to be killed, one of another program that a command of the
/// master's had told, or one of somebody who does nothing but look after others. A worker goes with its master; and who reads
/// what that writes ends with it, whatever it was told.
pub(super) fn is_managed(world: &World, child: &Candidate, master: &Candidate) -> bool {
    let killed = world.proc_at(child.proc).is_some_and(|proc| proc.killed_by() == 9);
    let of_another = world.program_of(child.proc) != world.program_of(master.proc);
    let by_command = child.told_by != master.proc;
    let relays = world.is_supervisor(master.proc) || relays(world, master.proc);
    killed || of_another && (by_command || relays)
}

/// The one for whom `master` is there, where whoever told the one told the other as well: `KillMode=control-group`, a spree. Who
/// only waits for its child, or hands on to it what it is told, ends right behind it. Of two that it runs side by side one may
/// as well end because the other has.
pub(super) fn run_by<'a>(
    world: &World,
    active: &'a [Candidate],
    master: &Candidate,
) -> Option<&'a Candidate> {
    let runs = |c: &Candidate| {
        world.ancestors(c.proc).find(|up| *up == master.proc || !relays(world, *up)) == Some(master.proc)
    };
    if !relays(world, master.proc) {
        return None;
    }
    let behind = |c: &&Candidate| {
        c.why == Why::Stopping
            && c.told_by == master.told_by
            && c.to_ns <= master.to_ns
            && master.to_ns - c.to_ns < MANAGED_NS
            && world.program_of(c.proc) != world.program_of(master.proc)
            && runs(c)
    };
    let last = active.iter().filter(behind).max_by_key(|c| (c.to_ns, c.proc))?;
    let in_line = |c: &Candidate| {
        let above = |one: Idx, other: Idx| world.ancestors(one).any(|up| up == other);
        c.proc == last.proc || above(c.proc, last.proc) || above(last.proc, c.proc)
    };
    active.iter().filter(behind).all(in_line).then_some(last)
}

/// Whether it only waits for its child, or hands on what it is told.
fn relays(world: &World, idx: Idx) -> bool {
    only_waits(world, idx) || world.is_script(idx) || RELAYS.contains(&world.program_of(idx))
}

/// Whether it is the client of an engine that waits for a container: `docker run`, `podman start -a`.
pub(super) fn is_client(world: &World, idx: Idx) -> bool {
    let engine =
        matches!(world.program_of(idx), b"docker" | b"docker-compose" | b"podman" | b"nerdctl" | b"ctr");
    let waits = |word: &&[u8]| matches!(*word, b"run" | b"start" | b"attach" | b"wait" | b"compose" | b"up");
    // In front of that stand options of the client's own.
    engine && world.arguments(idx).iter().take(4).any(waits)
}

/// Programs that hand on to one child what they are told, and go when it has gone.
const RELAYS: [&[u8]; 12] = [
    b"systemd-nspawn",
    b"lxc-start",
    b"dumb-init",
    b"tini",
    b"tini-static",
    b"docker-init",
    b"podman-init",
    b"catatonit",
    b"sudo",
    b"su",
    b"runuser",
    // Tanuki's, of Java services.
    b"wrapper",
];
