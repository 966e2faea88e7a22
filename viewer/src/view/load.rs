//! Reading recordings beside the drawing.
//!
//! Invariant: the drawing thread never waits for a file; what is read here can be cancelled between any two events.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::Sender,
    },
};

use lastrites_traces::reader::{Summary, Trace};

use super::{
    app::{Entry, Verdict},
    model::Model,
};
use crate::{
    about::{self, Ending},
    error::Error,
    explain::{Picked, pick},
    locate,
    pick::Recording,
    safe, save,
    story::finding::Rule,
    time::Clocks,
};

/// What a thread has to tell.
#[derive(Debug)]
pub enum News {
    Entries(Vec<Entry>),
    /// With the gauge of its reading: one that was stopped is not wanted any more.
    Loaded(Box<Model>, Arc<Gauge>),
    Surveyed(usize, Verdict),
    Said(String),
    Failed(Error),
}

/// How far a thread is; also the way to stop it.
#[derive(Debug, Default)]
pub struct Gauge {
    pub done: AtomicU64,
    pub total: AtomicU64,
    pub number: AtomicUsize,
    pub stop: AtomicBool,
}

impl Gauge {
    fn see(&self, summary: &Summary) -> Result<(), Error> {
        self.total.store(summary.events, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.stop.load(Ordering::Relaxed) { Err(Error::ReaderGone) } else { Ok(()) }
    }
}

/// What is to be read of a file.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The one named, or the newest with a shutdown in it.
    Named(Option<Recording>),
    Number(usize),
}

/// Reads a recording in a thread of its own.
pub fn load(path: &Path, wanted: Wanted, gauge: &Arc<Gauge>, out: &Sender<News>) {
    let (path, gauge, out) = (path.to_owned(), Arc::clone(gauge), out.clone());
    std::thread::spawn(move || {
        let reading = AssertUnwindSafe(|| read(&path, &wanted, &gauge, &out));
        let told = catch_unwind(reading).unwrap_or_else(|_| {
            let why = "reading it failed inside lastrites";
            Err(Error::failed(path.display().to_string(), why, "please report it, with the file if you may"))
        });
        if gauge.stop.load(Ordering::Relaxed) {
            return;
        }
        // Who asked may be gone.
        let _ = out.send(match told {
            Ok(model) => News::Loaded(Box::new(model), gauge),
            Err(error) => News::Failed(error),
        });
    });
}

fn read(path: &Path, wanted: &Wanted, gauge: &Gauge, out: &Sender<News>) -> Result<Model, Error> {
    let trace = locate::open(path)?;
    if trace.sessions().is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    let _ = out.send(News::Entries(entries(&trace)));
    gauge.done.store(0, Ordering::Relaxed);
    let mut step = |summary: &Summary| gauge.see(summary);
    let picked = match wanted {
        Wanted::Named(name) => pick::pick_watched(&trace, path, name.as_ref(), &mut step)?,
        Wanted::Number(number) if *number > trace.sessions().len() || *number == 0 => {
            return Err(Error::usage(format!("there is no recording {number} in this file any more")));
        }
        Wanted::Number(number) => pick::read_watched(&trace, path, *number, &mut step)?,
    };
    Ok(model(&trace, picked))
}

/// The model of a recording that has been read.
pub fn model(trace: &Trace, picked: Picked) -> Model {
    let newest = picked.number == trace.sessions().len();
    let ending = Ending::of(&picked.summary, newest, about::boot_id().as_deref());
    Model::new(picked, ending)
}

/// Opens and reads at once, without a thread.
pub fn now(path: &Path, wanted: Option<&Recording>) -> Result<Model, Error> {
    let trace = locate::open(path)?;
    let picked = pick::pick_watched(&trace, path, wanted, &mut |_| Ok(()))?;
    Ok(model(&trace, picked))
}

fn entries(trace: &Trace) -> Vec<Entry> {
    let count = trace.sessions().len();
    let entry = |(at, summary): (usize, &Summary)| {
        let clocks = Clocks::new(summary);
        let session = &summary.session;
        Entry {
            number: at + 1,
            when: clocks.wall(session.started.boottime_ns).format("%-d %b %Y %H:%M:%S").to_string(),
            host: safe::text(session.hostname.as_bytes()),
            init: about::init(summary),
            ending: Ending::of(summary, at + 1 == count, about::boot_id().as_deref()).word().to_owned(),
            events: summary.events,
            verdict: None,
        }
    };
    trace.sessions().iter().enumerate().rev().map(entry).collect()
}

/// Looks at every recording of a file, newest first, and tells how each went.
pub fn survey(path: &Path, gauge: &Arc<Gauge>, out: &Sender<News>) {
    let (path, gauge, out) = (path.to_owned(), Arc::clone(gauge), out.clone());
    std::thread::spawn(move || {
        let Ok(trace) = locate::open(&path) else { return };
        for number in (1..=trace.sessions().len()).rev() {
            let mut step = |summary: &Summary| gauge.see(summary);
            match pick::read_watched(&trace, &path, number, &mut step) {
                Ok(picked) if out.send(News::Surveyed(number, verdict(&picked))).is_err() => return,
                Err(Error::ReaderGone) => return,
                Ok(_) => {}
                Err(error) => {
                    let how = safe::text(error.to_string().as_bytes());
                    let _ = out.send(News::Surveyed(number, Verdict { how, ..Verdict::default() }));
                }
            }
        }
    });
}

fn verdict(picked: &Picked) -> Verdict {
    let story = &picked.story;
    let how = match &story.shutdown {
        Some(shutdown) if shutdown.ended || !story.cut => shutdown.aim.verb().to_owned(),
        Some(_) => "cut off while going down".into(),
        None => "no shutdown".into(),
    };
    let bad = story.findings.iter().filter(|finding| finding.rule != Rule::Spared || finding.failed);
    let worst = story.findings.first().map(|finding| finding.headline.clone()).unwrap_or_default();
    Verdict { how, findings: bad.count(), worst }
}

/// Copies the recording out, in a thread of its own.
pub fn save(model: &Model, target: PathBuf, out: &Sender<News>) {
    let (path, id, out) = (model.picked.path.clone(), model.picked.summary.session.id, out.clone());
    std::thread::spawn(move || {
        let saved = locate::open(&path).and_then(|trace| save::save(&trace, id, &target));
        let text = match saved {
            Ok(bytes) => format!("saved, {bytes} bytes: {}", target.display()),
            Err(error) => error.to_string(),
        };
        let _ = out.send(News::Said(safe::text(text.as_bytes())));
    });
}
