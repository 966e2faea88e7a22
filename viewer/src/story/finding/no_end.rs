//! The recording ends without a seal: power cut, panic or hang.

use crate::time;

use super::{Case, Finding, Rule, Step, steps};
use crate::story::{
    blame::{Wait, Why},
    world::NONE,
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    if !story.cut || story.shutdown.as_ref().is_some_and(|shutdown| shutdown.ended) {
        return;
    }
    let last = story.world.last;
    let headline = match &story.shutdown {
        Some(shutdown) => format!(
            "the shutdown never ended: nothing was recorded after {}",
            time::duration(last.ns.saturating_sub(shutdown.begin.ns))
        ),
        None => "the machine ended without a shutdown".to_owned(),
    };
    let mut finding = Finding::new(Rule::NoEnd, headline);
    finding.steps.push(Step::at(last, "the last event that reached the disk; then power cut, panic or hang"));
    // Our own recorder is nobody whom a shutdown waits for.
    let told = |wait: &&Wait| wait.proc != NONE && !story.world.is_ours(wait.proc);
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
    finding.advice = Some(match story.shutdown {
        Some(_) => {
            "look for a panic or a hung task on the console or in the firmware's log of that time".into()
        }
        None => "look for a power failure, a panic or a reset button at that time".into(),
    });
    case.add(finding);
}
