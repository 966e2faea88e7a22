//! Events of the shutdown that are not there: what is told may lack something.

use super::{Case, Finding, Rule, Step};
use crate::story::world::At;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = &story.shutdown else { return };
    let (from, to) = (shutdown.begin.ns, shutdown.end.ns);
    let (count, more) = story.doubt.lost(from, to);
    if count == 0 && !more {
        return;
    }
    let least = if more { "at least " } else { "up to " };
    let headline = match count {
        0 => "some events of the shutdown are missing".to_owned(),
        1 => format!("{least}one event of the shutdown is missing"),
        _ => format!("{least}{count} events of the shutdown are missing"),
    };
    let mut finding = Finding::new(Rule::EventsLost, headline);
    for hole in story.doubt.holes().iter().filter(|hole| hole.from_ns <= to && hole.to_ns >= from).take(4) {
        let kind = lastrites_traces::abi::kind::NAMES.get(usize::from(hole.kind)).unwrap_or(&"unknown");
        let text = match (hole.count, hole.kind) {
            (0, _) if hole.to_ns > to => "what comes after this cannot be read".to_owned(),
            (0, _) => "what comes before this cannot be read".to_owned(),
            (1, 0) => "one event is missing up to here".to_owned(),
            (1, _) => format!("one event of kind {kind} is missing up to here"),
            (n, 0) => format!("{n} events are missing up to here"),
            (n, _) => format!("{n} events of kind {kind} are missing up to here"),
        };
        let at = At { ns: hole.to_ns.min(to), number: hole.number };
        finding.steps.push(Step::at(at, text));
    }
    finding.advice = Some(match count {
        0 => "copy the file again, if it was copied: this one is cut or damaged".into(),
        _ => "arm with a larger ring (--size) if this happens again".into(),
    });
    case.add(finding);
}
