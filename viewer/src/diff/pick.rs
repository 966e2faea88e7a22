//! Which two shutdowns are meant, and reading them.
//!
//! Invariant: two different recordings, each with a shutdown in it, or an error that says which to name instead.

use std::path::{Path, PathBuf};

use lastrites_traces::reader::Trace;

use crate::{
    about::{self, Ending},
    error::Error,
    explain::{Picked, pick as explained},
    import, locate,
    pick::{self, Recording},
};

/// One of the two.
#[derive(Debug)]
pub struct Side {
    pub picked: Picked,
    pub ending: Ending,
    /// Under which name it was imported.
    pub imported: Option<String>,
}

/// What one argument names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// None: the file that `--file` names, or the ring.
    path: Option<PathBuf>,
    /// None: the newest with a shutdown in it.
    which: Option<Recording>,
}

impl Named {
    /// `3`, `previous`, `a1b2c3d4`, `FILE`, `FILE:3`. A name of a recording is one even where a file has it too:
    /// `./3` is the file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Ok(which) = text.parse() {
            return Ok(Self { path: None, which: Some(which) });
        }
        let is_there = |text: &str| Path::new(text).exists() || import::find(Path::new(text)).is_some();
        // A colon may be part of a name.
        if is_there(text) {
            return Ok(Self { path: Some(text.into()), which: None });
        }
        let split = text.rsplit_once(':').filter(|(path, _)| !path.is_empty());
        if let Some((path, which)) = split
            && is_there(path)
        {
            let which = which.parse().map_err(|why| Error::usage(format!("{text}: {why}")))?;
            return Ok(Self { path: Some(path.into()), which: Some(which) });
        }
        Err(Error::usage(format!(
            "{text}: neither a file nor a recording; give newest, previous, a number as `list` shows it, at least \
             4 digits of an id, FILE, or FILE:RECORDING"
        )))
    }
}

/// A file that is open.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    trace: Trace,
}

impl Source {
    fn open(path: Option<&Path>) -> Result<Self, Error> {
        let path = locate::find(path)?;
        let trace = locate::open(&path)?;
        if trace.sessions().is_empty() {
            return Err(Error::empty(&path, trace.is_ring()));
        }
        Ok(Self { path, trace })
    }

    fn side(&self, picked: Picked) -> Side {
        let newest = picked.number == self.trace.sessions().len();
        let ending = Ending::of(&picked.summary, newest, about::boot_id().as_deref());
        let imported = import::all().into_iter().find(|imported| imported.path == self.path);
        Side { picked, ending, imported: imported.map(|imported| imported.name) }
    }

    /// The newest `most` with a shutdown, newest first.
    fn newest(&self, most: usize) -> Result<Vec<Picked>, Error> {
        let mut found = Vec::new();
        for (at, summary) in self.trace.sessions().iter().enumerate().rev() {
            if found.len() == most {
                break;
            }
            if explained::may_have_shutdown(summary) {
                let picked = explained::read(&self.trace, &self.path, at + 1)?;
                if picked.story.shutdown.is_some() {
                    found.push(picked);
                }
            }
        }
        Ok(found)
    }

    fn pick(&self, which: Option<&Recording>) -> Result<Side, Error> {
        let which = which.unwrap_or(&Recording::Newest);
        // Of boots without a shutdown nobody wants to know here.
        let back = match which {
            Recording::Newest => 0,
            Recording::Previous => 1,
            Recording::Number(_) | Recording::Id(_) => {
                let (number, _) = pick::pick(&self.trace, &self.path, which)?;
                let picked = explained::read(&self.trace, &self.path, number)?;
                if picked.story.shutdown.is_none() {
                    return Err(Error::usage(format!(
                        "{}: recording {number} has no shutdown in it; `lastrites list` shows which have",
                        self.path.display()
                    )));
                }
                return Ok(self.side(picked));
            }
        };
        let mut found = self.newest(back + 1)?;
        match found.len() {
            n if n == back + 1 => Ok(self.side(found.remove(back))),
            0 => Err(self.too_few("no recording in it has a shutdown")),
            _ => Err(self.too_few("only one recording in it has a shutdown")),
        }
    }

    fn too_few(&self, why: &str) -> Error {
        Error::failed(
            self.path.display().to_string(),
            why,
            "name another recording, or another file: lastrites diff GOOD BAD",
        )
    }
}

/// The two to compare: those named, or the newest two with a shutdown; one that is named is compared with the newest.
pub fn both(file: Option<&Path>, a: Option<&str>, b: Option<&str>) -> Result<(Side, Side), Error> {
    let a = a.map(Named::parse).transpose()?;
    let b = b.map(Named::parse).transpose()?;
    let (a, b) = match (a, b) {
        (None, _) => {
            let source = Source::open(file)?;
            let mut found = source.newest(2)?;
            match (found.pop(), found.pop()) {
                (Some(older), Some(newer)) => (source.side(older), source.side(newer)),
                (Some(_), None) => return Err(source.too_few("only one recording in it has a shutdown")),
                (None, _) => return Err(source.too_few("no recording in it has a shutdown")),
            }
        }
        (Some(a), b) => {
            let side =
                |named: &Named| Source::open(named.path.as_deref().or(file))?.pick(named.which.as_ref());
            let alone = a.path.as_ref().filter(|_| b.is_none() && file.is_none());
            let b = b.unwrap_or(Named { path: None, which: None });
            let first = side(&a)?;
            let second = side(&b).map_err(|error| match (error, alone) {
                (Error::NothingThere { looked }, Some(alone)) => Error::usage(format!(
                    "{}: nothing to compare it with: this machine has no recording ({looked}); name the other one, \
                     or compare the newest two of that file: lastrites diff --file FILE",
                    alone.display()
                )),
                (error, _) => error,
            })?;
            (first, second)
        }
    };
    if a.picked.summary.session.id == b.picked.summary.session.id {
        return Err(Error::usage(format!(
            "{}: recording {} twice; name two shutdowns, as `lastrites list` shows them",
            b.picked.path.display(),
            b.picked.number
        )));
    }
    Ok((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_recording_a_file_or_a_recording_of_a_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("with:colon.lrt");
        std::fs::write(&file, "").expect("written");
        let name = file.to_str().expect("UTF-8");
        let named = |text: &str| Named::parse(text).ok();
        let of = |path: Option<&Path>, which| Some(Named { path: path.map(Path::to_owned), which });
        assert_eq!(named("previous"), of(None, Some(Recording::Previous)));
        assert_eq!(named("3"), of(None, Some(Recording::Number(3))));
        assert_eq!(named("abcdef"), of(None, Some(Recording::Id("abcdef".into()))));
        assert_eq!(named(name), of(Some(&file), None));
        assert_eq!(named(&format!("{name}:2")), of(Some(&file), Some(Recording::Number(2))));
        for bad in ["", ":2", "nothing-there", "nothing-there:2", &format!("{name}:x")] {
            assert!(Named::parse(bad).is_err_and(|e| e.exit_code() == 2), "{bad}");
        }
    }
}
