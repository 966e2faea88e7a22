//! Which processes are wanted: the search and the filters.
//!
//! Invariant: a string of the recording is looked at once for each question, however many processes have it; and
//! looking can be done in slices, so that nobody waits for millions of processes.

use std::collections::HashMap;

use lastrites_traces::seeded::Seeded;

use super::model::Model;
use crate::{
    names, safe,
    story::{
        fate::Verdict,
        intern::Str,
        shutdown::PhaseKind,
        world::{Idx, Proc},
    },
};

/// What is asked for; everything must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub kinds: Vec<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Text(String),
    /// And who killed them: without that a killing leads nowhere.
    Killed,
    Restarted,
    LeftAlive,
    /// This process and all that descend from it.
    Tree(Idx),
    /// All that this process sent signals to, and it.
    HitBy(Idx),
    Signal(u8),
    User(u32),
    Service(String),
    /// Lived or died in this phase.
    Phase(usize),
    Fate(Verdict),
}

const FATES: [(&str, Verdict); 6] = [
    ("stopped", Verdict::Stopped),
    ("left", Verdict::Left),
    ("killed", Verdict::Killed),
    ("cut-off", Verdict::CutOff),
    ("never-told", Verdict::NeverTold),
    ("no-end", Verdict::NoEnd),
];

impl Filter {
    pub fn is_none(&self) -> bool {
        self.kinds.is_empty()
    }

    pub fn has(&self, kind: &Kind) -> bool {
        self.kinds.contains(kind)
    }

    /// `killed + user root`.
    pub fn words(&self, model: &Model) -> String {
        let words: Vec<String> = self.kinds.iter().map(|kind| kind.words(model)).collect();
        words.join(" + ")
    }

    /// Whether `idx` is shown.
    pub fn passes(&self, model: &Model, idx: Idx) -> bool {
        let Some(proc) = model.world().proc_at(idx) else { return false };
        self.kinds.iter().all(|kind| match kind {
            Kind::Text(text) => Matcher::new(model, text).is_match(model, idx, proc),
            _ => kind.fits(model, idx, proc),
        })
    }
}

impl Kind {
    /// What a person typed: `killed`, `signal TERM`, `user root`, `service ssh`, `phase KILL`, `fate cut-off`, or a
    /// name; several with commas between them. An error says what is wrong with a value.
    pub fn parse(text: &str, model: &Model) -> Result<Vec<Self>, String> {
        let parts = text.split(", ").map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| Self::parse_one(part, model)).collect()
    }

    fn parse_one(text: &str, model: &Model) -> Result<Self, String> {
        let (word, value) = text.split_once([' ', ':', '=']).unwrap_or((text, ""));
        let value = value.trim();
        let shown = || safe::text(value.as_bytes());
        if let Some(commas) = run_together(word, value, model) {
            return Err(commas);
        }
        Ok(match (word, value) {
            ("killed", "") => Self::Killed,
            ("restarted", "") => Self::Restarted,
            ("alive", "") => Self::LeftAlive,
            ("signal" | "user" | "service" | "phase" | "fate", "") => {
                return Err(format!("{word} what? {}", example(word)));
            }
            ("signal", name) => match names::parse_signal(name) {
                Some(sig) => Self::Signal(sig),
                None => return Err(format!("{} is no signal; {}", shown(), example(word))),
            },
            ("user", name) => match model.uid(name) {
                Some(uid) => Self::User(uid),
                None => {
                    return Err(format!(
                        "{}: that user's number is not known here; {}",
                        shown(),
                        example(word)
                    ));
                }
            },
            ("service", name) => Self::Service(name.to_owned()),
            ("phase", name) => match phase(model, name) {
                Some(at) => Self::Phase(at),
                None => return Err(format!("there is no phase {}; {}", shown(), example(word))),
            },
            ("fate", name) => match FATES.iter().find(|(word, _)| *word == name.to_lowercase()) {
                Some((_, verdict)) => Self::Fate(*verdict),
                None => return Err(format!("{} is no fate; {}", shown(), example(word))),
            },
            _ => Self::Text(text.to_owned()),
        })
    }

    pub fn words(&self, model: &Model) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", safe::text(text.as_bytes())),
            Self::Killed => "killed and killers".into(),
            Self::Restarted => "restarted".into(),
            Self::LeftAlive => "left alive".into(),
            Self::Tree(idx) => format!("tree of {}", model.label(*idx)),
            Self::HitBy(idx) => format!("hit by {}", model.label(*idx)),
            Self::Signal(sig) => format!("got {}", names::signal(*sig)),
            Self::User(uid) => format!("user {}", names::user(*uid)),
            Self::Service(name) => format!("service {}", safe::text(name.as_bytes())),
            Self::Phase(at) => {
                let phase = model.story().shutdown.as_ref().and_then(|shutdown| shutdown.phases.get(*at));
                format!("in phase {}", phase.map_or("?", |phase| phase.kind.title()))
            }
            Self::Fate(verdict) => format!("fate {}", verdict.word()),
        }
    }

    fn fits(&self, model: &Model, idx: Idx, proc: &Proc) -> bool {
        let (story, world) = (model.story(), model.world());
        let is = |wanted| story.fate(idx).is_some_and(|fate| fate.verdict == wanted);
        let mut hits = model.to(idx).iter().filter_map(|at| world.sig(*at));
        match self {
            Self::Killed => is(Verdict::Killed) || model.from(idx).iter().any(|at| model.killed(*at)),
            Self::Fate(verdict) => is(*verdict),
            Self::LeftAlive => is(Verdict::CutOff) || is(Verdict::NeverTold) || is(Verdict::NoEnd),
            Self::Restarted => story.replaced(idx).is_some() || story.replaces(idx).is_some(),
            Self::Signal(sig) => hits.any(|sent| sent.sig == *sig),
            Self::HitBy(sender) => idx == *sender || hits.any(|sent| sent.sender == *sender),
            Self::Tree(root) => idx == *root || world.ancestors(idx).any(|up| up == *root),
            Self::User(uid) => world.image(world.image_of(idx)).is_some_and(|image| image.uid == *uid),
            Self::Service(name) => {
                story.service(idx).is_some_and(|id| story.services.get(id).name.contains(name.as_str()))
            }
            Self::Phase(at) => {
                let phase = story.shutdown.as_ref().and_then(|shutdown| shutdown.phases.get(*at));
                phase.is_some_and(|phase| proc.born.ns < phase.to_ns && proc.exit.ns >= phase.from.ns)
            }
            Self::Text(_) => false,
        }
    }
}

