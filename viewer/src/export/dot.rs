//! Who signalled, killed and restarted whom, as a graph for Graphviz.
//!
//! Invariant: a node is a service, or a program without one; an edge sums up what one did to another. Every text stands
//! in quotes, made safe and escaped. Whatever the recording, there are [`NODES_MAX`] nodes at most: those that are worth
//! telling stay, all others are one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write as _,
    io::Write,
};

use crate::{
    about::Ending,
    error::Error,
    explain::{Picked, text::Page},
    names,
    output::Palette,
    story::{
        Story,
        fate::{self, Verdict},
        world::{Idx, NONE},
    },
    view::{model::Model, notes::LifeEnd},
};

/// More than an eye takes in.
const NODES_MAX: usize = 60;
/// Lines above the graph are this long: few graphs are wider.
const HEAD_COLUMNS: usize = 90;
/// Signals before the shutdown that may belong to it.
const BEFORE_NS: u64 = 1_000_000_000;

/// What a node stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Kernel,
    Init,
    Service(u16),
    Program(String),
    Others,
}

#[derive(Debug, Default)]
struct Node {
    title: String,
    /// What kind of service it is.
    kind: String,
    /// How those ended that it stands for.
    ends: BTreeMap<&'static str, u32>,
    /// What is told of it is more important, the more.
    weight: u64,
    procs: u32,
}

/// What one did to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Deed {
    /// A signal, and what came of it.
    Sent(u8, Came),
    /// Started it again in the shutdown.
    Restarted,
    /// Ran who sent signals.
    Ran,
}

/// What came of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Came {
    /// It ended cleanly.
    Stopped,
    /// SIGKILL, or a crash.
    Killed,
    Ignored,
    Nothing,
}

#[derive(Debug)]
struct Graph<'a> {
    model: &'a Model,
    nodes: BTreeMap<Key, Node>,
    edges: BTreeMap<(Key, Key, Deed), u32>,
    keys: HashMap<Idx, Key>,
    /// Of whom it is known who ran them.
    traced: HashSet<Idx>,
}

/// Writes the graph of `picked`.
pub fn write(picked: Picked, ending: Ending, out: &mut dyn Write) -> Result<(), Error> {
    let model = Model::new(picked, ending);
    let mut graph = Graph {
        model: &model,
        nodes: BTreeMap::new(),
        edges: BTreeMap::new(),
        keys: HashMap::new(),
        traced: HashSet::new(),
    };
    graph.signals();
    graph.restarts();
    graph.fold();
    out.write_all(graph.text().as_bytes())?;
    Ok(())
}

