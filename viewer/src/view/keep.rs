//! A recording that is loaded, or loaded again: more of it was read, or it has grown.
//!
//! Invariant: what a person looks at stays where it is. Another reading numbers processes, signals and findings anew, so
//! whatever names one is carried over by what does not change: pid and start, event number, rule.

use std::sync::Arc;

use super::{
    Subject,
    app::{App, Mode},
    filter::{Filter, Kind},
    history::Place,
    model::Model,
    timeline::{Warp, Window},
};
use crate::story::world::Idx;

/// From one reading of a recording to another.
struct Carrier<'a> {
    old: &'a Model,
    new: &'a Model,
}

impl Carrier<'_> {
    fn proc(&self, idx: Idx) -> Option<Idx> {
        self.new.world().find(self.old.world().proc_at(idx)?.id)
    }

    fn sig(&self, at: u32) -> Option<u32> {
        let sent = self.old.world().sig(at)?.at;
        let sigs = &self.new.world().sigs;
        let from = sigs.partition_point(|other| other.at.ns < sent.ns);
        let same = sigs[from..].iter().take_while(|other| other.at.ns == sent.ns);
        same.zip(from..).find(|(other, _)| other.at.number == sent.number).map(|(_, at)| at as u32)
    }

    fn finding(&self, at: usize) -> Option<usize> {
        let finding = self.old.story().findings.get(at)?;
        let about = finding.procs.first().and_then(|idx| self.proc(*idx));
        let all = &self.new.story().findings;
        let same_words = all.iter().position(|other| other.headline == finding.headline);
        same_words.or_else(|| {
            all.iter().position(|other| {
                other.rule == finding.rule && about.is_some() && other.procs.first().copied() == about
            })
        })
    }

    fn phase(&self, at: usize) -> Option<usize> {
        let phase = self.old.story().shutdown.as_ref()?.phases.get(at)?;
        let phases = &self.new.story().shutdown.as_ref()?.phases;
        phases.iter().position(|other| other.kind == phase.kind && other.from == phase.from)
    }

    fn subject(&self, subject: Subject) -> Option<Subject> {
        Some(match subject {
            Subject::Proc(idx) => Subject::Proc(self.proc(idx)?),
            Subject::Sig(at) => Subject::Sig(self.sig(at)?),
            Subject::Finding(at) => Subject::Finding(self.finding(at)?),
            Subject::Phase(at) => Subject::Phase(self.phase(at)?),
        })
    }

    fn kind(&self, kind: &Kind) -> Option<Kind> {
        match kind {
            Kind::Tree(idx) => self.proc(*idx).map(Kind::Tree),
            Kind::HitBy(idx) => self.proc(*idx).map(Kind::HitBy),
            Kind::Phase(at) => self.phase(*at).map(Kind::Phase),
            other => Some(other.clone()),
        }
    }

    fn filter(&self, filter: &Filter) -> Filter {
        Filter { kinds: filter.kinds.iter().filter_map(|kind| self.kind(kind)).collect() }
    }

    /// View nanoseconds are others where other idle time is cut short.
    fn window(&self, window: Window, warped: bool) -> Window {
        if !warped {
            return window;
        }
        let (from, to) = (self.old.idle.real(window.from), self.old.idle.real(window.to));
        self.new.window(&self.new.idle, (from, to))
    }

    fn place(&self, place: &Place) -> Place {
        Place {
            subject: place.subject.and_then(|subject| self.subject(subject)),
            window: self.window(place.window, place.warped),
            filter: self.filter(&place.filter),
            chosen: place.chosen.and_then(|idx| self.proc(idx)),
            ..place.clone()
        }
    }
}

impl App {
    /// Shows `model`; another reading of the recording that is shown keeps the place.
    pub fn loaded(&mut self, model: Arc<Model>) {
        self.loading = None;
        let same = |old: &&Arc<Model>| old.picked.summary.session.id == model.picked.summary.session.id;
        match self.model.as_ref().filter(same).cloned() {
            Some(old) => self.exchange(&old, model),
            None => self.show_new(model),
        }
    }

