//! `lastrites report`: one file for a bug tracker, without the secrets and names of the machine that it tells of.
//!
//! Invariant: everything in the file is made of the redacted recording, as anybody who opens it reads it. The
//! recording itself is only read. The file appears whole under its name or not at all, and replaces nothing. What it
//! holds is a list of named parts ([`archive::Part`]): a further one (a page, an export) is one more entry of that list.

pub mod archive;
pub mod choose;
mod rewrite;
pub mod summary;

use std::{
    fs::File,
    io::{self, IsTerminal as _, Seek as _, Write as _},
    ops::Range,
    os::unix::fs::fchown,
    path::{Path, PathBuf},
};

use lastrites_traces::reader::{self as traces, Stretch, Trace};

use self::{
    archive::{Body, Part, Redaction},
    rewrite::Wanted,
    summary::Summary,
};
use crate::{
    about::{self, Ending},
    error::Error,
    explain::{Picked, pick},
    fresh::Fresh,
    locate,
    output::Output,
    page,
    pick::Recording,
    redact::{Account, Keep, Kind},
    safe::{self, Safe},
    time::Clocks,
    view::model::Model,
};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// None: the ring of this machine.
    pub file: Option<PathBuf>,
    pub recording: Option<Recording>,
    /// The newest shutdown, however it went; without it, [`choose`] says which.
    pub last: bool,
    pub output: Option<PathBuf>,
    pub markdown: bool,
    pub list_removed: bool,
    pub keep: Keep,
}

/// A report that was made and not yet written.
#[derive(Debug)]
pub struct Report {
    pub parts: Vec<Part>,
    pub redaction: Redaction,
    pub account: Account,
    /// The redacted recording, as its readers will see it.
    pub picked: Picked,
    pub markdown: String,
    /// What is not in it because there was too much, in sentences.
    pub limits: Vec<String>,
    /// Of the recording's last moment, seconds since 1970.
    time_s: u64,
}

/// What a tracker is sure to take.
const LARGE: u64 = 10 << 20;
/// What is before the shutdown by more than this is left out, where segments allow.
const BEFORE_NS: u64 = 600_000_000_000;
/// Segments that are taken in any case.
const SEGMENTS_FIRST: usize = 8;
/// Of the boot that followed, so much is told: by then the recorder itself calls a boot settled.
const BOOT_NS: u64 = 600_000_000_000;
/// Most events of the recording, and of the boot that followed, with the processes that their segments begin with: a story
/// of more is no story. A reader takes [`archive::ITEMS_MAX`] in all, because segments are cut anew, so that there may be
/// more of them.
const ITEMS_MAX: u64 = 6_000_000;
const BOOT_ITEMS_MAX: u64 = 1_000_000;

/// Makes a report and writes it; returns the exit code.
pub fn run(options: &Options) -> Result<u8, Error> {
    if options.list_removed && options.output.as_deref() == Some(Path::new("-")) {
        // Both would go to standard output, and what was removed into the file that is sent.
        return Err(Error::usage(
            "--list-removed shows what is not to be sent: name a file with -o, not `-`",
        ));
    }
    let path = locate::find(options.file.as_deref())?;
    let (trace, again) = locate::open_any(&path)?;
    let (picked, passed) = choose::choose(&trace, &path, options.recording.as_ref(), options.last)?;
    let name = format!("lastrites-report-{}.tar.gz", stamp(&picked));
    let target = options.output.clone().unwrap_or_else(|| name.into());
    if options.output.is_some() || !options.markdown && !options.list_removed {
        // Before the work, which takes minutes where there are millions of events.
        refuse_unwritable(&target)?;
    }
    let mut report = make(&trace, &picked, options.keep, again)?;
    let told = choose::told(picked.number, picked.count, &report.picked, passed.as_ref());
    told.iter().for_each(|line| say(line));
    if options.markdown {
        let mut out = Output::stdout();
        out.write_all(report.markdown.as_bytes())?;
        out.finish()?;
        say(&format!("removed {}", report.account.sentence()));
        if options.keep.args {
            say(ARGUMENTS_LEFT);
        }
        return Ok(0);
    }
    say(&format!("removed {}", report.account.sentence()));
    if options.keep.args {
        say(ARGUMENTS_LEFT);
    }
    report.limits.iter().for_each(|limit| say(limit));
    if options.list_removed {
        let mut out = Output::stdout();
        out.write_all(list_removed(&report.account).as_bytes())?;
        out.finish()?;
        if options.output.is_none() {
            say("nothing was written: name a file with -o to write the report");
            return Ok(0);
        }
    } else if !report.account.removed.is_empty() {
        say("`lastrites report --list-removed` shows it line by line and writes nothing");
    }
    let bytes = report.write_to(&target)?;
    if target != Path::new("-") {
        say(&format!(
            "wrote {} ({} KiB): attach it, or look into it first with `lastrites view {}`",
            target.display(),
            bytes.div_ceil(1024),
            target.display()
        ));
    }
    if bytes > LARGE {
        say("it has more than 10 MiB, which some trackers refuse: `--markdown` prints its summary alone");
    }
    Ok(0)
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", Safe(text));
}