impl Graph<'_> {
    fn story(&self) -> &Story {
        self.model.story()
    }

    fn key(&mut self, idx: Idx) -> Key {
        if let Some(key) = self.keys.get(&idx) {
            return key.clone();
        }
        let (story, world) = (self.story(), self.model.world());
        let key = match story.service(idx) {
            _ if idx == NONE => Key::Kernel,
            _ if world.is_init(idx) => Key::Init,
            // A supervisor is not what it supervises, though it looks after it in the same service.
            Some(id) if !world.is_supervisor(idx) && !story.is_step(idx) => Key::Service(id),
            _ => Key::Program(self.model.name(idx)),
        };
        self.keys.insert(idx, key.clone());
        key
    }

    fn node(&mut self, idx: Idx) -> Key {
        let known = self.keys.contains_key(&idx);
        let key = self.key(idx);
        if known {
            return key;
        }
        let story = self.model.story();
        let world = &story.world;
        let (title, kind) = match &key {
            Key::Kernel => ("the kernel".to_owned(), String::new()),
            Key::Service(id) => {
                let service = story.services.get(*id);
                let name = world.name(idx);
                (name, format!("{} {}", service.kind.word(), service.name))
            }
            _ => (self.model.name(idx), String::new()),
        };
        let fate = story.fate(idx);
        let weight = match fate.map(|fate| fate.verdict) {
            _ if self.model.finding_of(idx).is_some() => 1 << 32,
            _ if !story.matters(idx) => 0,
            Some(Verdict::Killed | Verdict::CutOff | Verdict::NeverTold | Verdict::NoEnd) => 1 << 24,
            _ => 1 << 16,
        };
        // What was there before the shutdown tells better what a service is than what was run to stop it.
        let begin = story.shutdown.as_ref().map_or(u64::MAX, |shutdown| shutdown.begin.ns);
        let weight = weight + u64::from(world.proc_at(idx).is_some_and(|proc| proc.born.ns < begin));
        let node = self.nodes.entry(key.clone()).or_default();
        // Of several programs of a service the one that matters most names it.
        if node.title.is_empty() || weight > node.weight {
            (node.title, node.kind) = (title, kind);
        }
        node.weight = node.weight.max(weight);
        node.procs += 1;
        // How the steps of a shutdown end is nobody's concern, and rc is cut off by its own last script.
        if let Some(fate) = fate.filter(|_| !story.is_step(idx)) {
            *node.ends.entry(end(self.model, idx, fate.verdict)).or_default() += 1;
        }
        key
    }

    fn edge(&mut self, from: Key, to: Key, deed: Deed) {
        *self.edges.entry((from, to, deed)).or_default() += 1;
    }

    /// The signals that tell somebody to stop, and those that somebody died of.
    fn signals(&mut self) {
        let model = self.model;
        let (story, world) = (model.story(), model.world());
        let from_ns = story.shutdown.as_ref().map_or(0, |s| s.begin.ns.saturating_sub(BEFORE_NS));
        for (sent, number) in world.sigs.iter().zip(0u32..) {
            let fate = story.fate(sent.target);
            let is_cause = fate.is_some_and(|fate| fate.killer == Some(number));
            let told = fate.and_then(|fate| fate.told).is_some_and(|told| told.sent == number);
            if sent.at.ns < from_ns || !(is_cause || told || fate::tells_to_stop(world, sent)) {
                continue;
            }
            let proc = world.proc_at(sent.target);
            let verdict = fate.map(|fate| fate.verdict);
            let came = match verdict {
                _ if sent.ignored() => Came::Ignored,
                _ if is_cause && verdict != Some(Verdict::Stopped) => Came::Killed,
                None if proc.is_some_and(|proc| proc.killed_by() == sent.sig) && sent.sig == 9 => {
                    Came::Killed
                }
                Some(Verdict::Stopped) if is_cause || told => Came::Stopped,
                _ => Came::Nothing,
            };
            if came == Came::Ignored && !story.matters(sent.target) {
                continue;
            }
            let (from, to) = (self.node(sent.sender), self.node(sent.target));
            // Who did it to many, or to somebody who matters, matters at least as much.
            let weight = self.nodes.get(&to).map_or(0, |node| node.weight);
            if let Some(node) = self.nodes.get_mut(&from) {
                node.weight = node.weight.max(weight) + 1;
            }
            self.edge(from, to, Deed::Sent(sent.sig, came));
            self.lineage(sent.sender);
        }
    }

    /// From init down to who sends signals: once for each.
    fn lineage(&mut self, idx: Idx) {
        let world = self.model.world();
        if idx == NONE || world.is_init(idx) || !self.traced.insert(idx) {
            return;
        }
        let mut at = idx;
        for up in world.ancestors(idx).take(6).collect::<Vec<_>>() {
            let (from, to) = (self.node(up), self.node(at));
            let known = self.edges.contains_key(&(from.clone(), to.clone(), Deed::Ran));
            if from != to && !known {
                let weight = self.nodes.get(&to).map_or(0, |node| node.weight & !0xffff);
                if let Some(node) = self.nodes.get_mut(&from) {
                    node.weight = node.weight.max(weight) + (1 << 8);
                }
                self.edge(from, to, Deed::Ran);
            }
            at = up;
            if world.is_init(up) {
                break;
            }
        }
    }

    fn restarts(&mut self) {
        let model = self.model;
        for restart in &model.story().restarts {
            let (from, to) = (self.node(restart.by), self.node(restart.new));
            self.node(restart.old);
            for key in [&from, &to] {
                if let Some(node) = self.nodes.get_mut(key) {
                    node.weight = node.weight.max(1 << 28);
                }
            }
            self.edge(from, to, Deed::Restarted);
        }
    }

    /// What is too much becomes one node.
    fn fold(&mut self) {
        let mut order: Vec<(u64, Key)> =
            self.nodes.iter().map(|(key, node)| (node.weight, key.clone())).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        // What nobody asks about is never worth a node of its own; who sends signals is.
        let kept = order
            .iter()
            .take(NODES_MAX - 1)
            .filter(|(weight, key)| *weight > 1 || matches!(key, Key::Kernel | Key::Init));
        let kept: HashSet<Key> = kept.map(|(_, key)| key.clone()).collect();
        let place = |key: &Key| if kept.contains(key) { key.clone() } else { Key::Others };
        for (key, node) in std::mem::take(&mut self.nodes) {
            let to = place(&key);
            if to == Key::Others {
                let others = self.nodes.entry(to).or_default();
                others.procs += node.procs;
                for (end, count) in node.ends {
                    *others.ends.entry(end).or_default() += count;
                }
            } else {
                self.nodes.insert(to, node);
            }
        }
        for ((from, to, deed), count) in std::mem::take(&mut self.edges) {
            let (from, to) = (place(&from), place(&to));
            // Whom the others ran among themselves is of no interest.
            if !(deed == Deed::Ran && (from == Key::Others || to == Key::Others)) {
                *self.edges.entry((from, to, deed)).or_default() += count;
            }
        }
        if let Some(others) = self.nodes.get_mut(&Key::Others) {
            others.title = match others.procs {
                1 => "1 other process".into(),
                n => format!("{n} other processes"),
            };
        }
    }

    fn text(&self) -> String {
        let mut out = String::from("digraph lastrites {\n");
        let page = Page {
            picked: &self.model.picked,
            ending: self.model.ending,
            width: HEAD_COLUMNS,
            palette: Palette::PLAIN,
        };
        let mut head = String::new();
        page.head(&mut head);
        let head: Vec<String> = head.lines().map(|line| escape(line.trim_start())).collect();
        let _ = writeln!(
            out,
            "  graph [label=\"{}\\l\", labelloc=t, labeljust=l, rankdir=LR, fontname=\"Helvetica\", fontsize=14, \
             nodesep=0.25, ranksep=0.9];",
            head.join("\\l")
        );
        out.push_str(
            "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#57606a\", \
             fontname=\"Helvetica\", fontsize=11];\n  edge [fontname=\"Helvetica\", fontsize=10];\n",
        );
        let numbers: HashMap<&Key, usize> = self.nodes.keys().zip(1..).collect();
        for (key, node) in &self.nodes {
            let mut label = escape(&node.title);
            if !node.kind.is_empty() {
                let _ = write!(label, "\\n{}", escape(&node.kind));
            }
            let ends = ends(node);
            if !ends.is_empty() && !matches!(key, Key::Init) {
                let _ = write!(label, "\\n{ends}");
            }
            let (fill, line) = look(key, node);
            let shape = if *key == Key::Kernel { ", shape=octagon" } else { "" };
            let _ = writeln!(
                out,
                "  n{} [label=\"{label}\", tooltip=\"{}\", fillcolor=\"{fill}\", color=\"{line}\"{shape}];",
                numbers[key],
                escape(&node.title)
            );
        }
        for ((from, to, deed), count) in &self.edges {
            let (Some(from), Some(to)) = (numbers.get(from), numbers.get(to)) else { continue };
            let (label, style) = told(*deed, *count);
            let _ = writeln!(out, "  n{from} -> n{to} [label=\"{}\", {style}];", escape(&label));
        }
        out.push_str("}\n");
        out
    }
}

