//! What processes lived, as bars, and how they ended.

use std::fmt::Write as _;

use super::{MARGIN, Picture, RIGHT, escape};
use crate::{
    names,
    story::{
        fate::{Fate, Verdict},
        world::{Idx, Means, NONE},
    },
    time::{Clocks, duration},
    view::{model::Model, notes::LifeEnd},
};

/// Half of a bar's height, and of the mark at its end.
const HALF: i32 = 5;
/// Of a lane of many only so many bars are drawn: those that would lie on others are not counted.
const BARS_MAX: usize = 200;

/// How a lane ended, in words.
pub(super) struct Told {
    pub text: String,
    pub class: &'static str,
}

/// The worse it went, the more a process has to tell; of equals who took longer.
pub(super) fn telling(model: &Model, idx: Idx) -> (u8, u64) {
    let story = model.story();
    let Some(fate) = story.fate(idx) else { return (0, 0) };
    let end = story.end_of(idx);
    (badness(fate), fate.took_ns(&story.world, end))
}

const fn badness(fate: &Fate) -> u8 {
    match fate.verdict {
        Verdict::Killed => 4,
        Verdict::CutOff | Verdict::NoEnd => 3,
        Verdict::NeverTold => 2,
        Verdict::Stopped => 1,
        Verdict::Left => 0,
    }
}

/// Of several the one that has most to tell.
pub(super) fn end_of_lane(model: &Model, procs: &[Idx]) -> Told {
    let worst = procs.iter().copied().max_by_key(|idx| telling(model, *idx));
    worst.map_or(Told { text: String::new(), class: "well" }, |idx| told(model, idx))
}

fn told(model: &Model, idx: Idx) -> Told {
    let (story, world) = (model.story(), model.world());
    let Some(proc) = world.proc_at(idx) else { return Told { text: String::new(), class: "well" } };
    let status = names::status(u32::from(proc.status));
    let Some(fate) = story.fate(idx) else {
        let (text, class) = match proc.dead() {
            true => (status, well_or_failed(model, idx)),
            false if story.cut => ("no end was recorded".into(), "open"),
            false => (String::new(), "well"),
        };
        return Told { text, class };
    };
    let took = fate.took_ns(world, story.end_of(idx));
    let after = if fate.told.is_some() { format!(" after {}", duration(took)) } else { String::new() };
    match fate.verdict {
        Verdict::Killed => Told { text: killed(model, fate, &status), class: "killed" },
        Verdict::CutOff => Told { text: format!("cut off{after}"), class: "open" },
        Verdict::NeverTold if !story.is_untold(idx) => {
            Told { text: "alive, not seen to be told to stop".into(), class: "open" }
        }
        Verdict::NeverTold => Told { text: "alive, never told to stop".into(), class: "open" },
        Verdict::NoEnd => Told { text: format!("no end was recorded{after}"), class: "open" },
        Verdict::Stopped => {
            let how = status.trim_start_matches("killed by ");
            Told { text: format!("{how}{after}"), class: well_or_failed(model, idx) }
        }
        Verdict::Left => Told { text: status, class: well_or_failed(model, idx) },
    }
}

fn well_or_failed(model: &Model, idx: Idx) -> &'static str {
    match model.life_end(idx) {
        Some((_, LifeEnd::Failed)) => "failed",
        Some((_, LifeEnd::Killed)) => "killed",
        _ => "well",
    }
}

fn killed(model: &Model, fate: &Fate, status: &str) -> String {
    let world = model.world();
    let Some(sent) = fate.killer.and_then(|killer| world.sig(killer)) else { return status.to_owned() };
    let sig = names::signal(sent.sig);
    match sent.means {
        Means::Oom => format!("{sig}, out of memory"),
        Means::Timer => format!("{sig} by a timer of its own"),
        _ if sent.sender == NONE => format!("{sig} by the kernel"),
        _ => format!("{sig} by {}", world.deed(sent.sender, sent.at.ns)),
    }
}

