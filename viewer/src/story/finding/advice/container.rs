//! Advice about what runs in a container and had too little time to stop.
//!
//! Invariant: time is what the engine gives, or kubelet; the runtime that sends the signals only does what it is told.

use crate::story::{Story, fate::Fate, shutdown::Init, world::Idx};

/// For whom a runtime killed on behalf of its engine, or for whom of a pod was left to the end; None for all others.
pub(super) fn more_time(story: &Story, fate: &Fate) -> Option<String> {
    let world = &story.world;
    let name = world.name(fate.proc);
    let sent = world.sig(fate.killer?)?;
    let cgroup = world.proc_at(fate.proc).and_then(|proc| world.cgroups.get(&proc.cgroup));
    let of_pod = cgroup.is_some_and(|path| has(world.strings.get(*path), b"kubepods"));
    if of_pod && world.is_init(sent.sender) && story.init == Init::Systemd {
        return Some(format!(
            "have kubelet stop its pods when the machine goes down: shutdownGracePeriod in its configuration, which is 0 unless \
             set, longer than {name} needs"
        ));
    }
    if !RUNTIMES.contains(&world.program_at(sent.sender, sent.at.ns)) {
        return None;
    }
    let line = || std::iter::once(sent.sender).chain(world.ancestors(sent.sender));
    if of_pod {
        return Some(format!(
            "give {name}'s pod a longer terminationGracePeriodSeconds, and kubelet a shutdownGracePeriod that is as long, or \
             make {name} stop sooner"
        ));
    }
    // `docker stop`: the time is one of its arguments.
    let stops = |up: &Idx| {
        matches!(world.program_of(*up), b"docker" | b"podman")
            && world.arguments(*up).into_iter().any(|word| word == b"stop")
    };
    if let Some(command) = line().find(stops) {
        return Some(format!(
            "have {} wait longer before it kills {name} (-t SECONDS), or make that stop sooner",
            story.chain(command, sent.at.ns)
        ));
    }
    let engine = line().find_map(|up| engine(story, up))?;
    Some(format!(
        "give {name}'s container more time to stop (`{engine} run --stop-timeout SECONDS`, or -t of `{engine} stop`: 10 s \
         unless set), or make {name} stop sooner"
    ))
}

/// What sends signals for an engine.
const RUNTIMES: [&[u8]; 5] = [b"runc", b"crun", b"docker-runc", b"youki", b"runsc"];

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|at| at == part)
}

/// The engine that `idx` is, or looks after containers for: `containerd-shim-runc-v2 -namespace moby`,
/// `runc --root /var/run/docker/runtime-runc/moby`.
fn engine(story: &Story, idx: Idx) -> Option<&'static str> {
    let world = &story.world;
    let of_moby = || {
        let mut given = world.arguments(idx).into_iter().flat_map(|word| word.split(|b| *b == b'/'));
        given.any(|part| part == b"moby")
    };
    match world.program_of(idx) {
        b"dockerd" => Some("docker"),
        b"podman" | b"conmon" => Some("podman"),
        _ => of_moby().then_some("docker"),
    }
}
