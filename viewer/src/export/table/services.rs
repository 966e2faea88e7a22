//! One row for each service of each shutdown: the table to ask a fleet.
//!
//! Invariant: all processes of one service and shutdown are in one row, a daemon without a service likewise by its
//! program. The row tells of the one that fared worst; steps of the shutdown itself have none.

use std::collections::{HashMap, HashSet};

use super::{Column, Kind, Of, Rows, Value, column, push, who::Who};
use crate::{
    error::Error,
    explain::Picked,
    story::{
        Story,
        fate::Verdict,
        world::{At, Idx},
    },
};

pub(super) struct Row<'a> {
    of: &'a Of<'a>,
    /// Who fared worst, and of those the first.
    worst: Who<'a>,
    procs: Vec<Who<'a>>,
}

pub(super) fn columns<'a>() -> [Column<Row<'a>>; 23] {
    [
        column("host", Kind::Text, |row| row.of.host()),
        column("recording", Kind::Text, |row| row.of.recording()),
        column("boot_id", Kind::Text, |row| Value::bytes(row.of.summary().session.boot_id.as_bytes())),
        column("kernel", Kind::Text, |row| Value::bytes(row.of.summary().session.kernel_release.as_bytes())),
        column("init", Kind::Text, |row| Value::text(row.of.picked.story.init_text.as_str())),
        column("shutdown_utc", Kind::Moment, |row| row.of.began()),
        column("aim", Kind::Text, |row| {
            Value::or_null(row.of.picked.story.shutdown.as_ref(), |shutdown| Value::text(shutdown.aim.word()))
        }),
        column("service", Kind::Text, |row| match row.worst.service() {
            Some(service) => Value::text(service.name.as_str()),
            None => Value::text(row.of.picked.story.world.name(row.worst.idx)),
        }),
        column("service_kind", Kind::Text, |row| {
            Value::or_null(row.worst.service(), |service| Value::text(service.kind.word()))
        }),
        column("program", Kind::Text, |row| Value::text(row.of.picked.story.world.name(row.worst.idx))),
        column("processes", Kind::Whole, |row| Value::whole(row.procs.len())),
        column("ended", Kind::Text, |row| Value::or_null(row.worst.ended(), Value::text)),
        column("clean", Kind::Truth, |row| row.worst.clean()),
        column("exit_code", Kind::Whole, |row| row.worst.exit_code()),
        column("signal", Kind::Text, |row| row.worst.signal()),
        column("killed_by", Kind::Text, |row| row.worst.killed_by()),
        column("told_signal", Kind::Text, |row| row.worst.told_signal()),
        column("told_by", Kind::Text, |row| row.worst.told_by()),
        column("stop_s", Kind::Real, |row| {
            Value::or_null(row.procs.iter().filter_map(Who::stop_ns).max(), Value::seconds)
        }),
        column("restarts", Kind::Whole, |row| Value::whole(row.restarted().count())),
        column("restarted_by", Kind::Text, |row| {
            Value::or_null(row.restarted().next(), |(who, by, ns)| Value::text(who.starter(by, ns)))
        }),
        column("failed_at_next_boot", Kind::Truth, |row| {
            Value::Truth(row.procs.iter().flat_map(Who::findings).any(|finding| finding.failed))
        }),
        column("findings", Kind::Text, |row| {
            let mut rules: Vec<&str> =
                row.procs.iter().flat_map(Who::findings).map(|finding| finding.rule.id()).collect();
            rules.sort_unstable();
            rules.dedup();
            Value::text(rules.join(" "))
        }),
    ]
}

impl<'a> Row<'a> {
    /// Those that took somebody's place in the shutdown, who had them started, and when.
    fn restarted(&self) -> impl Iterator<Item = (Who<'a>, Idx, u64)> {
        self.procs.iter().filter_map(|who| {
            let restart = who.story().replaces(who.idx)?;
            Some((*who, restart.by, restart.at.ns))
        })
    }
}

pub(super) fn rows(picked: &Picked, rows: &mut dyn Rows) -> Result<(), Error> {
    let (of, columns) = (&Of { picked }, columns());
    let story = &picked.story;
    let world = &story.world;
    let mut groups: Vec<Row<'_>> = Vec::new();
    let mut place: HashMap<(Option<u16>, &[u8]), usize> = HashMap::new();
    for idx in wanted(story) {
        let who = Who { of, idx };
        // What a service runs is the service's, whatever it is called.
        let service = story.service(idx);
        let key = (service, if service.is_some() { &b""[..] } else { world.program_of(idx) });
        let at = *place.entry(key).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.procs.push(who),
            None => groups.push(Row { of, worst: who, procs: vec![who] }),
        }
    }
    for group in &mut groups {
        group.worst = worst(group);
    }
    groups.iter().try_for_each(|group| push(&columns, group, rows))
}

/// Who fared worst. What supervises a service is rarely what the service is, and of equals the one that forked the others
/// tells more than these.
fn worst<'a>(group: &Row<'a>) -> Who<'a> {
    let members: HashSet<Idx> = group.procs.iter().map(|who| who.idx).collect();
    let rank = |who: &Who<'_>| {
        let is_root = who.proc().is_some_and(|proc| !members.contains(&proc.parent));
        (who.badness(), !who.story().world.is_supervisor(who.idx), is_root)
    };
    let mut worst = group.worst;
    for who in &group.procs {
        if rank(who) > rank(&worst) {
            worst = *who;
        }
    }
    worst
}

/// Processes of services and daemons, in order of their ends.
fn wanted(story: &Story) -> impl Iterator<Item = Idx> {
    let world = &story.world;
    let begin = story.shutdown.as_ref().map_or(At::NEVER, |shutdown| shutdown.begin);
    let matters = move |idx: Idx| (story.matters(idx) || world.is_supervisor(idx)) && !world.is_ours(idx);
    let told = story.fates.iter().filter(move |fate| {
        // What is born in the shutdown and ends well is a step of it, unless it took somebody's place.
        let born_in_it = world.proc_at(fate.proc).is_some_and(|proc| proc.born >= begin);
        let well = matches!(fate.verdict, Verdict::Left | Verdict::Stopped);
        matters(fate.proc) && !(born_in_it && well && story.replaces(fate.proc).is_none())
    });
    // Of a machine that lost its power without a shutdown nobody saw an end.
    let cut = world.all().filter(move |(idx, proc)| {
        let alive = !proc.dead() && proc.origin != crate::story::world::Origin::Mentioned;
        story.cut && alive && story.fate(*idx).is_none() && matters(*idx)
    });
    told.map(|fate| fate.proc).chain(cut.map(|(idx, _)| idx))
}
