//! Who only waits for somebody else: of two that are told to stop, the one that the other is there for.
//!
//! Invariant: whoever is put in somebody's place was told to stop as well, and ended right before him.

use std::cell::RefCell;

use super::{Candidate, MANAGED_NS, Why, only_waits};
use crate::story::world::{Idx, IdxMap, World};

/// Who only waits for its child, or hands on to it what it is told; each is looked at once.
pub(super) struct Relays<'a> {
    world: &'a World,
    known: RefCell<IdxMap<bool>>,
}

impl<'a> Relays<'a> {
    pub fn new(world: &'a World) -> Self {
        Self { world, known: RefCell::default() }
    }

    /// Whether `child` is what its `master` had waited for: one that had to be killed, one of another program that a command of the
    /// master's had told, or one of somebody who does nothing but look after others. A worker goes with its master; and who reads
    /// what that writes ends with it, whatever it was told.
    pub fn is_managed(&self, child: &Candidate, master: &Candidate) -> bool {
        let world = self.world;
        let killed = world.proc_at(child.proc).is_some_and(|proc| proc.killed_by() == 9);
        let of_another = world.program_of(child.proc) != world.program_of(master.proc);
        let by_command = child.told_by != master.proc;
        let relays = || world.is_supervisor(master.proc) || self.relays(master.proc);
        killed || of_another && (by_command || relays())
    }

    /// The one for whom `master` is there, where whoever told the one told the other as well: `KillMode=control-group`, a spree. Who
    /// only waits for its child, or hands on to it what it is told, ends right behind it. Of two that it runs side by side one may
    /// as well end because the other has.
    pub fn run_by<'b>(&self, active: &'b [Candidate], master: &Candidate) -> Option<&'b Candidate> {
        let world = self.world;
        if !self.relays(master.proc) {
            return None;
        }
        let above = |one: Idx, other: Idx| world.ancestors(one).any(|up| up == other);
        let runs = |c: &Candidate| {
            let mut up = world.ancestors(c.proc);
            up.find(|up| *up == master.proc || !self.relays(*up)) == Some(master.proc)
        };
        let behind = |c: &&Candidate| {
            ends_before(c, master, MANAGED_NS)
                && c.told_by == master.told_by
                && world.program_of(c.proc) != world.program_of(master.proc)
                && above(c.proc, master.proc)
                && runs(c)
        };
        let those: Vec<&Candidate> = active.iter().filter(behind).collect();
        let last = *those.iter().max_by_key(|c| (c.to_ns, c.proc))?;
        let in_line =
            |c: &&&Candidate| c.proc == last.proc || above(c.proc, last.proc) || above(last.proc, c.proc);
        (those.iter().filter(in_line).count() == those.len()).then_some(last)
    }

    /// The last in a container to end before `client`, which waits for an engine.
    pub fn contained<'b>(&self, active: &'b [Candidate], client: &Candidate) -> Option<&'b Candidate> {
        let world = self.world;
        // One that hung was there for itself.
        let killed = world.proc_at(client.proc).is_some_and(|proc| proc.killed_by() == 9);
        if killed || !is_client(world, client.proc) {
            return None;
        }
        let inside = |c: &&Candidate| {
            ends_before(c, client, REMOVED_NS) && world.ancestors(c.proc).any(|up| world.is_shim(up))
        };
        active.iter().filter(inside).max_by_key(|c| (c.to_ns, c.proc))
    }

    /// Whether it only waits for its child, or hands on what it is told.
    fn relays(&self, idx: Idx) -> bool {
        if let Some(known) = self.known.borrow().get(&idx) {
            return *known;
        }
        let world = self.world;
        let relays =
            only_waits(world, idx) || world.is_script(idx) || RELAYS.contains(&world.program_of(idx));
        self.known.borrow_mut().insert(idx, relays);
        relays
    }
}

/// A container's client goes when what is left of that is removed (`--rm`).
const REMOVED_NS: u64 = 5_000_000_000;

/// Whether it stopped, and ended before `master` by less than that.
fn ends_before(c: &Candidate, master: &Candidate, within_ns: u64) -> bool {
    let behind = c.to_ns <= master.to_ns && master.to_ns - c.to_ns < within_ns;
    c.why == Why::Stopping && c.proc != master.proc && behind
}

/// Whether it is the client of an engine that waits for a container: `docker run`, `podman start -a`.
fn is_client(world: &World, idx: Idx) -> bool {
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
