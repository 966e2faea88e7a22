//! A forced reboot: reboot(2) was called without asking init, and everything that ran was cut off; or systemd skipped what
//! stops services, or waited for them no longer.
//!
//! Found: a call of reboot(2) by somebody who did not ask init; and what [`systemd`] tells.

mod systemd;

use super::{Case, Finding, Rule, Step, steps};
use crate::story::{
    fate::Verdict,
    shutdown::Aim,
    world::{Idx, NONE},
};

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
