//! Where one was, and going back there, as in a browser.
//!
//! Invariant: a place has everything that a person would miss after going back to it: what was told of, the stretch of
//! time, the filters and the folds.

use std::collections::HashSet;

use super::{Subject, app::App, facts, filter::Filter, lanes::Group, timeline::Window};
use crate::story::world::Idx;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub subject: Option<Subject>,
    pub window: Window,
    pub cursor_ns: u64,
    pub warped: bool,
    pub filter: Filter,
    pub folded: HashSet<Group>,
    pub chosen: Option<Idx>,
    pub row: usize,
    pub top: usize,
}

impl Place {
    /// Whether the same is told of, and the same rows are there.
    fn is_same(&self, other: &Self) -> bool {
        (self.subject, &self.filter, &self.folded) == (other.subject, &other.filter, &other.folded)
    }
}

/// So many places are remembered.
const MOST: usize = 500;

impl App {
    pub(super) fn here(&self) -> Place {
        Place {
            subject: self.subject,
            window: self.window,
            cursor_ns: self.cursor_ns,
            warped: self.warped,
            filter: self.filter.clone(),
            folded: self.folded.clone(),
            chosen: self.chosen,
            row: self.row,
            top: self.top,
        }
    }

    /// Shows a place as it was.
    pub(super) fn stand(&mut self, place: Place) {
        (self.window, self.cursor_ns, self.warped) = (place.window, place.cursor_ns, place.warped);
        (self.chosen, self.subject) = (place.chosen, place.subject);
        let shows_other = self.filter != place.filter || self.folded != place.folded;
        (self.filter, self.folded) = (place.filter, place.folded);
        if shows_other {
            // What was shown before the filter that was at work has nothing to do with this place.
            self.sifting = None;
            self.rebuild();
        }
        if let Some(Subject::Finding(at)) = self.subject {
            self.finding = at;
        }
        if self.sifting.is_none() {
            self.row = place.row.min(self.rows.len().saturating_sub(1));
            self.top = place.top;
        }
        self.follow_row();
        self.show_subject();
    }

    /// Goes to `subject`, remembering where one was.
    pub fn go(&mut self, subject: Subject) {
        let before = self.here();
        self.arrive(subject);
        let after = self.here();
        // A key that led nowhere is nothing that one would have to go back over.
        if !after.is_same(&before) {
            self.note(before);
            self.push_place();
        }
    }

    /// Notes where one is.
    pub(super) fn remember(&mut self) {
        self.note(self.here());
    }

    /// What is further on is forgotten, as in a browser.
    fn note(&mut self, here: Place) {
        self.history.truncate(self.history_at + 1);
        match self.history.last_mut() {
            Some(last) if last.subject == here.subject && last.filter == here.filter => *last = here,
            _ => self.history.push(here),
        }
        if self.history.len() > MOST {
            self.history.remove(0);
        }
        self.history_at = self.history.len().saturating_sub(1);
    }

    /// Where one has come to.
    pub(super) fn push_place(&mut self) {
        self.history.push(self.here());
        self.history_at = self.history.len() - 1;
    }

    /// Where one has come to is a little elsewhere.
    pub(super) fn renew_place(&mut self) {
        let here = self.here();
        if let Some(last) = self.history.get_mut(self.history_at) {
            *last = here;
        }
    }

    /// Where one wanted to go was nothing.
    pub(super) fn forget_last_place(&mut self) {
        if self.history.len() > 1 && self.history_at + 1 == self.history.len() {
            self.history.pop();
            self.history_at = self.history.len() - 1;
        }
    }

    pub(super) fn arrive(&mut self, subject: Subject) {
        let Some(model) = self.model.clone() else { return };
        let (idx, ns) = model.place(subject);
        self.subject = Some(subject);
        if let Subject::Finding(at) = subject {
            self.finding = at;
        }
        self.cursor_ns = ns.clamp(model.first_ns.min(ns), model.last_ns);
        if let Some(idx) = idx {
            self.reveal(idx);
        }
        self.show_time(ns);
        self.show_subject();
    }

    pub fn show_subject(&mut self) {
        let facts = match (&self.model, self.subject) {
            (Some(model), Some(subject)) => facts::of(model, subject),
            _ => Vec::new(),
        };
        self.facts = facts;
        (self.fact, self.evidence_at) = (0, 0);
    }

    pub(super) fn step_history(&mut self, by: i32) {
        if by < 0 && self.history_at + 1 == self.history.len() {
            self.remember();
        }
        let to = self.history_at as i64 + i64::from(by);
        let Some(place) = usize::try_from(to).ok().and_then(|at| self.history.get(at).cloned()) else {
            self.message =
                if by < 0 { "this is where you began" } else { "there is nothing further on" }.into();
            return;
        };
        self.history_at = to as usize;
        self.stand(place);
    }
}
