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
    app::{Entry, Form, Verdict},
    compared::Compared,
    model::Model,
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
    redact::Keep,
    report, safe, save,
    story::finding::Rule,
    time::Clocks,
};

/// What a thread has to tell.
#[derive(Debug)]
pub enum News {
    /// What is in the file, and whether that is a ring.
    Entries(Vec<Entry>, bool),
    /// With the gauge of its reading: one that was stopped is not wanted any more. `more`: the rest is being read.
    Loaded {
        model: Box<Model>,
        gauge: Arc<Gauge>,
        more: bool,
    },
    Compared(Box<Compared>, Arc<Gauge>),
    /// A reading came to its end without anything new.
    Done(Arc<Gauge>),
    Surveyed(SessionId, Verdict),
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
    /// The one named, or the newest with a shutdown in it: its shutdown at once, and then the rest.
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
fn in_thread(
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

fn open(path: &Path) -> Result<Trace, Error> {
    let trace = locate::open(path)?;
    if trace.sessions().is_empty() {
        return Err(Error::empty(path, trace.is_ring()));
    }
    Ok(trace)
}

fn numbered(trace: &Trace, number: usize) -> Result<usize, Error> {
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
    let _ = out.send(News::Entries(entries(&trace), trace.is_ring()));
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

/// Reads two shutdowns and holds them against each other; without `a` the one before `b`.
pub fn compare(path: &Path, a: Option<usize>, b: usize, gauge: &Arc<Gauge>, out: &Sender<News>) {
    let path = path.to_owned();
    in_thread(path.clone(), gauge, out, move |gauge, out| {
        let trace = open(&path)?;
        let mut step = |summary: &Summary| gauge.see(summary);
        let b = pick::read_watched(&trace, &path, numbered(&trace, b)?, &mut step)?;
        let a = match a {
            Some(number) => pick::read_watched(&trace, &path, numbered(&trace, number)?, &mut step)?,
            None => before(&trace, &path, b.number, &mut step)?,
        };
        let (a, b) = (model(&trace, a), model(&trace, b));
        let compared = Compared::new(Arc::new(a), Arc::new(b))?;
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

fn entries(trace: &Trace) -> Vec<Entry> {
    let count = trace.sessions().len();
    let entry = |(at, summary): (usize, &Summary)| {
        let clocks = Clocks::new(summary);
        let session = &summary.session;
        Entry {
            id: session.id,
            number: at + 1,
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

/// Looks at every recording of a file, newest first, and tells how each went.
pub fn survey(path: &Path, gauge: &Arc<Gauge>, out: &Sender<News>) {
    let (path, gauge, out) = (path.to_owned(), Arc::clone(gauge), out.clone());
    std::thread::spawn(move || {
        let Ok(trace) = locate::open(&path) else { return };
        for number in (1..=trace.sessions().len()).rev() {
            let id = trace.sessions()[number - 1].session.id;
            let mut step = |summary: &Summary| gauge.see(summary);
            match pick::read_watched(&trace, &path, number, &mut step) {
                Ok(picked) if out.send(News::Surveyed(id, verdict(&picked))).is_err() => return,
                Err(Error::ReaderGone) => return,
                Ok(_) => {}
                Err(error) => {
                    let how = safe::text(error.to_string().as_bytes());
                    let _ = out.send(News::Surveyed(id, Verdict { how, ..Verdict::default() }));
                }
            }
        }
    });
}

fn verdict(picked: &Picked) -> Verdict {
    let story = &picked.story;
    let how = match &story.shutdown {
        Some(shutdown) if !shutdown.ended && story.unseen => "was going down, its end not seen".to_owned(),
        Some(shutdown) if !shutdown.ended && story.cut => "cut off while going down".to_owned(),
        Some(_) => story.verb().to_owned(),
        None => "no shutdown".into(),
    };
    let bad = story.findings.iter().filter(|finding| finding.rule != Rule::Spared || finding.failed);
    let worst = story.findings.first().map(|finding| finding.headline.clone()).unwrap_or_default();
    Verdict { how, findings: bad.count(), worst }
}

/// Which recording of a file.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    Id(SessionId),
    Number(usize),
}

/// Copies a recording out, or makes a report of it, in a thread of its own.
pub fn save(path: &Path, which: Which, form: Form, target: PathBuf, out: &Sender<News>) {
    let (path, out) = (path.to_owned(), out.clone());
    if form == Form::Report {
        say(&out, "making the report ...".into());
    }
    std::thread::spawn(move || {
        let target = named(at_home(target, std::env::var_os("HOME").map(PathBuf::from)), form);
        let saved = locate::open(&path).and_then(|trace| {
            let at = |id| trace.sessions().iter().position(|summary| summary.session.id == id);
            let number = match which {
                Which::Id(id) => at(id).map_or(0, |at| at + 1),
                Which::Number(number) => number,
            };
            let number = numbered(&trace, number)?;
            match form {
                Form::Recording => {
                    let bytes = save::save(&trace, trace.sessions()[number - 1].session.id, &target)?;
                    Ok(format!("saved, {bytes} bytes: {}", target.display()))
                }
                Form::Report => report_of(&trace, &path, number, &target),
            }
        });
        say(&out, saved.unwrap_or_else(|error| error.to_string()));
    });
}

fn report_of(trace: &Trace, path: &Path, number: usize, target: &Path) -> Result<String, Error> {
    let picked = pick::read_watched(trace, path, number, &mut |_| Ok(()))?;
    let mut report = report::make(trace, &picked, Keep::default(), false)?;
    let bytes = report.write_to(target)?;
    Ok(format!(
        "wrote {} ({} KiB); removed {}",
        target.display(),
        bytes.div_ceil(1024),
        report.account.sentence()
    ))
}

/// Deletes a saved recording, in a thread of its own. Never a ring: it is looked at once more, as the file may be another
/// one by now.
pub fn delete(path: &Path, out: &Sender<News>) {
    let (path, out) = (path.to_owned(), out.clone());
    std::thread::spawn(move || {
        let deleted = locate::open(&path).and_then(|trace| remove(&trace, &path));
        say(
            &out,
            match deleted {
                Ok(()) => format!("deleted {}; what you see was read before", path.display()),
                Err(error) => error.to_string(),
            },
        );
    });
}

fn remove(trace: &Trace, path: &Path) -> Result<(), Error> {
    if trace.is_ring() {
        let next = "`lastrites disarm` ends the recording";
        return Err(Error::failed(path.display().to_string(), "it is a ring", next));
    }
    let fail = |source| Error::File {
        path: path.to_owned(),
        doing: "delete it",
        source,
        next: "check who may write to its directory",
    };
    std::fs::remove_file(path).map_err(fail)
}

fn say(out: &Sender<News>, text: String) {
    // Who asked may be gone.
    let _ = out.send(News::Said(safe::text(text.as_bytes())));
}

/// `~/copy.lrt` is what people type.
/// Where a file comes to lie, in full; a report says by its name how it is to be unpacked.
fn named(target: PathBuf, form: Form) -> PathBuf {
    let target = match target.extension() {
        None if form == Form::Report => target.with_extension("tar.gz"),
        _ => target,
    };
    std::path::absolute(&target).unwrap_or(target)
}

fn at_home(target: PathBuf, home: Option<PathBuf>) -> PathBuf {
    match (target.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use lastrites_traces::storage::FileStorage;

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

    #[test]
    fn a_home_is_where_people_say_it_is() {
        let home = || Some(PathBuf::from("/home/x"));
        assert_eq!(at_home("~/a.lrt".into(), home()), PathBuf::from("/home/x/a.lrt"));
        assert_eq!(at_home("~b.lrt".into(), home()), PathBuf::from("~b.lrt"));
        assert_eq!(at_home("/c.lrt".into(), home()), PathBuf::from("/c.lrt"));
        assert_eq!(at_home("~/a.lrt".into(), None), PathBuf::from("~/a.lrt"));
    }

    #[test]
    fn only_a_saved_recording_is_deleted() {
        let (tell, news) = channel();
        let dir = tempfile::tempdir().expect("a directory");
        let (ring, saved) = (dir.path().join("ring.lrt"), dir.path().join("saved.lrt"));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/samples/power-cut.lrt");
        std::fs::copy(sample, &saved).expect("copied");
        drop(FileStorage::create(&ring, 4 << 20).expect("a ring"));
        let mut said = Vec::new();
        for path in [&ring, &saved] {
            delete(path, &tell);
            match news.recv().expect("news") {
                News::Said(text) => said.push(text),
                other => panic!("{other:?}"),
            }
        }
        assert!(said[0].contains("it is a ring") && ring.exists(), "{said:?}");
        assert!(said[1].contains("deleted") && !saved.exists(), "{said:?}");
    }
}
