//! The recording as the page's script reads it: one object of JSON.
//!
//! Invariant: numbers, and strings that have passed [`super::escape::json`]. Sentences are the viewer's own, made once
//! here; the script puts them on the screen and makes none. Every string and every line is there once, and named by its
//! place. Times are microseconds since the beginning of the shutdown.
//!
//! | member | what |
//! |---|---|
//! | `span` | the first and the last moment of the recording |
//! | `view` | what is shown first: the shutdown with a little around it |
//! | `wall` | seconds since midnight at the beginning of the shutdown, by the clock of the machine |
//! | `strings` | every text, once |
//! | `facts` | lines of details: `[look, text, when or null, indent, leads to or -1]` |
//! | `chains` | causes of signals: lists of facts |
//! | `notes` | words beside lanes: `[look, text...]`, the longest text first |
//! | `procs` | columns, one place a process |
//! | `sigs` | columns, one place a signal, in order of time |
//! | `lanes` | `[group, label, note, [process...]]` |
//! | `others` | the first process that has no lane |
//! | `phases` | `[kind, title, from, to, [fact...], short title]` |
//! | `findings` | `[look, headline, process or -1, when, [process...], [signal...], [fact...]]` |
//! | `asked` | who asked for the shutdown, a process, or -1 |

use std::{collections::HashMap, fmt::Write as _, hash::Hash};

use chrono::Timelike as _;

use super::{
    choose::{Chosen, stops},
    escape,
};
use crate::{
    names,
    story::{
        fate::Verdict,
        finding::Rule,
        world::{Idx, Means, Origin},
    },
    view::{
        Subject, facts,
        facts::Fact,
        lanes::{Group, Row},
        model::Model,
        notes::LifeEnd,
        palette::Look,
    },
};

/// Things, each once, by their places.
#[derive(Debug)]
struct Once<T> {
    places: HashMap<T, u32>,
    list: Vec<T>,
}

impl<T: Clone + Eq + Hash> Once<T> {
    fn new() -> Self {
        Self { places: HashMap::new(), list: Vec::new() }
    }

    fn add(&mut self, thing: T) -> u32 {
        if let Some(place) = self.places.get(&thing) {
            return *place;
        }
        let place = self.list.len() as u32;
        self.places.insert(thing.clone(), place);
        self.list.push(thing);
        place
    }
}

/// Columns of numbers, in the order in which they were named first.
#[derive(Debug, Default)]
struct Columns(Vec<(&'static str, String)>);

impl Columns {
    fn push(&mut self, name: &'static str, value: impl std::fmt::Display) {
        let at = self.0.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.0.push((name, String::new()));
            self.0.len() - 1
        });
        let column = &mut self.0[at].1;
        let comma = if column.is_empty() { "" } else { "," };
        let _ = write!(column, "{comma}{value}");
    }

    fn json(&self) -> String {
        let members: Vec<String> =
            self.0.iter().map(|(name, column)| format!("\"{name}\":[{column}]")).collect();
        format!("{{{}}}", members.join(","))
    }
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(","))
}

fn or_none<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-1".to_owned(), |value| value.to_string())
}

struct Embedder<'a> {
    model: &'a Model,
    chosen: &'a Chosen,
    strings: Once<String>,
    facts: Once<String>,
    chains: Once<String>,
    notes: Once<String>,
}

/// The whole object.
pub fn data(model: &Model, chosen: &Chosen) -> String {
    let mut embedder = Embedder {
        model,
        chosen,
        strings: Once::new(),
        facts: Once::new(),
        chains: Once::new(),
        notes: Once::new(),
    };
    let procs = embedder.procs();
    let sigs = embedder.sigs();
    let lanes = embedder.lanes();
    let phases = embedder.phases();
    let findings = embedder.findings();
    let asked = model.story().shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref());
    let asked = or_none(asked.and_then(|asked| chosen.row(asked.by)));
    let (from, to) = model.whole_shutdown();
    let mut out = format!(
        "{{\"span\":[{},{}],\"view\":[{},{}],",
        embedder.us(model.first_ns),
        embedder.us(model.last_ns),
        embedder.us(from),
        embedder.us(to)
    );
    let wall = model.clocks.wall(model.zero_ns);
    let part = f64::from(wall.nanosecond() % 1_000_000_000) / 1e9;
    let _ = write!(out, "\"wall\":{},", f64::from(wall.num_seconds_from_midnight()) + part);
    let _ =
        write!(out, "\"procs\":{procs},\"sigs\":{sigs},\"lanes\":{lanes},\"others\":{},", chosen.with_lanes);
    let _ = write!(out, "\"phases\":{phases},\"findings\":{findings},\"asked\":{asked},");
    let _ = write!(out, "\"facts\":{},", list(&embedder.facts.list));
    let _ = write!(out, "\"chains\":{},", list(&embedder.chains.list));
    let _ = write!(out, "\"notes\":{},", list(&embedder.notes.list));
    out.push_str("\"strings\":[");
    for (at, text) in embedder.strings.list.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        escape::json(&mut out, text);
    }
    out.push_str("]}");
    out
}

