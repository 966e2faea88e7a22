//! What is said of a life in few words, beside its lane.
//!
//! Invariant: the longest words come first; who draws takes the first that fit.

use super::{model::Model, palette::Look};
use crate::{
    about::Ending,
    names,
    story::{
        fate::{Fate, Verdict},
        world::{Idx, Proc},
    },
};

/// How a life ended, for a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEnd {
    /// Exited 0, or died of the signal that asked it to.
    Exited,
    /// Exited with another code.
    Failed,
    Killed,
    /// Alive at the end.
    Alive,
    /// Its end was not recorded.
    Unknown,
}

impl Model {
    /// Whether somebody was killed by this signal.
    pub fn killed(&self, sig: u32) -> bool {
        let fate = self.world().sig(sig).and_then(|sent| self.story().fate(sent.target));
        fate.is_some_and(|fate| fate.killer == Some(sig) && fate.verdict == Verdict::Killed)
    }

    /// How and when `idx` ended.
    pub fn life_end(&self, idx: Idx) -> Option<(u64, LifeEnd)> {
        let proc = self.world().proc_at(idx)?;
        let story = self.story();
        let ns = self.end_of(idx);
        if !proc.dead() || proc.exit.ns > ns {
            // Nobody knows of whom nothing more was written, nor where what was written cannot be read.
            let unknown = story.cut || self.ending == Ending::Damaged || self.may_have_ended(idx);
            return Some((ns, if unknown { LifeEnd::Unknown } else { LifeEnd::Alive }));
        }
        let killed = match story.fate(idx).map(|fate| fate.verdict) {
            Some(verdict) => verdict == Verdict::Killed,
            None => proc.killed_by() != 0,
        };
        let end = match proc.code() {
            _ if killed => LifeEnd::Killed,
            Some(code) if code != 0 => LifeEnd::Failed,
            _ => LifeEnd::Exited,
        };
        Some((ns, end))
    }

    /// What is to be said of an end, in as many words as there may be room for: the longest first.
    pub fn note(&self, procs: &[Idx]) -> Option<(Vec<String>, Look)> {
        let (story, world) = (self.story(), self.world());
        let last = *procs.last()?;
        let said = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        if self.is_sequence(procs) {
            let ended = |how: fn(&Proc) -> bool| {
                procs.iter().filter(|idx| world.proc_at(**idx).is_some_and(how)).count()
            };
            let killed = ended(|proc| proc.killed_by() != 0);
            let (failed, n) = (ended(|proc| proc.code() != Some(0)) - killed, procs.len());
            let texts = match failed {
                _ if killed > 0 => {
                    [format!("{n} runs: {killed} killed, {failed} failed"), format!("{killed} of {n} killed")]
                }
                0 => [format!("restarted {n} times"), format!("{n} restarts")],
                all if all == n => {
                    [format!("restarted {n} times, each failed"), format!("{n} restarts failed")]
                }
                _ => [format!("restarted {n} times, {failed} failed"), format!("{failed} of {n} failed")],
            };
            return Some((texts.into(), Look::Warn));
        }
        if procs.len() > 1 {
            let killed = procs.iter().filter(|idx| is_killed(story.fate(**idx))).count();
            return (killed > 0).then(|| (vec![format!("{killed} of {} killed", procs.len())], Look::Bad));
        }
        let asked = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref());
        if let Some(asked) = asked.filter(|asked| asked.by == last) {
            let mut texts = said(&["asked for the shutdown", "asked"]);
            let person = asked.person();
            if !person.is_empty() {
                texts.insert(0, format!("asked for the shutdown: {person}"));
                texts.insert(2, format!("asked: {person}"));
            }
            return Some((texts, Look::Accent));
        }
        let fate = story.fate(last)?;
        let proc = world.proc_at(last)?;
        match fate.verdict {
            Verdict::Killed => {
                let signal = names::signal(proc.killed_by());
                let sent = fate.killer.and_then(|at| world.sig(at));
                let texts = match sent {
                    Some(sent) if world.proc_at(sent.sender).is_some() => {
                        let whole = self.deed(sent.sender, sent.at.ns);
                        let brief = world.deed(sent.sender, sent.at.ns);
                        vec![
                            format!("{signal} by {whole}"),
                            format!("{signal} by {brief}"),
                            format!("by {brief}"),
                            signal.into_owned(),
                        ]
                    }
                    Some(_) => {
                        vec![
                            format!("{signal} by the kernel"),
                            "by the kernel".to_owned(),
                            signal.into_owned(),
                        ]
                    }
                    None => vec![signal.into_owned()],
                };
                Some((texts, Look::Bad))
            }
            Verdict::Stopped | Verdict::Left => {
                let code = proc.code().filter(|code| *code != 0);
                match code {
                    Some(code) => Some((vec![format!("exit {code}")], Look::Warn)),
                    None if story.replaced(last).is_some() => {
                        Some((said(&["stopped; restarted below", "restarted below"]), Look::Dim))
                    }
                    None => None,
                }
            }
            Verdict::CutOff => Some((said(&["cut off"]), Look::Warn)),
            Verdict::NeverTold if story.matters(last) && !story.is_untold(last) => {
                Some((said(&["alive; not seen to be told to stop", "not seen to be told"]), Look::Warn))
            }
            Verdict::NeverTold if story.matters(last) => {
                Some((said(&["never told to stop", "never told"]), Look::Warn))
            }
            Verdict::NoEnd if fate.told.is_some() => {
                Some((said(&["told to stop; its end was not recorded", "still stopping"]), Look::Warn))
            }
            Verdict::NeverTold | Verdict::NoEnd => None,
        }
    }
}

fn is_killed(fate: Option<&Fate>) -> bool {
    fate.is_some_and(|fate| fate.verdict == Verdict::Killed)
}
