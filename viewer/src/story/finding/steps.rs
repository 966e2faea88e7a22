//! Sentences that more than one finding is made of.

use lastrites_traces::abi::kind;

use crate::{names, time};

use super::{Finding, Step};
use crate::story::{
    Story,
    doubt::Confidence,
    fate::{Fate, Reception, Told, Verdict, tells_to_stop},
    restart::{By, Restart},
    service::Kind,
    shutdown::{Phase, PhaseKind},
    world::{At, Idx, Means, NONE, Sig, matters},
};

const HUP: u8 = 1;
const KILL: u8 = 9;

/// Signals closer to each other than that are of one attempt.
const AGAIN_NS: u64 = 1_000_000_000;
/// More attempts say nothing more.
const AGAIN_MAX: usize = 3;

impl Step {
    pub fn at(at: At, text: impl Into<String>) -> Self {
        Self { at: Some(at), text: text.into(), events: vec![at.number] }
    }

    pub fn and(mut self, at: At) -> Self {
        self.events.push(at.number);
        self
    }
}

/// `killall5 -15 sent SIGTERM to mongod 812`, with what became of it.
pub fn told(story: &Story, fate: &Fate, told: &Told) -> Step {
    let world = &story.world;
    let Some(sent) = world.sig(told.sent) else { return Step::at(told.at(world), "it was told to stop") };
    let mut text = sentence(story, sent);
    match told.reception {
        Reception::Ignored => text.push_str(", which ignores it"),
        Reception::Pending => {
            text.push_str(", which was not seen to take it (it waits for signals, blocks them, or did not run any more)")
        }
        Reception::BeforeExec => text.push_str(&format!(
            ", which had not executed its program yet: its forker's handler took it, and {} never heard of it",
            world.name(fate.proc)
        )),
        Reception::Handled if fate.verdict != Verdict::Stopped => {
            text.push_str(", which has a handler for it")
        }
        _ => {}
    }
    let step = Step::at(told.at(world), text);
    match sent.took() {
        Some((took, true)) => step.and(took),
        _ => step,
    }
}

/// Who told it to stop after that, when it had been told for a while: the first of each sender's program.
pub fn told_again(story: &Story, fate: &Fate) -> Vec<Step> {
    let world = &story.world;
    let Some(first) = fate.told.and_then(|told| world.sig(told.sent)) else { return Vec::new() };
    let mut again: Vec<Step> = Vec::new();
    let mut last = first;
    for (number, sent) in story.by_target.to(world, fate.proc) {
        let later = sent.at.ns.saturating_sub(last.at.ns) >= AGAIN_NS && sent.at < story.end_of(fate.proc);
        let tells = sent.sig != KILL && sent.sig != HUP && tells_to_stop(world, sent) && !sent.overflowed();
        // What it died of is told of as that.
        if later && tells && fate.killer != Some(number) && again.len() < AGAIN_MAX {
            let word = if sent.sig == first.sig { " again" } else { "" };
            again.push(Step::at(sent.at, format!("{}{word}", sentence(story, sent))));
            last = sent;
        }
    }
    again
}

/// `rc -> sendsigs -> killall5 -15 sent SIGTERM to mongod 812`.
pub fn sentence(story: &Story, sent: &Sig) -> String {
    let world = &story.world;
    let how = match sent.means {
        Means::Group => " to its process group, with",
        Means::Broadcast => " to everybody, with",
        _ => " to",
    };
    let sig = names::signal(sent.sig);
    let target = world.label_at(sent.target, sent.at.ns);
    match how {
        " to" => format!("{} sent {sig} to {target}", story.sender(sent)),
        _ => format!("{} sent {sig}{how} {target} in it", story.sender(sent)),
    }
}