/// A moment, cut towards the beginning of the shutdown, as times are when they are written.
pub fn us(model: &Model, ns: u64) -> i64 {
    let us = (i128::from(ns) - i128::from(model.zero_ns)) / 1000;
    // What a number of a script can hold exactly.
    us.clamp(-(1 << 53), 1 << 53) as i64
}

/// The name of a look in the style sheet.
pub const fn class(look: Look) -> &'static str {
    match look {
        Look::Dim | Look::Frame => "dim",
        Look::Strong | Look::Key => "strong",
        Look::Title => "title",
        Look::Bad => "bad",
        Look::Warn | Look::Told | Look::Ignoring => "warn",
        Look::Good | Look::Run => "good",
        Look::Accent => "accent",
        Look::Heir => "heir",
        Look::Signal => "signal",
        Look::Text | Look::Phase(_) => "plain",
    }
}

impl Embedder<'_> {
    fn us(&self, ns: u64) -> i64 {
        us(self.model, ns)
    }

    fn string(&mut self, text: impl Into<String>) -> u32 {
        self.strings.add(text.into())
    }

    fn fact(&mut self, fact: &Fact) -> u32 {
        let look = self.string(class(fact.look));
        let text = self.string(&*fact.text);
        let at = fact.at.map_or_else(|| "null".to_owned(), |at| self.us(at.ns).to_string());
        let lead = or_none(fact.leads.and_then(|subject| self.chosen.lead(subject)));
        self.facts.add(format!("[{look},{text},{at},{},{lead}]", fact.indent))
    }

    fn facts(&mut self, facts: &[Fact]) -> String {
        list(facts.iter().map(|fact| self.fact(fact)))
    }

    fn note(&mut self, procs: &[Idx]) -> String {
        let Some((texts, look)) = self.model.note(procs) else { return "-1".into() };
        let mut parts = vec![self.string(class(look))];
        parts.extend(texts.into_iter().map(|text| self.string(text)));
        self.notes.add(list(parts)).to_string()
    }

    fn procs(&mut self) -> String {
        let (model, chosen) = (self.model, self.chosen);
        let (story, world) = (model.story(), model.world());
        let mut columns = Columns::default();
        for idx in &chosen.rows {
            let Some(proc) = world.proc_at(*idx) else { continue };
            let fate = story.fate(*idx);
            let told = fate.and_then(|fate| fate.told);
            let image = world.image(world.image_of(*idx));
            let (end_ns, end) = model.life_end(*idx).unwrap_or((proc.born.ns, LifeEnd::Unknown));
            let service = story.service(*idx).map(|id| story.services.get(id).name.clone());
            columns.push("pid", proc.id.tgid);
            columns.push("label", self.string(model.label(*idx)));
            columns.push(
                "command",
                self.string(image.map_or_else(String::new, |image| world.command(image, 400))),
            );
            let file = image.map_or(&b""[..], |image| world.strings.get(image.filename));
            columns.push("file", self.string(crate::safe::text(file)));
            columns.push("service", self.string(service.unwrap_or_default()));
            columns.push("user", self.string(image.map_or("".into(), |image| names::user(image.uid))));
            columns.push("parent", or_none(chosen.row(proc.parent)));
            columns.push("born", self.us(proc.born.ns));
            columns.push("forked", u8::from(proc.origin == Origin::Forked));
            columns.push("end", self.us(end_ns));
            columns.push("mark", end as u8);
            columns.push(
                "told",
                told.map_or_else(|| "null".to_owned(), |t| self.us(t.at(world).ns).to_string()),
            );
            let ignoring = told.is_some_and(|told| told.reception.unheard());
            columns.push("ignoring", u8::from(ignoring));
            columns.push("heir", or_none(story.replaced(*idx).and_then(|restart| chosen.row(restart.new))));
            columns.push("old", or_none(story.replaces(*idx).and_then(|restart| chosen.row(restart.old))));
            columns.push("restarted", u8::from(story.replaces(*idx).is_some()));
            columns.push("fate", or_none(fate.map(|fate| verdict(fate.verdict))));
            columns.push("killer", or_none(fate.and_then(|fate| fate.killer).and_then(|at| chosen.sig(at))));
            columns.push("cause", or_none(told.and_then(|told| chosen.sig(told.sent))));
            let finding = model.finding_of(*idx).filter(|at| *at < chosen.findings);
            columns.push("finding", or_none(finding));
            columns.push("note", self.note(&[*idx]));
            columns.push("facts", self.facts(&facts::life(model, *idx)));
        }
        columns.json()
    }

    fn sigs(&mut self) -> String {
        let (model, chosen) = (self.model, self.chosen);
        let world = model.world();
        let mut columns = Columns::default();
        for sent in chosen.sigs.iter().filter_map(|at| world.sig(*at)) {
            columns.push("at", self.us(sent.at.ns));
            columns.push("event", sent.at.number);
            columns.push("name", self.string(names::signal(sent.sig)));
            columns.push("from", or_none(chosen.row(sent.sender)));
            columns.push("to", or_none(chosen.row(sent.target)));
            columns.push("stops", u8::from(stops(world, sent)));
            columns.push("kills", u8::from(sent.sig == 9));
            // What the kernel sends because somebody ended is not that one's deed.
            let deed =
                matches!(sent.means, Means::Call | Means::Broadcast | Means::Group | Means::CgroupKill);
            columns.push("deed", u8::from(deed));
            columns.push("sender", self.string(model.story().sender(sent).trim_end_matches(',')));
            columns.push("target", self.string(world.label_at(sent.target, sent.at.ns)));
            columns.push("fared", self.string(facts::fared(world, sent)));
            let chain = self.facts(&facts::causes(model, sent));
            columns.push("chain", self.chains.add(chain));
        }
        columns.json()
    }

    fn lanes(&mut self) -> String {
        let model = self.model;
        let of = |group, count| (0..count).map(move |at| (group, at));
        let all =
            of(Group::Story, model.story_lanes.len()).chain(of(Group::Services, model.service_lanes.len()));
        let mut lanes = Vec::new();
        for (group, at) in all {
            let Some(lane) = model.lane(group, at) else { continue };
            let rows = self.chosen.lane(lane);
            if rows.is_empty() {
                continue;
            }
            let label = self.string(model.row_label(&Row::Lane { group, at }, usize::MAX >> 1));
            let note = self.note(&lane.procs);
            lanes.push(format!("[{},{label},{note},{}]", u8::from(group == Group::Services), list(rows)));
        }
        list(lanes)
    }

    fn phases(&mut self) -> String {
        let model = self.model;
        let Some(shutdown) = &model.story().shutdown else { return "[]".into() };
        let mut phases = Vec::new();
        for (at, phase) in shutdown.phases.iter().enumerate() {
            let title = self.string(phase.kind.title());
            let (from, to) = (self.us(phase.from.ns), self.us(phase.to_ns));
            let told = self.facts(&facts::of(model, Subject::Phase(at)));
            let short = self.string(phase.kind.short());
            phases.push(format!("[{},{title},{from},{to},{told},{short}]", phase.kind as u8));
        }
        list(phases)
    }

    fn findings(&mut self) -> String {
        let (model, chosen) = (self.model, self.chosen);
        let mut findings = Vec::new();
        for (at, finding) in model.story().findings.iter().enumerate().take(chosen.findings) {
            let (about, ns) = model.place(Subject::Finding(at));
            let mut procs: Vec<u32> = finding.procs.iter().filter_map(|idx| chosen.row(*idx)).collect();
            let mut sigs = Vec::new();
            for number in finding.evidence() {
                match model.known_event(number) {
                    Some(Subject::Sig(at)) => sigs.extend(chosen.sig(at)),
                    Some(Subject::Proc(idx)) => procs.extend(chosen.row(idx)),
                    Some(Subject::Finding(_) | Subject::Phase(_)) | None => {}
                }
            }
            procs.sort_unstable();
            procs.dedup();
            let look = self.string(class(look(finding.rule, finding.failed)));
            let headline = self.string(&*finding.headline);
            let row = or_none(about.and_then(|idx| chosen.row(idx)));
            let when = self.us(ns);
            let told = self.facts(&facts::of(model, Subject::Finding(at)));
            findings.push(format!("[{look},{headline},{row},{when},{},{},{told}]", list(procs), list(sigs)));
        }
        list(findings)
    }
}

/// How bad it looks.
pub fn look(rule: Rule, failed: bool) -> Look {
    match rule {
        Rule::Spared if !failed => Look::Dim,
        _ if rule >= Rule::WaitedFor && !failed => Look::Warn,
        _ => Look::Bad,
    }
}

const fn verdict(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Stopped => 0,
        Verdict::Left => 1,
        Verdict::Killed => 2,
        Verdict::CutOff => 3,
        Verdict::NeverTold => 4,
        Verdict::NoEnd => 5,
    }
}
