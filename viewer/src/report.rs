//! `lastrites report`: one file for a bug tracker, without the secrets and names of the machine that it tells of.
//!
//! Invariant: everything in the file is made of the redacted recording, as anybody who opens it reads it. The
//! recording itself is only read. The file appears whole under its name or not at all, and replaces nothing. What it
//! holds is a list of named parts ([`archive::Part`]): a further one (a page, an export) is one more entry of that list.

pub mod archive;
mod rewrite;
pub mod summary;

use std::{
    fs::{File, Permissions},
    io::{self, IsTerminal as _, Seek as _, Write as _},
    os::unix::fs::{PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use lastrites_traces::reader::{Item, Trace};
use tempfile::NamedTempFile;

use self::{
    archive::{Body, Part, Redaction},
    rewrite::Wanted,
    summary::Summary,
};
use crate::{
    about::{self, Ending},
    error::Error,
    explain::{Picked, pick},
    locate,
    output::Output,
    pick::{self as recordings, Recording},
    redact::{Account, Keep, Kind},
    safe::{self, Safe},
    story::finding::Rule,
    time::Clocks,
};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// None: the ring of this machine.
    pub file: Option<PathBuf>,
    pub recording: Option<Recording>,
    /// The newest shutdown, however it went.
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
    /// Of the recording's last moment, seconds since 1970.
    time_s: u64,
}

/// What a tracker is sure to take.
const LARGE: u64 = 10 << 20;
/// What is before the shutdown by more than this is left out, where segments allow.
const BEFORE_NS: u64 = 600_000_000_000;
/// Segments that are taken without looking.
const SEGMENTS_FIRST: usize = 8;

/// Makes a report and writes it; returns the exit code.
pub fn run(options: &Options) -> Result<u8, Error> {
    if options.list_removed && options.output.as_deref() == Some(Path::new("-")) {
        // Both would go to standard output, and what was removed into the file that is sent.
        return Err(Error::usage(
            "--list-removed shows what is not to be sent: name a file with -o, not `-`",
        ));
    }
    let path = locate::find(options.file.as_deref())?;
    let trace = locate::open(&path)?;
    let picked = pick_bad(&trace, &path, options)?;
    let here = rustix::system::uname();
    let own =
        options.file.is_none() && here.nodename().to_bytes() == picked.summary.session.hostname.as_bytes();
    if let Some(target) = &options.output {
        refuse_existing(target)?;
    }
    let mut report = make(&trace, &picked, options.keep, own)?;
    if options.markdown {
        let mut out = Output::stdout();
        out.write_all(report.markdown.as_bytes())?;
        out.finish()?;
        say(&format!("removed {}", report.account.sentence()));
        return Ok(0);
    }
    say(&format!("removed {}", report.account.sentence()));
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
    let name = format!("lastrites-report-{}.tar.gz", stamp(&report.picked));
    let target = options.output.clone().unwrap_or_else(|| name.into());
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

/// A name that is taken is not for us.
pub(crate) fn refuse_existing(target: &Path) -> Result<(), Error> {
    if target == Path::new("-") || target.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::failed(
        target.display().to_string(),
        "it is there already, and nothing is overwritten",
        "name another file with -o",
    ))
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

/// The recording that is meant: the one named, or the newest shutdown that went wrong, or else the newest.
fn pick_bad(trace: &Trace, path: &Path, options: &Options) -> Result<Picked, Error> {
    if options.recording.is_some() || options.last {
        return pick::pick(trace, path, options.recording.as_ref());
    }
    let (newest, _) = recordings::pick(trace, path, &Recording::Newest)?;
    let mut first = None;
    for number in (1..=newest).rev() {
        if !pick::may_have_shutdown(&trace.sessions()[number - 1]) {
            continue;
        }
        let picked = pick::read(trace, path, number)?;
        if went_wrong(&picked) {
            return Ok(picked);
        }
        if first.is_none() && (picked.story.shutdown.is_some() || picked.story.cut) {
            first = Some(picked);
        }
    }
    first.map_or_else(|| pick::read(trace, path, newest), Ok)
}

/// Whether anything but waiting is to be told of it.
fn went_wrong(picked: &Picked) -> bool {
    let harmless = [Rule::WaitedFor, Rule::EventsLost, Rule::Spared];
    picked.story.findings.iter().any(|finding| finding.failed || !harmless.contains(&finding.rule))
}

/// Makes the report of `picked`, a recording of `trace`. `own`: it is of the machine that this runs on.
pub fn make(trace: &Trace, picked: &Picked, keep: Keep, own: bool) -> Result<Report, Error> {
    let newest = picked.number == trace.sessions().len();
    let goes_on = Ending::of(&picked.summary, newest, about::boot_id().as_deref()) == Ending::Recording;
    let mut wanted = vec![Wanted { summary: &picked.summary, segments: segments(trace, picked)?, goes_on }];
    // How it went on at the next boot is a part of the story.
    if let Some(after) =
        trace.sessions().get(picked.number).filter(|after| pick::follows(after, &picked.summary))
    {
        let newest = picked.number + 1 == trace.sessions().len();
        let goes_on = Ending::of(after, newest, about::boot_id().as_deref()) == Ending::Recording;
        wanted.push(Wanted { summary: after, segments: usize::MAX, goes_on });
    }
    let (mut file, mut redactor) = rewrite::rewrite(trace, &wanted, keep)?;
    let distribution = if own { distribution().map(|name| redactor.note(&name)) } else { None };
    let account = redactor.account().clone();
    let again = file.try_clone().map_err(Error::Output)?;
    let redacted = Trace::from_file(Path::new(archive::TRACE), again)?;
    let read = pick::read(&redacted, Path::new(archive::TRACE), 1)?;
    let ending = Ending::of(&read.summary, redacted.sessions().len() == 1, None);
    let summary = Summary { picked: &read, ending, account: &account, keep, distribution };
    let markdown = summary.markdown(false);
    let readme = summary.markdown(true);
    file.rewind().map_err(Error::Output)?;
    let redaction = Redaction {
        kept: keep.words().into_iter().map(str::to_owned).collect(),
        removed: account.numbers().into_iter().map(|(kind, n)| (kind.word().to_owned(), n as u64)).collect(),
    };
    let parts = vec![
        Part { name: archive::SUMMARY.into(), body: Body::Bytes(readme.into_bytes()) },
        Part { name: archive::TRACE.into(), body: Body::File(file) },
    ];
    let clock = read.summary.clocks.last().copied().unwrap_or(read.summary.session.started);
    let time_s = clock.realtime_of(read.summary.last_ns) / 1_000_000_000;
    Ok(Report { parts, redaction, account, picked: read, markdown, time_s })
}

/// How many of its last segments tell of the shutdown and what led to it: a machine may have been recorded for months.
fn segments(trace: &Trace, picked: &Picked) -> Result<usize, Error> {
    let id = picked.summary.session.id;
    let total = trace.segments(id)?;
    let Some(shutdown) = &picked.story.shutdown else { return Ok(total) };
    let first = shutdown.asked.as_ref().map_or(shutdown.begin.ns, |asked| asked.at.ns.min(shutdown.begin.ns));
    let mut count = SEGMENTS_FIRST;
    while count < total {
        let mut items = trace.last_events(id, count)?;
        let begins = items.find_map(|item| match item {
            Ok(Item::Event(event)) => Some(event.time_ns),
            _ => None,
        });
        if begins.is_some_and(|ns| ns.saturating_add(BEFORE_NS) < first) {
            return Ok(count);
        }
        count = count.saturating_mul(2);
    }
    Ok(total)
}

/// `Debian GNU/Linux 12 (bookworm)`, as os-release(5) of this machine has it.
fn distribution() -> Option<String> {
    let text = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())?;
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty() && name.len() <= 100)
}

