//! Killed by SIGKILL, or crashed, in the shutdown: after it was asked, and what it had done with that; or never asked.
//!
//! Found: the death of a service by SIGKILL or by a signal of its own making. Its workers that went with it are told
//! of with it.

use std::collections::HashMap;

use crate::{names, time};

use super::{Case, Finding, Rule, advice, steps};
use crate::story::{
    Story,
    fate::{Fate, Reception, Verdict},
    service::ServiceId,
    world::{Idx, Means},
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let dead: Vec<&Fate> = story
        .fates
        .iter()
        .filter(|fate| {
            fate.verdict == Verdict::Killed && story.matters(fate.proc) && !case.is_taken(fate.proc)
        })
        .filter(|fate| !is_last_of_kernel(story, fate))
        .collect();
    // Elders first: who has killed forefathers among these, or an elder of the same service and name, is told of with
    // that one.
    let mut elders: Vec<&Fate> = dead.clone();
    elders.sort_by_key(|fate| (story.world.procs[fate.proc as usize].born, fate.proc));
    let mut head: HashMap<Idx, Idx> = HashMap::new();
    let mut of_service: HashMap<(ServiceId, &[u8]), Idx> = HashMap::new();
    for fate in &elders {
        let above = story.world.ancestors(fate.proc).find_map(|up| head.get(&up).copied());
        let like = story.service(fate.proc).map(|id| (id, story.world.program_of(fate.proc)));
        let beside = like.and_then(|like| of_service.get(&like).copied());
        let first = above.or(beside).unwrap_or(fate.proc);
        head.insert(fate.proc, first);
        if let Some(like) = like {
            of_service.entry(like).or_insert(first);
        }
    }
    let mut with: HashMap<Idx, Vec<&Fate>> = HashMap::new();
    for fate in &dead {
        let first = head.get(&fate.proc).copied().unwrap_or(fate.proc);
        let family = with.entry(first).or_default();
        if first != fate.proc {
            family.push(fate);
        }
    }
    for fate in elders {
        if let Some(with_it) = with.remove(&fate.proc) {
            let finding = tell(story, fate, &with_it);
            case.add(finding);
        }
    }
}

/// Killed with its pid namespace: a container's init took it along, which is that one's matter.
fn is_last_of_kernel(story: &Story, fate: &Fate) -> bool {
    fate.killer.and_then(|killer| story.world.sig(killer)).is_some_and(|sent| sent.means == Means::Namespace)
}

fn tell(story: &Story, fate: &Fate, with_it: &[&Fate]) -> Finding {
    let world = &story.world;
    let name = story.called(fate.proc);
    let sig = world.proc_at(fate.proc).map_or(9, |proc| proc.killed_by());
    let crashed = sig != 9;
    let since = fate.told.map(|told| {
        let to = fate.killer.and_then(|k| world.sig(k)).map_or(story.end_of(fate.proc).ns, |sent| sent.at.ns);
        time::duration(to.saturating_sub(told.at(world).ns))
    });
    let told_by = |told: crate::story::fate::Told| world.sig(told.sent).map_or(15, |sent| sent.sig);
    let headline = match (fate.told, since) {
        _ if crashed && fate.told.is_some() => {
            format!("{name} crashed ({}) when it was told to stop", names::signal(sig))
        }
        _ if crashed => format!("{name} crashed ({}) during the shutdown", names::signal(sig)),
        (Some(told), Some(since)) => match told.reception {
            Reception::Ignored => {
                format!("{name} ignores {} and was killed {since} after it", names::signal(told_by(told)))
            }
            Reception::Pending => {
                format!(
                    "{name} was not seen to take {} and was killed {since} after it",
                    names::signal(told_by(told))
                )
            }
            _ => format!("{name} was killed {since} after it was told to stop"),
        },
        _ => match story
            .doubt
            .absence(story.shutdown.as_ref().map_or(0, |s| s.begin.ns), story.end_of(fate.proc).ns)
        {
            true => format!("{name} was killed without having been asked to stop"),
            false => format!("{name} was killed; that it was asked to stop before was not seen"),
        },
    };
    let rule = if fate.told.is_none() && !crashed { Rule::NeverAsked } else { Rule::Killed };
    let mut finding = Finding::new(rule, headline);
    if let Some(id) = story.replaces(fate.proc) {
        finding.steps.push(steps::restart(story, id));
    }
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    finding.steps.extend(steps::told_again(story, fate));
    finding.steps.extend(steps::end(story, fate));
    if !with_it.is_empty()
        && let Some(first) = finding.steps.last_mut()
    {
        let others = if with_it.len() == 1 {
            "another process".into()
        } else {
            format!("{} other processes", with_it.len())
        };
        first.text.push_str(&format!("; {others} of it went the same way"));
    }
    let waited: u64 = story.waits.iter().filter(|wait| wait.proc == fate.proc).map(|wait| wait.ns()).sum();
    if waited >= super::waited_for::LONG_NS {
        finding.headline.push_str(&format!("; the shutdown waited {} for it", time::duration(waited)));
    }
    finding.procs = [fate.proc].into_iter().chain(with_it.iter().map(|other| other.proc)).collect();
    steps::next_boot(story, &mut finding, fate.proc);
    finding.advice = advice::against_kill(story, fate);
    if rule == Rule::NeverAsked {
        let from_ns = story.shutdown.as_ref().map_or(0, |s| s.begin.ns);
        let sure = story.doubt.of(from_ns, story.end_of(fate.proc).ns);
        finding.confidence = finding.confidence.min(sure).min(steps::unasked(story, fate.proc));
    }
    finding
}
