//! The worst that happened, in as many words as there is room for.
//!
//! Invariant: who was killed and by whom is said first and never left out; the chain of processes is last, and is the
//! first to be shortened, in its middle.

use super::{model::Model, text};
use crate::{
    story::{finding::Rule, shutdown::PhaseKind, world::NONE},
    time,
};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worst {
    /// `mongod 990 was killed by killall5 -9`.
    head: String,
    /// ` of sendsigs`: the script that did it.
    script: String,
    /// `, 13.0 s after its restart`, or after it was told to stop.
    after: String,
    /// `; root via ssh asked for the shutdown`, and with what words. Not who killed: that has been said.
    because: [String; 2],
    chain: String,
    /// Somebody was killed.
    pub killing: bool,
}

impl Worst {
    pub fn of(model: &Model) -> Option<Self> {
        let (story, world) = (model.story(), model.world());
        let finding = story.findings.first()?;
        let asked = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref());
        let mut worst = Self::default();
        if let Some(asked) = asked {
            let person = asked.person();
            worst.because = match person.is_empty() {
                true => [format!(", because of {}", asked.how), String::new()],
                false => [format!("; {person} asked for the shutdown"), format!(": {}", asked.how)],
            };
        }
        let Some(victim) = model.victim(0) else {
            worst.head.clone_from(&finding.headline);
            if let Some(shutdown) = story.shutdown.as_ref().filter(|_| finding.rule == Rule::NoEnd) {
                // The finding itself is told below: here is what is known of the last moment.
                let phase = shutdown.phases.last().map_or("the request", |phase| named(phase.kind));
                let took = time::duration(shutdown.took_ns());
                let seen = if story.unseen { "was seen no further than" } else { "got no further than" };
                worst.head = format!("it {seen} {phase}, at +{took}");
                worst.because = Default::default();
                worst.after = still_there(model);
            }
            return Some(worst);
        };
        worst.killing = true;
        let fate = story.fate(victim)?;
        let label = model.label(victim);
        let Some(sent) = fate.killer.and_then(|at| world.sig(at)) else {
            worst.head = format!("{label} was killed; who did it was not recorded");
            return Some(worst);
        };
        let known = sent.sender != NONE && world.proc_at(sent.sender).is_some();
        let by = if known { model.deed(sent.sender, sent.at.ns) } else { world.sender(sent) };
        worst.head = format!("{label} was killed by {}", by.trim_end_matches(','));
        worst.chain = world.chain(sent.sender, sent.at.ns);
        if let Some((up, _)) = worst.chain.rsplit_once(" -> ").filter(|_| known) {
            worst.script = format!(" of {}", up.rsplit_once(" -> ").map_or(up, |(_, last)| last));
        } else if let Some(behalf) = story.behalf(sent.sender) {
            worst.script = format!(", {behalf}");
        }
        if let Some(restart) = story.replaces(victim) {
            let age_ns = model.end_of(victim).saturating_sub(restart.at.ns);
            worst.after = format!(", {} after its restart", time::duration(age_ns));
        } else if let Some(told) = fate.told.filter(|told| Some(told.sent) != fate.killer) {
            let took_ns = model.end_of(victim).saturating_sub(told.at(world).ns);
            worst.after = format!(", {} after it was told to stop", time::duration(took_ns));
        }
        Some(worst)
    }

    /// Who was killed, by whom, of which script, how long after its restart: all of it, for where there is room.
    pub fn sentence(&self) -> String {
        format!("{}{}{}", self.head, self.script, self.after)
    }

    /// At most `room` columns; `asker`: whether who asked is said nowhere else.
    pub fn told(&self, room: usize, asker: bool) -> String {
        let [because, how] = if asker { self.because.each_ref().map(String::as_str) } else { ["", ""] };
        // In their order in the sentence; below in the order in which they are added, as far as there is room.
        let parts = [&self.head, self.script.as_str(), &self.after, because, how];
        let mut used = [true, false, false, false, false];
        let of = |used: &[bool; 5]| {
            parts.iter().zip(used).filter(|(_, used)| **used).map(|(part, _)| *part).collect::<String>()
        };
        for at in [3, 2, 1, 4] {
            used[at] = at != 4 || used[3];
            used[at] &= text::width(&of(&used)) <= room;
        }
        let mut told = of(&used);
        let left = room.saturating_sub(text::width(&told) + 3);
        if self.chain.contains(" -> ")
            && let Some(chain) = text::middle(&self.chain, left)
        {
            told.push_str(" · ");
            told.push_str(&chain);
        }
        text::fit(&told, room)
    }
}