/// What was removed, one thing a line: for the eyes of who may read the recording.
pub fn list_removed(account: &Account) -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        for removed in account.removed.iter().filter(|removed| removed.kind == kind) {
            out.push_str(&format!("{}  {}\n", removed.pseudonym, safe::text(&removed.original)));
        }
    }
    out
}

impl Report {
    /// Writes the archive to `target`; `-` is standard output. Returns its bytes.
    pub fn write_to(&mut self, target: &Path) -> Result<u64, Error> {
        let (redaction, time_s) = (self.redaction.clone(), self.time_s);
        if target == Path::new("-") {
            let mut out = io::stdout().lock();
            if out.is_terminal() {
                return Err(Error::usage("a report is not for a terminal: name a file, or use --markdown"));
            }
            let mut bytes = Vec::new();
            archive::write(&mut self.parts, redaction, time_s, &mut bytes)?;
            out.write_all(&bytes)?;
            out.flush()?;
            return Ok(bytes.len() as u64);
        }
        refuse_existing(target)?;
        // It is redacted, and has to be attached by somebody: the umask says who may read it.
        let mut file = new_file(target, true)?;
        let mut out = io::BufWriter::new(file.as_file_mut());
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
        io::ErrorKind::FileTooLarge => "take a shorter recording; nothing was left behind",
        _ => "choose a directory that exists and is yours to write to, with -o",
    };
    Error::File { path: target.to_owned(), doing, source, next }
}

/// A file without a name in the directory of `target`: for whoever the umask lets read it, or for its owner only.
pub(crate) fn new_file(target: &Path, for_others: bool) -> Result<NamedTempFile, Error> {
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = if for_others { 0o666 } else { 0o600 };
    let file = tempfile::Builder::new()
        .prefix(".lastrites-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir)
        .map_err(|source| failed(target, "create it", source))?;
    if for_others {
        give_to_caller(file.as_file());
    }
    Ok(file)
}

/// Gives what was written its name; returns its bytes.
pub(crate) fn name_it(file: NamedTempFile, target: &Path) -> Result<u64, Error> {
    file.as_file().sync_all().map_err(|source| failed(target, "write it to the disk", source))?;
    let bytes = file.as_file().metadata().map_err(|source| failed(target, "measure it", source))?.len();
    file.persist_noclobber(target).map_err(|e| failed(target, "give it its name", e.error))?;
    Ok(bytes)
}
