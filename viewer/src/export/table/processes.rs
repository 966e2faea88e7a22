//! One row for each process that was seen: what it was, when, and how it ended.

use super::{Column, Kind, Of, Rows, Value, column, push, who::Who};
use crate::{
    error::Error,
    explain::Picked,
    story::world::{At, Idx, Image, NONE, Origin},
};

pub(super) fn columns<'a>() -> [Column<Who<'a>>; 28] {
    [
        column("host", Kind::Text, |who| who.of.host()),
        column("recording", Kind::Text, |who| who.of.recording()),
        column("shutdown_utc", Kind::Moment, |who| who.of.began()),
        column("pid", Kind::Whole, |who| Value::whole(who.story().world.pid(who.idx))),
        column("parent_pid", Kind::Whole, |who| {
            let parent = who.proc().map_or(NONE, |proc| proc.parent);
            if parent == NONE { Value::Null } else { Value::whole(who.story().world.pid(parent)) }
        }),
        column("program", Kind::Text, |who| Value::text(who.story().world.name(who.idx))),
        column("command", Kind::Text, |who| {
            let world = &who.story().world;
            Value::or_null(image(who), |image| Value::text(world.command(image, COMMAND_MAX)))
        }),
        column("uid", Kind::Whole, |who| Value::or_null(image(who), |image| Value::whole(image.uid))),
        column("tty", Kind::Text, |who| {
            Value::or_null(image(who), |image| Value::bytes(who.story().world.strings.get(image.tty)))
        }),
        column("service", Kind::Text, |who| {
            Value::or_null(who.service(), |service| Value::text(service.name.as_str()))
        }),
        column("service_kind", Kind::Text, |who| {
            Value::or_null(who.service(), |service| Value::text(service.kind.word()))
        }),
        column("started_s", Kind::Real, |who| {
            // When a process began that is only mentioned is in its identity.
            Value::or_null(who.proc(), |proc| who.of.since(proc.born))
        }),
        column("ended_s", Kind::Real, |who| {
            Value::or_null(who.proc().filter(|proc| proc.dead()), |proc| who.of.since(proc.exit))
        }),
        column("ended", Kind::Text, |who| Value::or_null(who.ended(), Value::text)),
        column("clean", Kind::Truth, |who| who.clean()),
        column("exit_code", Kind::Whole, |who| who.exit_code()),
        column("signal", Kind::Text, |who| who.signal()),
        column("killed_by", Kind::Text, |who| who.killed_by()),
        column("killer_pid", Kind::Whole, |who| who.killer_pid()),
        column("told_s", Kind::Real, |who| who.told_s()),
        column("told_signal", Kind::Text, |who| who.told_signal()),
        column("told_by", Kind::Text, |who| who.told_by()),
        column("reception", Kind::Text, |who| who.reception()),
        column("stop_s", Kind::Real, |who| Value::or_null(who.stop_ns(), Value::seconds)),
        column("restart_of_pid", Kind::Whole, |who| {
            let restart = who.story().replaces(who.idx);
            Value::or_null(restart, |restart| Value::whole(who.story().world.pid(restart.old)))
        }),
        column("restarted_by", Kind::Text, |who| {
            let restart = who.story().replaces(who.idx);
            Value::or_null(restart, |restart| Value::text(who.starter(restart.by, restart.at.ns)))
        }),
        column("restarted_as_pid", Kind::Whole, |who| {
            let restart = who.story().replaced(who.idx);
            Value::or_null(restart, |restart| Value::whole(who.story().world.pid(restart.new)))
        }),
        column("peak_rss_kib", Kind::Whole, |who| {
            Value::or_null(who.proc().filter(|proc| proc.dead()), |proc| Value::whole(proc.peak_rss_kib))
        }),
    ]
}

/// Longer command lines are cut: a cell of a spreadsheet holds 32,767 characters, an eye far less.
const COMMAND_MAX: usize = 1000;

fn image<'a>(who: &Who<'a>) -> Option<&'a Image> {
    let world = &who.story().world;
    world.image(world.image_of(who.idx)).filter(|image| !image.filename.is_empty() || !image.argv.is_empty())
}

pub(super) fn rows(picked: &Picked, rows: &mut dyn Rows) -> Result<(), Error> {
    let (of, columns) = (&Of { picked }, columns());
    let world = &picked.story.world;
    let mut order: Vec<(At, Idx)> = world
        .all()
        // Somebody who was only mentioned and whose end nobody saw may never have been.
        .filter(|(_, proc)| proc.origin != Origin::Mentioned || proc.dead())
        .map(|(idx, proc)| (proc.born, idx))
        .collect();
    order.sort_unstable();
    order.into_iter().try_for_each(|(_, idx)| push(&columns, &Who { of, idx }, rows))
}
