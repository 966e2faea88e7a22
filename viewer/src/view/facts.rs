//! What the detail panel says of a subject: lines, each with where it leads.
//!
//! Invariant: of every list no more than [`MOST`] lines are told, whatever a process has done; every line is safe for a
//! terminal.

use std::collections::HashSet;

use super::{Subject, model::Model, palette::Look};
use crate::{
    names, safe,
    story::{
        fate::{Verdict, tells_to_stop},
        finding::{self, Rule},
        shutdown::Asked,
        world::{At, Idx, NONE, Origin, Sig},
    },
    time,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub at: Option<At>,
    pub text: String,
    pub look: Look,
    pub indent: u8,
    pub leads: Option<Subject>,
}

impl Fact {
    fn new(look: Look, text: impl Into<String>) -> Self {
        Self { at: None, text: text.into(), look, indent: 0, leads: None }
    }

    fn at(mut self, at: At) -> Self {
        self.at = Some(at);
        self
    }

    fn to(mut self, subject: Subject) -> Self {
        self.leads = Some(subject);
        self
    }

    fn leading_to(self, model: &Model, idx: Idx) -> Self {
        if model.world().proc_at(idx).is_some() { self.to(Subject::Proc(idx)) } else { self }
    }
}

/// So many of a list are told.
const MOST: usize = 60;
/// So many events of a finding's evidence.
const EVENTS: usize = 14;

pub fn of(model: &Model, subject: Subject) -> Vec<Fact> {
    match subject {
        Subject::Proc(idx) => process(model, idx),
        Subject::Finding(at) => of_finding(model, at),
        Subject::Sig(at) => signal(model, at),
        Subject::Phase(at) => phase(model, at),
    }
}

fn of_finding(model: &Model, at: usize) -> Vec<Fact> {
    let Some(finding) = model.story().findings.get(at) else { return Vec::new() };
    let look = if finding.rule >= Rule::WaitedFor && !finding.failed { Look::Warn } else { Look::Bad };
    let mut facts = vec![Fact::new(look, format!("[{}] {}", at + 1, finding.headline))];
    // On a small screen it would be below ten steps, where nobody sees it.
    if let Some(advice) = &finding.advice {
        facts.push(Fact::new(Look::Accent, format!("To change: {advice}.")));
    }
    for step in &finding.steps {
        let leads = step.events.iter().rev().find_map(|number| model.known_event(*number));
        let look = if step.at.is_some() { Look::Text } else { Look::Strong };
        facts.push(Fact { at: step.at, leads, ..Fact::new(look, step.text.clone()) });
    }
    facts.push(Fact::new(
        Look::Dim,
        format!("{} · evidence: {}", finding.confidence.words(), events(&finding.evidence())),
    ));
    let leads = |fact: &Fact| match fact.leads? {
        Subject::Sig(at) => model.world().sig(at).map(|sent| sent.target),
        Subject::Proc(idx) => Some(idx),
        Subject::Finding(_) | Subject::Phase(_) => None,
    };
    // To most of them the steps have led already.
    let led: HashSet<Idx> = facts.iter().filter_map(leads).collect();
    for idx in finding.procs.iter().filter(|idx| !led.contains(*idx)).take(MOST) {
        facts.push(Fact::new(Look::Text, format!("about {}", called(model, *idx))).leading_to(model, *idx));
    }
    facts
}

/// `event 7`, `events 7 8 9 …`.
fn events(numbers: &[u64]) -> String {
    let told: Vec<String> = numbers.iter().take(EVENTS).map(u64::to_string).collect();
    let many = if numbers.len() == 1 { "event" } else { "events" };
    let cut = if numbers.len() > EVENTS { " …" } else { "" };
    format!("{many} {}{cut}", told.join(" "))
}

