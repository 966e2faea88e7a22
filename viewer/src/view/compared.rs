//! Two shutdowns side by side in time: what is different, with the lives it is about.
//!
//! Invariant: pure; what is different is what `lastrites diff` says. Times count from the request of each shutdown, so
//! that the same moment of both is in the same column.

use std::{collections::HashMap, sync::Arc};

use super::{model::Model, palette::Look};
use crate::{
    diff::{self, Diff, Took, Which, Who},
    error::Error,
    story::{
        fate::{Fate, Verdict},
        world::Idx,
    },
    time,
};

#[derive(Debug)]
pub struct Compared {
    pub a: Side,
    pub b: Side,
    pub lines: Vec<Line>,
    /// From the request to the end of the longer one.
    pub span_ns: u64,
}

/// One of the two.
#[derive(Debug)]
pub struct Side {
    pub model: Arc<Model>,
    /// When it was asked for, or began.
    pub zero_ns: u64,
    pub end_ns: u64,
    /// Places of the fates by the names of their programs: each line of a comparison asks for some.
    fates: HashMap<String, Vec<usize>>,
}

/// A line of the list of differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Title(String),
    /// One side alone, in words.
    Word {
        which: Which,
        text: String,
        look: Look,
    },
    /// A life on one side; the name stands in front of the first of them.
    Life {
        who: String,
        which: Which,
        life: Option<Life>,
        text: String,
        look: Look,
    },
}

/// When somebody lived in the shutdown, in nanoseconds since the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub from_ns: u64,
    pub told_ns: Option<u64>,
    pub to_ns: u64,
    pub verdict: Verdict,
    /// It exited with an error.
    pub failed: bool,
    /// It took the place of another.
    pub heir: bool,
}

impl Side {
    fn new(model: Arc<Model>) -> Result<Self, Error> {
        let picked = &model.picked;
        let Some(shutdown) = &picked.story.shutdown else {
            return Err(Error::usage(format!(
                "recording {} has no shutdown in it: there is nothing to compare",
                picked.number
            )));
        };
        let asked_ns = shutdown.asked.as_ref().map_or(shutdown.begin.ns, |asked| asked.at.ns);
        let (zero_ns, end_ns) = (asked_ns.min(shutdown.begin.ns), shutdown.end.ns);
        let mut fates: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, fate) in picked.story.fates.iter().enumerate() {
            fates.entry(picked.story.world.name(fate.proc)).or_default().push(at);
        }
        Ok(Self { model, zero_ns, end_ns: end_ns.max(zero_ns), fates })
    }

    pub fn took_ns(&self) -> u64 {
        self.end_ns - self.zero_ns
    }

    /// Whether its end was recorded.
    pub fn ended(&self) -> bool {
        self.model.story().shutdown.as_ref().is_some_and(|shutdown| shutdown.ended)
    }

    /// What may look like a difference and is none, in the words of `lastrites diff`.
    fn doubts(&self, which: Which) -> Vec<String> {
        let (picked, ending) = (&self.model.picked, self.model.ending);
        let all = diff::doubts(picked, ending, which);
        // In front of the line the letter stands already.
        let bare = |text: String| text.strip_prefix(which.letter()).map(|rest| rest.trim_start().to_owned());
        all.into_iter().filter_map(bare).collect()
    }

    fn life(&self, who: &Who) -> Option<Life> {
        let (story, world) = (self.model.story(), self.model.world());
        let shutdown = story.shutdown.as_ref()?;
        let service = |fate: &Fate| {
            let service = story.service(fate.proc).map(|id| story.services.get(id));
            service.map(|service| (service.kind, service.name.clone())) == who.service
        };
        let of_it = self.fates.get(&who.program)?.iter().filter_map(|at| story.fates.get(*at));
        // The one that took longest over its end stands for the others.
        let longest = |fate: &&Fate| (service(fate), fate.took_ns(world, shutdown.end), fate.proc);
        of_it.max_by_key(longest).map(|fate| self.life_of(fate))
    }

    /// The life of this process.
    fn life_of_proc(&self, idx: Idx) -> Option<Life> {
        self.model.story().fate(idx).map(|fate| self.life_of(fate))
    }

    fn life_of(&self, fate: &Fate) -> Life {
        let story = self.model.story();
        let since = |ns: u64| ns.clamp(self.zero_ns, self.end_ns) - self.zero_ns;
        let status_failed =
            story.world.proc_at(fate.proc).and_then(|proc| proc.code()).is_some_and(|c| c != 0);
        Life {
            from_ns: since(self.model.birth(fate.proc)),
            told_ns: fate.told.map(|told| since(told.at(&story.world).ns)),
            to_ns: since(self.model.end_of(fate.proc)),
            verdict: fate.verdict,
            failed: status_failed,
            heir: story.replaces(fate.proc).is_some(),
        }
    }

    /// The life of whoever took the place of one of `who`.
    fn heir(&self, who: &Who) -> Option<Life> {
        let (story, world) = (self.model.story(), self.model.world());
        let same = |idx: Idx| world.name(idx) == who.program;
        let restart = story.restarts.iter().find(|restart| same(restart.new) || same(restart.old))?;
        story.fate(restart.new).map(|fate| self.life_of(fate))
    }
}

