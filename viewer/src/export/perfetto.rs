//! For Perfetto's viewer and other readers of Chrome's trace event format (JSON).
//!
//! Invariant: on every track slices lie within each other or apart, never across: readers drop what is not so. A process
//! has one track, in the group of its service; what it lived is a slice, what was sent to or by it a short one, from one
//! to the other an arrow. Times are nanoseconds since boot.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
};

use crate::{
    about::Ending,
    error::Error,
    explain::{Picked, text::Page},
    json::Object,
    names,
    output::Palette,
    story::{
        blame::Why,
        fate::Reception,
        finding::Finding,
        restart::Restart,
        world::{At, Idx, NONE, Sig},
    },
    view::model::Model,
};

/// What is written at a time.
const CHUNK: usize = 64 << 10;
/// How long the slice of a signal is: to be seen, and to be clicked. Shorter where something else happens meanwhile.
const SIGNAL_NS: u64 = 20_000;
/// Longer command lines are cut.
const COMMAND_MAX: usize = 400;
/// Pids end below this one; what has no pid of its own is numbered from here.
const PID_END: u64 = 1 << 22;
/// Groups without a process that they could be numbered by: no program ever has these pids, threads of the kernel do.
const SHUTDOWN: u64 = 3;
const OTHERS: u64 = 2;
const INIT: u64 = 1;

/// Where something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Track {
    group: u64,
    number: u64,
}

const PHASES: Track = Track { group: SHUTDOWN, number: PID_END };
const FINDINGS: Track = Track { group: SHUTDOWN, number: PID_END + 1 };
const WAITS: Track = Track { group: SHUTDOWN, number: PID_END + 2 };
const KERNEL: Track = Track { group: SHUTDOWN, number: PID_END + 3 };
const NUMBERED: u64 = PID_END + 16;

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

/// What stands together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    Init,
    Service(u16),
    /// A daemon that belongs to no service, by its name.
    Daemon(String),
    Others,
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    text: String,
    first: bool,
    model: &'a Model,
    tracks: HashMap<Idx, Track>,
    /// Where arrows end. They are written last: of what happens at the same moment readers take what stands first, and
    /// an arrow that ends before it begins is none.
    tips: Vec<Tip>,
}

/// The end of an arrow.
#[derive(Debug, Clone, Copy)]
struct Tip {
    track: Track,
    ns: u64,
    id: u64,
}

/// Writes the trace of `picked`.
pub fn write(picked: Picked, ending: Ending, out: &mut dyn Write) -> Result<(), Error> {
    let model = Model::new(picked, ending);
    let mut writer = Writer {
        out,
        text: String::new(),
        first: true,
        model: &model,
        tracks: HashMap::new(),
        tips: Vec::new(),
    };
    writer.text.push_str("{\"displayTimeUnit\":\"ns\",\"otherData\":");
    writer.about();
    writer.text.push_str(",\"traceEvents\":[\n");
    writer.name_tracks()?;
    writer.shutdown()?;
    let mut restarts: HashMap<Idx, Vec<usize>> = HashMap::new();
    for (at, restart) in model.story().restarts.iter().enumerate() {
        restarts.entry(restart.by).or_default().push(at);
    }
    for (idx, _) in model.world().all() {
        writer.process(idx, restarts.get(&idx).map_or(&[], Vec::as_slice))?;
    }
    writer.kernel(restarts.get(&NONE).map_or(&[], Vec::as_slice))?;
    writer.tips()?;
    writer.text.push_str("\n]}\n");
    writer.out.write_all(writer.text.as_bytes())?;
    Ok(())
}

/// What both ends of an arrow say.
fn of_arrow(object: &mut Object<'_>, id: u64) {
    object.number("id", id);
    object.text("cat", "cause");
    object.text("name", if id & 1 == 0 { "signal" } else { "started again" });
}

