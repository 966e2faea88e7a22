//! A forced reboot: reboot(2) was called without asking init, and everything that ran was cut off; or init was asked to
//! skip what stops services.
//!
//! Found: a call of reboot(2) by somebody who did not ask init; or `systemctl reboot -f`, after which systemd became
//! systemd-shutdown without having told anybody to stop, where somebody came to a bad end by that.

use super::{Case, Finding, Rule, Step, steps};
use crate::story::{
    Story,
    fate::{Verdict, tells_to_stop},
    shutdown::{Aim, Init, Shutdown},
    world::{Idx, Image, NONE, Sig},
};

/// The ends of so many are told.
const SHOWN: usize = 4;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = story.shutdown.as_ref() else { return };
    if !shutdown.forced {
        if let Some(finding) = skipped(story, shutdown) {
            case.add(finding);
        }
        return;
    }
    let world = &story.world;
    let call = world.reboots.iter().rev().find(|call| call.at == shutdown.end);
    let caller = call.map_or(NONE, |call| call.proc);
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
    let aim = shutdown.aim.word();
    let headline = match names.len() {
        0 => format!("the {aim} was forced: init was not asked"),
        _ => format!("the {aim} was forced, and cut off what ran: {}", steps::list(&names)),
    };
    let mut finding = Finding::new(Rule::Forced, headline);
    if let Some(call) = call {
        let text = format!("{} called reboot(2) itself, without init", story.chain(call.proc, call.at.ns));
        finding.steps.push(Step::at(call.at, text));
    }
    for idx in &cut {
        if steps::next_boot(story, &mut finding, *idx) {
            break;
        }
    }
    finding.procs = cut;
    let command =
        call.and_then(|call| world.image_at(caller, call.at.ns)).map(|image| world.command(image, 160));
    let by_option = command.unwrap_or_default().split(' ').skip(1).any(is_force);
    let what = match (by_option, shutdown.aim) {
        (_, Aim::Kexec) => "load with kexec -l, and let init run that kernel".into(),
        (true, aim) => without_force(aim),
        (false, _) => format!("have {} ask init", world.name_at(caller, shutdown.end.ns)),
    };
    finding.advice = Some(format!("{what}, so that services are stopped first"));
    case.add(finding);
}

fn is_force(word: &str) -> bool {
    word == "--force" || word.starts_with('-') && !word.starts_with("--") && word.contains('f')
}

fn without_force(aim: Aim) -> String {
    match aim {
        Aim::PowerOff => "power off without -f".into(),
        Aim::Halt => "halt without -f".into(),
        _ => "reboot without -f".into(),
    }
}

/// One `-f` has systemd skip all stop jobs: its units meet nothing but the sprees of systemd-shutdown.
fn skipped(story: &Story, shutdown: &Shutdown) -> Option<Finding> {
    let world = &story.world;
    let asked = shutdown.asked.as_ref().filter(|asked| story.init == Init::Systemd && asked.by != NONE)?;
    asked.how.split(' ').skip(1).find(|word| is_force(word))?;
    let becomes = |image: &&Image| {
        world.is_init(image.proc) && image.at > asked.at && world.program(image) == b"systemd-shutdown"
    };
    let spree = world.images.iter().find(becomes)?.at;
    let told = |sent: &Sig| {
        (asked.at..spree).contains(&sent.at) && world.is_init(sent.sender) && tells_to_stop(world, sent)
    };
    if world.sigs.iter().any(told) || !story.doubt.absence(asked.at.ns, spree.ns) {
        return None;
    }
    let hit: Vec<Idx> = story
        .fates
        .iter()
        .filter(|fate| story.dirty(fate.proc) && story.matters(fate.proc))
        .map(|fate| fate.proc)
        .collect();
    let mut names: Vec<String> = hit.iter().map(|idx| story.called(*idx)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let headline = format!(
        "the {} was forced: systemd stopped no unit, and killed or cut off what ran: {}",
        shutdown.aim.word(),
        steps::list(&names)
    );
    let mut finding = Finding::new(Rule::Forced, headline);
    finding.steps.push(Step::at(asked.at, format!("{} asked systemd to skip its stop jobs", asked.chain)));
    finding.steps.push(Step::at(spree, "systemd became systemd-shutdown, which tells and kills all at once"));
    for fate in hit.iter().take(SHOWN).filter_map(|idx| story.fate(*idx)) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
    }
    for idx in &hit {
        if steps::next_boot(story, &mut finding, *idx) {
            break;
        }
    }
    finding.procs = hit;
    let what = without_force(shutdown.aim);
    finding.advice = Some(format!("{what}, so that services are stopped first, each its own way"));
    Some(finding)
}
