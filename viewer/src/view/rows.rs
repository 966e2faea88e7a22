//! The rows of the lanes panel: what is shown, and which of them is meant.
//!
//! Invariant: of a filter no more is looked at within one key than [`SLICE`]; the rest is [`App::work`].

use std::{collections::HashSet, sync::Arc};

use super::{
    Subject,
    app::App,
    filter::{Filter, Kind, Sieve},
    lanes::{Group, Lane, Row},
    layout,
    model::Model,
};
use crate::story::world::Idx;

/// The rows, one below the other. Of millions that are unfolded none is written down: they are in the model already.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    listed: Vec<Row>,
    /// All other processes of this come behind those that are listed.
    crowd: Option<Arc<Model>>,
}

impl Rows {
    fn others(&self) -> &[Idx] {
        self.crowd.as_ref().map_or(&[], |model| &model.others)
    }

    pub fn len(&self) -> usize {
        self.listed.len() + self.others().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, at: usize) -> Option<Row> {
        let other = || self.others().get(at.checked_sub(self.listed.len())?);
        self.listed.get(at).copied().or_else(|| other().map(|idx| Row::Proc { idx: *idx, depth: 1 }))
    }

    pub fn iter(&self) -> impl Iterator<Item = Row> {
        let others = self.others().iter().map(|idx| Row::Proc { idx: *idx, depth: 1 });
        self.listed.iter().copied().chain(others)
    }

    /// The row that shows `idx`.
    pub fn place(&self, model: &Model, idx: Idx) -> Option<usize> {
        let shows = |row: &Row| match row {
            Row::Proc { idx: of, .. } => *of == idx,
            row => model.procs_of(row).contains(&idx),
        };
        let other = || {
            let at = self.crowd.as_ref()?.place_of_other(idx)?;
            Some(self.listed.len() + at)
        };
        self.listed.iter().position(shows).or_else(other)
    }

