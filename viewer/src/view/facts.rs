//! What the detail panel says of a subject: lines, each with where it leads.
//!
//! Invariant: of every list no more than [`MOST`] lines are told, whatever a process has done; every line is safe for a
//! terminal.

use std::collections::{HashMap, HashSet};

use super::{
    Subject,
    model::{Model, is_noted},
    notes::LifeEnd,
    palette::Look,
    timeline::moment,
};
use crate::{
    names, safe,
    story::{
        fate::{Verdict, tells_to_stop},
        finding::{self, Rule},
        shutdown::Asked,
        world::{At, Idx, NONE, Origin, Proc, Sig, World},
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
/// So many signals are looked at for it.
const LOOKED_AT: usize = 100_000;
/// What comes so soon comes at once, to a person.
const AT_ONCE_NS: u64 = 10_000_000;
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
    let look = match finding.rule {
        _ if is_noted(finding) => Look::Dim,
        rule if rule >= Rule::WaitedFor && !finding.failed => Look::Warn,
        _ => Look::Bad,
    };
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
    // On a large screen there is room for who it happened to as well.
    if let Some(victim) = model.victim(at) {
        let mut known = life(model, victim);
        // Since when it ran is no part of it, and may not be known yet.
        known.pop();
        let told: HashSet<&String> = facts.iter().map(|fact| &fact.text).collect();
        // A line is not said twice, unless others stand below it: below another they would be a lie.
        let below = |at: usize| known.get(at + 1).is_some_and(|fact| fact.indent > 0);
        let mut heads = (0..known.len()).map(below).collect::<Vec<_>>().into_iter();
        known.retain(|fact| {
            let is_head = heads.next().unwrap_or(false);
            fact.leads != Some(Subject::Finding(at)) && (is_head || !told.contains(&fact.text))
        });
        facts.extend(known);
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
    // Of each that was waited for: since when, how long in all, and in how many pieces.
    let mut sums: Vec<(Idx, u64, u64, usize)> = Vec::new();
    let mut place: HashMap<Idx, usize> = HashMap::new();
    for wait in story.waits.iter().filter(|wait| wait.to_ns > phase.from.ns && wait.from_ns < phase.to_ns) {
        // What was waited in other phases is told of those.
        let (from_ns, to_ns) = (wait.from_ns.max(phase.from.ns), wait.to_ns.min(phase.to_ns));
        let at = *place.entry(wait.proc).or_insert(sums.len());
        if at == sums.len() {
            sums.push((wait.proc, from_ns, 0, 0));
        }
        sums[at].2 += to_ns.saturating_sub(from_ns);
        sums[at].3 += 1;
    }
    sums.retain(|(_, _, waited_ns, _)| *waited_ns >= 10_000_000);
    let count = sums.len();
    for (proc, from_ns, waited_ns, pieces) in sums.into_iter().take(MOST) {
        let who = if proc == NONE { "init itself".into() } else { model.label(proc) };
        let times = if pieces == 1 { String::new() } else { format!(", in {pieces} pieces") };
        let text = format!("waited {} for {who}{times}", time::duration(waited_ns));
        let at = At { ns: from_ns, number: 0 };
        facts.push(Fact::new(Look::Text, text).at(at).leading_to(model, proc));
    }
    more(&mut facts, count);
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
        Fact::new(Look::Text, format!("sent by {}", model.story().sender(sent)))
            .at(sent.at)
            .leading_to(model, sent.sender),
    );
    facts.push(Fact::new(Look::Text, fared(world, sent)).leading_to(model, sent.target));
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
pub fn fared(world: &World, sent: &Sig) -> String {
    let after = |at: At| match at.ns.saturating_sub(sent.at.ns) {
        ..AT_ONCE_NS => "at once".to_owned(),
        ns => format!("{} later", time::duration(ns)),
    };
    let died = |proc: &&Proc| proc.dead() && proc.killed_by() == sent.sig;
    match sent.took() {
        None if world.proc_at(sent.target).is_some_and(|proc| proc.exit <= sent.at) => {
            "it had ended by then".into()
        }
        Some((at, true)) => format!("its handler ran {}", after(at)),
        Some((at, false)) => match (sent.sig, world.proc_at(sent.target).filter(died)) {
            (_, Some(proc)) => format!("it died of it {}", after(proc.exit)),
            (18, None) => "it went on".into(),
            (19, None) => "it stopped".into(),
            (_, None) => format!("it took it {}, as is the default", after(at)),
        },
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
        facts.push(Fact { indent: 1, ..fact.leading_to(model, asked.by) });
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
        let finding = &story.findings[at];
        let text = format!("finding [{}]: {}", at + 1, finding.headline);
        // What is only noted is nothing bad.
        let look = if is_noted(finding) { Look::Dim } else { Look::Bad };
        facts.push(Fact::new(look, text).to(Subject::Finding(at)));
    }
    // What it did, how it ended and what came of that, in order of time; the rest of what is known of it stands below.
    let mut course: Vec<(u64, Vec<Fact>)> = Vec::new();
    if let Some(asked) = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref())
        && asked.by == idx
    {
        let text = format!("asked for the shutdown: {}", in_full(asked));
        course.push((asked.at.ns, vec![Fact::new(Look::Accent, text).at(asked.at)]));
    }
    if let Some(restart) = story.replaces(idx) {
        let text = format!("took the place of {}", model.label(restart.old));
        let fact = Fact::new(Look::Heir, text).at(restart.at).leading_to(model, restart.old);
        course.push((restart.at.ns, vec![fact]));
    }
    if let Some(fact) = killings(model, idx) {
        course.push((fact.at.map_or(0, |at| at.ns), vec![fact]));
    }
    let mut end = Vec::new();
    match fate.and_then(|fate| finding::end_step(story, fate)) {
        Some(step) => {
            // The story calls it by its last program, the screen by what it did.
            let text = match step.text.strip_prefix(&world.label(idx)) {
                Some(rest) => format!("{}{rest}", model.label(idx)),
                None => step.text,
            };
            let fact = Fact { at: step.at, ..Fact::new(if bad { Look::Bad } else { Look::Good }, text) };
            end.push(match killer {
                Some((at, _)) => fact.to(Subject::Sig(at)),
                None => fact,
            });
        }
        None if proc.dead() => {
            end.push(Fact::new(Look::Good, names::status(proc.status.into())).at(proc.exit));
        }
        None => {
            let text = match model.life_end(idx) {
                Some((_, LifeEnd::Alive)) => "it was alive when the recording ended",
                _ => "its end was not recorded",
            };
            end.push(Fact::new(Look::Text, text));
        }
    }
    let told =
        fate.and_then(|fate| fate.told).and_then(|told| world.sig(told.sent).map(|sent| (told.sent, sent)));
    // It "died of that SIGTERM": which one is said first, and by whom.
    let that = told.filter(|(at, _)| proc.dead() && killer.is_some_and(|(killer, _)| killer == *at));
    if let Some((at, sent)) = that {
        let from = story.sender(sent);
        let text = format!("{} from {} told it to stop", names::signal(sent.sig), from.trim_end_matches(','));
        let mut whole = vec![Fact::new(Look::Signal, text).at(sent.at).to(Subject::Sig(at))];
        chain(model, &mut whole, sent);
        whole.append(&mut end);
        end = whole;
    } else if let Some((_, sent)) = killer.or(told) {
        chain(model, &mut end, sent);
    }
    course.push((end.first().and_then(|fact| fact.at).map_or(u64::MAX, |at| at.ns), end));
    if let Some(restart) = story.replaced(idx) {
        let step = finding::restart_step(story, restart);
        let fact = Fact { at: step.at, ..Fact::new(Look::Heir, step.text) }.leading_to(model, restart.new);
        course.push((restart.at.ns, vec![fact]));
    }
    course.sort_by_key(|(ns, _)| *ns);
    facts.extend(course.into_iter().flat_map(|(_, facts)| facts));
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
        Origin::Forked => format!("born at {}", moment(proc.born.ns, model.zero_ns, AT_ONCE_NS)),
        Origin::Running => "running when recording began".to_owned(),
        Origin::Mentioned => "known only from what others did to it".to_owned(),
    };
    let text = if line.is_empty() { born } else { format!("{born}, child of {}", line.join(" < ")) };
    facts.push(Fact::new(Look::Dim, text).leading_to(model, proc.parent));
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
    let looked_at = &got[got.len().saturating_sub(LOOKED_AT)..];
    let known = looked_at.iter().filter_map(|at| Some((*at, world.sig(*at)?)));
    let (frozen, rest): (Vec<_>, Vec<_>) = known.partition(|(_, sent)| freezes(sent));
    // The last ones are those that tell.
    let mut told: Vec<Fact> = rest[rest.len().saturating_sub(MOST)..]
        .iter()
        .map(|(at, sent)| {
            let from = model.story().sender(sent);
            let from = from.trim_end_matches(',');
            let text = format!("{} from {from}: {}", names::signal(sent.sig), fared(world, sent));
            Fact::new(Look::Text, text).at(sent.at).to(Subject::Sig(*at))
        })
        .collect();
    // Sprees do that to everybody, again and again.
    if let (Some((at, first)), Some((_, last))) = (frozen.first(), frozen.last()) {
        let stops = frozen.iter().filter(|(_, sent)| sent.sig == SIGSTOP).count();
        let by = model.story().sender(first);
        let by = by.trim_end_matches(',');
        let text = match stops {
            ..=1 => format!("frozen and thawed once by {by}"),
            _ => {
                let within = time::duration(last.at.ns.saturating_sub(first.at.ns));
                format!("frozen and thawed {stops} times within {within}, first by {by}")
            }
        };
        told.push(Fact::new(Look::Dim, text).at(first.at).to(Subject::Sig(*at)));
    }
    in_order(facts, told);
    more(facts, rest.len().max(MOST) + got.len() - looked_at.len());
}

