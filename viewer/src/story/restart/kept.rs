//! Restarts by a parent whom nobody knows as a supervisor: pm2, mysqld_safe, the emperor of uwsgi.
//!
//! Invariant: what somebody else had told to stop, or killed, is run again soon by the parent that lives on: the same
//! program with the same arguments, and the only one of its kind. Whoever runs many commands keeps none of them running,
//! and nobody does who had been told to stop himself. Where anything is missing nothing is said.

use super::{By, Found, Restart, own_image, same_program};
use crate::story::{
    NOBODIES, blame,
    fate::{ByTarget, tells_to_stop},
    service::Services,
    world::{At, Idx, IdxMap, Means, NONE, Sig, World},
};

/// Looking after somebody is to start him again within this time.
const SOON_NS: u64 = 10_000_000_000;
/// Who ends later than that did not end of it.
const STOPPING_NS: u64 = 120_000_000_000;
/// Who lived for less was a command.
const LIVED_NS: u64 = 5_000_000_000;
/// Who runs more than these is no supervisor.
const CHILDREN_MAX: usize = 64;

/// These run a program for each who comes, or for each hour that strikes: the next is no restart.
const SERVERS: [&[u8]; 13] = [
    b"xinetd",
    b"inetd",
    b"tcpserver",
    b"tcpsvd",
    b"socat",
    b"ncat",
    b"master",
    b"dovecot",
    b"cron",
    b"crond",
    b"fcron",
    b"atd",
    b"anacron",
];

pub(super) fn add(
    world: &World,
    services: &mut Services,
    by_target: &ByTarget,
    from: At,
    until: At,
    found: &mut Found<'_>,
) {
    let first = world.sigs.partition_point(|sent| sent.at < from);
    let hits = world.sigs[first..].iter().take_while(|sent| sent.at <= until);
    let mut hit: Vec<Idx> = hits.filter(|sent| is_hit(world, from, sent)).map(|sent| sent.target).collect();
    if hit.is_empty() {
        return;
    }
    hit.sort_unstable_by_key(|idx| (world.procs[*idx as usize].exit, *idx));
    hit.dedup();
    let parent = |idx: Idx| world.proc_at(idx).map_or(NONE, |proc| proc.parent);
    let mut children: IdxMap<Vec<Idx>> = hit.iter().map(|idx| (parent(*idx), Vec::new())).collect();
    for (idx, proc) in world.all() {
        if let Some(children) =
            children.get_mut(&proc.parent).filter(|_| own_image(world, idx, proc).is_some())
            && children.len() <= CHILDREN_MAX
        {
            children.push(idx);
        }
    }
    for old in hit {
        let Some(children) = children.get(&parent(old)).filter(|all| all.len() <= CHILDREN_MAX) else {
            continue;
        };
        if found.replaced[old as usize] {
            continue;
        }
        let Some(new) = heir(world, services, by_target, from, old, children) else { continue };
        if !found.is_heir(new) {
            let proc = &world.procs[new as usize];
            let restart = Restart {
                old,
                new,
                by: proc.parent,
                how: By::Supervisor,
                ordered: NONE,
                at: proc.born,
                up: proc.image,
                service: services.of(world, new).or(services.of(world, old)),
            };
            found.add(services, restart);
        }
    }
}

/// Whether it hit somebody whose parent lived on, who had not sent it.
fn is_hit(world: &World, from: At, sent: &Sig) -> bool {
    let Some(target) = world.proc_at(sent.target) else { return false };
    // What most are, who are told by their own parent, is known first.
    if sent.sender == target.parent || !target.dead() || sent.ignored() || sent.overflowed() {
        return false;
    }
    let Some(parent) = world.proc_at(target.parent) else { return false };
    tells_to_stop(world, sent)
        && (sent.sender != NONE || sent.means == Means::Oom)
        && sent.sender != sent.target
        && sent.at <= target.exit
        && target.exit.ns.saturating_sub(sent.at.ns) <= STOPPING_NS
        && target.exit.ns.saturating_sub(target.born.ns) >= LIVED_NS
        && parent.exit > target.exit
        && parent.born < from
        && own_image(world, sent.target, target).is_some()
        && !world.is_init(target.parent)
        && !world.is_supervisor(target.parent)
        && !is_command(world, sent.target)
        && !SERVERS.contains(&world.program_of(target.parent))
        && world.image(world.image_of(target.parent)).is_some_and(|image| image.tty.is_empty())
}

/// What scripts run again and again, and what is run for each who comes: of sshd its next login is no restart.
fn is_command(world: &World, idx: Idx) -> bool {
    let program = world.program_of(idx);
    NOBODIES.contains(&program) || matches!(program, b"sshd" | b"dropbear") || blame::only_waits(world, idx)
}

/// Which of the `children` of its parent was run in the place of `old`.
fn heir(
    world: &World,
    services: &mut Services,
    by_target: &ByTarget,
    from: At,
    old: Idx,
    children: &[Idx],
) -> Option<Idx> {
    let (gone, parent) = world.proc_at(old).map(|proc| (proc.exit, proc.parent))?;
    let born = |idx: Idx| world.proc_at(idx).map_or(At::NEVER, |proc| proc.born);
    let soon = |idx: &Idx| {
        let born = born(*idx);
        born > gone && born.ns.saturating_sub(gone.ns) <= SOON_NS
    };
    let like = |idx: &Idx| *idx != old && same_program(world, old, *idx);
    let new = children.iter().copied().filter(|idx| soon(idx) && like(idx)).min_by_key(|idx| born(*idx))?;
    let at = born(new);
    let beside = |idx: &Idx| world.proc_at(*idx).is_some_and(|proc| proc.born < gone && proc.exit > gone);
    if children.iter().any(|idx| like(idx) && beside(idx)) {
        return None;
    }
    let told = |sent: &Sig| {
        sent.at >= from && sent.at < at && !sent.ignored() && !sent.overflowed() && tells_to_stop(world, sent)
    };
    let stops = by_target.to(world, parent).any(|(_, sent)| told(sent));
    // Another of its kind, of whom nothing was recorded, may have been there for long.
    let missing = world.holes.iter().any(|hole| hole.from_ns <= at.ns);
    let mut name = |idx: Idx| services.of(world, idx).map(|id| services.get(id).name.clone());
    (!stops && !missing && name(old) == name(new)).then_some(new)
}
