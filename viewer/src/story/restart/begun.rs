//! Restarts that did not come to their end: init had begun to start a service again, and what starts it was still at
//! work.
//!
//! Invariant: what runs for the service then is what ran when the old one was started, word for word; or it is the shell of an
//! inittab entry, which is one program. A job's script that
//! is handed over as a descriptor has no words of its own: its last script looks like its first. Nor has what systemd runs
//! all of them by.

use std::collections::HashMap;

use super::{By, Found, LOOK_BACK, Restart, WITHIN_NS, is_cut_short, own_image};
use crate::story::{
    behalf::is_launcher,
    intern::Str,
    service::{Kind, ServiceId, Services},
    who::{is_descriptor, words},
    world::{At, Idx, IdxMap, IdxSet, NONE, Origin, World},
};

pub(super) fn add(
    world: &World,
    services: &mut Services,
    from: At,
    until: At,
    daemon: impl Fn(Idx) -> Idx,
    found: &mut Found<'_>,
) {
    let mut wanted: IdxMap<(Str, Str)> = IdxMap::default();
    for (idx, proc) in world.all() {
        let born = proc.born >= from && proc.born <= until && proc.origin == Origin::Forked;
        if born
            && world.is_init(proc.parent)
            && !found.is_heir(idx)
            && let Some(image) = own_image(world, idx, proc)
            && !words(world.strings.get(image.argv)).any(is_descriptor)
            && !is_launcher(world, image)
        {
            wanted.insert(idx, (image.filename, image.argv));
        }
    }
    if wanted.is_empty() {
        return;
    }
    // What somebody was on his way to what he became, with when that one ended.
    let mut began: HashMap<(Str, Str), Vec<(At, Idx)>> =
        wanted.values().map(|line| (*line, Vec::new())).collect();
    for (idx, _) in world.all().filter(|(_, proc)| world.is_init(proc.parent)) {
        for image in world.own_images(idx).skip(1) {
            if let Some(those) = began.get_mut(&(image.filename, image.argv)) {
                let last = daemon(idx);
                those.extend(world.proc_at(last).filter(|proc| proc.dead()).map(|proc| (proc.exit, last)));
            }
        }
    }
    began.values_mut().for_each(|those| those.sort_unstable());
    let mut news: Vec<Idx> = wanted.keys().copied().collect();
    news.sort_unstable_by_key(|idx| (world.procs[*idx as usize].born, *idx));
    let mut entries: Option<Entries> = None;
    for new in news {
        let (line, born) = (wanted[&new], world.procs[new as usize].born);
        let Some(service) = services.of(world, new) else { continue };
        let those = began.get(&line).map_or(&[][..], Vec::as_slice);
        let before = those.partition_point(|(gone, _)| *gone <= born);
        let near = those[..before]
            .iter()
            .rev()
            .take(LOOK_BACK)
            .take_while(|(gone, _)| *gone >= from && gone.ns.saturating_add(WITHIN_NS) >= born.ns);
        let mut near = near.map(|(_, old)| *old).filter(|old| !found.replaced[*old as usize]);
        let of_line = near.find(|old| services.of(world, *old) == Some(service));
        let of_entry = || {
            let shell = world.image(world.image_of(new)).is_some_and(|image| world.is_shell(image));
            if !shell || services.get(service).kind != Kind::Inittab {
                return None;
            }
            let entries =
                entries.get_or_insert_with(|| Entries::new(world, from, |up| wanted.contains_key(&up)));
            entries.old(world, services, new, service, found)
        };
        let Some(old) = of_line.or_else(of_entry) else { continue };
        let restart = Restart {
            old,
            new,
            by: world.procs[new as usize].parent,
            how: By::Init,
            ordered: NONE,
            at: born,
            up: world.procs[new as usize].image,
            service: Some(service),
        };
        found.add(services, restart);
    }
}

/// Who ran for entries of inittab, asked for by few.
struct Entries {
    /// Children of init that ended in the shutdown, in order of that.
    gone: Vec<(At, Idx)>,
    /// Who ran anything.
    parents: IdxSet,
}

impl Entries {
    fn new(world: &World, from: At, wanted: impl Fn(Idx) -> bool) -> Self {
        let of_init = world.all().filter(|(_, proc)| world.is_init(proc.parent));
        let ended = of_init.filter(|(_, proc)| proc.dead() && proc.exit >= from);
        let mut gone: Vec<(At, Idx)> = ended.map(|(idx, proc)| (proc.exit, idx)).collect();
        gone.sort_unstable();
        let parents = world.all().map(|(_, proc)| proc.parent).filter(|up| wanted(*up)).collect();
        Self { gone, parents }
    }

    /// Who ran for its entry before `new`, a shell that came to its end, or to that of the machine, before it ran anything.
    fn old(
        &self,
        world: &World,
        services: &mut Services,
        new: Idx,
        service: ServiceId,
        found: &Found<'_>,
    ) -> Option<Idx> {
        let proc = world.proc_at(new)?;
        if !is_cut_short(world, new) || self.parents.contains(&new) {
            return None;
        }
        let before = self.gone.partition_point(|(gone, _)| *gone <= proc.born);
        let near = self.gone[..before].iter().rev().take(LOOK_BACK);
        let near = near.take_while(|(gone, _)| gone.ns.saturating_add(WITHIN_NS) >= proc.born.ns);
        let mut near = near.map(|(_, old)| *old).filter(|old| !found.replaced[*old as usize]);
        near.find(|old| services.of(world, *old) == Some(service))
    }
}