fn phase(model: &Model, at: usize) -> Vec<Fact> {
    let story = model.story();
    let Some(shutdown) = &story.shutdown else { return Vec::new() };
    let Some(phase) = shutdown.phases.get(at) else { return Vec::new() };
    let took = time::duration(phase.to_ns.saturating_sub(phase.from.ns));
    let mut facts = vec![
        Fact::new(Look::Title, format!("{}, {took}", phase.kind.title())),
        Fact::new(Look::Dim, format!("begins with event {}: {}", phase.from.number, phase.rule))
            .at(phase.from),
    ];
    if at == 0
        && let Some(asked) = &shutdown.asked
    {
        let text = format!("asked for by {}", in_full(asked));
        facts.push(Fact::new(Look::Text, text).at(asked.at).leading_to(model, asked.by));
    }
    for wait in story.waits.iter().filter(|wait| wait.to_ns > phase.from.ns && wait.from_ns < phase.to_ns) {
        // What was waited in other phases is told of those.
        let (from_ns, to_ns) = (wait.from_ns.max(phase.from.ns), wait.to_ns.min(phase.to_ns));
        let waited_ns = to_ns.saturating_sub(from_ns);
        if waited_ns < 10_000_000 || facts.len() > MOST {
            continue;
        }
        let who = if wait.proc == NONE { "init itself".into() } else { model.label(wait.proc) };
        let at = At { ns: from_ns, number: 0 };
        let text = format!("waited {} for {who}", time::duration(waited_ns));
        facts.push(Fact::new(Look::Text, text).at(at).leading_to(model, wait.proc));
    }
    facts
}

fn signal(model: &Model, at: u32) -> Vec<Fact> {
    let world = model.world();
    let Some(sent) = world.sig(at) else { return Vec::new() };
    let mut facts = vec![Fact::new(
        Look::Title,
        format!(
            "{} to {} (event {})",
            names::signal(sent.sig),
            world.label_at(sent.target, sent.at.ns),
            sent.at.number
        ),
    )];
    facts.push(
        Fact::new(Look::Text, format!("sent by {}", world.sender(sent)))
            .at(sent.at)
            .leading_to(model, sent.sender),
    );
    facts.push(Fact::new(Look::Text, fared(sent)).leading_to(model, sent.target));
    chain(model, &mut facts, sent);
    facts
}

/// Who made the sender of a signal send it: the end of what [`of`] says of the signal.
pub fn causes(model: &Model, sent: &Sig) -> Vec<Fact> {
    let mut facts = Vec::new();
    chain(model, &mut facts, sent);
    facts
}

/// What became of a signal.
pub fn fared(sent: &Sig) -> String {
    match sent.took {
        Some((at, handled)) => format!(
            "{} {} later",
            if handled { "its handler ran" } else { "it acted by default," },
            time::duration(at.ns.saturating_sub(sent.at.ns))
        ),
        None if sent.ignored() => "ignored: the kernel threw it away".into(),
        None => names::result(sent.result).into_owned(),
    }
}

/// `root via ssh: reboot (sshd -> sh -> reboot)`: the human, the words, the way they went.
fn in_full(asked: &Asked) -> String {
    let mut text = asked.person();
    if !text.is_empty() {
        text.push_str(": ");
    }
    text.push_str(&asked.how);
    if asked.chain.contains(" -> ") {
        text.push_str(&format!(" ({})", asked.chain));
    }
    text
}

/// Who made the sender send: up to init, and to who asked for the shutdown.
fn chain(model: &Model, facts: &mut Vec<Fact>, sent: &Sig) {
    let world = model.world();
    if sent.sender == NONE {
        return;
    }
    let up = std::iter::once(sent.sender).chain(world.ancestors(sent.sender)).take(10);
    for (depth, idx) in up.enumerate() {
        let what = if depth == 0 { "from " } else { "run by " };
        let text = format!("{what}{}", model.deed_label(idx, sent.at.ns));
        facts.push(Fact {
            indent: (depth as u8 + 1).min(10),
            ..Fact::new(Look::Signal, text).leading_to(model, idx)
        });
    }
    if let Some(asked) = model.story().shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref())
        && asked.at <= sent.at
    {
        let fact = Fact::new(Look::Signal, format!("because of {}", in_full(asked)));
        facts.push(Fact { indent: 1, at: Some(asked.at), ..fact.leading_to(model, asked.by) });
    }
}

fn process(model: &Model, idx: Idx) -> Vec<Fact> {
    let mut facts = life(model, idx);
    if !facts.is_empty() {
        received(model, idx, &mut facts);
        sent(model, idx, &mut facts);
        children(model, idx, &mut facts);
    }
    facts
}

