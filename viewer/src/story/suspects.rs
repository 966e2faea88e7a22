//! Who may have sent a signal that was not recorded.
//!
//! Invariant: nobody is accused: a suspect is somebody who did the same to others at that moment, where something is known
//! to be missing. Ranked, the likeliest first; none where everything was recorded.

use lastrites_traces::abi::kind;

use super::{
    Story,
    doubt::Confidence,
    fate::Fate,
    shutdown::reaches_all,
    world::{At, Idx, IdxMap, NONE, Sig},
};

/// What kills does so sooner than that.
const NEAR_NS: u64 = 1_000_000_000;
/// So many are named.
const MOST: usize = 2;

/// One who may have done it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    pub proc: Idx,
    /// When it did that to others.
    pub at: At,
    /// Likely where it killed everybody at once, this one too; else it can only not be excluded.
    pub confidence: Confidence,
}

impl Story {
    /// Who may have sent what `fate` died of, if that was not recorded.
    pub fn suspects(&self, fate: &Fate) -> Vec<Suspect> {
        let world = &self.world;
        let Some(proc) = world.proc_at(fate.proc) else { return Vec::new() };
        let (sig, exit) = (proc.killed_by(), proc.exit);
        if sig == 0 || fate.killer.is_some() {
            return Vec::new();
        }
        let from_ns = exit.ns.saturating_sub(NEAR_NS);
        if self.doubt.of_kinds(from_ns, exit.ns, &[kind::SIGNAL]) == Confidence::Certain {
            return Vec::new();
        }
        let mut found: Vec<(Suspect, usize)> = Vec::new();
        // kill(-1) is recorded when it returns: whom it hit may be dead by then, or die a little later.
        let everybody = |at: At| at.ns >= from_ns && at.ns <= exit.ns.saturating_add(NEAR_NS);
        let calls = world.calls.iter().filter(|call| call.target == -1 && call.ret >= 0 && call.sig == sig);
        let hit = |at: At| everybody(at) && proc.born < at;
        for call in calls.filter(|call| hit(call.at) && call.proc != fate.proc) {
            let confidence = match reaches_all(world, call.proc) {
                true => Confidence::Likely,
                false => Confidence::Possible,
            };
            found.push((Suspect { proc: call.proc, at: call.at, confidence }, 0));
        }
        let first = world.sigs.partition_point(|sent| sent.at.ns < from_ns);
        let near = world.sigs[first..].iter().take_while(|sent| sent.at <= exit);
        // Who has killed his own children had no more to do with others than before.
        let above = |sender: Idx, idx: Idx| world.ancestors(idx).any(|up| up == sender);
        let of_its_own = |sent: &&Sig| above(sent.sender, sent.target) && !above(sent.sender, fate.proc);
        let mut hits: IdxMap<(At, usize)> = IdxMap::default();
        let by_others = |sent: &&Sig| sent.sig == sig && sent.sender != NONE && sent.sender != fate.proc;
        for sent in near.filter(by_others).filter(|sent| !of_its_own(sent)) {
            let hit = hits.entry(sent.sender).or_insert((sent.at, 0));
            *hit = (sent.at, hit.1 + 1);
        }
        for (proc, (at, count)) in hits {
            if found.iter().all(|(known, _)| known.proc != proc) {
                found.push((Suspect { proc, at, confidence: Confidence::Possible }, count));
            }
        }
        // Who hit more of them is likelier to have hit this one.
        found.sort_by_key(|(one, count)| {
            (std::cmp::Reverse(one.confidence), std::cmp::Reverse(*count), one.at.ns, one.proc)
        });
        found.dedup_by_key(|(one, _)| one.proc);
        found.into_iter().map(|(one, _)| one).take(MOST).collect()
    }
}