/// A name that is taken is not for us, nor one where nothing can be.
pub(crate) fn refuse_existing(target: &Path) -> Result<(), Error> {
    if target == Path::new("-") {
        return Ok(());
    }
    if target.symlink_metadata().is_err() {
        let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty());
        return match dir.map(Path::metadata) {
            Some(Err(source)) => Err(failed(target, "create it", source)),
            _ => Ok(()),
        };
    }
    if target.is_dir() {
        return Err(Error::failed(
            target.display().to_string(),
            "it is a directory",
            "name a file in it with -o",
        ));
    }
    Err(Error::failed(
        target.display().to_string(),
        "it is there already, and nothing is overwritten",
        "name another file with -o",
    ))
}

/// The same of a name in a directory where no file can be made. None is left there.
fn refuse_unwritable(target: &Path) -> Result<(), Error> {
    refuse_existing(target)?;
    if target != Path::new("-") {
        drop(new_file(target, true)?);
    }
    Ok(())
}

/// Of root, by sudo, for a person: it is theirs to send. Where that cannot be, it stays as it is.
fn give_to_caller(file: &File) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    if let (Some(uid), Some(gid)) = (number("SUDO_UID"), number("SUDO_GID")) {
        let _ = fchown(file, Some(uid), Some(gid));
    }
}

/// When it began, by the clock of its machine.
fn stamp(picked: &Picked) -> String {
    let begin =
        picked.story.shutdown.as_ref().map_or(picked.summary.session.started.boottime_ns, |s| s.begin.ns);
    Clocks::new(&picked.summary).wall(begin).format("%Y%m%d-%H%M%S").to_string()
}

/// Makes the report of `picked`, a recording of `trace`. `again`: that is one of a report, whose stand-ins stay.
pub fn make(trace: &Trace, picked: &Picked, keep: Keep, again: bool) -> Result<Report, Error> {
    let newest = picked.number == trace.sessions().len();
    let goes_on = Ending::of(&picked.summary, newest, about::boot_id().as_deref()) == Ending::Recording;
    let mut limits = Vec::new();
    let segments = segments(trace, picked, &mut limits)?;
    let mut wanted = vec![Wanted { summary: &picked.summary, segments, goes_on, left_out: None }];
    // How it went on at the next boot is a part of the story.
    if let Some(after) =
        trace.sessions().get(picked.number).filter(|after| pick::follows(after, &picked.summary))
    {
        let newest = picked.number + 1 == trace.sessions().len();
        let goes_on = Ending::of(after, newest, about::boot_id().as_deref()) == Ending::Recording;
        let (segments, left_out) = boot(trace, after)?;
        limits.extend(left_out.clone());
        wanted.push(Wanted { summary: after, segments, goes_on, left_out });
    }
    let (mut file, redactor) = rewrite::rewrite(trace, &wanted, keep, again)?;
    let account = redactor.account().clone();
    limits.extend(account.limits.iter().map(|limit| (*limit).to_owned()));
    let copy = file.try_clone().map_err(Error::Output)?;
    let redacted = Trace::from_file(Path::new(archive::TRACE), copy)?;
    let items = archive::items(&redacted)?;
    if items > archive::ITEMS_MAX {
        // Nobody could open it.
        return Err(Error::failed("the report", archive::too_many(items), "name a shorter recording"));
    }
    let read = pick::read(&redacted, Path::new(archive::TRACE), 1)?;
    let ending = Ending::of(&read.summary, redacted.sessions().len() == 1, None);
    let summary = Summary { picked: &read, ending, account: &account, keep, again, limits: &limits };
    let markdown = summary.markdown(false);
    let readme = summary.markdown(true);
    let model = Model::new(read, ending);
    let page = page::document(&model).into_bytes();
    let read = model.picked;
    file.rewind().map_err(Error::Output)?;
    let redaction = Redaction {
        kept: keep.words().into_iter().map(str::to_owned).collect(),
        removed: account.numbers().into_iter().map(|(kind, n)| (kind.word().to_owned(), n as u64)).collect(),
    };
    let parts = vec![
        Part { name: archive::SUMMARY.into(), body: Body::Bytes(readme.into_bytes()) },
        Part { name: archive::PAGE.into(), body: Body::Bytes(page) },
        Part { name: archive::TRACE.into(), body: Body::File(file) },
    ];
    let clock = read.summary.clocks.last().copied().unwrap_or(read.summary.session.started);
    let time_s = clock.realtime_of(read.summary.last_ns) / 1_000_000_000;
    Ok(Report { parts, redaction, account, picked: read, markdown, limits, time_s })
}

