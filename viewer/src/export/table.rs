//! Tables: what a spreadsheet or a database wants to have of recordings, one row a thing.
//!
//! Invariant: a column is defined once, by its name, its kind and where its value comes from; every format that has
//! tables writes the same. Text has passed [`crate::safe`]: it is for eyes and for grouping, `json` is exact. Lengths are
//! in seconds, moments of the shutdown in seconds since it began.

pub mod events;
mod findings;
mod processes;
mod services;
mod who;

use lastrites_traces::reader::Summary;

use crate::{error::Error, explain::Picked, safe, story::world::At, time::Clocks};

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Table {
    /// How each service ended: cleanly or not, by whom, how long it took, whether it was restarted
    #[default]
    Services,
    /// The same of every process, and what it was
    Processes,
    /// What `explain` tells, one finding a row
    Findings,
    /// All events, as `show` has them
    Events,
}

impl Table {
    pub const ALL: [Self; 4] = [Self::Services, Self::Processes, Self::Findings, Self::Events];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Processes => "processes",
            Self::Findings => "findings",
            Self::Events => "events",
        }
    }

    /// Names and kinds of its columns, in order.
    pub fn head(self) -> Vec<Head> {
        match self {
            Self::Services => head(&services::columns()),
            Self::Processes => head(&processes::columns()),
            Self::Findings => head(&findings::columns()),
            Self::Events => head(&events::columns()),
        }
    }
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Whole,
    Real,
    Truth,
    /// A moment of the wall clock, in UTC.
    Moment,
}

/// The name and the kind of a column.
pub type Head = (&'static str, Kind);

/// What stands in one place.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Unknown, or there is none.
    Null,
    Text(String),
    Whole(i64),
    Real(f64),
    Truth(bool),
    /// Nanoseconds since 1970.
    Moment(i64),
}

/// A column of rows that are made from `R`.
pub(crate) struct Column<R: ?Sized> {
    name: &'static str,
    kind: Kind,
    of: fn(&R) -> Value,
}

const fn column<R: ?Sized>(name: &'static str, kind: Kind, of: fn(&R) -> Value) -> Column<R> {
    Column { name, kind, of }
}

fn head<R>(columns: &[Column<R>]) -> Vec<Head> {
    columns.iter().map(|column| (column.name, column.kind)).collect()
}

/// A format that has tables.
pub trait Rows {
    /// Adds a row: as many values as there are columns, each [`Value::Null`] or of its column's kind.
    fn row(&mut self, values: &[Value]) -> Result<(), Error>;
}

fn push<R>(columns: &[Column<R>], row: &R, rows: &mut dyn Rows) -> Result<(), Error> {
    let values: Vec<Value> = columns.iter().map(|column| (column.of)(row)).collect();
    rows.row(&values)
}

/// Adds the rows of a story. [`events`] are not of it.
pub fn of_story(table: Table, picked: &Picked, rows: &mut dyn Rows) -> Result<(), Error> {
    match table {
        Table::Services => services::rows(picked, rows),
        Table::Processes => processes::rows(picked, rows),
        Table::Findings => findings::rows(picked, rows),
        Table::Events => Ok(()),
    }
}

impl Value {
    /// Text that has been made safe already; nothing is Null.
    fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }

    fn bytes(bytes: &[u8]) -> Self {
        Self::text(safe::text(bytes))
    }

    fn whole(number: impl TryInto<i64>) -> Self {
        number.try_into().map_or(Self::Null, Self::Whole)
    }

    /// A length, in seconds.
    fn seconds(ns: u64) -> Self {
        Self::Real(ns as f64 / 1e9)
    }

    fn or_null<T>(value: Option<T>, of: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, of)
    }
}

/// The wall clock at a boot time.
fn moment(summary: &Summary, ns: u64) -> Value {
    Clocks::new(summary).wall(ns).timestamp_nanos_opt().map_or(Value::Null, Value::Moment)
}

/// What a story's rows have in common.
struct Of<'a> {
    picked: &'a Picked,
}

impl Of<'_> {
    fn summary(&self) -> &Summary {
        &self.picked.summary
    }

    fn host(&self) -> Value {
        Value::bytes(self.summary().session.hostname.as_bytes())
    }

    fn recording(&self) -> Value {
        Value::text(self.summary().session.id.to_string())
    }

    /// When the shutdown began, of one that was cut off unasked when the recording ends.
    fn began(&self) -> Value {
        moment(self.summary(), self.zero_ns())
    }

    fn zero_ns(&self) -> u64 {
        let story = &self.picked.story;
        story.shutdown.as_ref().map_or(story.world.last.ns, |shutdown| shutdown.begin.ns)
    }

    /// Seconds since the shutdown began.
    fn since(&self, at: At) -> Value {
        if at == At::NEVER {
            return Value::Null;
        }
        Value::Real((i128::from(at.ns) - i128::from(self.zero_ns())) as f64 / 1e9)
    }
}
