//! Events of the shutdown that are not there: what is told may lack something.
//!
//! Found: losses and gaps that reach into the shutdown. How many they are is known where they were counted, and the most
//! that it can be where hooks were missed.

use lastrites_traces::abi::kind;

use super::{Case, Finding, Rule, Step};
use crate::story::world::{At, Cause, Hole};

/// So many are told one by one.
const TOLD: usize = 4;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = &story.shutdown else { return };
    let (from, to) = (shutdown.begin.ns, shutdown.end.ns);
    let near: Vec<&Hole> = story.doubt.near(from, to).collect();
    // The first is what something can be done about.
    let Some(first) = near.iter().min_by_key(|hole| (hole.cause, hole.from_ns)) else { return };
    let mut finding = Finding::new(Rule::EventsLost, headline(&near, from, to));
    for hole in near.iter().take(TOLD) {
        let at = At { ns: hole.to_ns.min(to), number: hole.number };
        finding.steps.push(Step::at(at, text(hole, to)));
    }
    finding.advice = Some(advice(first).into());
    case.add(finding);
}

fn headline(near: &[&Hole], from: u64, to: u64) -> String {
    let count = near.iter().fold(0_u64, |sum, hole| sum.saturating_add(hole.count));
    let more = near.iter().any(|hole| hole.count == 0);
    // All that was counted is missing, and of the shutdown.
    let counted = |hole: &&Hole| {
        hole.count == 0 || hole.cause != Cause::Missed && hole.from_ns >= from && hole.to_ns <= to
    };
    let bound = match more {
        false => "up to",
        true if count > 0 && near.iter().all(counted) => "at least",
        true => return "some events of the shutdown are missing".to_owned(),
    };
    match count {
        1 => format!("{bound} one event of the shutdown is missing"),
        _ => format!("{bound} {count} events of the shutdown are missing"),
    }
}

fn text(hole: &Hole, to: u64) -> String {
    let of = match kind::NAMES.get(usize::from(hole.kind)) {
        _ if hole.kind == 0 => String::new(),
        known => format!(" of kind {}", known.unwrap_or(&"unknown")),
    };
    let missing = match hole.count {
        0 if hole.to_ns > to => return "what comes after this cannot be read".to_owned(),
        0 => return "what comes before this cannot be read".to_owned(),
        1 => format!("one event{of} is missing up to here"),
        n => format!("{n} events{of} are missing up to here"),
    };
    match hole.cause {
        Cause::Missed => format!("at most {missing}: a hook at work on a CPU is not run on it again"),
        Cause::Overwritten => format!("{missing}: overwritten before the recorder had read so far"),
        Cause::Unreadable | Cause::Unstored | Cause::Uncounted => missing,
    }
}

/// Only what helps against that: the size of the ring file is nothing to what the kernel holds.
fn advice(hole: &Hole) -> &'static str {
    match hole.cause {
        // In front of everything else it may have made way for that.
        Cause::Unreadable if hole.from_ns == 0 => {
            "arm with a larger ring (--size) if its oldest events made way for newer ones; copy the file again, if it was \
             copied and is damaged"
        }
        Cause::Unreadable => "copy the file again, if it was copied: this one is cut or damaged",
        Cause::Overwritten => {
            "see what kept the recorder from reading: a disk that stalls, a machine too busy to run it, or who ended it \
             before the last hook"
        }
        Cause::Unstored => {
            "see by `lastrites status` whether CPUs were plugged in since it was armed, which have no ring until the next \
             boot; before Linux 5.12 an interrupt at the wrong moment costs an event"
        }
        Cause::Missed | Cause::Uncounted => {
            "nothing is to be set: the kernel leaves out a hook that is at work on that CPU already, which happens on a busy \
             machine; `lastrites status` says which hooks"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(from_ns: u64, count: u64, cause: Cause) -> Hole {
        Hole { from_ns, to_ns: from_ns + 5, count, number: 7, kind: 0, cause }
    }

    #[test]
    fn at_least_is_said_only_where_all_that_was_counted_is_missing() {
        let cut = hole(40, 0, Cause::Unreadable);
        for (counted, said) in [
            (hole(20, 3, Cause::Overwritten), "at least 3 events of the shutdown are missing"),
            (hole(20, 1, Cause::Unstored), "at least one event of the shutdown is missing"),
            // Not each hook that was missed would have given an event.
            (hole(20, 3, Cause::Missed), "some events of the shutdown are missing"),
            // Some of it may have been lost before the shutdown.
            (hole(8, 3, Cause::Overwritten), "some events of the shutdown are missing"),
        ] {
            assert_eq!(headline(&[&counted, &cut], 10, 100), said, "{counted:?}");
        }
        assert_eq!(headline(&[&cut], 10, 100), "some events of the shutdown are missing");
    }

    #[test]
    fn a_larger_ring_is_advised_only_where_the_file_may_have_been_too_small() {
        let all = [Cause::Unreadable, Cause::Overwritten, Cause::Unstored, Cause::Missed];
        assert!(all.into_iter().all(|cause| !advice(&hole(20, 3, cause)).contains("larger ring")));
        assert!(advice(&hole(0, 3, Cause::Unreadable)).contains("larger ring"));
    }
}