/// A process without the lists of its signals and children.
pub fn life(model: &Model, idx: Idx) -> Vec<Fact> {
    let (story, world) = (model.story(), model.world());
    let Some(proc) = world.proc_at(idx) else { return Vec::new() };
    let fate = story.fate(idx);
    let killer = fate.and_then(|fate| fate.killer).and_then(|at| world.sig(at).map(|sent| (at, sent)));
    let bad = fate
        .is_some_and(|fate| matches!(fate.verdict, Verdict::Killed | Verdict::CutOff | Verdict::NeverTold));
    let mut facts = vec![Fact::new(Look::Title, called(model, idx))];
    if let Some(at) = model.finding_of(idx) {
        let text = format!("finding [{}]: {}", at + 1, story.findings[at].headline);
        facts.push(Fact::new(Look::Bad, text).to(Subject::Finding(at)));
    }
    if let Some(asked) = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref())
        && asked.by == idx
    {
        let text = format!("asked for the shutdown: {}", in_full(asked));
        facts.push(Fact::new(Look::Accent, text).at(asked.at));
    }
    // How it ended comes first: it is what one looks for.
    match fate.and_then(|fate| finding::end_step(story, fate)) {
        Some(step) => {
            // The story calls it by its last program, the screen by what it did.
            let text = match step.text.strip_prefix(&world.label(idx)) {
                Some(rest) => format!("{}{rest}", model.label(idx)),
                None => step.text,
            };
            let fact = Fact { at: step.at, ..Fact::new(if bad { Look::Bad } else { Look::Good }, text) };
            facts.push(match killer {
                Some((at, _)) => fact.to(Subject::Sig(at)),
                None => fact,
            });
        }
        None if proc.dead() => {
            facts.push(Fact::new(Look::Good, names::status(proc.status.into())).at(proc.exit));
        }
        None => facts.push(Fact::new(Look::Text, "its end was not recorded")),
    }
    facts.extend(killings(model, idx));
    let told = fate.and_then(|fate| fate.told).and_then(|told| world.sig(told.sent));
    if let Some(sent) = killer.map(|(_, sent)| sent).or(told) {
        chain(model, &mut facts, sent);
    }
    if let Some(restart) = story.replaced(idx) {
        let step = finding::restart_step(story, restart);
        facts.push(Fact { at: step.at, ..Fact::new(Look::Heir, step.text) }.leading_to(model, restart.new));
    }
    if let Some(restart) = story.replaces(idx) {
        let text = format!("took the place of {}", model.label(restart.old));
        facts.push(Fact::new(Look::Heir, text).at(restart.at).leading_to(model, restart.old));
    }
    if let Some(image) = world.image(world.image_of(idx)) {
        facts.push(Fact::new(Look::Accent, format!("$ {}", world.command(image, 400))));
        let mut text = names::user(image.uid).into_owned();
        let tty = world.strings.get(image.tty);
        if !tty.is_empty() {
            text.push_str(" on ");
            text.push_str(&safe::text(tty));
        }
        if let Some(id) = story.service(idx) {
            let service = story.services.get(id);
            text.push_str(&format!(" · {} {}", service.kind.word(), service.name));
            if let Some(entry) = story.services.entry(id) {
                text.push_str(&format!(" ({}:{}:{})", entry.id, entry.levels, entry.action));
            }
        }
        if proc.peak_rss_kib > 0 {
            text.push_str(&format!(" · peak {} MiB", proc.peak_rss_kib / 1024));
        }
        facts.push(Fact::new(Look::Dim, text));
    }
    let line: Vec<String> = world.ancestors(idx).take(8).map(|up| world.label_at(up, proc.born.ns)).collect();
    let born = match proc.origin {
        Origin::Forked => "born",
        Origin::Running => "running when recording began",
        Origin::Mentioned => "known only from what others did to it",
    };
    let text =
        if line.is_empty() { born.to_owned() } else { format!("{born}, child of {}", line.join(" < ")) };
    facts.push(Fact::new(Look::Dim, text).at(proc.born).leading_to(model, proc.parent));
    facts
}

