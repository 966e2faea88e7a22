//! Which shutdown is meant, and reading it with the boot that followed.
//!
//! Invariant: a recording that was named is the one that is explained; unnamed, the newest with a shutdown in it, or in a
//! stand-alone file the first.

use std::path::{Path, PathBuf};

use lastrites_traces::{
    reader::{Item, Summary, Trace},
    session::{End, How, SessionId},
};

use crate::{
    about::{self, Ending},
    ahead,
    error::Error,
    pick::{self, Recording},
    progress::Progress,
    requests::Requests,
    story::{
        Story,
        across::NextBoot,
        sealed_ns,
        service::Entry,
        shutdown::{self, Init, Shutdown},
        who::words,
        world::{NONE, Origin, World},
    },
};

/// A recording and its story.
#[derive(Debug)]
pub struct Picked {
    pub path: PathBuf,
    /// Number in the file, from 1, and how many there are.
    pub number: usize,
    pub count: usize,
    pub summary: Summary,
    /// Who asked and what for, as an exec and reboot(2) show it.
    pub requests: Requests,
    pub story: Story,
}

/// Called for every event that is read, with the recording that it is of; an error ends the reading.
pub type Watch<'a> = &'a mut dyn FnMut(&Summary) -> Result<(), Error>;

/// How much of a recording is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Its last shutdown, and the boot after it.
    Shutdown,
    /// What of that can be read at once: a shutdown that does not begin near the end is not looked for, and a boot after
    /// it that was recorded for long is left out.
    Glance,
    /// The very end of it, wherever its shutdown began; nothing after it.
    Tail,
    /// All of it, and the boot after it.
    All,
}

/// Reads the recording `wanted`, or without it the newest that has a shutdown in it, or else the newest.
pub fn pick(trace: &Trace, path: &Path, wanted: Option<&Recording>) -> Result<Picked, Error> {
    pick_watched(trace, path, wanted, &mut on_stderr())
}

/// The same, told to `watch` instead of standard error.
pub fn pick_watched(
    trace: &Trace,
    path: &Path,
    wanted: Option<&Recording>,
    watch: Watch<'_>,
) -> Result<Picked, Error> {
    pick_extent(trace, path, wanted, Extent::Shutdown, watch)
}

/// The same, reading as much as `extent` says.
pub fn pick_extent(
    trace: &Trace,
    path: &Path,
    wanted: Option<&Recording>,
    extent: Extent,
    watch: Watch<'_>,
) -> Result<Picked, Error> {
    if let Some(wanted) = wanted {
        let (number, _) = pick::pick(trace, path, wanted)?;
        return read_extent(trace, path, number, extent, watch);
    }
    // A boot that was recorded until it settled has no shutdown; most have none or one.
    let (newest, _) = pick::pick(trace, path, &Recording::Newest)?;
    // A stand-alone file begins with what it is about; the boot after it may have gone down since.
    let mut order: Vec<usize> = (1..=newest).collect();
    if trace.is_ring() {
        order.reverse();
    }
    for number in order {
        let summary = &trace.sessions()[number - 1];
        if may_have_shutdown(summary) {
            let picked = read_extent(trace, path, number, extent, watch)?;
            if picked.story.shutdown.is_some() || picked.story.cut {
                return Ok(picked);
            }
        }
    }
    read_extent(trace, path, newest, extent, watch)
}

/// Progress for people who wait at a command.
fn on_stderr() -> impl FnMut(&Summary) -> Result<(), Error> {
    let mut shown: Option<(SessionId, Progress)> = None;
    move |summary| {
        let id = summary.session.id;
        match &mut shown {
            Some((of, progress)) if *of == id => progress.step(),
            _ => shown = Some((id, Progress::new("reading", summary.events))),
        }
        Ok(())
    }
}

/// A recording that was switched off was switched off before any shutdown.
pub(crate) fn may_have_shutdown(summary: &Summary) -> bool {
    !matches!(&summary.end, Some(end) if end.how == How::Disarmed)
}

/// Reads recording `number` (from 1) and the boot after it.
pub fn read(trace: &Trace, path: &Path, number: usize) -> Result<Picked, Error> {
    read_watched(trace, path, number, &mut on_stderr())
}

/// The same, told to `watch` instead of standard error.
pub fn read_watched(trace: &Trace, path: &Path, number: usize, watch: Watch<'_>) -> Result<Picked, Error> {
    read_extent(trace, path, number, Extent::Shutdown, watch)
}

/// The same, reading as much as `extent` says.
pub fn read_extent(
    trace: &Trace,
    path: &Path,
    number: usize,
    extent: Extent,
    watch: Watch<'_>,
) -> Result<Picked, Error> {
    let count = trace.sessions().len();
    let summary = &trace.sessions()[number - 1];
    let (world, requests) = match extent {
        Extent::All => whole(trace, number, watch)?,
        Extent::Shutdown => last_shutdown(trace, number, usize::MAX, watch)?,
        Extent::Glance => last_shutdown(trace, number, SEGMENTS_GLANCE, watch)?,
        Extent::Tail => {
            let id = summary.session.id;
            world(trace.last_events(id, trace.seen(id)?.min(SEGMENTS_TAIL))?, summary, watch)?
        }
    };
    let next = match next_boot(trace, number) {
        _ if extent == Extent::Tail => None,
        Some(after) if extent == Extent::Glance && trace.segments(after.session.id)? > SEGMENTS_FIRST => None,
        Some(after) => {
            Some(NextBoot::new(whole(trace, number + 1, watch)?.0, number + 1, Entry::of(&after.session)))
        }
        None => None,
    };
    let summary = &ended(trace, number, requests.first.is_some());
    let story = Story::tell(world, summary, next);
    Ok(Picked { path: path.to_owned(), number, count, summary: summary.clone(), requests, story })
}

