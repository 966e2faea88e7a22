//! One row for each event, as `lastrites show` has them.
//!
//! Invariant: streams; memory does not grow with the recording. What is missing has a row of its own.

use lastrites_traces::{
    event::{Event, ProcId, What},
    reader::{Gap, Item, Summary, Trace},
};

use super::{Column, InFile, Kind, Rows, Value, column, moment, push};
use crate::{about, error::Error, filter, line, names, processes::Processes, show, time::Clocks};

pub(crate) struct Row<'a> {
    summary: &'a Summary,
    clocks: &'a Clocks,
    processes: &'a Processes,
    was: &'a [u8],
    what: Told<'a>,
}

enum Told<'a> {
    Event(&'a Event),
    Gap(&'a Gap),
}

pub(super) fn columns<'a>() -> [Column<Row<'a>>; 14] {
    [
        column("host", Kind::Text, |row| Value::bytes(row.summary.session.hostname.as_bytes())),
        column("recording", Kind::Text, |row| Value::text(row.summary.session.id.to_string())),
        column("event", Kind::Whole, |row| match row.what {
            Told::Event(event) => Value::whole(event.number),
            Told::Gap(gap) => Value::whole(gap.from),
        }),
        column("time_utc", Kind::Moment, |row| {
            Value::or_null(row.event(), |event| moment(row.summary, event.time_ns))
        }),
        column("since_start_s", Kind::Real, |row| {
            Value::or_null(row.event(), |event| {
                Value::Real(row.clocks.since_start_ns(event.time_ns) as f64 / 1e9)
            })
        }),
        column("type", Kind::Text, |row| {
            Value::text(row.event().map_or("gap", |event| filter::kind(&event.what)))
        }),
        column("pid", Kind::Whole, |row| pid(row.actor())),
        column("name", Kind::Text, |row| row.name(row.actor())),
        column("target_pid", Kind::Whole, |row| pid(row.target())),
        column("target_name", Kind::Text, |row| row.name(row.target())),
        column("signal", Kind::Text, |row| {
            let sig = row.event().and_then(|event| filter::signal_of(&event.what)).filter(|sig| *sig != 0);
            Value::or_null(sig, |sig| Value::text(names::signal(sig)))
        }),
        column("exit_code", Kind::Whole, |row| match row.event().map(|event| &event.what) {
            Some(What::Exit { status, .. }) if status & 0x7f == 0 => Value::whole(status >> 8 & 0xff),
            _ => Value::Null,
        }),
        column("result", Kind::Text, |row| match row.event().map(|event| &event.what) {
            Some(What::Signal(signal)) => Value::text(names::result(signal.result)),
            _ => Value::Null,
        }),
        column("text", Kind::Text, |row| match row.what {
            Told::Event(event) => Value::text(line::text(event, row.was, row.processes)),
            Told::Gap(gap) => Value::text(about::gap(gap)),
        }),
    ]
}

impl Row<'_> {
    fn event(&self) -> Option<&Event> {
        match self.what {
            Told::Event(event) => Some(event),
            Told::Gap(_) => None,
        }
    }

    /// Who did it; nobody where the kernel did.
    fn actor(&self) -> Option<ProcId> {
        match &self.event()?.what {
            What::Signal(signal) if signal.by_kernel() => None,
            what => filter::processes_of(what).0,
        }
    }

    fn target(&self) -> Option<ProcId> {
        filter::processes_of(&self.event()?.what).1
    }

    fn name(&self, id: Option<ProcId>) -> Value {
        Value::or_null(id.filter(|id| id.tgid != 0), |id| Value::bytes(self.processes.comm(id)))
    }
}

fn pid(id: Option<ProcId>) -> Value {
    Value::or_null(id.filter(|id| id.tgid != 0), |id| Value::whole(id.tgid))
}

/// Adds all events of a recording, which is in `file`.
pub fn rows(trace: &Trace, summary: &Summary, file: &str, rows: &mut dyn Rows) -> Result<(), Error> {
    let rows = &mut InFile { file: Value::text(file), rows };
    let clocks = Clocks::new(summary);
    let mut processes = Processes::default();
    for item in trace.events(summary.session.id)? {
        let item = item?;
        let was = show::name_before(&item, &processes);
        processes.learn(&item);
        let what = match &item {
            Item::Known(_) => continue,
            Item::Event(event) => Told::Event(event),
            Item::Gap(gap) => Told::Gap(gap),
        };
        let row = Row { summary, clocks: &clocks, processes: &processes, was: &was, what };
        push(&columns(), &row, rows)?;
    }
    Ok(())
}
