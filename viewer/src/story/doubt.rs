//! How far a sentence can be trusted.
//!
//! Invariant: certain is only what happened while everything was recorded. A loss, a gap or a time that nobody vouches
//! for, near the evidence, lowers it; nothing raises it. Only counts of signal 0 may be missing: no sentence rests on one.

use lastrites_traces::{abi, reader::Summary, session::Layer};

use super::world::{Cause, Hole, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Cannot be excluded.
    Possible,
    Likely,
    Certain,
}

impl Confidence {
    pub const fn words(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "cannot be excluded",
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// What is known to be missing.
#[derive(Debug, Default)]
pub struct Doubt {
    holes: Vec<Hole>,
    /// From when all hooks were attached.
    from_ns: u64,
}

/// Stopping services may have begun so long before something is killed.
const YOUNG_NS: u64 = 300_000_000_000;

/// Processes whose hooks were attached one after another may be half told.
const ATTACH_NS: u64 = 50_000_000;

impl Doubt {
    pub fn new(world: &World, summary: &Summary) -> Self {
        let covered = summary.coverage.iter().filter(|c| c.layer != Layer::Census).map(|c| c.from_ns).min();
        let from_ns = covered.unwrap_or(summary.session.started.boottime_ns);
        let holes = world.holes.iter().filter(|hole| hole.cause != Cause::Uncounted).copied().collect();
        Self { holes, from_ns }
    }

    /// Whether recording had begun so shortly before that what led to this moment may have come earlier.
    pub fn is_young(&self, ns: u64) -> bool {
        ns.saturating_sub(self.from_ns) < YOUNG_NS
    }

    /// `ns`, or from when there is a recording.
    pub fn seen_from(&self, ns: u64) -> u64 {
        ns.max(self.from_ns)
    }

    /// Of what was seen between these moments.
    pub fn of(&self, from_ns: u64, to_ns: u64) -> Confidence {
        self.of_kinds(from_ns, to_ns, &[])
    }

    /// The same where only losses of some kinds would matter; none named means all.
    pub fn of_kinds(&self, from_ns: u64, to_ns: u64, kinds: &[u8]) -> Confidence {
        let counts = |hole: &Hole| hole.kind == 0 || kinds.is_empty() || kinds.contains(&hole.kind);
        let early = from_ns < self.from_ns.saturating_sub(ATTACH_NS);
        if early || self.near(from_ns, to_ns).any(counts) { Confidence::Likely } else { Confidence::Certain }
    }

    /// Whether it can be said that something did not happen between these moments.
    pub fn absence(&self, from_ns: u64, to_ns: u64) -> bool {
        self.of_kinds(from_ns, to_ns, &[abi::kind::SIGNAL, abi::kind::EXIT, abi::kind::FORK, abi::kind::EXEC])
            == Confidence::Certain
    }

    /// Where something may be missing between these moments.
    pub fn near(&self, from_ns: u64, to_ns: u64) -> impl Iterator<Item = &Hole> {
        self.holes.iter().filter(move |hole| hole.from_ns <= to_ns && hole.to_ns >= from_ns)
    }
}