const FAILED: &str = "failed";

/// How one ended, in a word: whoever exits with another code than 0 has not just left.
fn end(model: &Model, idx: Idx, verdict: Verdict) -> &'static str {
    match (verdict, model.life_end(idx)) {
        (Verdict::Left | Verdict::Stopped, Some((_, LifeEnd::Failed))) => FAILED,
        (Verdict::Left, _) if model.story().is_untold(idx) => "ended by itself",
        (Verdict::Left, _) => "ended",
        _ => verdict.word(),
    }
}

/// `killed`, `3 stopped, 1 killed`: how those ended that a node stands for.
fn ends(node: &Node) -> String {
    let total: u32 = node.ends.values().sum();
    let of =
        |(end, count): (&&str, &u32)| if total == 1 { (*end).to_owned() } else { format!("{count} {end}") };
    node.ends.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Ground and edge of a node, by the worst that happened to it.
fn look(key: &Key, node: &Node) -> (&'static str, &'static str) {
    let has = |end: Verdict| node.ends.contains_key(end.word());
    let failed = node.ends.contains_key(FAILED);
    match key {
        Key::Kernel | Key::Init => ("#eaeef2", "#24292f"),
        Key::Others => ("#f6f8fa", "#8c959f"),
        _ if has(Verdict::Killed) => ("#fdeeee", "#b31420"),
        _ if has(Verdict::CutOff) || has(Verdict::NeverTold) || has(Verdict::NoEnd) || failed => {
            ("#fdf6e3", "#7a5200")
        }
        _ if has(Verdict::Stopped) => ("#eaf6ed", "#146528"),
        _ => ("#ffffff", "#57606a"),
    }
}

/// What is written at an edge, and how it looks.
fn told(deed: Deed, count: u32) -> (String, &'static str) {
    let times = |text: String| if count == 1 { text } else { format!("{text} ×{count}") };
    match deed {
        Deed::Sent(sig, came) => {
            let (after, style) = match came {
                Came::Killed => ("", "color=\"#b31420\", fontcolor=\"#b31420\", penwidth=2.2"),
                Came::Stopped => ("", "color=\"#146528\", fontcolor=\"#146528\", penwidth=1.4"),
                Came::Ignored => (" ignored", "color=\"#8c959f\", fontcolor=\"#57606a\", style=dashed"),
                Came::Nothing => ("", "color=\"#57606a\", fontcolor=\"#57606a\""),
            };
            (times(format!("{}{after}", names::signal(sig))), style)
        }
        Deed::Restarted => (
            times("started again".into()),
            "color=\"#8238b5\", fontcolor=\"#8238b5\", penwidth=2.2, style=bold",
        ),
        Deed::Ran => (String::new(), "color=\"#afb8c1\", style=dotted, arrowhead=empty, tooltip=\"ran\""),
    }
}

/// Text for between quotes: Graphviz knows backslashes, quotes and the entities of HTML there.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            _ => out.push(c),
        }
    }
    out
}
