//! Which processes are wanted: the search and the filters.
//!
//! Invariant: a string of the recording is looked at once for each question, however many processes have it.

use std::collections::HashMap;

use super::model::Model;
use crate::{
    names,
    story::{
        fate::Verdict,
        intern::Str,
        world::{Idx, Proc},
    },
};

/// What is asked for; everything must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub kind: Option<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Text(String),
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
}

impl Kind {
    /// What a person typed: `signal TERM`, `user 0`, `service ssh`, `phase 2`, `killed`, or a name.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (word, rest) = text.split_once([' ', ':', '=']).unwrap_or((text, ""));
        let rest = rest.trim();
        Some(match (word, rest) {
            ("", _) => return None,
            ("killed", "") => Self::Killed,
            ("restarted", "") => Self::Restarted,
            ("alive", "") => Self::LeftAlive,
            ("signal", sig) if names::parse_signal(sig).is_some() => Self::Signal(names::parse_signal(sig)?),
            ("user", "root") => Self::User(0),
            ("user", uid) if uid.parse::<u32>().is_ok() => Self::User(uid.parse().ok()?),
            ("service", name) if !name.is_empty() => Self::Service(name.to_owned()),
            ("phase", at) if at.parse::<usize>().is_ok() => {
                Self::Phase(at.parse::<usize>().ok()?.saturating_sub(1))
            }
            _ => Self::Text(text.to_owned()),
        })
    }

    pub fn words(&self, model: &Model) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", crate::safe::text(text.as_bytes())),
            Self::Killed => "killed".into(),
            Self::Restarted => "restarted".into(),
            Self::LeftAlive => "left alive".into(),
            Self::Tree(idx) => format!("tree of {}", model.label(*idx)),
            Self::HitBy(idx) => format!("hit by {}", model.label(*idx)),
            Self::Signal(sig) => format!("got {}", names::signal(*sig)),
            Self::User(uid) => format!("user {}", names::user(*uid)),
            Self::Service(name) => format!("service {}", crate::safe::text(name.as_bytes())),
            Self::Phase(at) => {
                let phase = model.story().shutdown.as_ref().and_then(|shutdown| shutdown.phases.get(*at));
                format!("in phase {}", phase.map_or("?", |phase| phase.kind.title()))
            }
        }
    }

    /// All that match, in order of birth; a tree with its depths.
    pub fn matches(&self, model: &Model) -> Vec<(Idx, u8)> {
        match self {
            Self::Tree(root) => tree(model, *root),
            Self::HitBy(sender) => {
                let world = model.world();
                let mut hit: Vec<Idx> = model
                    .from(*sender)
                    .iter()
                    .filter_map(|at| world.sig(*at))
                    .map(|sent| sent.target)
                    .collect();
                hit.sort_unstable();
                hit.dedup();
                hit.retain(|idx| idx != sender);
                std::iter::once((*sender, 0)).chain(hit.into_iter().map(|idx| (idx, 1))).collect()
            }
            Self::Text(text) => {
                let mut matcher = Matcher::new(model, text);
                let all = model.world().all();
                all.filter(|(idx, proc)| matcher.is_match(*idx, proc)).map(|(idx, _)| (idx, 0)).collect()
            }
            _ => {
                let all = model.world().all();
                all.filter(|(idx, proc)| self.fits(model, *idx, proc)).map(|(idx, _)| (idx, 0)).collect()
            }
        }
    }

    fn fits(&self, model: &Model, idx: Idx, proc: &Proc) -> bool {
        let (story, world) = (model.story(), model.world());
        match self {
            Self::Killed => story.fate(idx).is_some_and(|fate| fate.verdict == Verdict::Killed),
            Self::Restarted => story.replaced(idx).is_some() || story.replaces(idx).is_some(),
            Self::LeftAlive => story
                .fate(idx)
                .is_some_and(|fate| matches!(fate.verdict, Verdict::CutOff | Verdict::NeverTold)),
            Self::Signal(sig) => {
                model.to(idx).iter().filter_map(|at| world.sig(*at)).any(|sent| sent.sig == *sig)
            }
            Self::User(uid) => world.image(world.image_of(idx)).is_some_and(|image| image.uid == *uid),
            Self::Service(name) => {
                story.service(idx).is_some_and(|id| story.services.get(id).name.contains(name.as_str()))
            }
            Self::Phase(at) => {
                let phase = story.shutdown.as_ref().and_then(|shutdown| shutdown.phases.get(*at));
                phase.is_some_and(|phase| proc.born.ns < phase.to_ns && proc.exit.ns >= phase.from.ns)
            }
            Self::Text(_) | Self::Tree(_) | Self::HitBy(_) => false,
        }
    }
}

/// So many of a tree are shown.
const TREE_MAX: usize = 100_000;

fn tree(model: &Model, root: Idx) -> Vec<(Idx, u8)> {
    let mut found = Vec::new();
    let mut left = vec![(root, 0u8)];
    while let Some((idx, depth)) = left.pop() {
        if found.len() >= TREE_MAX {
            break;
        }
        found.push((idx, depth));
        left.extend(model.children(idx).iter().rev().map(|child| (*child, depth.saturating_add(1))));
    }
    found
}

/// Looks for a text in names, arguments, pids and services. Case counts only where the text has capitals.
#[derive(Debug)]
pub struct Matcher<'a> {
    model: &'a Model,
    text: Vec<u8>,
    fold: bool,
    pid: Option<u32>,
    known: HashMap<Str, bool>,
    services: Vec<bool>,
}

impl<'a> Matcher<'a> {
    pub fn new(model: &'a Model, text: &str) -> Self {
        let fold = !text.chars().any(char::is_uppercase);
        let mut matcher = Self {
            model,
            text: text.as_bytes().to_vec(),
            fold,
            pid: text.parse().ok(),
            known: HashMap::new(),
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

    fn string(&mut self, text: Str) -> bool {
        if let Some(known) = self.known.get(&text) {
            return *known;
        }
        let found = self.has(self.model.world().strings.get(text));
        self.known.insert(text, found);
        found
    }

    pub fn is_match(&mut self, idx: Idx, proc: &Proc) -> bool {
        if self.pid.is_some_and(|pid| pid == proc.id.tgid) || self.string(proc.comm) {
            return true;
        }
        if self
            .model
            .story()
            .service(idx)
            .is_some_and(|id| self.services.get(usize::from(id)).copied().unwrap_or(false))
        {
            return true;
        }
        let world = self.model.world();
        let strings = world.image(world.image_of(idx)).map(|image| [image.filename, image.argv]);
        strings.into_iter().flatten().any(|text| self.string(text))
    }
}