/// How it ended: `mongod 812 exited 0, 0.72 s after it was told to`.
pub fn end(story: &Story, fate: &Fate) -> Option<Step> {
    let world = &story.world;
    let proc = world.proc_at(fate.proc)?;
    let label = world.label(fate.proc);
    if !proc.dead() {
        let shutdown = story.shutdown.as_ref()?;
        let text = match fate.told {
            Some(told) if fate.verdict == Verdict::NoEnd => format!(
                "{label} still ran {}, {} after it was told to stop",
                story.at_the_last(),
                time::duration(shutdown.end.ns.saturating_sub(told.at(world).ns))
            ),
            None if fate.verdict == Verdict::NoEnd => format!("{label} still ran {}", story.at_the_last()),
            Some(told) => format!(
                "{label} still ran {}, {} after it was told to stop",
                story.at_the_end(),
                time::duration(shutdown.end.ns.saturating_sub(told.at(world).ns))
            ),
            None if !story.is_untold(fate.proc) => {
                format!("{label} still ran {}; that it was told to stop was not seen", story.at_the_end())
            }
            None => format!("{label} still ran {}; nobody had told it to stop", story.at_the_end()),
        };
        return Some(Step::at(shutdown.end, text));
    }
    let killer = fate.killer.and_then(|killer| world.sig(killer));
    // A death by the signal that told it to stop needs no second telling of who sent it.
    let by_told = fate.told.is_some_and(|told| fate.killer == Some(told.sent));
    let since = fate.told.map(|told| time::duration(proc.exit.ns.saturating_sub(told.at(world).ns)));
    let core = if proc.status & 0x80 != 0 { " and dumped core" } else { "" };
    match (proc.killed_by(), killer) {
        (0, _) => {
            let code = proc.status >> 8 & 0xff;
            let clean = if code == 0 { ", a clean stop" } else { "" };
            let ignored = fate.told.is_some_and(|told| told.reception == Reception::Ignored);
            let text = match since {
                Some(since) if ignored => format!("{label} exited {code} of its own accord, {since} later"),
                Some(since) => format!("{label} exited {code}{clean}, {since} after it was told to"),
                None => format!("{label} exited {code}{}", of_own_accord(story, fate.proc)),
            };
            Some(Step::at(proc.exit, text))
        }
        (sig, Some(_)) if by_told => {
            let since = since.unwrap_or_default();
            Some(Step::at(
                proc.exit,
                format!("{label} died of that {}{core}, {since} later", names::signal(sig)),
            ))
        }
        (_, Some(sent)) => {
            let took = proc.exit.ns.saturating_sub(sent.at.ns);
            let dying = if took > 100_000_000 {
                format!("it died {} later", time::duration(took))
            } else {
                "it died at once".into()
            };
            let age = age(story, fate.proc, sent.at);
            let mut text = format!("{}{age}; {dying}{core}", sentence(story, sent));
            let rivals: Vec<String> = story.rivals(fate).take(3).map(|rival| story.sender(rival)).collect();
            if !rivals.is_empty() {
                text.push_str(&format!(" (or of the same signal from {})", rivals.join(", or from ")));
            }
            Some(Step::at(sent.at, text).and(proc.exit))
        }
        // Some are so common that they are not kept; their number says enough.
        (sig, None) if !matters(sig) => {
            Some(Step::at(proc.exit, format!("{label} died of {}{core}", names::signal(sig))))
        }
        (sig, None) => Some(Step::at(
            proc.exit,
            format!(
                "{label} was killed by {}{core}; who sent it was not recorded{}",
                names::signal(sig),
                suspected(story, fate)
            ),
        )),
    }
}

/// How sure it is at most that `idx` was never told to stop: a spree tells everybody, and what is missing of one may be
/// what it sent to this one.
pub fn unasked(story: &Story, idx: Idx) -> Confidence {
    let Some(shutdown) = &story.shutdown else { return Confidence::Certain };
    let born_ns = story.world.proc_at(idx).map_or(0, |proc| proc.born.ns);
    let end_ns = story.end_of(idx).ns;
    let tells =
        |phase: &&Phase| phase.kind == PhaseKind::TermSpree && (born_ns..end_ns).contains(&phase.from.ns);
    let missing = shutdown.phases.iter().filter(tells).any(|spree| {
        let to_ns = spree.to_ns.min(end_ns);
        story.doubt.of_kinds(spree.from.ns, to_ns, &[kind::SIGNAL]) != Confidence::Certain
    });
    // Nor can it be excluded that there was a spree where its beginning may be missing as well.
    let lost = |kind: u8| {
        story.doubt.of_kinds(shutdown.begin.ns.max(born_ns), end_ns, &[kind]) != Confidence::Certain
    };
    if missing || lost(kind::SIGNAL) && lost(kind::EXEC) { Confidence::Possible } else { Confidence::Certain }
}

