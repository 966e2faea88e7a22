//! What is planned becomes files, links and registered scripts, and goes again.
//!
//! Invariant: installing twice is installing once; of what is listed all is taken away that can be, whatever fails of it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Item, Run, ours::is_ours};
use crate::{error::Error, own, place, state::Made};

/// `path`, which the running machine sees as absolute, below `root`.
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What `items` will leave behind, in order of creation, with the directories they need.
pub fn listing(root: &Path, items: &[Item]) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for item in items {
        let (path, entry) = match item {
            Item::File { path, .. } => (path, Made::File(path.clone())),
            Item::Link { path, .. } => (path, Made::Link(path.clone())),
            Item::Script(name) => {
                made.push(Made::Script(name.clone()));
                continue;
            }
        };
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|p| !below(root, p).exists()).collect();
        for dir in missing.into_iter().rev() {
            let dir = Made::Dir(dir.to_owned());
            if !made.contains(&dir) {
                made.push(dir);
            }
        }
        made.push(entry);
    }
    made
}

/// Creates `items` below `root`.
pub fn install(root: &Path, items: &[Item], run: &mut dyn Run) -> Result<(), Error> {
    for item in items {
        match item {
            Item::File { path, mode, text } => {
                let at = below(root, path);
                write_file(&at, *mode, text).map_err(|e| {
                    Error::file(at, "install a hook", e, "make this file system writable, then arm again")
                })?;
            }
            Item::Link { path, target } => {
                let at = below(root, path);
                make_link(&at, target).map_err(|e| {
                    Error::file(at, "install a hook", e, "make this file system writable, then arm again")
                })?;
            }
            Item::Script(name) => run.run(&["update-rc.d", name, "defaults"])?,
        }
    }
    Ok(())
}

pub(super) fn write_file(at: &Path, mode: u32, text: &str) -> io::Result<()> {
    match at.parent().map_or(Ok(()), own::make_dirs).and_then(|()| own::write(at, mode, text.as_bytes())) {
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem && serves(at, text) => Ok(()),
        done => done,
    }
}

/// Whether the file `at` does what `text` would do there: one of ours, if of an earlier version, that calls the same copy of the tracer.
/// An arming that had another place may have left one.
fn serves(at: &Path, text: &str) -> bool {
    let there = fs::read_to_string(at).unwrap_or_default();
    is_ours(at) && copies(&there).eq(&copies(text))
}

/// Whether the file `at` is one of ours and calls this copy of the tracer.
pub fn calls(at: &Path, binary: &Path) -> bool {
    let there = fs::read_to_string(at).unwrap_or_default();
    is_ours(at) && copies(&there).into_iter().any(|copy| Path::new(copy) == binary)
}

/// The copies of the tracer that a file names.
fn copies(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == '=');
    words.filter(|word| word.starts_with('/') && Path::new(word).ends_with(place::BINARY_NAME)).collect()
}

/// Takes away from `items` the hook of the seal if it is not there, or is one for another place, and cannot be made, since its file
/// system is read-only, and says which that is: all else works without.
pub fn give_up_seal(root: &Path, items: &mut Vec<Item>) -> Option<PathBuf> {
    let is_in_vain = |item: &Item| match item {
        Item::File { path, text, .. } if is_seal(path) => {
            let at = below(root, path);
            let there = at.ancestors().find(|at| at.exists()).unwrap_or(root);
            !serves(&at, text) && own::is_read_only(there)
        }
        _ => false,
    };
    let given_up = items.iter().position(is_in_vain).map(|at| items.remove(at));
    if let Some(Item::File { path, .. }) = given_up { Some(path) } else { None }
}

/// Whether this file that arming makes is what an init runs last of all.
pub fn is_seal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "shutdown")
}

pub(super) fn make_link(at: &Path, target: &Path) -> io::Result<()> {
    at.parent().map_or(Ok(()), own::make_dirs)?;
    own::link(at, target)
}

/// Takes away what `made` lists, last first. Goes on after a failure; the first one is returned. What stays because its file system
/// is read-only is none, for without the tracer's copy and an armed file it does nothing: whoever removes those says so
/// ([`stays`]).
pub fn remove(root: &Path, made: &[Made], run: &mut dyn Run) -> Result<Vec<PathBuf>, Error> {
    let mut first = Ok(());
    let mut kept = Vec::new();
    for entry in made.iter().rev() {
        let done = match entry {
            // The tool wants the script's file gone before it forgets its links: see below.
            Made::Script(_) => Ok(()),
            // The probe's pins go first: see `arm::clean_up`.
            Made::Mount(_) => Ok(()),
            Made::File(path) | Made::Link(path) => {
                let at = below(root, path);
                match own::remove(&at).and_then(|()| own::remove_unfinished(&at)) {
                    Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                        kept.push(at);
                        Ok(())
                    }
                    done => done.map_err(|e| {
                        Error::file(
                            at,
                            "remove what arming installed",
                            e,
                            "make it writable, then disarm again",
                        )
                    }),
                }
            }
            Made::Dir(path) => {
                // A directory that others use by now stays.
                let _ = fs::remove_dir(below(root, path));
                Ok(())
            }
        };
        if first.is_ok() {
            first = done;
        }
    }
    for entry in made.iter().rev() {
        if let Made::Script(name) = entry {
            let done = run.run(&["update-rc.d", name, "remove"]);
            if first.is_ok() {
                first = done;
            }
        }
    }
    first.map(|()| kept)
}

/// What is said of what could not be removed, once nothing is armed any more.
pub fn stays(path: &Path) -> String {
    format!(
        "{} stays, since its file system is read-only; it does nothing any more, and `lastrites disarm` removes it once that is writable",
        path.display()
    )
}
