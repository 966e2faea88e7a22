//! The recording ends without a seal: power cut, panic or hang.

use crate::time;

use super::{Case, Finding, Rule, Step, steps};
use crate::story::{
    Story,
    blame::{Wait, Why},
    fate::{Fate, Told, Verdict},
    world::NONE,
};

/// A shorter wait than that says nothing about why it went no further.
const WAITED_NS: u64 = 100_000_000;
/// Of so many who had still to stop is told who had told them to.
const STOPPING: usize = 3;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    if !story.cut || story.shutdown.as_ref().is_some_and(|shutdown| shutdown.ended) {
        return;
    }
    let last = story.world.last;
    let stopping = stopping(story);
    let names: Vec<String> = stopping.iter().map(|(fate, _)| story.called(fate.proc)).collect();
    let headline = match &story.shutdown {
        Some(shutdown) => format!(
            "the shutdown never ended: nothing was recorded after {}{}",
            time::duration(last.ns.saturating_sub(shutdown.begin.ns)),
            match names.as_slice() {
                [] => String::new(),
                [one] => format!(", while {one} was still stopping"),
                names => format!(", while {} were still stopping", steps::list(names)),
            }
        ),
        None => "the machine ended without a shutdown".to_owned(),
    };
    let mut finding = Finding::new(Rule::NoEnd, headline);
    finding.steps.extend(stopping.iter().take(STOPPING).map(|(fate, told)| steps::told(story, fate, told)));
    finding.steps.push(Step::at(last, "the last event that reached the disk; then power cut, panic or hang"));
    // Our own recorder is nobody whom a shutdown waits for.
    let told = |wait: &&Wait| wait.proc != NONE && wait.ns() >= WAITED_NS && !story.world.is_ours(wait.proc);
    if let Some(wait) = story.waits.last().filter(told) {
        let for_what = match wait.why {
            Why::Stopping => "to stop",
            Why::Running | Why::Init => "to end",
        };
        let since = time::duration(wait.ns());
        let text =
            format!("at that moment it had waited {since} for {} {for_what}", story.world.label(wait.proc));
        finding.steps.push(Step { at: Some(last), text, events: Vec::new() });
        finding.procs = vec![wait.proc];
        steps::next_boot(story, &mut finding, wait.proc);
    }
    for (fate, _) in &stopping {
        if !finding.procs.contains(&fate.proc) {
            finding.procs.push(fate.proc);
            steps::next_boot(story, &mut finding, fate.proc);
        }
    }
    finding.advice = Some(match story.shutdown {
        Some(_) => {
            "look for a panic or a hung task on the console or in the firmware's log of that time".into()
        }
        None => "look for a power failure, a panic or a reset button at that time".into(),
    });
    case.add(finding);
}

/// Those that anybody would ask about who had been told to stop, and of whom no end was recorded; who was told first
/// comes first.
fn stopping(story: &Story) -> Vec<(&Fate, Told)> {
    let open = story.fates.iter().filter(|fate| fate.verdict == Verdict::NoEnd && story.matters(fate.proc));
    let mut all: Vec<(&Fate, Told)> = open.filter_map(|fate| Some((fate, fate.told?))).collect();
    all.sort_by_key(|(fate, told)| (told.at(&story.world), fate.proc));
    all
}