/// `user root phase KILL` was typed: what it should have been.
fn run_together(word: &str, value: &str, model: &Model) -> Option<String> {
    const WITH_VALUE: [&str; 5] = ["signal", "user", "service", "phase", "fate"];
    const WORDS: [&str; 8] = ["killed", "restarted", "alive", "signal", "user", "service", "phase", "fate"];
    if !WITH_VALUE.contains(&word) {
        return None;
    }
    let next = WORDS.iter().filter_map(|next| {
        let at = value.find(&format!(" {next}"))?;
        let rest = &value[at + 1..];
        let ends = rest[next.len()..].is_empty() || rest[next.len()..].starts_with(' ');
        ends.then_some((at, rest))
    });
    let (at, rest) = next.min()?;
    let first = format!("{word} {}", value[..at].trim());
    let both = Kind::parse(&format!("{first}, {rest}"), model).is_ok();
    both.then(|| format!("commas separate several: {}", safe::text(format!("{first}, {rest}").as_bytes())))
}

/// The words that take a value, with one.
fn example(word: &str) -> &'static str {
    match word {
        "signal" => "try signal TERM, or signal 9",
        "user" => "try user root, or user 1000",
        "service" => "try service ssh",
        "phase" => "try phase KILL, or phase 2",
        _ => "try fate stopped, left, killed, cut-off or never-told",
    }
}

/// A phase by its number from 1, or by its name or a part of it.
fn phase(model: &Model, name: &str) -> Option<usize> {
    let phases = &model.story().shutdown.as_ref()?.phases;
    if let Ok(number) = name.parse::<usize>() {
        return number.checked_sub(1).filter(|at| *at < phases.len());
    }
    let lower = name.to_lowercase();
    let named =
        |kind: PhaseKind| [kind.title(), kind.word()].iter().any(|t| t.to_lowercase().contains(&lower));
    phases.iter().position(|phase| named(phase.kind))
}

/// The filters at work: looks at one process after the other.
#[derive(Debug)]
pub struct Sieve {
    tests: Vec<Test>,
    /// A tree is walked; without one everybody is looked at, in order of birth.
    left: Option<Vec<(Idx, u8)>>,
    /// Who did it stands first.
    first: Option<Idx>,
    at: usize,
    walked: usize,
}

#[derive(Debug)]
enum Test {
    Text(Matcher),
    Other(Kind),
}