    fn clear(&mut self) {
        self.listed.clear();
        self.crowd = None;
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

/// So many processes are looked at between two pictures: a few milliseconds.
pub(super) const SLICE: usize = 5_000;

/// A filter that has not looked at everybody yet.
#[derive(Debug)]
pub(super) struct Sifting {
    pub sieve: Sieve,
    /// Whose row is to be the current one.
    keep: Option<Idx>,
    /// What was shown before: a filter that nothing passes is taken back.
    pub before: Option<Filter>,
}

impl App {
    /// The rows again, after a filter or a fold. What was shown before a filter that is still at work is not forgotten.
    pub fn rebuild(&mut self) {
        self.sift(None);
    }

    fn sift(&mut self, before: Option<Filter>) {
        let Some(model) = self.model.clone() else { return };
        self.rows.clear();
        let before = before.or(self.sifting.take().and_then(|sifting| sifting.before));
        if !self.filter.is_none() {
            let sieve = Sieve::new(&model, &self.filter);
            // Room for everybody at once: a list of millions that grows is copied between two pictures.
            self.rows.listed.reserve(model.world().procs.len());
            self.sifting = Some(Sifting { sieve, keep: self.chosen, before });
            self.row = 0;
            self.sift_on();
            return;
        }
        let lanes = |group, count| (0..count).map(move |at| Row::Lane { group, at });
        let rows = &mut self.rows.listed;
        rows.extend(lanes(Group::Story, model.story_lanes.len()));
        let count = model.service_lanes.iter().map(|lane| lane.procs.len()).sum();
        if count > 0 {
            let open = !self.folded.contains(&Group::Services);
            rows.push(Row::Group { group: Group::Services, count, open });
            if open {
                rows.extend(lanes(Group::Services, model.service_lanes.len()));
            }
        }
        if !model.others.is_empty() {
            let open = !self.folded.contains(&Group::Others);
            rows.push(Row::Group { group: Group::Others, count: model.others.len(), open });
            if open {
                self.rows.crowd = Some(model);
            }
        }
        self.row = self.row_of_chosen().unwrap_or(self.row).min(self.rows.len().saturating_sub(1));
        self.follow_row();
    }

    /// The row of the process that is meant, or of the fold that it is in.
    fn row_of_chosen(&self) -> Option<usize> {
        let (model, idx) = (self.model.as_ref()?, self.chosen?);
        let of_group = |lane: &Lane| lane.procs.contains(&idx);
        let hidden_in =
            if model.service_lanes.iter().any(of_group) { Group::Services } else { Group::Others };
        let is_fold = |row: &Row| matches!(row, Row::Group { group, open: false, .. } if *group == hidden_in);
        let shown = self.rows.place(model, idx);
        shown.or_else(|| self.rows.listed.iter().position(is_fold))
    }

    /// A slice of the filter that is at work.
    pub(super) fn sift_on(&mut self) {
        let (Some(model), Some(mut sifting)) = (self.model.clone(), self.sifting.take()) else { return };
        let mut at = None;
        let rows = &mut self.rows.listed;
        let keep = sifting.keep;
        let done = sifting.sieve.step(&model, SLICE, |idx, depth| {
            if keep == Some(idx) {
                at = Some(rows.len());
            }
            rows.push(Row::Proc { idx, depth });
        });
        if let Some(at) = at {
            (self.row, sifting.keep) = (at, None);
        }
        if !done {
            self.sifting = Some(sifting);
        } else if self.rows.is_empty() {
            let words = self.filter.words(&model);
            let was_set = sifting.before.is_some();
            self.filter = sifting.before.unwrap_or_default();
            self.sift(None);
            if was_set {
                self.forget_last_place();
            }
            let rest = if self.filter.is_none() { "everything is shown" } else { "it is as it was" };
            self.message = format!("nothing matches {words}: {rest}");
        } else if sifting.keep.is_some() || self.chosen.is_none() {
            // What keys are about is what is marked, never somebody who is not shown any more.
            self.row = 0;
            match self.keeps_subject() {
                true => self.choose_row(),
                false => self.select_row(),
            }
        }
        self.follow_row();
    }

    /// A finding or a phase goes on being told of where its processes are not shown.
    fn keeps_subject(&self) -> bool {
        match self.subject {
            Some(Subject::Finding(_) | Subject::Phase(_)) => true,
            Some(Subject::Proc(_) | Subject::Sig(_)) | None => false,
        }
    }

    pub fn set_filter(&mut self, filter: Filter) {
        if filter == self.filter {
            return;
        }
        self.remember();
        let before = std::mem::replace(&mut self.filter, filter);
        self.push_place();
        self.sift(Some(before));
        self.renew_place();
    }

    /// Adds a filter to the others, or takes it away. Of trees, and of those hit, one at a time is looked at.
    pub(super) fn toggle(&mut self, kind: Kind) {
        let mut filter = self.filter.clone();
        let had = filter.has(&kind);
        filter.kinds.retain(|other| match (other, &kind) {
            (Kind::Tree(_), Kind::Tree(_)) | (Kind::HitBy(_), Kind::HitBy(_)) => false,
            _ => *other != kind,
        });
        if !had {
            filter.kinds.push(kind);
        }
        self.set_filter(filter);
    }

    /// Takes the filter at `at` away.
    pub(super) fn unfilter(&mut self, at: usize) {
        if at < self.filter.kinds.len() {
            let mut filter = self.filter.clone();
            filter.kinds.remove(at);
            self.set_filter(filter);
        } else {
            self.message = "nothing is filtered; & shows only what you name".into();
        }
    }

    /// Where there is room for everybody nothing is folded, until somebody folds by hand. Says whether that changed
    /// anything.
    pub(super) fn fold_by_room(&mut self) -> bool {
        let Some(model) = self.model.as_ref().filter(|_| self.folds_by_room && self.folds_before.is_none())
        else {
            return false;
        };
        let titled = |count: usize| if count == 0 { 0 } else { count + 1 };
        let all = model.story_lanes.len() + titled(model.service_lanes.len()) + titled(model.others.len());
        let folded = match all <= layout::most_lanes(self) {
            true => HashSet::new(),
            false => HashSet::from([Group::Others]),
        };
        let old = std::mem::replace(&mut self.folded, folded);
        let changed = old != self.folded;
        // Going back is no folding by hand.
        for place in self.history.iter_mut().filter(|place| changed && place.folded == old) {
            place.folded.clone_from(&self.folded);
        }
        changed
    }

    pub(super) fn fold(&mut self, group: Group) {
        self.folds_before = None;
        self.folds_by_room = false;
        if !self.folded.remove(&group) {
            self.folded.insert(group);
        }
        self.rebuild();
    }

    pub fn follow_row(&mut self) {
        let height = usize::from(self.areas().lanes.height).max(1);
        self.top = self.top.clamp((self.row + 1).saturating_sub(height), self.row);
        self.top = self.top.min(self.rows.len().saturating_sub(height));
    }

    /// Selects what the row is about, and tells of it.
    pub fn select_row(&mut self) {
        self.choose_row();
        if let Some(idx) = self.chosen {
            self.subject = Some(Subject::Proc(idx));
            self.show_subject();
        }
    }

    /// Whom keys are about: of several processes of the row the one at the cursor.
    fn choose_row(&mut self) {
        let Some(model) = self.model.clone() else { return };
        let Some(row) = self.rows.get(self.row) else { return };
        let procs = model.procs_of(&row);
        let at_cursor = procs.iter().copied().min_by_key(|idx| {
            let (born, end) = (model.birth(*idx), model.end_of(*idx));
            if (born..=end).contains(&self.cursor_ns) {
                0
            } else {
                born.abs_diff(self.cursor_ns).min(end.abs_diff(self.cursor_ns))
            }
        });
        self.chosen = at_cursor;
        if let Some(sifting) = &mut self.sifting {
            // Whoever was to be looked for, somebody else is meant now.
            sifting.keep = None;
        }
    }

    /// Makes the row of `idx` the current one.
    pub(super) fn reveal(&mut self, idx: Idx) {
        let Some(model) = self.model.clone() else { return };
        let find = |app: &Self| app.rows.place(&model, idx);
        self.chosen = Some(idx);
        if !self.filter.is_none() && !self.filter.passes(&model, idx) {
            self.filter = Filter::default();
            self.message = "the filter hid it: everything is shown again; Backspace brings it back".into();
            self.rebuild();
        }
        let mut found = find(self);
        if let Some(sifting) = &mut self.sifting
            && found.is_none()
        {
            // Its row is still to come.
            sifting.keep = Some(idx);
            return;
        }
        if found.is_none() && !self.folded.is_empty() && self.filter.is_none() {
            self.folded.clear();
            self.folds_by_room = false;
            self.rebuild();
            found = find(self);
        }
        if let Some(row) = found {
            self.row = row;
            self.follow_row();
        }
    }
}
