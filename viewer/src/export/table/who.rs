//! One process of a story, as rows tell of it.

use super::{Of, Value};
use crate::{
    names,
    story::{
        Story,
        fate::{Fate, Reception, Verdict},
        finding::Finding,
        service::Service,
        world::{Idx, NONE, Proc, Sig},
    },
};

/// A process in a row.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub of: &'a Of<'a>,
    pub idx: Idx,
}

impl<'a> Who<'a> {
    pub fn story(&self) -> &'a Story {
        &self.of.picked.story
    }

    pub fn proc(&self) -> Option<&'a Proc> {
        self.story().world.proc_at(self.idx)
    }

    pub fn fate(&self) -> Option<&'a Fate> {
        self.story().fate(self.idx)
    }

    pub fn service(&self) -> Option<&'a Service> {
        let story = self.story();
        story.service(self.idx).map(|id| story.services.get(id))
    }

    /// It was alive when a recording without a shutdown was cut off.
    pub fn is_cut(&self) -> bool {
        let story = self.story();
        story.cut && self.fate().is_none() && self.proc().is_some_and(|proc| !proc.dead())
    }

    /// How it ended, as `explain --json` says it.
    pub fn ended(&self) -> Option<&'static str> {
        match self.fate() {
            Some(fate) => Some(fate.verdict.word()),
            None if self.is_cut() => Some(Verdict::NoEnd.word()),
            None => None,
        }
    }

    /// The worse the more.
    pub fn badness(&self) -> u8 {
        match self.fate().map(|fate| fate.verdict) {
            Some(Verdict::Killed) => 5,
            Some(Verdict::CutOff) => 4,
            Some(Verdict::NeverTold) => 3,
            Some(Verdict::NoEnd) => 2,
            None if self.is_cut() => 2,
            Some(Verdict::Stopped) => 1,
            Some(Verdict::Left) | None => 0,
        }
    }

    pub fn clean(&self) -> Value {
        match self.ended() {
            Some(_) => Value::Truth(!self.story().dirty(self.idx)),
            None => Value::Null,
        }
    }

    pub fn exit_code(&self) -> Value {
        Value::or_null(self.proc().and_then(Proc::code), Value::whole)
    }

    /// The signal that it died of.
    pub fn signal(&self) -> Value {
        match self.proc().map_or(0, Proc::killed_by) {
            0 => Value::Null,
            sig => Value::text(names::signal(sig)),
        }
    }

    fn told_sig(&self) -> Option<&'a Sig> {
        self.story().world.sig(self.fate()?.told?.sent)
    }

    fn killer_sig(&self) -> Option<&'a Sig> {
        self.story().world.sig(self.fate()?.killer?)
    }

    pub fn told_signal(&self) -> Value {
        Value::or_null(self.told_sig(), |sent| Value::text(names::signal(sent.sig)))
    }

    pub fn told_by(&self) -> Value {
        Value::or_null(self.told_sig(), |sent| Value::text(self.sender(sent)))
    }

    pub fn told_s(&self) -> Value {
        Value::or_null(self.told_sig(), |sent| self.of.since(sent.at))
    }

    pub fn reception(&self) -> Value {
        let told = self.fate().and_then(|fate| fate.told);
        Value::or_null(told, |told| Value::text(word(told.reception)))
    }

    pub fn killed_by(&self) -> Value {
        Value::or_null(self.killer_sig(), |sent| Value::text(self.sender(sent)))
    }

    pub fn killer_pid(&self) -> Value {
        let sent = self.killer_sig().filter(|sent| sent.sender != NONE);
        Value::or_null(sent, |sent| Value::whole(self.story().world.pid(sent.sender)))
    }

    /// The chain down to who sent it, without the comma that a sentence has there.
    fn sender(&self, sent: &Sig) -> String {
        self.story().sender(sent).trim_end_matches(',').to_owned()
    }

    /// From being told to stop until the end, nanoseconds; until reboot(2) for whoever was cut off by it.
    pub fn stop_ns(&self) -> Option<u64> {
        let story = self.story();
        let (fate, shutdown) = (self.fate()?, story.shutdown.as_ref()?);
        fate.told?;
        Some(fate.took_ns(&story.world, shutdown.end))
    }

    pub fn findings(&self) -> impl Iterator<Item = &'a Finding> {
        let idx = self.idx;
        self.story().findings.iter().filter(move |finding| finding.procs.contains(&idx))
    }

    /// Who forked `idx` in place of another.
    pub fn starter(&self, by: Idx, ns: u64) -> String {
        if by == NONE { "the kernel".into() } else { self.story().chain(by, ns) }
    }
}

fn word(reception: Reception) -> &'static str {
    match reception {
        Reception::Ignored => "ignored",
        Reception::Handled => "handled",
        Reception::BeforeExec => "handled before its exec",
        Reception::Fatal => "fatal",
        Reception::Pending => "not seen to be taken",
    }
}
