//! Whom killall5 was told to leave alone: `killall5 -15 -o 870`.
//!
//! Invariant: who is on the list, as an argument of the command that killed the others, and lived then.

use super::Step;
use crate::story::{
    Story,
    service::Kind,
    shutdown::Init,
    who::words,
    world::{At, Idx, World},
};

/// Programs that kill everybody but whom they are told to leave alone.
pub(super) const KILL_ALL: [&[u8]; 2] = [b"killall5", b"kill_all"];

/// Whether `idx` is what `initctl list` names for a job, and sendsigs of Upstart leaves alone: such a job is to be stopped
/// by its own `stop on`, and one that has none is not told by anybody.
pub(super) fn is_job(story: &Story, idx: Idx) -> bool {
    let of_job = |id| story.services.get(id).kind == Kind::Upstart;
    let of_init = story.world.proc_at(idx).is_some_and(|proc| story.world.is_init(proc.parent));
    story.init == Init::Upstart && of_init && story.service(idx).is_some_and(of_job)
}

/// Where the list of `killer` comes from that `idx` is on: of killall5, on Debian and its like.
pub(super) fn from(story: &Story, killer: Idx, idx: Idx) -> &'static str {
    match story.world.program_of(killer) {
        b"killall5" if is_job(story, idx) => ", as `initctl list` names it",
        // What belongs to no job that is known may be one all the same.
        b"killall5" if story.init == Init::Upstart && story.service(idx).is_none() => {
            ", as `initctl list` or a pid file in /run/sendsigs.omit.d has it"
        }
        b"killall5" => ", as pid files in /run/sendsigs.omit.d have it",
        _ => "",
    }
}

/// Each of them that had such a list, in order of time.
#[derive(Debug, Default)]
pub(super) struct Omitted(Vec<(At, Idx, Vec<u32>)>);

impl Omitted {
    pub fn of(world: &World) -> Self {
        let mut all = Vec::new();
        for image in world.images.iter().filter(|image| KILL_ALL.contains(&world.program(image))) {
            let words: Vec<&[u8]> = words(world.strings.get(image.argv)).collect();
            let lists =
                words.windows(2).filter(|pair| matches!(pair[0], b"-o" | b"--omit")).map(|pair| pair[1]);
            let pids: Vec<u32> = lists
                .flat_map(|list| list.split(|byte| *byte == b','))
                .filter_map(|pid| std::str::from_utf8(pid).ok()?.parse().ok())
                .collect();
            if !pids.is_empty() {
                all.push((image.at, image.proc, pids));
            }
        }
        all.sort_unstable();
        Self(all)
    }

    /// Whether `killer` was told to leave `idx` alone.
    pub fn by(&self, world: &World, killer: Idx, idx: Idx) -> bool {
        self.first(world, idx, Some(killer)).is_some()
    }

    fn first(&self, world: &World, idx: Idx, killer: Option<Idx>) -> Option<(At, Idx)> {
        let (proc, pid) = (world.proc_at(idx)?, world.pid(idx));
        let of_it = |(at, by, pids): &&(At, Idx, Vec<u32>)| {
            killer.is_none_or(|killer| killer == *by) && pids.contains(&pid) && proc.lives(at.ns)
        };
        self.0.iter().find(of_it).map(|(at, by, _)| (*at, *by))
    }

    /// That a spree left `idx` out, so that it could start again what the spree had stopped.
    pub fn step(&self, story: &Story, idx: Idx) -> Option<Step> {
        let world = &story.world;
        let (at, by) = self.first(world, idx, None)?;
        let text = format!(
            "{} was told to leave {} alone (-o {}){}",
            story.chain(by, at.ns),
            world.label(idx),
            world.pid(idx),
            from(story, by, idx)
        );
        Some(Step::at(at, text))
    }
}