impl Sieve {
    pub fn new(model: &Model, filter: &Filter) -> Self {
        let root = filter.kinds.iter().find_map(|kind| match kind {
            Kind::Tree(root) => Some(*root),
            _ => None,
        });
        let first = filter.kinds.iter().find_map(|kind| match kind {
            Kind::HitBy(sender) if root.is_none() => Some(*sender),
            _ => None,
        });
        let tests = filter.kinds.iter().filter(|kind| root.is_none_or(|root| **kind != Kind::Tree(root)));
        let tests = tests.map(|kind| match kind {
            Kind::Text(text) => Test::Text(Matcher::new(model, text)),
            other => Test::Other(other.clone()),
        });
        Self { tests: tests.collect(), left: root.map(|root| vec![(root, 0)]), first, at: 0, walked: 0 }
    }

    /// Looks at `most` processes more; hands those that match to `found`, with their depths. Whether that was all.
    pub fn step(&mut self, model: &Model, most: usize, mut found: impl FnMut(Idx, u8)) -> bool {
        let all = model.world().procs.len();
        for _ in 0..most {
            let (idx, depth) = match &mut self.left {
                // A hostile file may have made a ring of parents.
                Some(left) => match left.pop().filter(|_| self.walked <= all) {
                    Some((idx, depth)) => {
                        let children = model.children(idx).iter().rev();
                        left.extend(children.map(|child| (*child, depth.saturating_add(1))));
                        (idx, depth)
                    }
                    None => return true,
                },
                None if self.at == 0 => {
                    self.at = 1;
                    match self.first {
                        Some(idx) => (idx, 0),
                        None => continue,
                    }
                }
                None if self.at >= all => return true,
                None => {
                    let idx = self.at as Idx;
                    self.at += 1;
                    if self.first == Some(idx) {
                        continue;
                    }
                    (idx, u8::from(self.first.is_some()))
                }
            };
            self.walked += 1;
            let Some(proc) = model.world().proc_at(idx) else { continue };
            let fits = self.tests.iter_mut().all(|test| match test {
                Test::Text(matcher) => matcher.is_match(model, idx, proc),
                Test::Other(kind) => kind.fits(model, idx, proc),
            });
            if fits {
                found(idx, depth);
            }
        }
        false
    }

    /// Of a hundred.
    pub fn percent(&self, model: &Model) -> usize {
        self.walked.max(self.at) * 100 / model.world().procs.len().max(1)
    }
}

/// Looks for a text in names, arguments, pids and services. Case counts only where the text has capitals.
#[derive(Debug)]
pub struct Matcher {
    text: Vec<u8>,
    fold: bool,
    pid: Option<u32>,
    known: HashMap<Str, bool, Seeded>,
    services: Vec<bool>,
}

impl Matcher {
    pub fn new(model: &Model, text: &str) -> Self {
        let fold = !text.chars().any(char::is_uppercase);
        let mut matcher = Self {
            text: text.as_bytes().to_vec(),
            fold,
            pid: text.parse().ok(),
            known: HashMap::default(),
            services: Vec::new(),
        };
        let services = &model.story().services.list;
        matcher.services = services.iter().map(|service| matcher.has(service.name.as_bytes())).collect();
        matcher
    }

    fn has(&self, bytes: &[u8]) -> bool {
        let wanted = &self.text;
        if wanted.is_empty() {
            return false;
        }
        let same = |a: &u8, b: &u8| if self.fold { a.eq_ignore_ascii_case(b) } else { a == b };
        bytes.windows(wanted.len()).any(|window| window.iter().zip(wanted).all(|(a, b)| same(a, b)))
    }

    fn string(&mut self, model: &Model, text: Str) -> bool {
        if let Some(known) = self.known.get(&text) {
            return *known;
        }
        let found = self.has(model.world().strings.get(text));
        self.known.insert(text, found);
        found
    }

    pub fn is_match(&mut self, model: &Model, idx: Idx, proc: &Proc) -> bool {
        if self.pid.is_some_and(|pid| pid == proc.id.tgid) || self.string(model, proc.comm) {
            return true;
        }
        let service = model.story().service(idx);
        if service.is_some_and(|id| self.services.get(usize::from(id)).copied().unwrap_or(false)) {
            return true;
        }
        let world = model.world();
        let strings = world.image(world.image_of(idx)).map(|image| [image.filename, image.argv]);
        strings.into_iter().flatten().any(|text| self.string(model, text))
    }
}
