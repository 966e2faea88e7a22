//! Reading recordings beside the drawing.
//!
//! Invariant: the drawing thread never waits for a file; what is read here can be cancelled between any two events.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::Sender,
    },
};

use lastrites_traces::{
    reader::{Summary, Trace},
    session::SessionId,
};

use super::{
    compared::Compared,
    listing::{Entry, Verdict},
    model::Model,
    survey::entries,
};
use crate::{
    about::{self, Ending},
    error::Error,
    explain::{
        Picked,
        pick::{self, Extent},
    },
    locate,
    pick::Recording,
};

/// What a thread has to tell.
#[derive(Debug)]
pub enum News {
    /// What is in this file, and whether that is a ring.
    Entries(PathBuf, Vec<Entry>, bool),
    /// It is not there any more.
    Gone(PathBuf),
    /// With the gauge of its reading: one that was stopped is not wanted any more. `more`: the rest is being read.
    Loaded {
        model: Box<Model>,
        gauge: Arc<Gauge>,
        more: bool,
    },
    Compared(Box<Compared>, Arc<Gauge>),
    /// A reading came to its end without anything new.
    Done(Arc<Gauge>),
    Surveyed(PathBuf, SessionId, Verdict),
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
    pub(super) fn see(&self, summary: &Summary) -> Result<(), Error> {
        self.total.store(summary.events, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.stop.load(Ordering::Relaxed) { Err(Error::ReaderGone) } else { Ok(()) }
    }
}

/// What is to be read of a file.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The one named, or the newest with a shutdown in it (of a stand-alone file the first): its shutdown at once, and
    /// then the rest.
    Named(Option<Recording>),
    Number(usize),
    /// All of the recording with this number, however much it is.
    All(usize),
    /// The one named, which is growing: as much of it as is read anew again and again.
    Followed(Recording),
}

/// The rest of a recording is read without being asked for if it has no more events than this: about 200 MiB.
const REST_EVENTS: u64 = 2_000_000;

/// Reads a recording in a thread of its own.
pub fn load(path: &Path, wanted: Wanted, gauge: &Arc<Gauge>, out: &Sender<News>) {
    let path = path.to_owned();
    in_thread(path.clone(), gauge, out, move |gauge, out| read(&path, &wanted, gauge, out));
}

/// Does `reading` in a thread: an error of it, and a panic in it too, is told.
pub(super) fn in_thread(
    path: PathBuf,
    gauge: &Arc<Gauge>,
    out: &Sender<News>,
    reading: impl FnOnce(&Arc<Gauge>, &Sender<News>) -> Result<(), Error> + Send + 'static,
) {
    let (gauge, out) = (Arc::clone(gauge), out.clone());
    std::thread::spawn(move || {
        let told = catch_unwind(AssertUnwindSafe(|| reading(&gauge, &out))).unwrap_or_else(|_| {
            let why = "reading it failed inside lastrites";
            Err(Error::failed(path.display().to_string(), why, "please report it, with the file if you may"))
        });
        if gauge.stop.load(Ordering::Relaxed) {
            return;
        }
        // Who asked may be gone.
        let _ = out.send(match told {
            Ok(()) => News::Done(gauge),
            Err(error) => News::Failed(error),
        });
    });
}

pub(super) fn open(path: &Path) -> Result<Trace, Error> {
    let trace = locate::open(path)?;
    if trace.sessions().is_empty() {
        return Err(Error::empty(path, trace.is_ring()));
    }
    Ok(trace)
}

pub(super) fn numbered(trace: &Trace, number: usize) -> Result<usize, Error> {
    match number {
        1.. if number <= trace.sessions().len() => Ok(number),
        _ => Err(Error::usage(format!("there is no recording {number} in this file any more"))),
    }
}

/// The end of a large recording, before all of it is looked at.
fn glance(path: &Path, wanted: &Wanted, gauge: &Arc<Gauge>, out: &Sender<News>) -> Result<(), Error> {
    let named = matches!(wanted, Wanted::Named(_) | Wanted::Number(_));
    let Some(trace) = locate::glance(path, pick::SEGMENTS_GLANCE).filter(|_| named) else { return Ok(()) };
    if trace.sessions().is_empty() {
        return Ok(());
    }
    let mut step = |summary: &Summary| gauge.see(summary);
    let picked = match wanted {
        Wanted::Number(number) => {
            pick::read_extent(&trace, path, numbered(&trace, *number)?, Extent::Glance, &mut step)
        }
        Wanted::Named(name) => pick::pick_extent(&trace, path, name.as_ref(), Extent::Glance, &mut step),
        Wanted::All(_) | Wanted::Followed(_) => return Ok(()),
    };
    let first = match picked {
        // It begins before what was looked at: how it ended is there all the same.
        Err(Error::Unseen { number }) => {
            let mut picked = pick::read_extent(&trace, path, number, Extent::Tail, &mut step)?;
            // What half of a shutdown seems to say is not told as a finding.
            picked.story.findings.clear();
            let mut tail = model(&trace, picked);
            tail.partial = true;
            tail
        }
        picked => model(&trace, picked?),
    };
    let _ = out.send(News::Loaded { model: Box::new(first), gauge: Arc::clone(gauge), more: true });
    gauge.done.store(0, Ordering::Relaxed);
    Ok(())
}

