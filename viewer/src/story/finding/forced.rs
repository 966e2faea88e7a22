//! A forced reboot: reboot(2) was called without asking init, and everything that ran was cut off; or systemd skipped what
//! stops services, or waited for them no longer.
//!
//! Found: a call of reboot(2) by somebody who did not ask init; and what [`systemd`] tells.

mod systemd;

use super::{Case, Finding, Rule, Step, steps};
use std::collections::BTreeSet;

use crate::story::{
    fate::{Fate, Verdict},
    shutdown::Aim,
    world::{Idx, NONE},
};

/// More of those who were killed are not told of one by one.
const KILLED: usize = 4;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = story.shutdown.as_ref() else { return };
    if !shutdown.forced {
        if let Some(finding) = systemd::forced(story, shutdown) {
            case.add(finding);
        }
        return;
    }
    let world = &story.world;
    let call = world.reboots.iter().rev().find(|call| call.at == shutdown.end);
    let caller = call.map_or(NONE, |call| call.proc);
    // Who kills everybody before that has done the same to them.
    let by_caller = |fate: &Fate| {
        let sent = fate.killer.and_then(|killer| world.sig(killer));
        fate.verdict == Verdict::Killed && sent.is_some_and(|sent| sent.sender == caller && sent.sig == 9)
    };
    let lost = |fate: &&Fate| {
        let cut = matches!(fate.verdict, Verdict::CutOff | Verdict::NeverTold);
        (cut || caller != NONE && by_caller(fate)) && story.matters(fate.proc)
    };
    let cut: Vec<Idx> = story.fates.iter().filter(lost).map(|fate| fate.proc).collect();
    let killed: Vec<&Fate> =
        cut.iter().filter_map(|idx| story.fate(*idx)).filter(|fate| by_caller(fate)).collect();
    // Whoever failed at the next boot comes first: not all are named.
    let fails =
        |idx: Idx| story.next.as_ref().is_some_and(|next| next.failed(world, &story.services, idx).is_some());
    let mut all: Vec<(bool, String)> = cut.iter().map(|idx| (!fails(*idx), story.called(*idx))).collect();
    all.sort();
    let mut named = BTreeSet::new();
    all.retain(|(_, name)| named.insert(name.clone()));
    let names: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
    let aim = shutdown.aim.word();
    let headline = match names.len() {
        0 => format!("the {aim} was forced: init was not asked"),
        _ if !killed.is_empty() => format!(
            "the {aim} was forced, and {} {} what ran: {}",
            world.name_at(caller, shutdown.end.ns),
            if killed.len() == cut.len() { "killed" } else { "killed or cut off" },
            steps::list(&names)
        ),
        _ => format!("the {aim} was forced, and cut off what ran: {}", steps::list(&names)),
    };
    let mut finding = Finding::new(Rule::Forced, headline);
    if let Some(call) = call {
        let text = format!("{} called reboot(2) itself, without init", story.chain(call.proc, call.at.ns));
        finding.steps.push(Step::at(call.at, text));
    }
    for fate in killed.iter().take(KILLED) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
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