impl Compared {
    /// An error says which of the two cannot be compared.
    pub fn new(a: Arc<Model>, b: Arc<Model>) -> Result<Self, Error> {
        let diff = diff::compare(&a.picked, &b.picked);
        let (a, b) = (Side::new(a)?, Side::new(b)?);
        let lines = lines(&diff, &a, &b);
        let span_ns = a.took_ns().max(b.took_ns()).max(1);
        Ok(Self { a, b, lines, span_ns })
    }

    pub fn side(&self, which: Which) -> &Side {
        match which {
            Which::A => &self.a,
            Which::B => &self.b,
        }
    }
}

fn lines(diff: &Diff, a: &Side, b: &Side) -> Vec<Line> {
    let mut out = Out { lines: Vec::new(), a, b };
    for which in [Which::A, Which::B] {
        for doubt in out.side(which).doubts(which) {
            out.word(which, doubt, Look::Warn);
        }
    }
    let doubts = out.lines.len();
    out.found(diff, Which::B, "found in B only");
    let (longer, sooner): (Vec<&Took>, Vec<&Took>) =
        diff.stops.iter().partition(|took| took.b_ns > took.a_ns);
    out.stops("took longer to stop in B", &longer, Look::Warn);
    out.stops("stopped sooner in B", &sooner, Look::Good);
    out.title("kept the shutdown waiting otherwise", diff.waits.is_empty());
    for took in &diff.waits {
        for (which, ns) in [(Which::A, took.a_ns), (Which::B, took.b_ns)] {
            out.life(&took.who, which, None, time::duration(ns), Look::Text);
        }
    }
    out.title("ended differently", diff.ended.is_empty());
    for ended in &diff.ended {
        for (which, end) in [(Which::A, &ended.a), (Which::B, &ended.b)] {
            let look = if end.verdict == Verdict::Killed { Look::Bad } else { Look::Text };
            // The one that the words are about, of however many lives.
            out.life(&ended.who, which, out.side(which).life_of_proc(end.proc), diff::end_words(end), look);
        }
    }
    out.title("restarted during the shutdown in one only", diff.restarted.is_empty());
    for restarted in &diff.restarted {
        let (which, who) = (restarted.which, &restarted.who);
        out.life(who, which, out.side(which).heir(who), diff::restart_words(restarted), Look::Heir);
    }
    out.title("looked after by another", diff.moved.is_empty());
    for moved in &diff.moved {
        for (which, service) in [(Which::A, &moved.a), (Which::B, &moved.b)] {
            out.word(which, format!("{}: {}", moved.program, diff::service_words(service)), Look::Text);
        }
    }
    out.title("there in one only", diff.only.is_empty());
    for only in &diff.only {
        out.life(&only.who, only.which, out.side(only.which).life(&only.who), String::new(), Look::Text);
    }
    out.title("stopped in another order", diff.reordered.is_empty());
    for moved in &diff.reordered {
        for (which, after) in [(Which::A, &moved.a_after), (Which::B, &moved.b_after)] {
            let after = after.as_ref().map_or("first".to_owned(), |name| format!("after {name}"));
            out.word(which, format!("{}: {after}", moved.service), Look::Text);
        }
    }
    out.found(diff, Which::A, "found in A only");
    if out.lines.len() == doubts {
        out.title("no difference that matters", false);
    }
    out.lines
}

struct Out<'a> {
    lines: Vec<Line>,
    a: &'a Side,
    b: &'a Side,
}

impl<'a> Out<'a> {
    fn side(&self, which: Which) -> &'a Side {
        match which {
            Which::A => self.a,
            Which::B => self.b,
        }
    }

    fn title(&mut self, text: &str, nothing: bool) {
        if !nothing {
            self.lines.push(Line::Title(text.to_owned()));
        }
    }

    fn word(&mut self, which: Which, text: String, look: Look) {
        self.lines.push(Line::Word { which, text, look });
    }

    fn life(&mut self, who: &Who, which: Which, life: Option<Life>, text: String, look: Look) {
        self.lines.push(Line::Life { who: who.label.clone(), which, life, text, look });
    }

    fn found(&mut self, diff: &Diff, which: Which, title: &str) {
        let found: Vec<_> = diff.findings.iter().filter(|found| found.which == which).collect();
        self.title(title, found.is_empty());
        for found in found {
            let look = if which == Which::B { Look::Bad } else { Look::Text };
            self.word(which, format!("[{}] {}", found.number, found.headline), look);
        }
    }

    fn stops(&mut self, title: &str, stops: &[&Took], look: Look) {
        self.title(title, stops.is_empty());
        for took in stops {
            for (which, ns) in [(Which::A, took.a_ns), (Which::B, took.b_ns)] {
                let look = if which == Which::B { look } else { Look::Text };
                self.life(&took.who, which, self.side(which).life(&took.who), time::duration(ns), look);
            }
        }
    }
}
