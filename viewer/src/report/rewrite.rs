//! A recording written anew without secrets and names.
//!
//! Invariant: nothing is copied but what went through the [`Redactor`]: the new recording is encoded from events, in a
//! file of its own that had no byte of the old one in it. Numbers and times of events, losses and gaps are those of
//! the original.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use lastrites_traces::{
    event::{Process, What},
    layout::SIZE_MAX,
    reader::{Item, Summary, Trace},
    ring::{self, Writer},
    session::{End, How, SessionId},
    storage::Storage,
};

use crate::{
    error::Error,
    redact::{Keep, Redactor},
};

/// A session, and which of its segments are wanted.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub summary: &'a Summary,
    pub segments: Range<usize>,
    /// It is still being recorded.
    pub goes_on: bool,
    /// It has more behind them, which is left out for this reason.
    pub left_out: Option<String>,
}

/// Large enough that segments have their largest size: what is known at the beginning of one has to fit into it.
const SIZE_FIRST: u64 = 128 << 20;
/// Events of one batch.
const BATCH: usize = 4096;

/// Teaches `redactor` all of `wanted`, then writes them anew through it; the new recording is a stand-alone trace in a
/// file without a name.
pub fn rewrite(
    trace: &Trace,
    wanted: &[Wanted<'_>],
    keep: Keep,
    again: bool,
) -> Result<(File, Redactor), Error> {
    let mut redactor = if again { Redactor::of_report(keep) } else { Redactor::new(keep) };
    let mut counted = Vec::new();
    for Wanted { summary, segments, left_out, .. } in wanted {
        redactor.learn(&summary.session);
        for coverage in &summary.coverage {
            redactor.coverage(coverage);
        }
        let (mut lost, mut events) = (0_u64, 0_u64);
        trace.copy_each(summary.session.id, segments.clone(), &mut |item| {
            redactor.learn_item(&item);
            if let Item::Event(event) = &item {
                events += 1;
                if let What::Lost { count, .. } = event.what {
                    lost = lost.saturating_add(count);
                }
            }
        })?;
        // What was lost behind them is not there either.
        let before = if left_out.is_some() { 0 } else { summary.lost.saturating_sub(lost) };
        counted.push((before, events));
    }
    redactor.learned();
    let mut size = SIZE_FIRST;
    loop {
        let writer = write_all(trace, wanted, &counted, &mut redactor, size)?;
        let ring = Trace::from_file(Path::new("the redacted recording"), writer.into_storage().file)?;
        let ids: Vec<SessionId> = wanted.iter().map(|wanted| wanted.summary.session.id).collect();
        let whole = wanted.iter().zip(&counted).all(|(wanted, (_, events))| {
            let copy = ring.sessions().iter().find(|copy| copy.session.id == wanted.summary.session.id);
            copy.is_some_and(|copy| copy.events == *events)
        });
        if whole {
            let mut out = Marked { file: scratch()?, begun: false, lead: lead(wanted) };
            ring.save_all(&ids, &mut out).map_err(no_room)?;
            let mut file = out.file;
            if tail(wanted) {
                file.write_all(DAMAGE).map_err(Error::Output)?;
            }
            return Ok((file, redactor));
        }
        // The oldest made way for the newest: it takes more room than was thought.
        size = size.saturating_mul(4);
        if size > SIZE_MAX {
            return Err(Error::failed(
                "the recording",
                "it is too large to be written anew",
                "report only its end: name another recording, or a shorter one",
            ));
        }
    }
}

/// What no reader takes for a segment: it shows a gap there.
const DAMAGE: &[u8] = &[0];

/// Whether nobody knows how much is missing before the first event that is there.
fn lead(wanted: &[Wanted<'_>]) -> bool {
    let Some(Wanted { summary, segments, .. }) = wanted.first() else { return false };
    segments.start == 0 && summary.gaps.iter().any(|gap| gap.to == summary.first_number && gap.from <= gap.to)
}

/// Whether nobody knows how much is missing behind the last.
fn tail(wanted: &[Wanted<'_>]) -> bool {
    let Some(Wanted { summary, left_out: None, .. }) = wanted.last() else { return false };
    summary.gaps.iter().any(|gap| gap.from == summary.next_number && gap.to == gap.from)
}

/// A stand-alone trace, with damage between its header and its first segment where the original had some.
struct Marked {
    file: File,
    begun: bool,
    lead: bool,
}

impl Write for Marked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The header comes in one piece.
        self.file.write_all(bytes)?;
        if !std::mem::replace(&mut self.begun, true) && self.lead {
            self.file.write_all(DAMAGE)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

const NO_ROOM: &str = "make room in it, or set TMPDIR to a directory that has some";

/// A file without a name.
pub fn scratch() -> Result<File, Error> {
    let doing = "create a temporary file in it";
    tempfile::tempfile().map_err(|source| Error::File {
        path: std::env::temp_dir(),
        doing,
        source,
        next: NO_ROOM,
    })
}

/// What goes wrong while writing goes wrong in the directory for temporary files.
fn no_room(error: lastrites_traces::Error) -> Error {
    match error {
        lastrites_traces::Error::Io { source, .. } => Error::File {
            path: std::env::temp_dir(),
            doing: "write a temporary file in it",
            source,
            next: NO_ROOM,
        },
        other => other.into(),
    }
}

fn write_all(
    trace: &Trace,
    wanted: &[Wanted<'_>],
    counted: &[(u64, u64)],
    redactor: &mut Redactor,
    size: u64,
) -> Result<Writer<Scratch>, Error> {
    let file = scratch()?;
    file.set_len(size).map_err(|source| Error::File {
        path: std::env::temp_dir(),
        doing: "make a temporary file in it",
        source,
        next: NO_ROOM,
    })?;
    let mut storage = Scratch { file, path: "the redacted recording".into() };
    ring::format(&mut storage, size, ring::random_id()).map_err(no_room)?;
    let mut writer = Writer::open(storage).map_err(no_room)?;
    for (wanted, (lost, _)) in wanted.iter().zip(counted) {
        write_one(trace, wanted, *lost, redactor, &mut writer)?;
    }
    Ok(writer)
}

/// One session on its way.
struct Copying<'a> {
    writer: &'a mut Writer<Scratch>,
    redactor: &'a mut Redactor,
    summary: &'a Summary,
    lost: u64,
    begun: bool,
    /// Processes that the next segment begins with, if it has to be a new one.
    known: Option<Vec<Process>>,
    batch: Vec<(u64, What)>,
    /// Time of the latest event.
    last_ns: u64,
}

impl Copying<'_> {
    fn item(&mut self, item: &Item) -> Result<(), Error> {
        match item {
            Item::Known(process) => {
                self.flush()?;
                let process = self.redactor.process(process);
                self.known.get_or_insert_default().push(process);
            }
            Item::Gap(_) => {
                self.flush()?;
                self.known.get_or_insert_default();
            }
            Item::Event(event) => {
                if !self.begun || self.known.is_some() {
                    self.flush()?;
                    self.begin(event.number)?;
                }
                // Numbers are given in order, so a batch ends where times go back.
                let back = self.batch.last().is_some_and(|(time_ns, _)| event.time_ns < *time_ns);
                if back || self.batch.len() >= BATCH {
                    self.flush()?;
                }
                let event = self.redactor.event(event);
                self.last_ns = self.last_ns.max(event.time_ns);
                self.batch.push((event.time_ns, event.what));
            }
        }
        Ok(())
    }

    fn begin(&mut self, number: u64) -> Result<(), Error> {
        let known = self.known.take().unwrap_or_default();
        if self.begun {
            self.writer.skip_to(number, &known).map_err(no_room)?;
        } else {
            let session = self.redactor.session(&self.summary.session);
            self.writer.begin_at(&session, number, self.lost, &known).map_err(no_room)?;
            self.begun = true;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if !self.batch.is_empty() {
            self.writer.append(&self.batch, &[]).map_err(no_room)?;
            self.batch.clear();
        }
        Ok(())
    }
}

fn write_one(
    trace: &Trace,
    wanted: &Wanted<'_>,
    lost: u64,
    redactor: &mut Redactor,
    writer: &mut Writer<Scratch>,
) -> Result<(), Error> {
    let summary = wanted.summary;
    let mut copying =
        Copying { writer, redactor, summary, lost, begun: false, known: None, batch: Vec::new(), last_ns: 0 };
    let mut result = Ok(());
    trace.copy_each(summary.session.id, wanted.segments.clone(), &mut |item| {
        if result.is_ok() {
            result = copying.item(&item);
        }
    })?;
    result?;
    copying.flush()?;
    // What is missing at the end is a gap as well, and so is all of a session of which nothing is left.
    let next = wanted.left_out.as_ref().map_or(summary.next_number, |_| copying.writer.next_number());
    if !copying.begun || copying.writer.next_number() < next {
        copying.begin(next)?;
    }
    let last_ns = copying.last_ns;
    let Copying { writer, redactor, .. } = copying;
    for clock in summary.clocks.iter().filter(|clock| **clock != summary.session.started) {
        writer.clock(*clock).map_err(no_room)?;
    }
    for coverage in &summary.coverage {
        writer.cover(&redactor.coverage(coverage)).map_err(no_room)?;
    }
    let end = match (&wanted.left_out, &summary.end) {
        (Some(why), _) => Some(End { how: How::Stopped, time_ns: last_ns, note: why.clone() }),
        (None, Some(end)) => Some(redactor.end(end)),
        // Without a word about it, it would look like a power cut.
        (None, None) => wanted.goes_on.then(|| End {
            how: How::Stopped,
            time_ns: summary.last_ns,
            note: "it was still being recorded when this report was made".into(),
        }),
    };
    if let Some(end) = end {
        writer.end(&end).map_err(no_room)?;
    }
    Ok(())
}

/// A file that nobody else has, and that need not survive anything.
struct Scratch {
    file: File,
    path: PathBuf,
}

impl Storage for Scratch {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