/// Which of its segments tell of the shutdown and what led to it: a machine may have been recorded for months.
fn segments(trace: &Trace, picked: &Picked, limits: &mut Vec<String>) -> Result<Range<usize>, Error> {
    let stretches = trace.stretches(picked.summary.session.id)?;
    let total = stretches.len();
    let mut start = 0;
    if let Some(shutdown) = &picked.story.shutdown {
        let first =
            shutdown.asked.as_ref().map_or(shutdown.begin.ns, |asked| asked.at.ns.min(shutdown.begin.ns));
        // The last that begins long enough before it: no later one reaches back as far.
        let early = |stretch: &Stretch| {
            stretch.first_ns != u64::MAX && stretch.first_ns.saturating_add(BEFORE_NS) < first
        };
        start = stretches.iter().rposition(early).unwrap_or(0).min(total.saturating_sub(SEGMENTS_FIRST));
    }
    let mut items: u64 = stretches[start..].iter().map(Stretch::items).sum();
    let before = start;
    while items > ITEMS_MAX && start + 1 < total {
        items -= stretches[start].items();
        start += 1;
    }
    if start > before {
        let events: u64 = stretches[start..].iter().map(|stretch| stretch.events).sum();
        limits.push(format!(
            "Only the last {events} events of the recording are in this report: it has more than fit in. The \
             recording itself has all of them, and so has a copy that `lastrites save` makes of it."
        ));
    }
    Ok(start..total)
}

/// Which segments of a boot tell how services fared, and why there are no more of them.
fn boot(trace: &Trace, summary: &traces::Summary) -> Result<(Range<usize>, Option<String>), Error> {
    let stretches = trace.stretches(summary.session.id)?;
    let until_ns = summary.session.started.boottime_ns.saturating_add(BOOT_NS);
    let mut items = 0;
    let settled = |stretch: &Stretch| stretch.first_ns != u64::MAX && stretch.first_ns > until_ns;
    let count = stretches.iter().enumerate().take_while(|(at, stretch)| {
        items += stretch.items();
        *at == 0 || !settled(stretch) && items <= BOOT_ITEMS_MAX
    });
    let count = count.count();
    let left_out = (count < stretches.len()).then(|| {
        "Of the boot that followed, only its beginning is in this report: how services fared until it had settled."
            .to_owned()
    });
    Ok((0..count, left_out))
}

/// What was removed, one thing a line, with where and how often it stood: for the eyes of who may read the recording.
pub fn list_removed(account: &Account) -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        for removed in account.removed.iter().filter(|removed| removed.kind == kind) {
            let texts = if removed.count == 1 { "text" } else { "texts" };
            out.push_str(&format!(
                "{}  {}  ({} {texts}, {}; as in: {})\n",
                removed.pseudonym,
                safe::text(&removed.original),
                removed.count,
                removed.places.join(", "),
                safe::text(&removed.example)
            ));
        }
    }
    out
}

const ARGUMENTS_LEFT: &str = "arguments are left in (--keep args), and with them every secret that no rule knows: look through \
     `lastrites show` on the report before you send it";

const TOO_LARGE: &str = "take a shorter recording, or allow larger files; nothing was left behind";

/// Counts what goes through it.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: io::Write> io::Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Report {
    /// Writes the archive to `target`; `-` is standard output. Returns its bytes.
    pub fn write_to(&mut self, target: &Path) -> Result<u64, Error> {
        let (redaction, time_s) = (self.redaction.clone(), self.time_s);
        if target == Path::new("-") {
            let out = io::stdout().lock();
            if out.is_terminal() {
                return Err(Error::usage("a report is not for a terminal: name a file, or use --markdown"));
            }
            let mut out = Counted { out: io::BufWriter::new(out), bytes: 0 };
            archive::write(&mut self.parts, redaction, time_s, &mut out).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::FileTooLarge => Error::failed("the report", error, TOO_LARGE),
                    _ => error.into(),
                }
            })?;
            out.flush()?;
            return Ok(out.bytes);
        }
        refuse_existing(target)?;
        // It is redacted, and has to be attached by somebody: the umask says who may read it.
        let mut file = new_file(target, true)?;
        let mut out = io::BufWriter::new(file.file_mut());
        archive::write(&mut self.parts, redaction, time_s, &mut out)
            .and_then(|_| out.flush())
            .map_err(|source| failed(target, "write it", source))?;
        drop(out);
        name_it(file, target)
    }
}

/// Why a new file could not be made, and what to do about it.
pub(crate) fn failed(target: &Path, doing: &'static str, source: io::Error) -> Error {
    let next = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room and try again; nothing was left behind"
        }
        io::ErrorKind::FileTooLarge => TOO_LARGE,
        _ => "choose a directory that exists and is yours to write to, with -o",
    };
    Error::File { path: target.to_owned(), doing, source, next }
}

/// A file without a name in the directory of `target`: for whoever the umask lets read it, or for its owner only.
pub(crate) fn new_file(target: &Path, for_others: bool) -> Result<Fresh, Error> {
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = if for_others { 0o666 } else { 0o600 };
    let file = Fresh::below(dir, mode).map_err(|source| failed(target, "create it", source))?;
    if for_others {
        give_to_caller(file.file());
    }
    Ok(file)
}

/// Gives what was written its name; returns its bytes.
pub(crate) fn name_it(file: Fresh, target: &Path) -> Result<u64, Error> {
    file.file().sync_all().map_err(|source| failed(target, "write it to the disk", source))?;
    let bytes = file.file().metadata().map_err(|source| failed(target, "measure it", source))?.len();
    file.name(target).map_err(|source| failed(target, "give it its name", source))?;
    Ok(bytes)
}
