//! Stop commands: what ends a service without a signal to it.
//!
//! Invariant: who ended while a stop command of its own service ran did not end by itself. That the command did it is
//! never said, for nobody saw how it spoke to the service.

use super::{
    fate::Fate,
    intern::PerString,
    service::Services,
    who::words,
    world::{At, Idx, IdxSet, Image, World},
};

/// What stop commands are told: `/etc/init.d/slapd stop`, `pg_ctl stop`, `redis-cli shutdown`, `nginx -s quit`.
const WORDS: [&[u8]; 9] = [
    b"stop",
    b"force-stop",
    b"fast-stop",
    b"graceful-stop",
    b"shutdown",
    b"--shutdown",
    b"quit",
    b"down",
    b"halt",
];
/// A stop command that has done its work may be gone before its service is.
const AFTER_NS: u64 = 5_000_000_000;
/// So many of the last are looked at for each end.
const LOOK_BACK: usize = 64;

/// Whether `argv` is that of a stop command.
pub(super) fn says_stop(argv: &[u8]) -> bool {
    words(argv).skip(1).take(8).any(|word| WORDS.contains(&word))
}

/// The stop commands of a shutdown, in order of their births.
#[derive(Debug, Default)]
pub struct Stoppers(Vec<(At, Idx)>);

impl Stoppers {
    /// Those among the processes whose ends are known.
    pub fn new(world: &World, fates: &[Fate], begin: At) -> Self {
        let mut known = PerString::default();
        let mut stops = |image: &Image| known.of(image.argv, || says_stop(world.strings.get(image.argv)));
        let those: IdxSet = world.images.iter().filter(|i| stops(i)).map(|image| image.proc).collect();
        if those.is_empty() {
            return Self::default();
        }
        let mut list: Vec<(At, Idx)> = fates
            .iter()
            .filter(|fate| those.contains(&fate.proc))
            .filter_map(|fate| Some((world.proc_at(fate.proc)?.born, fate.proc)))
            .filter(|(born, idx)| *born >= begin && world.own_images(*idx).any(&mut stops))
            .collect();
        list.sort_unstable();
        Self(list)
    }

    /// The stop command of the same service that ran when `idx` ended.
    pub fn of(&self, world: &World, services: &Services, idx: Idx) -> Option<Idx> {
        let proc = world.proc_at(idx).filter(|proc| proc.dead())?;
        let name = &services.get(services.known(idx)?).name;
        let before = self.0.partition_point(|(born, _)| *born <= proc.exit);
        let near = self.0[..before].iter().rev().take(LOOK_BACK);
        let of_it = |other: Idx| {
            let theirs = services.known(other).map(|id| &services.get(id).name);
            theirs == Some(name)
                && other != idx
                && world
                    .proc_at(other)
                    .is_some_and(|other| other.exit.ns.saturating_add(AFTER_NS) >= proc.exit.ns)
                && world.ancestors(other).all(|up| up != idx)
                && world.ancestors(idx).all(|up| up != other)
        };
        let near: Vec<Idx> = near.map(|(_, other)| *other).filter(|other| of_it(*other)).collect();
        let runs = |other: &&Idx| world.proc_at(**other).is_some_and(|other| other.exit >= proc.exit);
        // One that still ran then is more to the point; the first of several, of which one runs the other, is what
        // people know.
        near.iter().rfind(runs).or(near.last()).copied()
    }
}
