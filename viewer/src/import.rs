//! `lastrites import`: recordings and reports of other machines, kept beside this machine's own.
//!
//! Invariant: what is kept was read from the first byte to the last before it got its name, and is a copy: the
//! original may go. A name is one plain word, so that it is never a path, and never stands for another recording. What
//! would not fit is refused before a byte is copied, and nothing is left of what fails.

mod glance;
mod place;

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use lastrites_traces::{
    layout,
    reader::{Summary, Trace},
};

use crate::{
    error::Error, fresh::Fresh, locate, output::Output, pick::Recording, requests::Requests, safe::Safe,
};

const LEAST_NAME: usize = 1;
const MOST_NAME: usize = 80;
/// Bytes that are copied, holes apart.
const COPY_MAX: u64 = 1 << 30;
/// How files of recordings and of reports end.
const ENDS: [&str; 2] = [".lrt", ".tar.gz"];

/// One that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub name: String,
    pub path: PathBuf,
    /// For all users of the machine.
    pub system: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub files: Vec<PathBuf>,
    /// Instead of the name of the file.
    pub name: Option<String>,
    pub system: bool,
    /// Names to forget.
    pub remove: Vec<String>,
}

/// All that were imported and can be seen from here, in order of name; a person's own before the machine's.
pub fn all() -> Vec<Imported> {
    place::all().flat_map(|(dir, system)| below(&dir, system)).collect()
}

fn below(dir: &Path, system: bool) -> Vec<Imported> {
    // Nobody imported anything, or it is not for us.
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let imported = |path: PathBuf| {
        let file = path.file_name()?.to_str()?;
        let name = ENDS.iter().find_map(|end| file.strip_suffix(end))?.to_owned();
        (is_name(&name) && path.symlink_metadata().is_ok_and(|meta| meta.is_file())).then_some(Imported {
            name,
            path,
            system,
        })
    };
    let mut all: Vec<Imported> = entries.filter_map(|entry| imported(entry.ok()?.path())).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The file that was imported last.
pub fn newest() -> Option<PathBuf> {
    let when = |imported: &Imported| imported.path.metadata().and_then(|found| found.modified()).ok();
    all().into_iter().max_by_key(when).map(|imported| imported.path)
}

/// The file that was imported under `name`.
pub fn find(name: &Path) -> Option<PathBuf> {
    let name = name.to_str().filter(|name| is_name(name))?;
    all().into_iter().find(|imported| imported.name == name).map(|imported| imported.path)
}

/// Where one of this name may be without our seeing it.
pub fn unseen(name: &Path) -> Option<PathBuf> {
    name.to_str().filter(|name| is_name(name))?;
    place::closed()
}

/// Whether `name` may be the name of one: plain, and nothing that means a recording of the ring.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (LEAST_NAME..=MOST_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(['.', '-'])
        && name.parse::<Recording>().is_err()
}

/// A name made of that of a file.
fn name_of(file: &Path) -> String {
    let text = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ends = [".tar.gz", ".tgz", ".tar", ".lrt", ".gz"];
    let stem = ends.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(&text);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let mut name: String = stem.chars().map(plain).take(MOST_NAME - 9).collect();
    name = name.trim_start_matches(['.', '-']).to_owned();
    if is_name(&name) { name } else { format!("imported-{name}") }
}

/// Imports or removes; returns the exit code.
pub fn run(options: &Options) -> Result<u8, Error> {
    if options.files.is_empty() && options.remove.is_empty() {
        return Err(Error::usage(
            "name files to import, or use --remove NAME; `lastrites list` shows what there is",
        ));
    }
    if options.name.is_some() && options.files.len() != 1 {
        return Err(Error::usage("--as gives a name to one file: import the others without it"));
    }
    let dir = place::chosen(options.system)?;
    for name in &options.remove {
        remove(&dir, options.system, name)?;
    }
    for file in &options.files {
        let imported = import(&dir, options, file)?;
        let mut out = Output::stdout();
        writeln!(out, "{}", Safe(format!("imported {}: `lastrites view {0}` opens it", imported)))?;
        out.finish()?;
    }
    Ok(0)
}