/// `: likely init, which sent it to everybody then`; `: rc -> killall5 -9, which sent it to others then, cannot be excluded`.
fn suspected(story: &Story, fate: &Fate) -> String {
    let told = story.suspects(fate).into_iter().map(|suspect| {
        let who = story.chain(suspect.proc, suspect.at.ns);
        match suspect.confidence {
            Confidence::Possible => format!("{who}, which sent it to others then, cannot be excluded"),
            _ => format!("likely {who}, which sent it to everybody then"),
        }
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!(": {}", told.join("; ")) }
}

/// ` by itself`, or ` while slapd stop ran`: for who was sent no signal.
fn of_own_accord(story: &Story, idx: Idx) -> String {
    match story.stopper(idx) {
        Some(command) => {
            let end = story.end_of(idx);
            // It may be gone by then, and its service be on its way out.
            let gone = story.world.proc_at(command).is_some_and(|command| command.exit < end);
            let chain = story.chain(command, end.ns);
            if gone { format!(" after {chain} had run") } else { format!(" while {chain} ran") }
        }
        None if !story.is_untold(idx) => {
            let why = if story.saw_beginning() { " (events are missing)" } else { "" };
            format!("; that it was told to was not seen{why}")
        }
        None => " by itself".into(),
    }
}

/// `, 4.3 s old`, for what was started in the shutdown.
fn age(story: &Story, idx: Idx, at: At) -> String {
    let born = story.world.proc_at(idx).map_or(at, |proc| proc.born);
    match story.shutdown.as_ref().filter(|shutdown| born >= shutdown.begin) {
        Some(_) => format!(", {} old", time::duration(at.ns.saturating_sub(born.ns))),
        None => String::new(),
    }
}

/// `init started mongod again as 2240: inittab entry md, runlevels 23456, respawn`.
pub fn restart(story: &Story, restart: &Restart) -> Step {
    let world = &story.world;
    let up = restart.up(world);
    let who = match restart.how {
        By::Init => world.name_at(restart.by, restart.at.ns),
        By::Supervisor => world.label_at(restart.by, restart.at.ns),
        By::Script => story.chain(restart.by, restart.at.ns),
    };
    let mut text = match restart.is_unfinished(world) {
        // What was to become it may be called anything yet.
        true => {
            format!("{who} began to start {} again, as {}", world.name(restart.old), world.label(restart.new))
        }
        false => format!("{who} started {} again as {}", world.name(restart.new), world.pid(restart.new)),
    };
    if let Some(id) = restart.service {
        let service = story.services.get(id);
        match (story.services.entry(id), service.kind) {
            (Some(entry), _) => {
                text.push_str(&format!(
                    ": inittab entry {}, runlevels {}, {}",
                    entry.id, entry.levels, entry.action
                ));
            }
            (None, Kind::Script) => {}
            (None, kind) => text.push_str(&format!(": {} {}", kind.word(), service.name)),
        }
    }
    if restart.ordered != NONE {
        let asked_at = world.image(world.image_of(restart.ordered)).map_or(restart.at, |image| image.at);
        text.push_str(&format!("; {} had asked for it", story.chain(restart.ordered, restart.at.ns)));
        let step = Step::at(restart.at, text).and(asked_at);
        return if up.number == restart.at.number { step } else { step.and(up) };
    }
    let step = Step::at(restart.at, text);
    if up.number == restart.at.number { step } else { step.and(up) }
}

/// Adds how its program failed at the next boot, if it did.
pub fn next_boot(story: &Story, finding: &mut Finding, idx: Idx) -> bool {
    let Some(next) = &story.next else { return false };
    if !story.dirty(idx) {
        return false;
    }
    let Some(again) = next.failed(&story.world, &story.services, idx) else { return false };
    let how = match again.status & 0x7f {
        0 => format!("exited {}", again.status >> 8 & 0xff),
        sig => format!("was killed by {}", names::signal(sig as u8)),
    };
    let text = format!(
        "Next boot: {} {how} after {} (recording {}, event {})",
        again.label,
        time::duration(again.lived_ns),
        next.recording,
        again.exit.number
    );
    finding.steps.push(Step { at: None, text, events: Vec::new() });
    finding.failed = true;
    finding.failure = Some((next.recording, again.exit.number));
    true
}

/// `a`, `a and b`, `a, b and 3 more`.
pub fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [a, b] => format!("{a} and {b}"),
        [a, b, c] => format!("{a}, {b} and {c}"),
        [a, b, rest @ ..] => format!("{a}, {b} and {} more", rest.len()),
    }
}
