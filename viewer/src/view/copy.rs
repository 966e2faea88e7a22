//! Copying a recording out, making a report of it, deleting a saved one: in threads of their own, which tell how it went.
//!
//! Invariant: nothing is overwritten, and of a ring nothing is deleted.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    thread::JoinHandle,
};

use lastrites_traces::{reader::Trace, session::SessionId};

use super::{
    app::Form,
    load::{News, numbered},
};
use crate::{error::Error, explain::pick, import, locate, redact::Keep, report, safe, save};

/// Which recording of a file.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    Id(SessionId),
    Number(usize),
}

/// A file that is being written.
#[derive(Debug)]
pub struct Job {
    target: PathBuf,
    thread: JoinHandle<Result<String, Error>>,
}

impl Job {
    /// Whether it has said how it went.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// What is left of it for who leaves meanwhile, in one line.
    pub fn words(&self) -> String {
        format!("still writing {}; Ctrl-C gives it up", self.target.display())
    }

    /// The same of who is ended meanwhile.
    pub fn given_up(&self) -> String {
        format!("given up while it was written: {}", self.target.display())
    }

    /// Waits until it is written; in words, how it went.
    pub fn finish(self) -> Result<String, Error> {
        let broken = |_| {
            let why = "its thread broke off, which is a mistake in lastrites";
            Err(Error::failed(self.target.display().to_string(), why, "`lastrites report` may do it"))
        };
        self.thread.join().unwrap_or_else(broken)
    }
}

/// Copies a recording out, or makes a report of it, in a thread of its own.
pub fn save(path: &Path, which: Which, form: Form, target: PathBuf, out: &Sender<News>) -> Job {
    let (path, out) = (path.to_owned(), out.clone());
    if form == Form::Report {
        say(&out, "making the report ...".into());
    }
    let target = named(at_home(target, std::env::var_os("HOME").map(PathBuf::from)), form);
    let job = target.clone();
    let thread = std::thread::spawn(move || {
        let saved = locate::open_any(&path).and_then(|(trace, is_report)| {
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
                Form::Report => report_of(&trace, is_report, &path, number, &target),
            }
        });
        let words = saved.as_ref().map_or_else(ToString::to_string, Clone::clone);
        say(&out, words);
        saved
    });
    Job { target: job, thread }
}

/// `again`: of a report one is made, whose stand-ins stay.
fn report_of(trace: &Trace, again: bool, path: &Path, number: usize, target: &Path) -> Result<String, Error> {
    // Before the work, which takes minutes where there are millions of events.
    report::refuse_existing(target)?;
    let picked = pick::read_watched(trace, path, number, &mut |_| Ok(()))?;
    let mut report = report::make(trace, &picked, Keep::default(), again)?;
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
        let said = match deleted {
            Ok(()) => {
                let _ = out.send(News::Gone(path.clone()));
                format!("deleted {}; what is open was read before", path.display())
            }
            Err(error) => error.to_string(),
        };
        say(&out, said);
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
    std::fs::remove_file(path).map_err(fail)?;
    import::forget(path);
    Ok(())
}

fn say(out: &Sender<News>, text: String) {
    // Who asked may be gone.
    let _ = out.send(News::Said(safe::text(text.as_bytes())));
}

/// Where a file comes to lie, in full; a report says by its name how it is to be unpacked.
fn named(target: PathBuf, form: Form) -> PathBuf {
    let target = match target.extension() {
        None if form == Form::Report => target.with_extension("tar.gz"),
        _ => target,
    };
    std::path::absolute(&target).unwrap_or(target)
}

/// `~/copy.lrt` is what people type.
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
            loop {
                match news.recv().expect("news") {
                    News::Said(text) => break said.push(text),
                    News::Gone(gone) => assert_eq!(&gone, path),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(said[0].contains("it is a ring") && ring.exists(), "{said:?}");
        assert!(said[1].contains("deleted") && !saved.exists(), "{said:?}");
    }
}
