//! Looking at recordings that are not open: which there are, how each went, and two held against each other.
//!
//! Invariant: as in [`super::load`]: in threads of their own, which can be stopped between any two events.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Sender},
};

use lastrites_traces::reader::{Summary, Trace};

use super::{
    compared::Compared,
    listing::{Entry, Spot, Verdict},
    load::{self, Gauge, News},
    model::is_noted,
};
use crate::{
    about::{self, Ending},
    error::Error,
    explain::{Picked, pick},
    locate, safe,
    time::Clocks,
};

/// Reads two shutdowns and holds them against each other: recordings of files, by their numbers; without `a` the one
/// before `b`.
pub fn compare(a: Option<(PathBuf, usize)>, b: (PathBuf, usize), gauge: &Arc<Gauge>, out: &Sender<News>) {
    load::in_thread(b.0.clone(), gauge, out, move |gauge, out| {
        let mut step = |summary: &Summary| gauge.see(summary);
        let (path, number) = b;
        let trace = load::open(&path)?;
        let b = pick::read_watched(&trace, &path, load::numbered(&trace, number)?, &mut step)?;
        let a = match a {
            Some((other, number)) if other != path => {
                let trace = load::open(&other)?;
                let picked = pick::read_watched(&trace, &other, load::numbered(&trace, number)?, &mut step)?;
                load::model(&trace, picked)
            }
            Some((_, number)) => {
                let number = load::numbered(&trace, number)?;
                load::model(&trace, pick::read_watched(&trace, &path, number, &mut step)?)
            }
            None => load::model(&trace, before(&trace, &path, b.number, &mut step)?),
        };
        if a.picked.summary.session.id == b.summary.session.id {
            let why = "these are one recording, in two files: choose another";
            return Err(Error::usage(why));
        }
        let compared = Compared::new(Arc::new(a), Arc::new(load::model(&trace, b)))?;
        let _ = out.send(News::Compared(Box::new(compared), Arc::clone(gauge)));
        Ok(())
    });
}

/// The newest before recording `number` that has a shutdown in it.
fn before(trace: &Trace, path: &Path, number: usize, watch: pick::Watch<'_>) -> Result<Picked, Error> {
    for other in (1..number).rev() {
        let picked = pick::read_watched(trace, path, other, watch)?;
        if picked.story.shutdown.is_some() {
            return Ok(picked);
        }
    }
    let why = format!("there is no shutdown before recording {number} in this file");
    Err(Error::usage(format!("{why}: o lists the recordings, Space marks one, d compares with it")))
}

pub(super) fn entries(trace: &Trace) -> Vec<Entry> {
    let count = trace.sessions().len();
    let entry = |(at, summary): (usize, &Summary)| {
        let clocks = Clocks::new(summary);
        let session = &summary.session;
        Entry {
            id: session.id,
            spot: Spot { file: 0, number: at + 1 },
            began_ms: clocks.wall(session.started.boottime_ns).timestamp_millis(),
            when: clocks.wall(session.started.boottime_ns).format("%-d %b %Y %H:%M:%S").to_string(),
            zone: clocks.zone(session.started.boottime_ns),
            host: safe::text(session.hostname.as_bytes()),
            init: about::init(summary),
            ending: Ending::of(summary, at + 1 == count, about::boot_id().as_deref()).word().to_owned(),
            events: summary.events,
            verdict: None,
        }
    };
    trace.sessions().iter().enumerate().rev().map(entry).collect()
}

/// Looks at every recording of these files, newest first, and tells how each went; what is in a file is told first, so
/// that all are listed before the first is looked at.
pub fn survey(files: Vec<PathBuf>, gauge: &Arc<Gauge>, out: &Sender<News>) {
    let (gauge, out) = (Arc::clone(gauge), out.clone());
    std::thread::spawn(move || {
        let several = files.len() > 1;
        let open = |path: PathBuf| match locate::open(&path) {
            Ok(trace) => {
                let _ = out.send(News::Entries(path.clone(), entries(&trace), trace.is_ring()));
                Some((path, trace))
            }
            Err(error) => {
                // The one that is open alone is known already, or was.
                if several {
                    let _ = out.send(News::Said(safe::text(error.to_string().as_bytes())));
                }
                None
            }
        };
        let opened: Vec<(PathBuf, Trace)> = files.into_iter().filter_map(open).collect();
        for (path, trace) in opened {
            if !survey_one(&path, &trace, &gauge, &out) {
                return;
            }
        }
    });
}

/// Whether anybody still wants to know.
fn survey_one(path: &Path, trace: &Trace, gauge: &Gauge, out: &Sender<News>) -> bool {
    for number in (1..=trace.sessions().len()).rev() {
        let id = trace.sessions()[number - 1].session.id;
        let mut step = |summary: &Summary| gauge.see(summary);
        let verdict = match pick::read_watched(trace, path, number, &mut step) {
            Ok(picked) => verdict(&picked),
            Err(Error::ReaderGone) => return false,
            Err(error) => {
                let how = safe::text(error.to_string().as_bytes());
                Verdict { how, ..Verdict::default() }
            }
        };
        if out.send(News::Surveyed(path.to_owned(), id, verdict)).is_err() {
            return false;
        }
    }
    true
}

fn verdict(picked: &Picked) -> Verdict {
    let story = &picked.story;
    let how = match &story.shutdown {
        Some(shutdown) if shutdown.returned => story.verb().to_owned(),
        Some(shutdown) if !shutdown.ended && story.unseen => "was going down, its end not seen".to_owned(),
        Some(shutdown) if !shutdown.ended && story.cut => "cut off while going down".to_owned(),
        Some(_) => story.verb().to_owned(),
        None => "no shutdown".into(),
    };
    let bad = story.findings.iter().filter(|finding| !is_noted(finding));
    let worst = story.findings.first().map(|finding| finding.headline.clone()).unwrap_or_default();
    Verdict { how, findings: bad.count(), worst }
}