/// The boot after recording `number`, if that was recorded too.
pub fn next_boot(trace: &Trace, number: usize) -> Option<&Summary> {
    let summary = trace.sessions().get(number.checked_sub(1)?)?;
    trace.sessions().get(number).filter(|after| follows(after, summary))
}

/// No shutdown in so many of the last segments: at a glance there is none.
pub(crate) const SEGMENTS_GLANCE: usize = 8;

/// What is shown of a shutdown that begins before a glance.
const SEGMENTS_TAIL: usize = 2;

/// Recording `number`, with an end. One of a shutdown that says nothing of its end and does not go on here ended as power
/// cuts do: the next boot that would have noted so never came, or is not in this copy. Without a shutdown it is as likely
/// that the file was copied while its machine ran.
fn ended(trace: &Trace, number: usize, asked: bool) -> Summary {
    let mut summary = trace.sessions()[number - 1].clone();
    let newest = number == trace.sessions().len();
    if asked
        && summary.end.is_none()
        && Ending::of(&summary, newest, about::boot_id().as_deref()).has_no_seal()
    {
        summary.end = Some(End { how: How::NoSeal, time_ns: summary.last_ns, note: String::new() });
    }
    summary
}

/// Segments that are read first; four times as many each time the shutdown begins before them.
const SEGMENTS_FIRST: usize = 6;
/// What may have led to a shutdown is this close before it.
const BEFORE_NS: u64 = 30_000_000_000;
/// Where nobody was seen to ask, the request may still come in what was not read: a shutdown may take its time.
const UNASKED_NS: u64 = 3_600_000_000_000;

/// As much of the end of a recording as its last shutdown takes: a machine may have been recorded for months.
/// Where there is none in the last `glance` segments, no more is looked at.
fn last_shutdown(
    trace: &Trace,
    number: usize,
    glance: usize,
    watch: Watch<'_>,
) -> Result<(World, Requests), Error> {
    let summary = &trace.sessions()[number - 1];
    let id = summary.session.id;
    let (total, seen) = (trace.segments(id)?, trace.seen(id)?);
    let mut count = SEGMENTS_FIRST;
    while count < total {
        if count > seen {
            return Err(Error::Unseen { number });
        }
        let (world, requests) = world(trace.last_events(id, count)?, summary, watch)?;
        let init = Init::of(&world, &summary.session.init);
        let shutdown = shutdown::find(&world, init, sealed_ns(summary));
        let from_ns = world.first.map_or(0, |at| at.ns);
        let whole = |shutdown: &Shutdown| {
            let first =
                shutdown.asked.as_ref().map_or(shutdown.begin.ns, |asked| asked.at.ns.min(shutdown.begin.ns));
            let before_ns = if shutdown.asked.is_some() { BEFORE_NS } else { UNASKED_NS };
            first > from_ns.saturating_add(before_ns)
        };
        if rc_goes_on(&world) {
            count = count.saturating_mul(4);
            continue;
        }
        let none_at_a_glance = shutdown.is_none() && count.saturating_mul(4) > glance;
        if shutdown.as_ref().is_some_and(whole) || none_at_a_glance {
            return Ok((world, requests));
        }
        count = count.saturating_mul(4);
    }
    whole(trace, number, watch)
}

/// Whether rc was at work on the end already where reading began: what begins the shutdown is before that.
fn rc_goes_on(world: &World) -> bool {
    let of_end = |argv: &[u8]| words(argv).any(|word| matches!(word, b"0" | b"6"));
    let running = world.images.iter().filter(|image| {
        image.before == NONE && world.proc_at(image.proc).is_some_and(|proc| proc.origin == Origin::Running)
    });
    running.filter(|image| world.program(image) == b"rc").any(|image| of_end(world.strings.get(image.argv)))
}

fn whole(trace: &Trace, number: usize, watch: Watch<'_>) -> Result<(World, Requests), Error> {
    let summary = &trace.sessions()[number - 1];
    if trace.seen(summary.session.id)? < trace.segments(summary.session.id)? {
        return Err(Error::Unseen { number });
    }
    world(trace.events(summary.session.id)?, summary, watch)
}

fn world<E: Into<Error>>(
    items: impl Iterator<Item = Result<Item, E>> + Send,
    summary: &Summary,
    watch: Watch<'_>,
) -> Result<(World, Requests), Error> {
    let (mut world, mut requests) = (World::default(), Requests::default());
    let items = items.map(|item| {
        let item = item.map_err(Into::into)?;
        if let Item::Event(event) = &item {
            requests.see(event);
        }
        Ok::<_, Error>(item)
    });
    ahead::each(items, |item: &Item| {
        watch(summary)?;
        world.item(item);
        Ok(())
    })?;
    world.close();
    Ok((world, requests))
}

/// Whether `after` is the boot that followed the shutdown of `summary`.
pub(crate) fn follows(after: &Summary, summary: &Summary) -> bool {
    after.session.previous == Some(summary.session.id) && after.session.boot_id != summary.session.boot_id
}
