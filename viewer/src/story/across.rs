//! Across the reboot: what became of a service at the next boot.
//!
//! Invariant: matched by program and service, never by pid: pids repeat. Only the first run after the boot counts, which
//! is none that a script made only to ask something; and what runs anything is not known by its name alone.

use std::collections::HashMap;

use super::{
    service::{Entry, Services},
    world::{At, Idx, IdxSet, Proc, World},
};

/// The boot that followed, as far as it was recorded.
#[derive(Debug)]
pub struct NextBoot {
    pub world: World,
    /// Number of its recording in the file, from 1.
    pub recording: usize,
    /// First runs of each program, by its name: a script's, not its interpreter's.
    first: HashMap<Vec<u8>, Vec<Idx>>,
    /// The services of these.
    services: Services,
    /// Who was told to stop.
    told: IdxSet,
    /// Who ended before a child of his did, as the first process of a daemon does.
    left: IdxSet,
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
/// Nothing that runs was asked something and gave an answer for longer.
const BRIEF_NS: u64 = 10_000_000_000;
/// Programs that run what their arguments say.
const RUN_ANYTHING: [&[u8]; 15] = [
    b"sh", b"dash", b"bash", b"zsh", b"ksh", b"fish", b"busybox", b"perl", b"ruby", b"python", b"php",
    b"node", b"java", b"mono", b"dotnet",
];
/// So many runs of one program are looked at.
const RUNS_MAX: usize = 16;

impl NextBoot {
    /// `entries`: its inittab, as far as the recording has it.
    pub fn new(world: World, recording: usize, entries: Vec<Entry>) -> Self {
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
        let mut services = Services::new(entries);
        for run in first.values().flatten() {
            services.of(&world, *run);
        }
        let stops = world.sigs.iter().filter(|sent| matches!(sent.sig, 15 | 2 | 9));
        let told = stops.map(|sent| sent.target).collect();
        let outlived = |proc: &Proc| world.proc_at(proc.parent).is_some_and(|parent| parent.exit < proc.exit);
        let left = world.all().filter(|(_, proc)| outlived(proc)).map(|(_, proc)| proc.parent).collect();
        Self { world, recording, first, services, told, left }
    }

    /// The first real run of the program of `idx` if it failed while starting: exited with an error, or crashed.
    pub fn failed<'a>(&'a self, of: &World, services: &'a Services, idx: Idx) -> Option<Again> {
        let image = of.image(of.image_of(idx))?;
        let runs = self.first.get(of.program(image))?;
        let name = |services: &'a Services, idx| services.known(idx).map(|id| services.get(id).name.as_str());
        let wanted = name(services, idx);
        let words = of.arguments(idx);
        let alike = |run: Idx| self.world.arguments(run) == words;
        let runs_anything = RUN_ANYTHING.contains(&version_cut(of.program(image)));
        let same = |run: Idx| {
            let here = name(&self.services, run);
            match (wanted, here) {
                (Some(wanted), Some(here)) => here == wanted,
                _ => !runs_anything || alike(run),
            }
        };
        let mut those = runs.iter().copied().filter(|run| same(*run));
        // One with other arguments that was gone at once, and well, has told a script something: `mariadbd --print-defaults`.
        let run = those.clone().find(|run| alike(*run)).or_else(|| those.find(|run| !self.is_brief(*run)))?;
        let proc = self.world.proc_at(run).filter(|proc| proc.dead())?;
        let up = self.world.image(proc.image).map_or(proc.born, |image| image.at);
        let lived_ns = proc.exit.ns.saturating_sub(up.ns);
        // Told to stop is not failed.
        let failed = proc.status != 0 && !self.told.contains(&run) && lived_ns < STARTING_NS;
        failed.then(|| Again {
            label: self.world.label(run),
            pid: proc.id.tgid,
            lived_ns,
            status: proc.status.into(),
            exit: proc.exit,
        })
    }

    /// Whether it was over soon, and well, and left nobody.
    fn is_brief(&self, run: Idx) -> bool {
        let Some(proc) = self.world.proc_at(run) else { return false };
        let lived_ns = proc.exit.ns.saturating_sub(proc.born.ns);
        proc.dead() && proc.status == 0 && lived_ns < BRIEF_NS && !self.left.contains(&run)
    }
}

/// `python3.11` is python.
fn version_cut(program: &[u8]) -> &[u8] {
    let version = program.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    &program[..program.len() - version]
}
