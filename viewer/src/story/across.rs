//! Across the reboot: what became of a service at the next boot.
//!
//! Invariant: matched by program and service, never by pid: pids repeat. Only the first run after the boot counts.

use std::collections::HashMap;

use super::{
    service::Services,
    world::{At, Idx, World},
};

/// The boot that followed, as far as it was recorded.
#[derive(Debug)]
pub struct NextBoot {
    pub world: World,
    /// Number of its recording in the file, from 1.
    pub recording: usize,
    /// First runs of each program, by its name: a script's, not its interpreter's.
    first: HashMap<Vec<u8>, Vec<Idx>>,
}

/// How a program fared at the next boot.
#[derive(Debug, Clone)]
pub struct Again {
    pub label: String,
    pub pid: u32,
    /// Since its start.
    pub lived_ns: u64,
    /// As wait(2) gives it.
    pub status: u32,
    pub exit: At,
}

/// A failure that comes later than this after the start is not one of starting.
const STARTING_NS: u64 = 60_000_000_000;
/// So many runs of one program are looked at.
const RUNS_MAX: usize = 16;

impl NextBoot {
    pub fn new(world: World, recording: usize) -> Self {
        let mut first: HashMap<Vec<u8>, Vec<Idx>> = HashMap::new();
        for (idx, proc) in world.all() {
            let own = world.image(proc.image).filter(|image| image.proc == idx && !image.filename.is_empty());
            if let Some(image) = own {
                let runs = first.entry(world.program(image).to_owned()).or_default();
                if runs.len() < RUNS_MAX {
                    runs.push(idx);
                }
            }
        }
        Self { world, recording, first }
    }

    /// The first run of the program of `idx` if it failed while starting: exited with an error, or crashed.
    pub fn failed(&self, of: &World, services: &Services, idx: Idx) -> Option<Again> {
        let image = of.image(of.image_of(idx))?;
        let runs = self.first.get(of.program(image))?;
        let mut here = Services::new(services.entries.clone());
        let wanted = services.known(idx).map(|id| services.get(id).name.clone());
        let same = |here: &mut Services, run: Idx| {
            let name = here.of(&self.world, run).map(|id| here.get(id).name.clone());
            wanted.is_none() || name.is_none() || name == wanted
        };
        let run = runs.iter().copied().find(|run| same(&mut here, *run))?;
        let proc = self.world.proc_at(run).filter(|proc| proc.dead())?;
        let up = self.world.image(proc.image).map_or(proc.born, |image| image.at);
        let lived_ns = proc.exit.ns.saturating_sub(up.ns);
        // Told to stop is not failed.
        let told = self.world.sigs.iter().any(|sent| sent.target == run && matches!(sent.sig, 15 | 2 | 9));
        let failed = proc.status != 0 && !told && lived_ns < STARTING_NS;
        failed.then(|| Again {
            label: self.world.label(run),
            pid: proc.id.tgid,
            lived_ns,
            status: proc.status,
            exit: proc.exit,
        })
    }
}
