//! A forced reboot: reboot(2) was called without asking init, and everything that ran was cut off.

use super::{Case, Finding, Rule, Step, steps};
use crate::story::{fate::Verdict, world::Idx};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = story.shutdown.as_ref().filter(|shutdown| shutdown.forced) else { return };
    let world = &story.world;
    let cut: Vec<Idx> = story
        .fates
        .iter()
        .filter(|fate| {
            matches!(fate.verdict, Verdict::CutOff | Verdict::NeverTold) && story.matters(fate.proc)
        })
        .map(|fate| fate.proc)
        .collect();
    let mut names: Vec<String> = cut.iter().map(|idx| story.called(*idx)).collect();
    names.sort();
    names.dedup();
    let headline = match names.len() {
        0 => "the reboot was forced: init was not asked".to_owned(),
        _ => format!("the reboot was forced, and cut off what ran: {}", steps::list(&names)),
    };
    let mut finding = Finding::new(Rule::Forced, headline);
    let call = world.reboots.iter().rev().find(|call| call.at == shutdown.end);
    if let Some(call) = call {
        let text = format!("{} called reboot(2) itself, without init", world.chain(call.proc, call.at.ns));
        finding.steps.push(Step::at(call.at, text));
    }
    for idx in &cut {
        if steps::next_boot(story, &mut finding, *idx) {
            break;
        }
    }
    finding.procs = cut;
    finding.advice = Some("reboot without -f, so that services are stopped first".into());
    case.add(finding);
}