const SIGCONT: u8 = 18;
const SIGSTOP: u8 = 19;

/// Whether it only stops or continues.
fn freezes(sent: &Sig) -> bool {
    matches!(sent.sig, SIGCONT | SIGSTOP)
}

/// Adds a list, which is told in order of time.
fn in_order(facts: &mut Vec<Fact>, mut list: Vec<Fact>) {
    list.sort_by_key(|fact| fact.at.map(|at| at.ns));
    facts.extend(list);
}

fn sent(model: &Model, idx: Idx, facts: &mut Vec<Fact>) {
    let world = model.world();
    let made = model.from(idx);
    if made.is_empty() {
        return;
    }
    facts.push(Fact::new(Look::Strong, format!("signals sent: {} (v shows all it hit)", made.len())));
    let known = made.iter().take(LOOKED_AT).filter_map(|at| world.sig(*at));
    let (frozen, rest): (Vec<&Sig>, Vec<&Sig>) = known.partition(|sent| freezes(sent));
    // Where there are too many, those that end somebody are told.
    let ends = |sent: &&Sig| sent.sig == 9 || tells_to_stop(world, sent);
    let count = rest.len();
    let (first, others): (Vec<&Sig>, Vec<&Sig>) = rest.into_iter().partition(ends);
    let mut told: Vec<Fact> = first
        .into_iter()
        .chain(others)
        .take(MOST)
        .map(|sent| {
            let text = format!("{} to {}", names::signal(sent.sig), world.label_at(sent.target, sent.at.ns));
            Fact::new(Look::Text, text).at(sent.at).leading_to(model, sent.target)
        })
        .collect();
    // Stops and continuations go with every spree.
    if let Some(at) = frozen.first().map(|sent| sent.at) {
        let hit: HashSet<Idx> = frozen.iter().map(|sent| sent.target).collect();
        let processes =
            if hit.len() == 1 { "1 process".to_owned() } else { format!("{} processes", hit.len()) };
        let text = format!("froze and thawed {processes} with {} SIGSTOP and SIGCONT", frozen.len());
        told.push(Fact::new(Look::Dim, text).at(at));
    }
    in_order(facts, told);
    more(facts, count.max(MOST) + made.len().saturating_sub(LOOKED_AT));
}

/// Whom it killed: of all that a sender does, what one looks for.
fn killings(model: &Model, idx: Idx) -> Option<Fact> {
    const NAMED: usize = 4;
    let world = model.world();
    let victims: Vec<u32> =
        model.from(idx).iter().take(LOOKED_AT).filter(|at| model.killed(**at)).copied().collect();
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

/// `mongod 812 of inittab entry md`, `reboot 956, which then ran init`.
fn called(model: &Model, idx: Idx) -> String {
    let (story, world) = (model.story(), model.world());
    let (label, last) = (model.label(idx), world.name(idx));
    let service = story.called(idx).strip_prefix(&last).unwrap_or_default().to_owned();
    let name = model.name(idx);
    let later = if name.split(' ').next().unwrap_or_default().ends_with(&last) {
        String::new()
    } else {
        format!(", which then ran {last}")
    };
    format!("{label}{later}{service}")
}
