//! Which shutdown is meant, and reading it with the boot that followed.
//!
//! Invariant: a recording that was named is the one that is explained; unnamed, the newest with a shutdown in it.

use std::path::{Path, PathBuf};

use lastrites_traces::{
    reader::{Item, Summary, Trace},
    session::How,
};

use crate::{
    error::Error,
    pick::{self, Recording},
    progress::Progress,
    requests::Requests,
    story::{Story, across::NextBoot, world::World},
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

/// Reads the recording `wanted`, or without it the newest that has a shutdown in it, or else the newest.
pub fn pick(trace: &Trace, path: &Path, wanted: Option<&Recording>) -> Result<Picked, Error> {
    if let Some(wanted) = wanted {
        let (number, _) = pick::pick(trace, path, wanted)?;
        return read(trace, path, number);
    }
    // A boot that was recorded until it settled has no shutdown; most have none or one.
    let (newest, _) = pick::pick(trace, path, &Recording::Newest)?;
    for number in (1..=newest).rev() {
        let summary = &trace.sessions()[number - 1];
        if may_have_shutdown(summary) {
            let picked = read(trace, path, number)?;
            if picked.story.shutdown.is_some() || picked.story.cut {
                return Ok(picked);
            }
        }
    }
    read(trace, path, newest)
}

/// A recording that was switched off was switched off before any shutdown.
pub(crate) fn may_have_shutdown(summary: &Summary) -> bool {
    !matches!(&summary.end, Some(end) if end.how == How::Disarmed)
}

/// Reads recording `number` (from 1) and the boot after it.
pub fn read(trace: &Trace, path: &Path, number: usize) -> Result<Picked, Error> {
    let count = trace.sessions().len();
    let summary = &trace.sessions()[number - 1];
    let (world, requests) = world(trace, summary)?;
    let next = match trace.sessions().get(number) {
        Some(after) if follows(after, summary) => {
            Some(NextBoot::new(self::world(trace, after)?.0, number + 1))
        }
        _ => None,
    };
    let story = Story::tell(world, summary, next);
    Ok(Picked { path: path.to_owned(), number, count, summary: summary.clone(), requests, story })
}

fn follows(after: &Summary, summary: &Summary) -> bool {
    after.session.previous == Some(summary.session.id) && after.session.boot_id != summary.session.boot_id
}

fn world(trace: &Trace, summary: &Summary) -> Result<(World, Requests), Error> {
    let mut progress = Progress::new("reading", summary.events);
    let mut requests = Requests::default();
    let items = trace.events(summary.session.id)?.inspect(|item| {
        progress.step();
        if let Ok(Item::Event(event)) = item {
            requests.see(event);
        }
    });
    let world = World::read(items)?;
    Ok((world, requests))
}