fn read(path: &Path, wanted: &Wanted, gauge: &Arc<Gauge>, out: &Sender<News>) -> Result<(), Error> {
    glance(path, wanted, gauge, out)?;
    let trace = open(path)?;
    if gauge.stop.load(Ordering::Relaxed) {
        return Ok(());
    }
    let _ = out.send(News::Entries(path.to_owned(), entries(&trace), trace.is_ring()));
    let mut step = |summary: &Summary| gauge.see(summary);
    let picked = match wanted {
        Wanted::Named(name) => pick::pick_extent(&trace, path, name.as_ref(), Extent::Glance, &mut step)?,
        Wanted::Number(number) => {
            let number = numbered(&trace, *number)?;
            pick::read_extent(&trace, path, number, Extent::Glance, &mut step)?
        }
        Wanted::All(number) => {
            let number = numbered(&trace, *number)?;
            pick::read_extent(&trace, path, number, Extent::All, &mut step)?
        }
        Wanted::Followed(name) => {
            let few = trace.sessions().last().is_some_and(|summary| summary.events <= REST_EVENTS);
            let extent = if few { Extent::All } else { Extent::Glance };
            pick::pick_extent(&trace, path, Some(name), extent, &mut step)?
        }
    };
    let number = picked.number;
    let mut first = model(&trace, picked);
    let once = matches!(wanted, Wanted::All(_) | Wanted::Followed(_));
    first.whole |= matches!(wanted, Wanted::All(_));
    let rest = if once { None } else { rest(&trace, &first) };
    let more = rest.is_some();
    let _ = out.send(News::Loaded { model: Box::new(first), gauge: Arc::clone(gauge), more });
    if let Some(extent) = rest {
        gauge.done.store(0, Ordering::Relaxed);
        let picked = pick::read_extent(&trace, path, number, extent, &mut step)?;
        let mut model = model(&trace, picked);
        model.whole |= extent == Extent::All;
        let _ = out.send(News::Loaded { model: Box::new(model), gauge: Arc::clone(gauge), more: false });
    }
    Ok(())
}

/// What is read after the first glance: what it left out, if that is not too much for somebody who has not asked.
fn rest(trace: &Trace, model: &Model) -> Option<Extent> {
    let picked = &model.picked;
    let next = pick::next_boot(trace, picked.number).filter(|_| model.story().next.is_none());
    let small = |summary: &Summary| summary.events <= REST_EVENTS;
    let next_is_small = next.is_none_or(small);
    if !model.whole && small(&picked.summary) && next_is_small {
        return Some(Extent::All);
    }
    (next.is_some() && next_is_small && model.story().shutdown.is_some()).then_some(Extent::Shutdown)
}

/// The model of a recording that has been read.
pub fn model(trace: &Trace, picked: Picked) -> Model {
    let newest = picked.number == trace.sessions().len();
    let ending = Ending::of(&picked.summary, newest, about::boot_id().as_deref());
    let mut model = Model::new(picked, ending);
    model.users = users(&model.picked.summary);
    model
}

/// Names of users: only this machine's own are known, and only for what was recorded on it.
fn users(summary: &Summary) -> HashMap<String, u32> {
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if summary.session.hostname.is_empty() || here.trim() != summary.session.hostname {
        return HashMap::new();
    }
    parse_users(&std::fs::read_to_string("/etc/passwd").unwrap_or_default())
}

/// passwd(5): name, password, number.
fn parse_users(passwd: &str) -> HashMap<String, u32> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    passwd.lines().filter_map(user).collect()
}

/// Opens and reads at once, without a thread.
pub fn now(path: &Path, wanted: Option<&Recording>) -> Result<Model, Error> {
    let trace = locate::open(path)?;
    let picked = pick::pick_watched(&trace, path, wanted, &mut |_| Ok(()))?;
    Ok(model(&trace, picked))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_panic_of_the_reader_is_told_as_a_failure() {
        let (tell, news) = channel();
        in_thread("some.lrt".into(), &Arc::default(), &tell, |_, _| panic!("on purpose"));
        let News::Failed(error) = news.recv().expect("news") else { panic!("not a failure") };
        assert!(error.to_string().contains("some.lrt: reading it failed inside lastrites"), "{error}");
    }

    #[test]
    fn a_reading_that_was_stopped_tells_nothing() {
        let (tell, news) = channel();
        let gauge: Arc<Gauge> = Arc::default();
        gauge.stop.store(true, Ordering::Relaxed);
        let see = |gauge: &Arc<Gauge>, _: &Sender<News>| gauge.see(&Summary::default());
        in_thread("some.lrt".into(), &gauge, &tell, see);
        drop(tell);
        // All senders are gone, so there is nothing more to come.
        assert!(news.recv().is_err());
    }

    #[test]
    fn users_are_read_as_passwd_has_them() {
        let users = parse_users(
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:\n\nbroken\n:x:1:\na:x:-1:\n",
        );
        assert_eq!(users.len(), 2);
        assert_eq!(users.get("nobody"), Some(&65534));
    }
}
