//! Died dirty, and failed at the next boot: where no other finding has said so.

use super::{Case, Finding, Rule, Step, steps};
use crate::story::world::Idx;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    if story.next.is_none() {
        return;
    }
    let ended: Vec<Idx> = match &story.shutdown {
        Some(_) => story.fates.iter().map(|fate| fate.proc).collect(),
        // Without a shutdown all that ran went with the machine.
        None if story.cut => story.world.all().filter(|(_, proc)| !proc.dead()).map(|(idx, _)| idx).collect(),
        None => Vec::new(),
    };
    let cut: Vec<Idx> = match story.cut {
        true => story.world.all().filter(|(_, proc)| !proc.dead()).map(|(idx, _)| idx).collect(),
        false => Vec::new(),
    };
    for idx in ended.into_iter().chain(cut) {
        if !story.dirty(idx) || story.world.is_init(idx) {
            continue;
        }
        if std::iter::once(idx).chain(story.world.ancestors(idx)).any(|up| case.is_taken(up)) {
            continue;
        }
        let headline = format!("{} died dirty and failed at the next boot", story.called(idx));
        let mut finding = Finding::new(Rule::DirtyFailed, headline);
        match story.fate(idx) {
            Some(fate) => {
                finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
                finding.steps.extend(steps::end(story, fate));
            }
            None => {
                let text = format!("{} ran when the machine ended", story.world.label(idx));
                finding.steps.push(Step::at(story.world.last, text));
            }
        }
        finding.procs = vec![idx];
        if steps::next_boot(story, &mut finding, idx) {
            case.add(finding);
        }
    }
}
