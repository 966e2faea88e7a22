//! The search: incremental, and in slices where there are millions to look at.
//!
//! Invariant: until Enter accepts what was found, nothing is lost: every letter starts again from the place where the
//! search began, and Esc goes back there.

use std::sync::Arc;

use super::{Subject, app::App, filter::Matcher, history::Place, model::Model, rows::SLICE};
use crate::{safe, story::world::Idx};

/// A search that has not looked at everybody yet.
#[derive(Debug)]
pub(super) struct Looking {
    matcher: Matcher,
    /// Those that have lanes come first, then the others.
    lanes: Vec<Idx>,
    at: usize,
    /// The first that is found is gone to, unless a person went elsewhere meanwhile.
    goes: bool,
}

impl Looking {
    fn new(model: &Model, text: &str) -> Self {
        let lanes = model.story_lanes.iter().chain(&model.service_lanes);
        let lanes = lanes.flat_map(|lane| lane.procs.iter().copied()).collect();
        Self { matcher: Matcher::new(model, text), lanes, at: 0, goes: true }
    }

    fn step(&mut self, model: &Model, most: usize, found: &mut Vec<Idx>) -> bool {
        for _ in 0..most {
            let lanes = self.lanes.len();
            let idx = self.lanes.get(self.at).or_else(|| model.others.get(self.at.checked_sub(lanes)?));
            let Some(idx) = idx.copied() else { return true };
            self.at += 1;
            if model.world().proc_at(idx).is_some_and(|proc| self.matcher.is_match(model, idx, proc)) {
                found.push(idx);
            }
        }
        false
    }

    fn percent(&self, model: &Model) -> usize {
        self.at * 100 / (self.lanes.len() + model.others.len()).max(1)
    }
}

impl App {
    pub(super) fn begin_search(&mut self) {
        self.remember();
        self.before_search = Some(Box::new(self.here()));
    }

    /// A letter more or less.
    pub(super) fn look_for(&mut self, text: &str) {
        let Some(model) = self.model.clone() else { return };
        self.back_to_before();
        self.search = text.to_owned();
        self.matches.clear();
        self.match_at = 0;
        self.looking = (!text.is_empty()).then(|| Looking::new(&model, text));
        self.look_on();
    }

    /// A slice of the search.
    pub(super) fn look_on(&mut self) {
        let (Some(model), Some(mut looking)) = (self.model.clone(), self.looking.take()) else { return };
        let done = looking.step(&model, SLICE, &mut self.matches);
        if looking.goes
            && let Some(first) = self.matches.first().copied()
        {
            looking.goes = false;
            self.arrive(Subject::Proc(first));
            if self.before_search.is_none() {
                // It was accepted before it was found.
                self.renew_place();
            }
        }
        if !done {
            self.looking = Some(looking);
        } else if self.matches.is_empty() {
            self.message = format!("nothing is called {}", safe::text(self.search.as_bytes()));
        }
    }

    /// What was found is wanted.
    pub(super) fn accept_search(&mut self, text: &str) {
        if text.is_empty() {
            self.cancel_search();
            return;
        }
        if let Some(before) = self.before_search.take() {
            self.folds_before.get_or_insert(before.folded);
        }
        if self.matches.is_empty() && self.looking.is_none() {
            self.message = format!("nothing is called {}", safe::text(text.as_bytes()));
        } else {
            self.push_place();
        }
    }

    /// Everything as it was before the search.
    pub(super) fn cancel_search(&mut self) {
        self.back_to_before();
        self.before_search = None;
        self.forget_search();
    }

    /// Whether the search that is on has found `idx`, for a mark beside its lane. Of thousands the first are marked.
    pub fn is_found(&self, idx: Idx) -> bool {
        const MARKED: usize = 500;
        self.matches.iter().take(MARKED).any(|found| *found == idx)
    }

    pub(super) fn forget_search(&mut self) {
        self.looking = None;
        self.matches.clear();
        self.search.clear();
        self.match_at = 0;
    }

    fn back_to_before(&mut self) {
        if let Some(before) = &self.before_search {
            let before: Place = before.as_ref().clone();
            if before != self.here() {
                self.stand(before);
            }
        }
    }

    /// A person went elsewhere: what is found later is not gone to.
    pub(super) fn stay_here(&mut self) {
        if let Some(looking) = &mut self.looking {
            looking.goes = false;
        }
    }

    /// The same search in another reading of the recording.
    pub(super) fn search_again(&mut self, model: &Arc<Model>) {
        if self.search.is_empty() {
            return;
        }
        self.matches.clear();
        let mut looking = Looking::new(model, &self.search);
        looking.goes = false;
        self.looking = Some(looking);
        // That nothing is found this time is no news.
        let message = std::mem::take(&mut self.message);
        self.look_on();
        self.message = message;
    }

    pub(super) fn step_match(&mut self, by: isize) {
        if self.matches.is_empty() {
            self.message = if self.looking.is_some() { "nothing yet" } else { "/ searches" }.into();
            return;
        }
        let count = self.matches.len() as isize;
        self.match_at = (self.match_at as isize + by).rem_euclid(count) as usize;
        self.go(Subject::Proc(self.matches[self.match_at]));
        self.message = match &self.looking {
            Some(_) => format!("match {} of {count} so far", self.match_at + 1),
            None => format!("match {} of {count}", self.match_at + 1),
        };
    }

    /// Whether a search or a filter has not looked at everybody yet.
    pub fn is_busy(&self) -> bool {
        self.looking.is_some() || self.sifting.is_some()
    }

    /// A few milliseconds of whatever is not done yet; call it until nothing [`App::is_busy`].
    pub fn work(&mut self) {
        self.sift_on();
        self.look_on();
    }

    /// How far the search or the filter is.
    pub fn busy_words(&self) -> Option<String> {
        let model = self.model.as_ref()?;
        let sifting = self.sifting.as_ref();
        let of_filter = || sifting.map(|sifting| format!("filtering {} %", sifting.sieve.percent(model)));
        self.looking
            .as_ref()
            .map(|looking| format!("searching {} %", looking.percent(model)))
            .or_else(of_filter)
    }
}
