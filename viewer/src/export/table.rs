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

use std::path::{Component, Path, PathBuf};

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
        let mut head = match self {
            Self::Services => head(&services::columns()),
            Self::Processes => head(&processes::columns()),
            Self::Findings => head(&findings::columns()),
            Self::Events => head(&events::columns()),
        };
        head.push(FILE);
        head
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

/// The last column of every table: in which file the recording is. Reports of different machines all call theirs `host-1`.
const FILE: Head = ("file", Kind::Text);

/// Rows of one file.
struct InFile<'a> {
    file: Value,
    rows: &'a mut dyn Rows,
}

impl Rows for InFile<'_> {
    fn row(&mut self, values: &[Value]) -> Result<(), Error> {
        self.rows.row(&[values, std::slice::from_ref(&self.file)].concat())
    }
}

/// What files are called in rows: by their names, with as many of the directories before them as tell them apart.
pub fn file_names(paths: &[&Path]) -> Vec<String> {
    // `./x` is `x`.
    let plain = |path: &Path| {
        let parts = path.components().filter(|part| *part != Component::CurDir);
        parts.collect::<PathBuf>()
    };
    let paths: Vec<PathBuf> = paths.iter().map(|path| plain(path)).collect();
    let last = |path: &Path, count: usize| {
        let parts: Vec<_> = path.components().collect();
        parts[parts.len().saturating_sub(count)..].iter().collect::<PathBuf>()
    };
    let name = |path: &Path| {
        let most = path.components().count().max(1);
        let alone = |count: &usize| {
            let name = last(path, *count);
            paths.iter().all(|other| other == path || last(other, *count) != name)
        };
        last(path, (1..most).find(alone).unwrap_or(most))
    };
    paths.iter().map(|path| safe::text(name(path).as_os_str().as_encoded_bytes())).collect()
}

fn push<R>(columns: &[Column<R>], row: &R, rows: &mut dyn Rows) -> Result<(), Error> {
    let values: Vec<Value> = columns.iter().map(|column| (column.of)(row)).collect();
    rows.row(&values)
}

/// Adds the rows of a story, which is in `file`. [`events`] are not of it.
pub fn of_story(table: Table, picked: &Picked, file: &str, rows: &mut dyn Rows) -> Result<(), Error> {
    let rows = &mut InFile { file: Value::text(file), rows };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_as_little_as_does_it() {
        let names = |paths: &[&str]| {
            let paths: Vec<&Path> = paths.iter().map(|path| Path::new(*path)).collect();
            file_names(&paths)
        };
        assert_eq!(names(&["/home/ada/bug.tar.gz"]), ["bug.tar.gz"]);
        assert_eq!(names(&["a/ring.lrt", "b/ring.lrt", "c/x.lrt"]), ["a/ring.lrt", "b/ring.lrt", "x.lrt"]);
        assert_eq!(names(&["1/a/r", "2/a/r", "r"]), ["1/a/r", "2/a/r", "r"]);
        assert_eq!(names(&["x.lrt", "./x.lrt", "x.lrt"]), ["x.lrt"; 3], "it is the same one");
        assert_eq!(names(&["a\x1b[2J"]), ["a\\x1b[2J"]);
    }
}
