//! From a death to its killer, to the request behind it, to what took its place; and from a finding to its evidence.
//!
//! Invariant: every step of causality is one key, and what it leads to is something the recording says.

use super::{Subject, action::Action, app::App, filter::Kind, model::Model};
use crate::story::{fate::tells_to_stop, world::Idx};

impl App {
    /// The process that keys about causes start from.
    pub(super) fn process(&self) -> Option<Idx> {
        match self.subject {
            Some(Subject::Proc(idx)) => Some(idx),
            // Of what is no process the marked row says who is meant.
            Some(subject) => self.chosen.or_else(|| self.model.as_ref()?.place(subject).0),
            None => self.chosen,
        }
    }

    pub(super) fn nth_finding(&mut self, number: usize) {
        let count = self.model.as_ref().map_or(0, |model| model.story().findings.len());
        match number.checked_sub(1).filter(|at| *at < count) {
            Some(at) => self.go_finding(at),
            None => {
                self.message = match count {
                    0 => "there are no findings".into(),
                    1 => "there is 1 finding".into(),
                    _ => format!("there are {count} findings"),
                };
            }
        }
    }

    pub(super) fn step_finding(&mut self, by: isize) {
        let count = self.model.as_ref().map_or(0, |model| model.story().findings.len());
        if count == 0 {
            self.message = "there are no findings".into();
            return;
        }
        let at = match self.subject {
            Some(Subject::Finding(at)) => (at as isize + by).rem_euclid(count as isize) as usize,
            _ => self.finding.min(count - 1),
        };
        self.go_finding(at);
    }

    pub(super) fn causes(&mut self, action: Action) {
        let Some(model) = self.model.clone() else { return };
        let (story, world) = (model.story(), model.world());
        let asked = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref());
        let request = asked.map(|asked| asked.by).filter(|by| world.proc_at(*by).is_some());
        let (found, nothing) = match (action, self.process()) {
            (Action::Request, _) => (request.map(Subject::Proc), "nobody was seen to ask for it"),
            (Action::Evidence, _) => {
                let at = match self.subject {
                    Some(Subject::Finding(at)) => at,
                    _ => self.finding,
                };
                self.evidence(&model, at);
                return;
            }
            (_, None) => (None, "choose a process first"),
            (Action::Cause, Some(idx)) => {
                let fate = story.fate(idx);
                let sig = fate.and_then(|fate| fate.killer.or(fate.told.map(|told| told.sent)));
                // Who was cut off has no fate: what it was last told tells most.
                let last = || {
                    let stop = |at: &&u32| world.sig(**at).is_some_and(|sent| tells_to_stop(world, sent));
                    model.to(idx).iter().rev().find(stop).copied()
                };
                let sig = sig.or_else(last);
                let sender = sig.and_then(|at| world.sig(at)).map(|sent| sent.sender);
                let sender = sender.filter(|sender| world.proc_at(*sender).is_some() && *sender != idx);
                // Nobody made it end: it did somebody's bidding.
                let next = sender.or(request.filter(|request| *request != idx)).map(Subject::Proc);
                (next, "this is where it began")
            }
            (Action::Heir, Some(idx)) => {
                (story.replaced(idx).map(|restart| Subject::Proc(restart.new)), "nothing took its place")
            }
            (Action::Forerunner, Some(idx)) => {
                (story.replaces(idx).map(|restart| Subject::Proc(restart.old)), "it took nobody's place")
            }
            (Action::Parent, Some(idx)) => {
                let parent = world.proc_at(idx).map(|proc| proc.parent);
                let parent = parent.filter(|parent| world.proc_at(*parent).is_some());
                (parent.map(Subject::Proc), "its parent is not known")
            }
            (Action::Victims, Some(idx)) if model.from(idx).is_empty() => (None, "it sent no signals"),
            (Action::Victims, Some(idx)) => {
                self.toggle(Kind::HitBy(idx));
                return;
            }
            (_, Some(idx)) => (model.finding_of(idx).map(Subject::Finding), "no finding tells of it"),
        };
        match found {
            Some(subject) => self.go(subject),
            None => self.message = nothing.into(),
        }
    }

    /// To the next step of a finding's evidence, and back to it after the last.
    fn evidence(&mut self, model: &Model, at: usize) {
        let Some(finding) = model.story().findings.get(at) else {
            self.message = "there are no findings".into();
            return;
        };
        let mut known: Vec<Subject> =
            finding.evidence().into_iter().filter_map(|number| model.known_event(number)).collect();
        // A signal is one thing, though its sending and its arrival are two events.
        known.dedup();
        let next = self.evidence_at;
        match known.get(next) {
            Some(subject) => {
                self.go(*subject);
                self.finding = at;
                self.evidence_at = next + 1;
                self.message = format!("evidence {} of {} of finding {}", next + 1, known.len(), at + 1);
            }
            None => self.go_finding(at),
        }
    }

    pub(super) fn go_finding(&mut self, at: usize) {
        self.go(Subject::Finding(at));
    }
}