impl Picture<'_> {
    /// The bars of a lane whose middle is at `y`.
    pub(super) fn bars(&mut self, procs: &[Idx], y: i32) {
        let mut last = (u16::MAX, u16::MAX);
        let mut drawn: Vec<(Idx, u16)> = Vec::new();
        for idx in procs {
            let (from, to) = (self.x(self.model.birth(*idx)), self.x(self.model.end_of(*idx)));
            // Workers that lived alike are one bar.
            if (from, to) != last && drawn.len() < BARS_MAX {
                self.bar(*idx, (from, to), y);
                drawn.push((*idx, to.max(from + 2)));
                last = (from, to);
            }
        }
        // Over the bars: how one ended is not hidden by the next one's life.
        for (idx, to) in drawn {
            self.mark(idx, to, y);
        }
    }

    fn bar(&mut self, idx: Idx, (from, to): (u16, u16), y: i32) {
        let model = self.model;
        let (story, world) = (model.story(), model.world());
        let to = to.max(from + 2);
        let class = if story.replaces(idx).is_some() { "again" } else { "life" };
        let _ = write!(self.out, "<g><title>{}</title>", escape(&in_words(model, idx)));
        let rect = |out: &mut String, class: &str, from: u16, to: u16| {
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"/>",
                y - HALF,
                to - from,
                2 * HALF
            );
        };
        rect(&mut self.out, class, from, to);
        if let Some(told) = story.fate(idx).and_then(|fate| fate.told) {
            let class = if told.reception.unheard() { "ignoring" } else { "stop" };
            let told = self.x(told.at(world).ns).clamp(from, to);
            if told < to {
                rect(&mut self.out, class, told, to);
            }
        }
        self.out.push_str("</g>\n");
    }

    /// How it ended, at the end of its bar.
    fn mark(&mut self, idx: Idx, x: u16, y: i32) {
        let story = self.model.story();
        let Some((_, end)) = self.model.life_end(idx) else { return };
        // Of those that were nobody's concern it is not said that they were there to the end.
        if end == LifeEnd::Alive && story.fate(idx).is_none() {
            return;
        }
        // What is no form but a letter stands behind the bar.
        let x = if end == LifeEnd::Unknown { x + 7 } else { x };
        sign(&mut self.out, end, x, y);
        self.out.push('\n');
    }

    /// What the signs mean.
    pub(super) fn legend(&mut self) {
        self.y += 14;
        let y = self.y;
        let mut x = MARGIN + 8;
        let signs: [(&str, u16); 12] = [
            ("running", 20),
            ("restarted", 20),
            ("stopping", 20),
            ("ignoring it", 20),
            ("ended well", 10),
            ("failed", 10),
            ("killed", 10),
            ("still alive", 10),
            ("end not recorded", 10),
            ("SIGTERM", 14),
            ("SIGKILL", 14),
            ("restarts", 14),
        ];
        for (at, (text, wide)) in signs.into_iter().enumerate() {
            let middle = x + wide / 2;
            let bar = |class: &str| {
                format!(
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"20\" height=\"10\" rx=\"2\"/>",
                    y - 5
                )
            };
            let wire = |class: &str| {
                format!(
                    "<path class=\"wire {class}\" d=\"M{middle} {}V{}\"/><path class=\"tip {class}\" d=\"M{} {}h8l-4 7z\"/>",
                    y - 9,
                    y + 2,
                    middle - 4,
                    y + 1
                )
            };
            let end = |end: LifeEnd| {
                let mut out = String::new();
                sign(&mut out, end, middle, y);
                out
            };
            let drawn = match at {
                0 => bar("life"),
                1 => bar("again"),
                2 => bar("stop"),
                3 => bar("ignoring"),
                4 => end(LifeEnd::Exited),
                5 => end(LifeEnd::Failed),
                6 => end(LifeEnd::Killed),
                7 => end(LifeEnd::Alive),
                8 => end(LifeEnd::Unknown),
                9 => wire("s15"),
                10 => wire("s9"),
                _ => wire("restart"),
            };
            self.out.push_str(&drawn);
            self.text("sub", x + wide + 6, y + 4, text);
            x += wide + 6 + 7 * text.len() as u16 + 14;
            debug_assert!(x < RIGHT + 200, "the legend is one line");
        }
        self.y += 8;
    }
}

fn cross(out: &mut String, x: u16, y: i32) -> std::fmt::Result {
    let (x, size) = (i32::from(x), 5);
    write!(
        out,
        "<path class=\"kill\" d=\"M{} {}L{} {}M{} {}L{} {}\"/>",
        x - size,
        y - size,
        x + size,
        y + size,
        x - size,
        y + size,
        x + size,
        y - size
    )
}

/// How a life ended, in the signs of the viewer: a ring, a diamond, a cross, an arrow that goes on, a question.
fn sign(out: &mut String, end: LifeEnd, x: u16, y: i32) {
    let at = i32::from(x);
    // Writing to memory does not fail.
    let _ = match end {
        LifeEnd::Exited => write!(out, "<circle class=\"well\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"),
        LifeEnd::Failed => write!(
            out,
            "<path class=\"failed\" d=\"M{x} {}L{} {y}L{x} {}L{} {y}Z\"/>",
            y - 6,
            at + 6,
            y + 6,
            at - 6
        ),
        LifeEnd::Killed => cross(out, x, y),
        LifeEnd::Alive => {
            write!(
                out,
                "<path class=\"open\" d=\"M{} {}L{} {y}L{} {}Z\"/>",
                at - 3,
                y - 6,
                at + 6,
                at - 3,
                y + 6
            )
        }
        LifeEnd::Unknown => write!(out, "<text class=\"unknown\" x=\"{}\" y=\"{}\">?</text>", at - 4, y + 5),
    };
}

/// What is shown where a mouse rests.
fn in_words(model: &Model, idx: Idx) -> String {
    let (story, world) = (model.story(), model.world());
    let mut text = model.label(idx);
    if let Some(image) = world.image(world.image_of(idx)) {
        let command = world.command(image, 160);
        if !command.is_empty() {
            let _ = write!(text, ": {command}");
        }
    }
    if let Some(service) = story.service(idx).map(|id| story.services.get(id)) {
        let _ = write!(text, " · {} {}", service.kind.word(), service.name);
    }
    let clocks = Clocks::new(&model.picked.summary);
    let told = told(model, idx);
    if !told.text.is_empty() {
        let at = clocks.wall(model.end_of(idx)).format("%H:%M:%S%.3f");
        let _ = write!(text, " · {at} {}", told.text);
    }
    text
}
