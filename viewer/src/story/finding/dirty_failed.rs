//! Died dirty, or was not seen to end, and failed at the next boot: where no other finding has said so.

use super::{Case, Finding, Rule, Step, steps};
use crate::story::{doubt::Confidence, world::Idx};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    if story.next.is_none() {
        return;
    }
    let ended = story.fates.iter().map(|fate| fate.proc);
    // Where no end was recorded all that ran went with the machine, whether it has a fate or not.
    let cut = story.world.all().filter(|(_, proc)| story.cut && !proc.dead()).map(|(idx, _)| idx);
    let all: Vec<Idx> = ended.chain(cut).collect();
    for idx in all {
        if !story.dirty(idx) || !story.matters(idx) {
            continue;
        }
        if std::iter::once(idx).chain(story.world.ancestors(idx)).any(|up| case.is_taken(up)) {
            continue;
        }
        let alive = story.world.proc_at(idx).is_some_and(|proc| !proc.dead());
        // Behind the recorder's own end it may have stopped as it should.
        let not_seen = story.unseen && alive;
        let how = if not_seen { "was not seen to end" } else { "died dirty" };
        let headline = format!("{} {how} and failed at the next boot", story.called(idx));
        let mut finding = Finding::new(Rule::DirtyFailed, headline);
        if not_seen {
            finding.confidence = Confidence::Likely;
        }
        match story.fate(idx) {
            Some(fate) => {
                finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
                finding.steps.extend(steps::end(story, fate));
            }
            None => {
                let when = if not_seen { story.at_the_last() } else { "when the machine ended" };
                let text = format!("{} ran {when}", story.world.label(idx));
                finding.steps.push(Step::at(story.world.last, text));
            }
        }
        finding.procs = vec![idx];
        if steps::next_boot(story, &mut finding, idx) {
            case.add(finding);
        }
    }
}
