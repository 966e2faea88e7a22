//! On whose behalf somebody acted.
//!
//! Invariant: a command that pid 1 runs has no forefather that people know; the unit whose cgroup it is in says whose it
//! is. That it stops that unit is said only where the unit was seen to run before.

use std::collections::HashSet;

use super::{
    Story, alike,
    service::{Kind, ServiceId, of_cgroup},
    world::{Idx, Means, NONE, Sig, World},
};

/// Units that had a process before the shutdown began.
pub(super) type Earlier = HashSet<Vec<u8>>;

impl Story {
    /// Like [`World::chain`], with the unit that it is of where no name in it says that:
    /// `killall mongod (stop command of backup.service)`.
    pub fn chain(&self, idx: Idx, ns: u64) -> String {
        let chain = self.world.chain(idx, ns);
        match self.behalf(idx) {
            Some(behalf) => format!("{chain} ({behalf})"),
            None => chain,
        }
    }

    /// Like [`World::sender`], with the unit that it is of where no name in it says that.
    pub fn sender(&self, sent: &Sig) -> String {
        let sender = self.world.sender(sent);
        let meant = matches!(sent.means, Means::Call | Means::Broadcast | Means::Group | Means::CgroupKill);
        match self.behalf(sent.sender).filter(|_| meant && sent.sender != NONE) {
            Some(behalf) => format!("{sender} ({behalf})"),
            None => sender,
        }
    }

    /// `stop command of backup.service`, `unit mariadb.service`: of whom no forefather has a name that says it.
    pub fn behalf(&self, idx: Idx) -> Option<String> {
        let world = &self.world;
        let line = || std::iter::once(idx).chain(world.ancestors(idx)).take_while(|up| !world.is_init(*up));
        let top = line().last()?;
        if !world.proc_at(top).is_some_and(|proc| world.is_init(proc.parent)) {
            return None;
        }
        let id = self.service(idx)?;
        let unit = self.services.get(id);
        let of_person = unit.name.ends_with(".scope") || unit.name.starts_with("user@");
        if unit.kind != Kind::Unit || of_person || line().any(|up| alike(&unit.name, &world.name(up))) {
            return None;
        }
        Some(match self.is_command(top) {
            true if self.ran_before(id) => format!("stop command of {}", unit.name),
            true => format!("command of {}", unit.name),
            false => format!("unit {}", unit.name),
        })
    }

    /// Whether it is a stop command of its unit, or runs in one.
    pub fn stops_its_unit(&self, idx: Idx) -> bool {
        let world = &self.world;
        let line = std::iter::once(idx).chain(world.ancestors(idx)).take_while(|up| !world.is_init(*up));
        let of_unit = self.service(idx).filter(|id| self.services.get(*id).kind == Kind::Unit);
        line.last().is_some_and(|top| self.is_command(top)) && of_unit.is_some_and(|id| self.ran_before(id))
    }

    /// Whether pid 1 ran it for its unit in the shutdown, and not as what the unit is there for.
    fn is_command(&self, idx: Idx) -> bool {
        let born = self.world.proc_at(idx).map(|proc| proc.born);
        let begin = self.shutdown.as_ref().map(|shutdown| shutdown.begin);
        born.zip(begin).is_some_and(|(born, begin)| born >= begin) && self.replaces(idx).is_none()
    }

    /// Whether a unit had a process before the shutdown began.
    fn ran_before(&self, unit: ServiceId) -> bool {
        let earlier = self.earlier.get_or_init(|| earlier(&self.world, self));
        earlier.contains(self.services.get(unit).name.as_bytes())
    }
}

fn earlier(world: &World, story: &Story) -> Earlier {
    let Some(shutdown) = &story.shutdown else { return Earlier::new() };
    let before = world.all().filter(|(_, proc)| proc.born < shutdown.begin);
    let cgroups: HashSet<u64> = before.map(|(_, proc)| proc.cgroup).collect();
    let paths = cgroups.iter().filter_map(|id| world.cgroups.get(id));
    let units = paths.filter_map(|path| of_cgroup(world.strings.get(*path)));
    units.map(|(_, name)| crate::safe::text(name).into_bytes()).collect()
}