fn remove(dir: &Path, system: bool, name: &str) -> Result<(), Error> {
    let Some(found) = below(dir, system).into_iter().find(|imported| imported.name == name) else {
        return Err(Error::failed(
            name,
            format!(
                "nothing of this name was imported {}",
                if system { "for the machine" } else { "by you" }
            ),
            "`lastrites list` shows what there is (--system is for what was imported for all users)",
        ));
    };
    fs::remove_file(&found.path).map_err(|source| refused(&found.path, "remove it", source))?;
    glance::forget(&found.path);
    let _ = writeln!(io::stderr(), "removed {name}");
    Ok(())
}

/// The file is gone: what was noted of it beside it goes too, if it was one that had been imported.
pub(crate) fn forget(path: &Path) {
    if place::all().any(|(dir, _)| path.parent() == Some(&dir)) {
        glance::forget(path);
    }
}

fn refused(path: &Path, doing: &'static str, source: io::Error) -> Error {
    let next = match source.kind() {
        io::ErrorKind::PermissionDenied => "what is for all users (--system) is root's to change",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room and try again; nothing was left behind"
        }
        _ => "look whether its directory is there and yours to write to",
    };
    Error::File { path: path.to_owned(), doing, source, next }
}

fn import(dir: &Path, options: &Options, file: &Path) -> Result<String, Error> {
    let name = match &options.name {
        Some(name) if is_name(name) => name.clone(),
        Some(name) => {
            return Err(Error::usage(format!(
                "{name}: a name has letters, digits, `.`, `_` and `-`, at most {MOST_NAME}, and is none that means \
                 a recording of the ring (newest, previous, a number, the beginning of an id)"
            )));
        }
        None => name_of(file),
    };
    if below(dir, options.system).iter().any(|imported| imported.name == name) {
        return Err(Error::failed(
            name,
            "something of this name was imported before",
            "give this one another name with --as, or forget that one with --remove",
        ));
    }
    // A file of its size that nobody can make is a trap, and what is too large need not be read to know it.
    let is_too_large = |meta: fs::Metadata| {
        meta.is_file() && (meta.blocks().saturating_mul(512) > COPY_MAX || meta.len() > layout::SIZE_MAX)
    };
    if fs::metadata(file).is_ok_and(is_too_large) {
        return Err(too_large(file));
    }
    // Opened once for its message where it is no recording at all, before anything is made.
    drop(locate::open(file)?);
    place::make(dir, options.system).map_err(|source| refused(dir, "create it", source))?;
    // In the place of what was not there before, somebody else may have put something.
    place::roots_own(dir)?;
    place::sweep(dir);
    let mut copy = Fresh::below(dir, 0o600).map_err(|source| refused(dir, "create a file in it", source))?;
    copy_bounded(file, copy.file_mut(), dir)?;
    if options.system {
        let opened = copy.file().set_permissions(fs::Permissions::from_mode(0o644));
        opened.map_err(|source| refused(dir, "open the copy for all users", source))?;
    }
    // The copy is what is looked at: the file itself may be another by now.
    let (is_report, seen) = check(&copy.path(), file)?;
    copy.file().sync_all().map_err(|source| refused(dir, "write it to the disk", source))?;
    let target = dir.join(format!("{name}{}", ENDS[usize::from(is_report)]));
    copy.name(&target).map_err(|source| refused(&target, "give it its name", source))?;
    glance::keep(&target, &seen);
    Ok(name)
}

fn too_large(file: &Path) -> Error {
    Error::failed(
        file.display().to_string(),
        "it has more than 1 GiB, of which no copy is kept",
        "open it where it is (`lastrites view FILE`), or copy one recording out of it with `lastrites save` and import that",
    )
}