const fn named(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Asked => "the request",
        PhaseKind::Stopping => "stopping services",
        PhaseKind::TermSpree => "the SIGTERM spree",
        PhaseKind::KillSpree => "the SIGKILL spree",
        PhaseKind::Unmounting => "unmounting",
        PhaseKind::End => "its very end",
    }
}

/// Who was there at the last moment of a shutdown that never ended.
fn still_there(model: &Model) -> String {
    let story = model.story();
    let there = |idx: &u32| {
        story.world.proc_at(*idx).is_some_and(|proc| !proc.dead() && proc.born.ns < model.last_ns)
            && story.matters(*idx)
            && !story.is_missed(*idx)
            && !model.is_ours(*idx)
    };
    let mut names: Vec<String> = Vec::new();
    // What the shutdown itself still ran is what it hung on, if it did.
    let at_work = story.at_work.iter().copied();
    let others = story.fates.iter().map(|fate| fate.proc).filter(there);
    for name in at_work.chain(others).map(|idx| model.name(idx)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        // That nobody was there is more than a recording that was cut off can know.
        [] => String::new(),
        [one] => format!("; {one} still ran"),
        [one, two] => format!("; {one} and {two} still ran"),
        [one, two, rest @ ..] => format!("; {one}, {two} and {} more still ran", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::Worst;

    fn worst() -> Worst {
        Worst {
            head: "mongod 990 was killed by killall5 -9".into(),
            script: " of sendsigs".into(),
            after: ", 13.0 s after its restart".into(),
            because: ["; root via ssh asked for the shutdown".into(), ": reboot".into()],
            chain: "rc -> startpar -> sendsigs -> killall5 -9".into(),
            killing: true,
        }
    }

    #[test]
    fn who_killed_whom_is_never_left_out_and_the_chain_is_shortened_in_its_middle() {
        let told = |room, asker| worst().told(room, asker);
        assert_eq!(told(58, true), "mongod 990 was killed by killall5 -9 of sendsigs");
        assert_eq!(told(40, true), "mongod 990 was killed by killall5 -9");
        assert_eq!(told(62, true), "mongod 990 was killed by killall5 -9, 13.0 s after its restart");
        assert_eq!(
            told(76, true),
            "mongod 990 was killed by killall5 -9; root via ssh asked for the shutdown"
        );
        assert_eq!(
            told(78, false),
            "mongod 990 was killed by killall5 -9 of sendsigs, 13.0 s after its restart"
        );
        assert_eq!(
            told(110, false),
            "mongod 990 was killed by killall5 -9 of sendsigs, 13.0 s after its restart · rc -> .. -> killall5 -9"
        );
        let whole = "mongod 990 was killed by killall5 -9 of sendsigs, 13.0 s after its restart; root via ssh asked \
                     for the shutdown: reboot · rc -> startpar -> sendsigs -> killall5 -9";
        assert_eq!(told(200, true), whole);
        assert_eq!(told(20, true), "mongod 990 was kill…");
    }

    #[test]
    fn it_is_never_wider_than_its_room() {
        for room in 0..200 {
            assert!(super::text::width(&worst().told(room, room % 2 == 0)) <= room);
        }
    }
}
