//! Where everything is drawn: groups of tracks, numbered as processes are.
//!
//! Invariant: every process has one track, and no two share one.

use std::collections::{HashMap, HashSet};

use super::events::Writer;
use crate::error::Error;

/// Pids end below this one; what has no pid of its own is numbered from here.
const PID_END: u64 = 1 << 22;
/// Groups without a process that they could be numbered by: no program ever has these pids, threads of the kernel do.
const SHUTDOWN: u64 = 3;
const OTHERS: u64 = 2;
const INIT: u64 = 1;

/// Where something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Track {
    pub group: u64,
    pub number: u64,
}

pub(super) const PHASES: Track = Track { group: SHUTDOWN, number: PID_END };
pub(super) const FINDINGS: Track = Track { group: SHUTDOWN, number: PID_END + 1 };
pub(super) const WAITS: Track = Track { group: SHUTDOWN, number: PID_END + 2 };
pub(super) const KERNEL: Track = Track { group: SHUTDOWN, number: PID_END + 3 };
const NUMBERED: u64 = PID_END + 16;

/// What stands together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    Init,
    Service(u16),
    /// A daemon that belongs to no service, by its name.
    Daemon(String),
    Others,
}

impl Writer<'_> {
    /// Gives every process its track, in the group of its service.
    pub fn name_tracks(&mut self) -> Result<(), Error> {
        let model = self.model;
        let (story, world) = (model.story(), model.world());
        for (place, (track, name)) in
            [(PHASES, "phases"), (FINDINGS, "findings"), (WAITS, "waited for"), (KERNEL, "the kernel")]
                .into_iter()
                .enumerate()
        {
            if place == 0 {
                self.name("process_name", track, "the shutdown")?;
                self.order("process_sort_index", track, 0)?;
            }
            self.name("thread_name", track, name)?;
            self.order("thread_sort_index", track, place as u64)?;
        }
        let mut groups: HashMap<Group, u64> = HashMap::new();
        let mut numbers: HashSet<u64> = HashSet::from([SHUTDOWN, OTHERS, INIT]);
        let mut named: HashSet<u64> = HashSet::new();
        let mut taken: HashSet<u64> = HashSet::new();
        for (idx, proc) in world.all() {
            let pid = u64::from(proc.id.tgid);
            let of = match story.service(idx) {
                _ if world.is_init(idx) => Group::Init,
                Some(id) => Group::Service(id),
                None if story.matters(idx) => Group::Daemon(world.name(idx)),
                None => Group::Others,
            };
            let next = groups.len() as u64;
            let group = *groups.entry(of.clone()).or_insert_with(|| match of {
                Group::Init => INIT,
                Group::Others => OTHERS,
                // A group has the pid of its first process, unless another one has that already.
                _ if numbers.insert(pid) => pid,
                _ => NUMBERED + world.procs.len() as u64 + next,
            });
            // A pid that is used again is numbered, for readers know no processes but by numbers.
            let again = !taken.insert(pid) || pid == 0;
            let track = Track { group, number: if again { NUMBERED + u64::from(idx) } else { pid } };
            self.tracks.insert(idx, track);
            if named.insert(group) {
                let name = match of {
                    Group::Service(id) => {
                        let service = story.services.get(id);
                        format!("{} ({})", service.name, service.kind.word())
                    }
                    Group::Daemon(name) => name,
                    Group::Init => world.name(idx),
                    Group::Others => "commands, scripts and all others".into(),
                };
                self.name("process_name", track, &name)?;
                let place = match group {
                    INIT => 1,
                    OTHERS => u64::from(u32::MAX >> 1),
                    _ => 1 + named.len() as u64,
                };
                self.order("process_sort_index", track, place)?;
            }
            let name = if again { world.label(idx) } else { world.name(idx) };
            self.name("thread_name", track, &name)?;
        }
        Ok(())
    }
}