/// Copies `file`, and what is a hole in it as one: a ring file that is hardly used is hardly anything.
fn copy_bounded(file: &Path, to: &mut File, dir: &Path) -> Result<(), Error> {
    let mut from = File::open(file).map_err(|source| refused(file, "open it", source))?;
    let mut buffer = vec![0; 64 << 10];
    let (mut len, mut copied) = (0_u64, 0_u64);
    loop {
        match rustix::fs::seek(&from, rustix::fs::SeekFrom::Data(len)) {
            Ok(data) => len = data,
            // Nothing but a hole up to the end.
            Err(rustix::io::Errno::NXIO) => {
                len = from.metadata().map_err(|source| refused(file, "measure it", source))?.len().max(len);
                break;
            }
            // A file system that cannot say where holes are has none.
            Err(_) => {}
        }
        to.seek(SeekFrom::Start(len)).map_err(|source| refused(dir, "copy it there", source))?;
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(refused(file, "read it", source)),
        };
        let part = &buffer[..count];
        len += count as u64;
        if part.iter().any(|byte| *byte != 0) {
            copied += count as u64;
            to.write_all(part).map_err(|source| refused(dir, "copy it there", source))?;
        }
        // It may have grown since it was measured.
        if copied > COPY_MAX || len > layout::SIZE_MAX {
            return Err(too_large(file));
        }
    }
    to.set_len(len).map_err(|source| refused(dir, "copy it there", source))
}

/// Recordings of a file, with what their events say of the whole.
pub type Seen = Vec<(Summary, Requests)>;

/// Reads a recording or a report whole; whether it is a report, and what was seen in it.
fn check(copy: &Path, file: &Path) -> Result<(bool, Seen), Error> {
    let opened = locate::open_any(copy);
    let (trace, is_report): (Trace, bool) = opened.map_err(|_| {
        Error::failed(file.display().to_string(), "it changed while it was copied", "import it again")
    })?;
    if trace.sessions().is_empty() {
        return Err(Error::empty(file, trace.is_ring()));
    }
    let mut seen = Vec::new();
    for summary in trace.sessions() {
        let mut requests = Requests::default();
        let mut missing = trace.for_each(summary.session.id, &mut |event| requests.see(event))?;
        missing.extend(summary.gaps.iter().filter(|gap| gap.from == gap.to).cloned());
        if !missing.is_empty() {
            let _ = writeln!(
                io::stderr(),
                "{}",
                Safe(format!(
                    "{}: parts of it cannot be read; `lastrites list` will say which",
                    file.display()
                ))
            );
        }
        seen.push((summary.clone(), requests));
    }
    Ok((is_report, seen))
}

/// What `list` shows of an imported file: as it was seen before, if it is still the same.
pub fn seen(imported: &Imported) -> Result<Seen, Error> {
    if let Some(seen) = glance::read(&imported.path) {
        return Ok(seen);
    }
    let trace = locate::open(&imported.path)?;
    let mut seen = Vec::new();
    for summary in trace.sessions() {
        let mut requests = Requests::default();
        trace.for_each(summary.session.id, &mut |event| requests.see(event))?;
        seen.push((summary.clone(), requests));
    }
    glance::keep(&imported.path, &seen);
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words_that_mean_nothing_else() {
        for (file, name) in [
            ("/tmp/db7.lrt", "db7"),
            ("lastrites-report-20261112-031407.tar.gz", "lastrites-report-20261112-031407"),
            ("a b/../x\u{202e}y.lrt", "x-y"),
            ("12.lrt", "imported-12"),
            ("abcdef.lrt", "imported-abcdef"),
            (".hidden", "hidden"),
        ] {
            assert_eq!(name_of(Path::new(file)), name);
            assert!(is_name(name), "{name}");
        }
        for bad in ["", "..", ".x", "a/b", "newest", "7", "cafe0123", "-x", "a\n"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
