//! Who did what to whom: signals, and who was started again.
//!
//! Invariant: an arrow is there only if somebody's stop or death rests on it. What one sent to many at the same pixel is one
//! line with several tips.

use std::{collections::BTreeMap, fmt::Write as _};

use super::Picture;
use crate::story::world::{Idx, NONE};

/// The distance that an arrow keeps from the middle of a bar.
const APART: i32 = 6;
/// From where arrows of those come who have no lane.
const OUTSIDE: i32 = 16;

/// Where a line is, what it looks like, and whose it is.
type Wire = (u16, &'static str, Option<usize>);

impl Picture<'_> {
    pub(super) fn arrows(&mut self) {
        self.signals();
        self.restarts();
    }

    fn signals(&mut self) {
        let model = self.model;
        let (story, world) = (model.story(), model.world());
        let mut wires: BTreeMap<Wire, Vec<usize>> = BTreeMap::new();
        let mut shown: Vec<(Idx, usize)> = self.place.iter().map(|(idx, at)| (*idx, *at)).collect();
        shown.sort_unstable();
        for (idx, lane) in shown {
            let Some(fate) = story.fate(idx) else { continue };
            let sigs = fate.told.map(|told| told.sent).into_iter().chain(fate.killer);
            for sent in sigs.filter_map(|at| world.sig(at)) {
                let sender = if sent.sender == NONE { None } else { self.place.get(&sent.sender).copied() };
                if sender != Some(lane) {
                    let tips = wires.entry((self.x(sent.at.ns), class(sent.sig), sender)).or_default();
                    if !tips.contains(&lane) {
                        tips.push(lane);
                    }
                }
            }
        }
        for ((x, class, sender), tips) in wires {
            match sender.map(|lane| self.lanes[lane].1) {
                Some(from) => self.wire(x, class, from, &tips),
                None => {
                    for lane in &tips {
                        let from = self.lanes[*lane].1 - OUTSIDE;
                        self.wire(x, class, from, &[*lane]);
                    }
                }
            }
        }
    }

    /// A line from `from` up and down to all of `tips`.
    fn wire(&mut self, x: u16, class: &str, from: i32, tips: &[usize]) {
        let middles: Vec<i32> = tips.iter().map(|lane| self.lanes[*lane].1).collect();
        let top = middles.iter().copied().fold(from, i32::min);
        let bottom = middles.iter().copied().fold(from, i32::max);
        let _ = write!(self.out, "<path class=\"wire {class}\" d=\"M{x} {top}V{bottom}\"/>");
        for y in middles {
            self.tip(x, class, if y > from { y - APART } else { y + APART }, y > from);
        }
        self.out.push('\n');
    }

    fn tip(&mut self, x: u16, class: &str, y: i32, down: bool) {
        let back = if down { -7 } else { 7 };
        let _ = write!(
            self.out,
            "<path class=\"tip {class}\" d=\"M{x} {y}L{} {}H{}Z\"/>",
            i32::from(x) - 4,
            y + back,
            x + 4
        );
    }

    /// From who starts somebody again to the one that is started; from the old one where nobody is to be seen.
    fn restarts(&mut self) {
        let model = self.model;
        let mut met: Vec<(u16, usize)> = Vec::new();
        for restart in &model.story().restarts {
            let Some(to) = self.place.get(&restart.new).copied() else { continue };
            let of_old = self.place.get(&restart.old).copied().filter(|lane| *lane != to);
            let by = self.place.get(&restart.by).copied().filter(|_| restart.by != NONE);
            let Some(from) = by.filter(|lane| *lane != to).or(of_old) else { continue };
            let x = self.x(restart.at.ns);
            if met.contains(&(x, to)) {
                continue;
            }
            met.push((x, to));
            let (from, to) = (self.lanes[from].1, self.lanes[to].1);
            let _ = write!(self.out, "<path class=\"wire restart\" d=\"M{x} {from}V{to}\"/>");
            self.tip(x, "restart", if to > from { to - APART } else { to + APART }, to > from);
            self.out.push('\n');
        }
    }
}

const fn class(sig: u8) -> &'static str {
    match sig {
        9 => "s9",
        15 => "s15",
        _ => "s0",
    }
}
