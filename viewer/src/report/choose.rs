//! Which shutdown a report is about where nobody said so, and what is told of the choice.
//!
//! Invariant: what was chosen, and whatever newer was passed over for it, is named before anything is written.

use std::path::Path;

use lastrites_traces::reader::{Summary, Trace};

use crate::{
    error::Error,
    explain::{Picked, pick},
    pick::{self as recordings, Recording},
    safe,
    story::{blame, finding::Rule, world::NONE},
    time::Clocks,
};

/// Of so many shutdowns the newest that went wrong is taken: who reports one has restarted the machine once or twice since.
const SHUTDOWNS_MAX: usize = 3;
/// What is older by more than this than the newest shutdown is not what somebody has just seen. Nanoseconds; a week.
const OLDER_NS: u64 = 7 * 86_400 * 1_000_000_000;
/// To wait for somebody so long is to go wrong, even if he stops at last: whole shutdowns take less, and inits that wait
/// for a stop give up after 5 s (sysvinit, runit) to 90 s (systemd).
const WAITED_LONG_NS: u64 = 30_000_000_000;

/// What a shutdown is called that was read and not taken, because nothing went wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed(String);

/// The recording that is meant: the one named, or of the last few shutdowns the newest that went wrong, or else the
/// newest. With it, if a newer one was passed over, the newest.
pub fn choose(
    trace: &Trace,
    path: &Path,
    named: Option<&Recording>,
    last: bool,
) -> Result<(Picked, Option<Passed>), Error> {
    // A stand-alone file is about one shutdown.
    if named.is_some() || last || !trace.is_ring() {
        return Ok((pick::pick(trace, path, named)?, None));
    }
    let (newest, _) = recordings::pick(trace, path, &Recording::Newest)?;
    let mut first: Option<Picked> = None;
    let mut met = 0;
    for number in (1..=newest).rev() {
        let summary = &trace.sessions()[number - 1];
        if !pick::may_have_shutdown(summary) {
            continue;
        }
        if let Some(first) = &first
            && (met >= SHUTDOWNS_MAX || ended_ns(&first.summary).saturating_sub(ended_ns(summary)) > OLDER_NS)
        {
            break;
        }
        let picked = pick::read(trace, path, number)?;
        if picked.story.shutdown.is_none() && !picked.story.cut {
            continue;
        }
        met += 1;
        if went_wrong(&picked) {
            let name = |first: &Picked| called(first, &format!("recording {}", first.number));
            let passed = first.as_ref().map(|first| Passed(name(first)));
            return Ok((picked, passed));
        }
        first.get_or_insert(picked);
    }
    match first {
        Some(first) => Ok((first, None)),
        None => Ok((pick::read(trace, path, newest)?, None)),
    }
}

/// By the clock of its machine, of its last event.
fn ended_ns(summary: &Summary) -> u64 {
    summary.clocks.last().copied().unwrap_or(summary.session.started).realtime_of(summary.last_ns)
}

/// Whether anything but short waiting is to be told of it.
fn went_wrong(picked: &Picked) -> bool {
    let harmless = [Rule::WaitedFor, Rule::EventsLost, Rule::Spared];
    picked.story.findings.iter().any(|finding| finding.failed || !harmless.contains(&finding.rule))
        || blame::totals(&picked.story.waits)
            .iter()
            .any(|(proc, ns, _)| *proc != NONE && *ns >= WAITED_LONG_NS)
}

/// `the shutdown of 12 Nov 2026 at 03:14:07 UTC+1 (recording 1 of 2)`, by the clock of its machine.
fn called(picked: &Picked, recording: &str) -> String {
    let clocks = Clocks::new(&picked.summary);
    let (what, ns) = match &picked.story.shutdown {
        Some(shutdown) => ("shutdown of", shutdown.begin.ns),
        None => ("recording from", picked.summary.session.started.boottime_ns),
    };
    let when = clocks.wall(ns).format("%-d %b %Y at %H:%M:%S");
    format!("the {what} {when} {} ({recording})", clocks.zone(ns))
}

/// What is told of the choice, a line each. `redacted` is the same recording as its readers will see it: these lines may
/// be pasted with the rest.
pub fn told(number: usize, count: usize, redacted: &Picked, passed: Option<&Passed>) -> Vec<String> {
    let which = called(redacted, &format!("recording {number} of {count}"));
    let found: Vec<&str> = redacted
        .story
        .findings
        .iter()
        .filter(|finding| finding.rule != Rule::Spared || finding.failed)
        .map(|finding| finding.headline.as_str())
        .collect();
    let found = match found.as_slice() {
        [] if redacted.story.shutdown.is_none() => "there is no shutdown in it".to_owned(),
        [] => "nothing went wrong in it".to_owned(),
        [one] => safe::text(one.as_bytes()),
        [first, rest @ ..] => {
            let more = if rest.len() == 1 { "finding" } else { "findings" };
            format!("{} ({} more {more})", safe::text(first.as_bytes()), rest.len())
        }
    };
    let mut lines = vec![format!("this is {which}: {found}")];
    if let Some(passed) = passed {
        lines.push(format!("{} is newer, and nothing went wrong in it: `--last` takes that one", passed.0));
    }
    lines
}
