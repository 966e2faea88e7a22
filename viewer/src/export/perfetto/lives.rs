//! What processes lived, sent and got.
//!
//! Invariant: on every track slices lie within each other or apart, never across.

use super::{
    events::Writer,
    tracks::{KERNEL, Track},
};
use crate::{
    error::Error,
    names,
    story::{
        fate::Reception,
        restart::Restart,
        world::{Idx, NONE, Sig},
    },
    view::model::Model,
};

/// How long the slice of a signal is: to be seen, and to be clicked. Shorter where something else happens meanwhile.
const SIGNAL_NS: u64 = 20_000;
/// Longer command lines are cut.
const COMMAND_MAX: usize = 400;
/// A slice of a track.
#[derive(Debug)]
struct Slice {
    from_ns: u64,
    to_ns: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Life,
    Stopping,
    /// A signal, at its sender or at its target.
    Sent(u32),
    Came(u32),
    /// It started another again: the place of that restart.
    Restarted(usize),
}

impl What {
    /// How long it would be if nothing else was there; lives and stops have ends of their own.
    const fn is_brief(self) -> bool {
        matches!(self, Self::Sent(_) | Self::Came(_) | Self::Restarted(_))
    }
}

impl Writer<'_> {
    /// The track of one process.
    pub fn process(&mut self, idx: Idx, restarts: &[usize]) -> Result<(), Error> {
        let model = self.model;
        let (story, world) = (model.story(), model.world());
        let Some(proc) = world.proc_at(idx) else { return Ok(()) };
        let Some(track) = self.tracks.get(&idx).copied() else { return Ok(()) };
        let end_ns = if proc.dead() { proc.exit.ns } else { model.last_ns };
        let (from_ns, to_ns) = (proc.born.ns, end_ns.max(proc.born.ns.saturating_add(1)));
        let mut slices = vec![Slice { from_ns, to_ns, what: What::Life }];
        if let Some(told) = story.fate(idx).and_then(|fate| fate.told) {
            let told_ns = told.at(world).ns;
            if from_ns <= told_ns && told_ns < to_ns {
                slices.push(Slice { from_ns: told_ns, to_ns, what: What::Stopping });
            }
        }
        self.brief(&mut slices, model.from(idx), model.to(idx), restarts);
        self.put(track, Some(idx), slices)?;
        if let Some(how) = proc.dead().then(|| names::status(u32::from(proc.status))) {
            self.instant(track, to_ns, (&how, "end"), |object| object.number("event", proc.exit.number))?;
        }
        Ok(())
    }

    /// The track of what the kernel does of its own accord.
    pub fn kernel(&mut self, restarts: &[usize]) -> Result<(), Error> {
        let sigs = &self.model.world().sigs;
        let sent: Vec<u32> =
            sigs.iter().zip(0..).filter(|(sent, _)| sent.sender == NONE).map(|(_, at)| at).collect();
        let mut slices = Vec::new();
        self.brief(&mut slices, &sent, &[], restarts);
        self.put(KERNEL, None, slices)
    }

    /// Adds what was sent, what came, and whom it started again.
    fn brief(&self, slices: &mut Vec<Slice>, sent: &[u32], came: &[u32], restarts: &[usize]) {
        let (story, world) = (self.model.story(), self.model.world());
        let at = |number: &u32| world.sig(*number).map_or(0, |sent| sent.at.ns);
        let brief = |from_ns: u64, what: What| Slice { from_ns, to_ns: from_ns, what };
        slices.extend(sent.iter().map(|number| brief(at(number), What::Sent(*number))));
        slices.extend(came.iter().map(|number| brief(at(number), What::Came(*number))));
        slices.extend(restarts.iter().map(|at| brief(story.restarts[*at].at.ns, What::Restarted(*at))));
        // What lasts first: it holds what begins with it.
        slices.sort_by_key(|slice| (slice.from_ns, slice.what.is_brief(), std::cmp::Reverse(slice.to_ns)));
        let mut bounds: Vec<u64> = slices.iter().flat_map(|slice| [slice.from_ns, slice.to_ns]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        for slice in slices.iter_mut().filter(|slice| slice.what.is_brief()) {
            let next = bounds[bounds.partition_point(|ns| *ns <= slice.from_ns)..].first();
            slice.to_ns = next.copied().unwrap_or(u64::MAX).min(slice.from_ns.saturating_add(SIGNAL_NS));
        }
    }

    fn put(&mut self, track: Track, idx: Option<Idx>, slices: Vec<Slice>) -> Result<(), Error> {
        for slice in slices {
            let span = (slice.from_ns, slice.to_ns);
            match (slice.what, idx) {
                (What::Life, Some(idx)) => self.life(track, span, idx)?,
                (What::Stopping, Some(idx)) => self.stopping(track, span, idx)?,
                (What::Sent(number) | What::Came(number), _) => {
                    let began = matches!(slice.what, What::Sent(_));
                    self.signal(track, span, number, began)?;
                }
                (What::Restarted(at), _) => self.restarted(track, span, at)?,
                (What::Life | What::Stopping, None) => {}
            }
        }
        Ok(())
    }

    fn life(&mut self, track: Track, span: (u64, u64), idx: Idx) -> Result<(), Error> {
        let model = self.model;
        let (story, world) = (model.story(), model.world());
        let image = world.image(world.image_of(idx));
        self.slice(track, span, (&world.name(idx), "process"), |object| {
            object.number("process", world.pid(idx));
            if let Some(image) = image {
                object.text("command", &world.command(image, COMMAND_MAX));
                object.number("uid", image.uid);
            }
            if let Some(proc) = world.proc_at(idx) {
                if world.proc_at(proc.parent).is_some() {
                    object.text("parent", &world.label(proc.parent));
                }
                object.number("born at event", proc.born.number);
            }
            if let Some(fate) = story.fate(idx) {
                object.text("ended", fate.verdict.word());
                if let Some(sent) = fate.killer.and_then(|killer| world.sig(killer)) {
                    object.text("killed by", story.sender(sent).trim_end_matches(','));
                }
            }
            if let Some(restart) = story.replaces(idx) {
                object.text("in place of", &world.label(restart.old));
            }
            if let Some(restart) = story.replaced(idx) {
                object.text("replaced by", &world.label(restart.new));
            }
        })?;
        if let Some(restart) = story.replaces(idx) {
            self.arrow(false, track, span.0, arrow_of(restart))?;
        }
        Ok(())
    }

    fn stopping(&mut self, track: Track, span: (u64, u64), idx: Idx) -> Result<(), Error> {
        let model = self.model;
        let fate = model.story().fate(idx).and_then(|fate| fate.told);
        let Some((told, sent)) = fate.and_then(|told| Some((told, model.world().sig(told.sent)?))) else {
            return Ok(());
        };
        let did = match told.reception {
            Reception::Ignored => "ignores",
            Reception::Handled => "handles",
            Reception::BeforeExec => "handles before its exec",
            Reception::Fatal => "dies of",
            Reception::Pending => "has not taken",
        };
        self.slice(track, span, (&format!("{did} {}", names::signal(sent.sig)), "stop"), |object| {
            object.text("told by", model.story().sender(sent).trim_end_matches(','));
            object.number("event", sent.at.number);
        })
    }

    fn signal(&mut self, track: Track, span: (u64, u64), number: u32, began: bool) -> Result<(), Error> {
        let model = self.model;
        let world = model.world();
        let Some(sent) = world.sig(number) else { return Ok(()) };
        let sig = names::signal(sent.sig);
        let name = match began {
            true => format!("{sig} to {}", world.label(sent.target)),
            false => format!("{sig} from {}", from(model, sent)),
        };
        self.slice(track, span, (&name, "signal"), |object| {
            object.text("sender", model.story().sender(sent).trim_end_matches(','));
            object.text("result", &names::result(sent.result));
            object.text("means", sent.means.word());
            object.number("event", sent.at.number);
            if let Some((at, handled)) = sent.took() {
                object.text("taken", if handled { "by its handler" } else { "the default action" });
                object.number("taken at event", at.number);
            }
        })?;
        // Who sends to itself needs no arrow.
        if sent.sender != sent.target {
            self.arrow(began, track, span.0, u64::from(number) * 2)?;
        }
        Ok(())
    }

    fn restarted(&mut self, track: Track, span: (u64, u64), at: usize) -> Result<(), Error> {
        let model = self.model;
        let Some(restart) = model.story().restarts.get(at) else { return Ok(()) };
        let name = format!("started {} again", model.world().label(restart.new));
        self.slice(track, span, (&name, "restart"), |object| {
            object.text("in place of", &model.world().label(restart.old));
            object.number("event", restart.at.number);
        })?;
        self.arrow(true, track, span.0, arrow_of(restart))
    }
}

fn from(model: &Model, sent: &Sig) -> String {
    match sent.sender {
        NONE => "the kernel".into(),
        sender => model.deed_label(sender, sent.at.ns),
    }
}

/// A number for the arrow of a restart; those of signals are even.
fn arrow_of(restart: &Restart) -> u64 {
    u64::from(restart.new) * 2 + 1
}