/// Microseconds, to the nanosecond.
fn us(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

impl Writer<'_> {
    fn about(&mut self) {
        let (picked, ending) = (&self.model.picked, self.model.ending);
        let page = Page { picked, ending, width: 1000, palette: Palette::PLAIN };
        let mut head = String::new();
        page.head(&mut head);
        let mut object = Object::open(&mut self.text);
        object.text("source", "lastrites");
        object.text("recording", &picked.summary.session.id.to_string());
        object.text("about", head.trim_end());
        object.close();
    }

    /// One event: its members are `write`'s, but for where it is and when.
    fn event(
        &mut self,
        ph: &str,
        track: Track,
        ns: Option<u64>,
        write: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        if !self.first {
            self.text.push_str(",\n");
        }
        self.first = false;
        let mut object = Object::open(&mut self.text);
        object.text("ph", ph);
        object.number("pid", track.group);
        object.number("tid", track.number);
        if let Some(ns) = ns {
            object.raw("ts", |out| out.push_str(&us(ns)));
        }
        write(&mut object);
        object.close();
        if self.text.len() >= CHUNK {
            self.out.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    fn slice(
        &mut self,
        track: Track,
        (from_ns, to_ns): (u64, u64),
        (name, category): (&str, &str),
        args: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        self.event("X", track, Some(from_ns), |object| {
            object.raw("dur", |out| out.push_str(&us(to_ns.saturating_sub(from_ns))));
            object.text("cat", category);
            object.text("name", name);
            object.object("args", args);
        })
    }

    fn instant(
        &mut self,
        track: Track,
        ns: u64,
        (name, category): (&str, &str),
        args: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        self.event("i", track, Some(ns), |object| {
            object.text("s", "t");
            object.text("cat", category);
            object.text("name", name);
            object.object("args", args);
        })
    }

    /// One end of an arrow, bound to the slice that was written last at that moment.
    fn arrow(&mut self, begins: bool, track: Track, ns: u64, id: u64) -> Result<(), Error> {
        if !begins {
            self.tips.push(Tip { track, ns, id });
            return Ok(());
        }
        self.event("s", track, Some(ns), |object| of_arrow(object, id))
    }

    fn tips(&mut self) -> Result<(), Error> {
        for Tip { track, ns, id } in std::mem::take(&mut self.tips) {
            self.event("f", track, Some(ns), |object| {
                object.text("bp", "e");
                of_arrow(object, id);
            })?;
        }
        Ok(())
    }

    fn name(&mut self, what: &str, track: Track, name: &str) -> Result<(), Error> {
        self.event("M", track, None, |object| {
            object.text("name", what);
            object.object("args", |object| object.text("name", name));
        })
    }

    fn order(&mut self, what: &str, track: Track, place: u64) -> Result<(), Error> {
        self.event("M", track, None, |object| {
            object.text("name", what);
            object.object("args", |object| object.number("sort_index", place));
        })
    }

    /// Gives every process its track, in the group of its service.
    fn name_tracks(&mut self) -> Result<(), Error> {
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

    /// Phases, findings, and whom everybody waited for.
    fn shutdown(&mut self) -> Result<(), Error> {
        let story = self.model.story();
        if let Some(shutdown) = &story.shutdown {
            for phase in &shutdown.phases {
                self.slice(PHASES, (phase.from.ns, phase.to_ns), (phase.kind.title(), "phase"), |object| {
                    object.text("rule", phase.rule);
                    object.number("event", phase.from.number);
                })?;
            }
        }
        for wait in &story.waits {
            let name = match wait.proc {
                NONE => "init itself".to_owned(),
                idx => self.model.label(idx),
            };
            let why = match wait.why {
                Why::Stopping => "it was to stop",
                Why::Running => "it was at work",
                Why::Init => "nobody in particular",
            };
            self.slice(WAITS, (wait.from_ns, wait.to_ns), (&name, "wait"), |object| object.text("why", why))?;
        }
        for (at, finding) in story.findings.iter().enumerate() {
            self.finding(at + 1, finding)?;
        }
        Ok(())
    }

    fn finding(&mut self, number: usize, finding: &Finding) -> Result<(), Error> {
        let world = self.model.world();
        // What is of no single moment is of the end.
        let ns = if finding.at() == At::NEVER { world.last.ns } else { finding.at().ns };
        let name = format!("[{number}] {}", finding.headline);
        self.instant(FINDINGS, ns, (&name, "finding"), |object| {
            object.text("finding", finding.rule.id());
            object.text("confidence", finding.confidence.words());
            for (at, step) in finding.steps.iter().enumerate() {
                object.text(&format!("step {:02}", at + 1), &step.text);
            }
            if let Some(advice) = &finding.advice {
                object.text("to change", advice);
            }
            let events: Vec<String> = finding.evidence().iter().map(u64::to_string).collect();
            object.text("events", &events.join(" "));
        })
    }

    /// The track of one process.
    fn process(&mut self, idx: Idx, restarts: &[usize]) -> Result<(), Error> {
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
    fn kernel(&mut self, restarts: &[usize]) -> Result<(), Error> {
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
                    object.text("killed by", world.sender(sent).trim_end_matches(','));
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
            Reception::Fatal => "dies of",
            Reception::Pending => "has not taken",
        };
        self.slice(track, span, (&format!("{did} {}", names::signal(sent.sig)), "stop"), |object| {
            object.text("told by", model.world().sender(sent).trim_end_matches(','));
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
            object.text("sender", world.sender(sent).trim_end_matches(','));
            object.text("result", &names::result(sent.result));
            object.text("means", sent.means.word());
            object.number("event", sent.at.number);
            if let Some((at, handled)) = sent.took {
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

#[cfg(test)]
mod tests {
    use super::us;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_eq!(us(1_234_567), "1234.567");
        assert_eq!(us(7), "0.007");
    }
}