fn children(model: &Model, idx: Idx, facts: &mut Vec<Fact>) {
    let (world, children) = (model.world(), model.children(idx));
    if children.is_empty() {
        return;
    }
    let many =
        if children.len() == 1 { "1 child".to_owned() } else { format!("{} children", children.len()) };
    facts.push(Fact::new(Look::Strong, many));
    for child in children.iter().take(MOST) {
        let born = world.proc_at(*child).map(|proc| proc.born);
        facts.push(Fact { at: born, ..Fact::new(Look::Text, model.label(*child)) }.leading_to(model, *child));
    }
    more(facts, children.len());
}

fn received(model: &Model, idx: Idx, facts: &mut Vec<Fact>) {
    let world = model.world();
    let got = model.to(idx);
    if got.is_empty() {
        return;
    }
    facts.push(Fact::new(Look::Strong, format!("signals received: {}", got.len())));
    // The last ones are those that tell.
    for at in got.iter().skip(got.len().saturating_sub(MOST)) {
        let Some(sent) = world.sig(*at) else { continue };
        let text = format!(
            "{} from {}: {}",
            names::signal(sent.sig),
            world.sender(sent).trim_end_matches(','),
            fared(sent)
        );
        facts.push(Fact::new(Look::Text, text).at(sent.at).to(Subject::Sig(*at)));
    }
    more(facts, got.len());
}

fn sent(model: &Model, idx: Idx, facts: &mut Vec<Fact>) {
    let world = model.world();
    let made = model.from(idx);
    if made.is_empty() {
        return;
    }
    facts.push(Fact::new(Look::Strong, format!("signals sent: {} (v shows all it hit)", made.len())));
    // Stops and continuations go with every spree: who was told to end comes first.
    let ends = |at: &&u32| world.sig(**at).is_some_and(|sent| sent.sig == 9 || tells_to_stop(world, sent));
    let (first, rest): (Vec<&u32>, Vec<&u32>) = made.iter().take(MOST * 20).partition(ends);
    for at in first.into_iter().chain(rest).take(MOST) {
        let Some(sent) = world.sig(*at) else { continue };
        let text = format!("{} to {}", names::signal(sent.sig), world.label_at(sent.target, sent.at.ns));
        facts.push(Fact::new(Look::Text, text).at(sent.at).leading_to(model, sent.target));
    }
    more(facts, made.len());
}

/// Whom it killed: of all that a sender does, what one looks for.
fn killings(model: &Model, idx: Idx) -> Option<Fact> {
    const NAMED: usize = 4;
    let (story, world) = (model.story(), model.world());
    let killed = |at: &&u32| {
        let target = world.sig(**at).map(|sent| sent.target);
        target
            .and_then(|target| story.fate(target))
            .is_some_and(|fate| fate.killer == Some(**at) && fate.verdict == Verdict::Killed)
    };
    let victims: Vec<u32> = model.from(idx).iter().take(MOST * 20).filter(killed).copied().collect();
    let first = world.sig(*victims.first()?)?;
    let names: Vec<String> = victims
        .iter()
        .take(NAMED)
        .filter_map(|at| world.sig(*at))
        .map(|sent| model.label(sent.target))
        .collect();
    let rest = match victims.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let fact = Fact::new(Look::Bad, format!("killed {}{rest}", names.join(", "))).at(first.at);
    Some(fact.leading_to(model, first.target))
}

fn more(facts: &mut Vec<Fact>, count: usize) {
    if count > MOST {
        facts.push(Fact::new(Look::Dim, format!("and {} more", count - MOST)));
    }
}

/// `mongod 812 of inittab entry md`, `reboot 956, later init`.
fn called(model: &Model, idx: Idx) -> String {
    let (story, world) = (model.story(), model.world());
    let (label, last) = (model.label(idx), world.name(idx));
    let service = story.called(idx).strip_prefix(&last).unwrap_or_default().to_owned();
    let name = model.name(idx);
    let later = if name.split(' ').next().unwrap_or_default().ends_with(&last) {
        String::new()
    } else {
        format!(", later {last}")
    };
    format!("{label}{later}{service}")
}
