//! One row for each finding: which of them a fleet has most often.

use super::{Column, Kind, Of, Rows, Value, column, push, who::Who};
use crate::{error::Error, explain::Picked, story::finding::Finding};

pub(super) struct Row<'a> {
    of: &'a Of<'a>,
    number: usize,
    finding: &'a Finding,
    /// The first one that it is about.
    about: Option<Who<'a>>,
}

pub(super) fn columns<'a>() -> [Column<Row<'a>>; 15] {
    [
        column("host", Kind::Text, |row| row.of.host()),
        column("recording", Kind::Text, |row| row.of.recording()),
        column("shutdown_utc", Kind::Moment, |row| row.of.began()),
        column("number", Kind::Whole, |row| Value::whole(row.number)),
        column("finding", Kind::Text, |row| Value::text(row.finding.rule.id())),
        column("headline", Kind::Text, |row| Value::text(row.finding.headline.as_str())),
        column("confidence", Kind::Text, |row| Value::text(row.finding.confidence.word())),
        column("failed_at_next_boot", Kind::Truth, |row| Value::Truth(row.finding.failed)),
        column("service", Kind::Text, |row| {
            let service = row.about.and_then(|who| who.service());
            Value::or_null(service, |service| Value::text(service.name.as_str()))
        }),
        column("program", Kind::Text, |row| {
            Value::or_null(row.about, |who| Value::text(who.story().world.name(who.idx)))
        }),
        column("pid", Kind::Whole, |row| {
            Value::or_null(row.about, |who| Value::whole(who.story().world.pid(who.idx)))
        }),
        column("processes", Kind::Whole, |row| Value::whole(row.finding.procs.len())),
        column("begins_s", Kind::Real, |row| row.of.since(row.finding.at())),
        column("advice", Kind::Text, |row| Value::or_null(row.finding.advice.as_deref(), Value::text)),
        column("evidence", Kind::Text, |row| {
            let numbers: Vec<String> = row.finding.evidence().iter().map(u64::to_string).collect();
            Value::text(numbers.join(" "))
        }),
    ]
}

pub(super) fn rows(picked: &Picked, rows: &mut dyn Rows) -> Result<(), Error> {
    let (of, columns) = (&Of { picked }, columns());
    picked.story.findings.iter().enumerate().try_for_each(|(at, finding)| {
        let about = finding.procs.first().map(|idx| Who { of, idx: *idx });
        push(&columns, &Row { of, number: at + 1, finding, about }, rows)
    })
}
