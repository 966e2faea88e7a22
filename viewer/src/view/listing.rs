//! The recordings that can be opened: of which files they are, and which one is meant.
//!
//! Invariant: what is chosen or marked in the list stays so, whatever makes way or comes to it meanwhile.

use std::path::{Path, PathBuf};

use lastrites_traces::session::SessionId;

use super::{
    app::{App, Ask, Effect, Mode},
    model::Model,
};
use crate::safe;

/// Which recording of which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    /// A place in [`App::files`].
    pub file: usize,
    /// As `lastrites list` counts; older ones that make way change it.
    pub number: usize,
}

/// A file whose recordings are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub path: PathBuf,
    /// What people call it.
    pub title: String,
    /// Its recordings make way by themselves.
    pub ring: bool,
    /// It is called by the name under which it was imported.
    pub imported: bool,
}

impl Listed {
    /// `imported`: the name under which it was.
    pub fn new(path: PathBuf, imported: Option<&str>) -> Self {
        let title = match (imported, path.file_name()) {
            (Some(name), _) => format!("imported as {name}"),
            (None, Some(name)) => safe::text(name.as_encoded_bytes()),
            (None, None) => safe::text(path.as_os_str().as_encoded_bytes()),
        };
        Self { path, title, ring: false, imported: imported.is_some() }
    }
}

/// A recording in the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its number changes when older ones make way; this does not.
    pub id: SessionId,
    pub spot: Spot,
    /// When it began, in milliseconds since 1970, by the clock of its machine.
    pub began_ms: i64,
    pub when: String,
    /// How far its clock was from UTC then.
    pub zone: String,
    pub host: String,
    pub init: String,
    pub ending: String,
    pub events: u64,
    /// None: not looked at yet.
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    pub how: String,
    pub findings: usize,
    pub worst: String,
}

impl App {
    /// Where the recording that is open is listed.
    pub fn spot_of(&self, model: &Model) -> Spot {
        let file = self.files.iter().position(|file| file.path == model.picked.path);
        Spot { file: file.unwrap_or(0), number: model.picked.number }
    }

    pub fn is_ring(&self, file: usize) -> bool {
        self.files.get(file).is_some_and(|file| file.ring)
    }

    /// What is in the file by now. Whatever of the list is chosen stays so, under whichever number.
    pub fn listed(&mut self, path: &Path, entries: Vec<Entry>, ring: bool) {
        let at = self.files.iter().position(|file| file.path == path).unwrap_or_else(|| {
            self.files.push(Listed::new(path.to_owned(), None));
            self.files.len() - 1
        });
        self.files[at].ring = ring;
        let mut new = entries;
        for entry in &mut new {
            entry.spot.file = at;
        }
        let old = std::mem::take(&mut self.entries);
        let place = old.partition_point(|entry| entry.spot.file < at);
        let others = old.iter().filter(|entry| entry.spot.file != at).cloned();
        self.entries = others.collect();
        for entry in &mut new {
            let same = |old: &&Entry| old.spot.file == at && old.id == entry.id && old.events == entry.events;
            let known = old.iter().find(same).and_then(|known| known.verdict.clone());
            entry.verdict = known.or(entry.verdict.take());
        }
        self.entries.splice(place..place, new);
        let new = &self.entries;
        let of = |old: Option<&Entry>| {
            let old = old?;
            new.iter().position(|entry| entry.spot.file == old.spot.file && entry.id == old.id)
        };
        let moved = |spot: Spot| {
            let at = of(old.iter().find(|entry| entry.spot == spot))?;
            Some(new[at].spot)
        };
        // It may lie below its own help, or wait for an answer.
        let list = match &mut self.mode {
            Mode::KeysOf(_, below) => Some(below.as_mut()),
            Mode::Ask { .. } => self.asked_from.as_deref_mut(),
            mode => Some(mode),
        };
        if let Some(Mode::Recordings { at, marked }) = list {
            *at = of(old.get(*at)).unwrap_or((*at).min(new.len().saturating_sub(1)));
            *marked = marked.and_then(moved);
        }
        if let Mode::Ask { ask: Ask::Save(_, Some(spot)), .. } = &mut self.mode {
            match moved(*spot) {
                Some(new) => *spot = new,
                None => {
                    // Not the list: the Enter that is on its way would open another recording.
                    (self.mode, self.asked_from) = (Mode::Normal, None);
                    self.message = "that recording made way for newer ones: it cannot be saved".into();
                }
            }
        }
    }

    /// How a recording of this file went.
    pub fn surveyed(&mut self, path: &Path, id: SessionId, verdict: Verdict) {
        let file = self.files.iter().position(|file| file.path == path);
        let is_it = |entry: &&mut Entry| Some(entry.spot.file) == file && entry.id == id;
        if let Some(entry) = self.entries.iter_mut().find(is_it) {
            entry.verdict = Some(verdict);
        }
    }

    /// A file is gone, and with it what was listed of it; what is open stays.
    pub fn unlisted(&mut self, path: &Path) {
        let ring = self.files.iter().any(|file| file.path == path && file.ring);
        self.listed(path, Vec::new(), ring);
    }

    /// The chosen one with the marked one, else with the one that is open, else with the shutdown before it. None: there
    /// is nothing to compare it with.
    pub(super) fn compare(&mut self, chosen: Spot, marked: Option<Spot>) -> Option<Effect> {
        if marked == Some(chosen) {
            self.message = "that is the marked one; choose another".into();
            return None;
        }
        let open = self.model.as_ref().map(|model| self.spot_of(model));
        if let Some(other) = marked.or(open).filter(|other| *other != chosen) {
            let (a, b) = if self.is_older(chosen, other) { (chosen, other) } else { (other, chosen) };
            return Some(Effect::Compare { a: Some(a), b });
        }
        let of_file = self.entries.iter().filter(|entry| entry.spot.file == chosen.file).count();
        if of_file == 1 {
            let next = match self.files.len() {
                0 | 1 => "`lastrites view FILE FILE` lists those of two, `lastrites diff A B` compares them",
                _ => "choose one of another file here, or mark it with Space: d compares with it",
            };
            self.message = format!("one recording is in this file; {next}");
            return None;
        }
        Some(Effect::Compare { a: None, b: chosen })
    }

    /// Whether `a` comes before `b`: by their numbers in one file, by their clocks in two.
    fn is_older(&self, a: Spot, b: Spot) -> bool {
        if a.file == b.file {
            return a.number < b.number;
        }
        let began =
            |spot: Spot| self.entries.iter().find(|entry| entry.spot == spot).map(|entry| entry.began_ms);
        (began(a), a) < (began(b), b)
    }
}