    fn show_new(&mut self, model: Arc<Model>) {
        self.model = Some(Arc::clone(&model));
        self.mode = Mode::Normal;
        self.filter = Filter::default();
        self.folds_by_room = true;
        self.fold_by_room();
        (self.history, self.history_at, self.subject, self.chosen) = (Vec::new(), 0, None, None);
        (self.row, self.top, self.warped, self.finding) = (0, 0, false, 0);
        self.forget_search();
        (self.before_search, self.folds_before, self.drag, self.sifting) = (None, None, None, None);
        self.window = model.window(&Warp::default(), model.whole_shutdown());
        self.cursor_ns = model.zero_ns;
        self.rebuild();
        match model.story().findings.is_empty() {
            false => self.arrive(Subject::Finding(0)),
            true => self.select_row(),
        }
        // The whole is what one sees first.
        self.window = model.window(&Warp::default(), model.whole_shutdown());
        // There is nothing before it to go back to.
        self.push_place();
    }

    /// Whether one has been nowhere but where the recording opened.
    fn is_fresh(&self) -> bool {
        let opened = self.history.first().filter(|_| self.history.len() == 1);
        opened.is_some_and(|place| place.subject == self.subject) && self.filter.is_none()
    }

    fn exchange(&mut self, old: &Arc<Model>, model: Arc<Model>) {
        let carrier = Carrier { old, new: &model };
        let fresh = self.is_fresh();
        let was_whole = self.window == old.window(self.warp(old), old.whole_shutdown());
        let line = self.row.saturating_sub(self.top);
        let fact = self.fact;
        let had = self.subject;
        self.subject = self.subject.and_then(|subject| carrier.subject(subject));
        self.chosen = self.chosen.and_then(|idx| carrier.proc(idx));
        if self.subject.is_none() && had.is_some() {
            // A finding that is none any more was about somebody who is still there.
            self.subject = self.chosen.map(Subject::Proc);
        }
        self.finding = match self.subject {
            Some(Subject::Finding(at)) => at,
            _ => carrier.finding(self.finding).unwrap_or(0),
        };
        let gone: Vec<String> = self
            .filter
            .kinds
            .iter()
            .filter(|kind| carrier.kind(kind).is_none())
            .map(|kind| kind.words(old))
            .collect();
        self.filter = carrier.filter(&self.filter);
        if let Some(sifting) = &mut self.sifting {
            sifting.before = sifting.before.take().map(|before| carrier.filter(&before));
        }
        let old_last_ns = old.last_ns;
        self.window = carrier.window(self.window, self.warped);
        self.history = self.history.iter().map(|place| carrier.place(place)).collect();
        self.before_search = self.before_search.take().map(|place| Box::new(carrier.place(&place)));
        self.drag = None;
        self.model = Some(Arc::clone(&model));
        self.fold_by_room();
        self.rebuild();
        let at = self.chosen.and_then(|idx| self.rows.place(&model, idx));
        self.row = at.unwrap_or(self.row).min(self.rows.len().saturating_sub(1));
        self.top = self.row.saturating_sub(line);
        self.follow_row();
        self.show_subject();
        self.fact = fact.min(self.facts.len().saturating_sub(1));
        self.search_again(&model);
        // Who looks at the end goes on looking at the end.
        let by = model.last_ns.saturating_sub(old_last_ns);
        if !was_whole && !self.warped && by > 0 && self.window.to >= old_last_ns {
            self.window = Window { from: self.window.from + by, to: self.window.to + by };
        }
        // Who has gone nowhere yet is shown what is the worst by now.
        let told = matches!(self.subject, Some(Subject::Finding(0)));
        let elsewhere = matches!(self.subject, Some(Subject::Finding(_))) && !self.live;
        let follows = fresh && !told && !elsewhere && !model.story().findings.is_empty();
        if follows {
            self.arrive(Subject::Finding(0));
        }
        if was_whole {
            self.window = model.window(self.warp(&model), model.whole_shutdown());
        }
        if follows {
            self.renew_place();
        }
        if !gone.is_empty() {
            self.message = format!("not filtered any more: {}, which is not there now", gone.join(" + "));
        }
    }
}
