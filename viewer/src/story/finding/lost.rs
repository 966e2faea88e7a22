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
        let what = match (hole.count, hole.kind) {
            (0, _) => "something cannot be read".to_owned(),
            (1, 0) => "one event".to_owned(),
            (1, _) => format!("one event of kind {kind}"),
            (n, 0) => format!("{n} events"),
            (n, _) => format!("{n} events of kind {kind}"),
        };
        let at = At { ns: hole.to_ns.min(to), number: hole.number };
        finding.steps.push(Step::at(at, format!("{what} missing up to here")));
    }
    finding.advice = Some("arm with a larger ring (--size) if this happens again".into());
    case.add(finding);
}
