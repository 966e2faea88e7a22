//! `lastrites export`: a recording and its story, for the tools that people have already.
//!
//! Invariant: an export holds what the recording holds, no more and no less secret; the recording is only read. A file
//! appears whole under its name or not at all, and replaces nothing. What is written of a recording depends on nothing
//! but that recording: each format is a function from it to bytes, one file each in `export/`.

pub mod csv;
pub mod dot;
pub mod json;
pub mod parquet;
pub mod perfetto;
mod sink;
pub mod svg;
pub mod table;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use lastrites_traces::reader::{Summary, Trace};

use self::{
    sink::{Sink, Whose},
    table::Table,
};
use crate::{
    about::{self, Ending},
    error::Error,
    explain::{Picked, pick},
    filter::Filter,
    json as lines, line, locate,
    output::Palette,
    page,
    pick::{self as recordings, Recording},
    requests::Requests,
    safe::Safe,
    show,
    time::Clocks,
    view::model::Model,
};

/// What an export can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// One JSON document: the story, the processes, the signals
    Json,
    /// Every event, one JSON object a line, as `show --json` has them
    Jsonl,
    /// A table for spreadsheets, see --table
    Csv,
    /// For Perfetto's viewer (ui.perfetto.dev) and other readers of trace events
    Perfetto,
    /// The timeline as a picture
    Svg,
    /// Who signalled and restarted whom, for Graphviz
    Dot,
    /// One page for any browser: what happened, a time axis, search; see PAGE.md
    Html,
    /// A table for DuckDB, Spark, pandas, see --table
    Parquet,
}

impl Format {
    /// Whether several recordings can stand in one file, one behind the other.
    const fn is_long(self) -> bool {
        matches!(self, Self::Jsonl | Self::Csv | Self::Parquet)
    }

    /// Whether it is made of rows.
    const fn has_tables(self) -> bool {
        matches!(self, Self::Csv | Self::Parquet)
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Empty: the ring of this machine.
    pub files: Vec<PathBuf>,
    pub format: Format,
    /// None: standard output.
    pub output: Option<PathBuf>,
    pub recording: Option<Recording>,
    /// Every recording of each file.
    pub all: bool,
    pub table: Option<Table>,
}

/// Exports; returns the exit code.
pub fn run(options: &Options) -> Result<u8, Error> {
    check(options)?;
    let paths: Vec<PathBuf> = match options.files.as_slice() {
        [] => vec![locate::find(None)?],
        files => files.iter().map(|file| locate::find(Some(file))).collect::<Result<_, _>>()?,
    };
    let mut whose = Whose::Anybody;
    for path in &paths {
        if !locate::is_report(path)? {
            whose = Whose::Owner;
        }
    }
    let binary = options.format == Format::Parquet;
    let mut sink = Sink::open(options.output.as_deref(), whose, binary)?;
    let count = write(options, &paths, &mut sink).map_err(|error| sink.told(error))?;
    let bytes = sink.finish()?;
    if let Some(target) = options.output.as_deref().filter(|target| *target != Path::new("-")) {
        let of = match count {
            1 => String::new(),
            n => format!(", of {n} recordings"),
        };
        say(&format!("wrote {} ({} KiB){of}", target.display(), bytes.div_ceil(1024)));
    }
    Ok(0)
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", Safe(text));
}

/// What clap cannot say.
fn check(options: &Options) -> Result<(), Error> {
    let Options { format, .. } = options;
    if options.table.is_some() && !format.has_tables() {
        return Err(Error::usage(
            "--table goes with --format csv and --format parquet: the others have no tables",
        ));
    }
    if (options.files.len() > 1 || options.all) && !format.is_long() {
        return Err(Error::usage(
            "this format holds one recording: name one FILE (and --recording), or take csv, jsonl or parquet",
        ));
    }
    Ok(())
}

/// Writes all that is asked for; returns of how many recordings. One file is open at a time: a fleet has many.
fn write(options: &Options, paths: &[PathBuf], out: &mut (dyn Write + Send)) -> Result<usize, Error> {
    let table = options.table.unwrap_or_default();
    let names = table::file_names(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let mut count = 0;
    match options.format {
        Format::Csv => {
            let mut rows = csv::Csv::new(out, &table.head())?;
            for (path, name) in paths.iter().zip(&names) {
                count += tabulate(options, path, name, table, &mut rows)?;
            }
            rows.finish()?;
        }
        Format::Parquet => {
            let mut rows = parquet::Parquet::new(out, table.word(), &table.head())?;
            for (path, name) in paths.iter().zip(&names) {
                count += tabulate(options, path, name, table, &mut rows)?;
            }
            rows.finish()?;
        }
        Format::Jsonl => {
            for path in paths {
                let trace = locate::open(path)?;
                for number in numbers(options, path, &trace)? {
                    jsonl(&trace, number, out)?;
                    count += 1;
                }
            }
        }
        Format::Json | Format::Perfetto | Format::Svg | Format::Dot | Format::Html => {
            for path in paths {
                let trace = locate::open(path)?;
                let picked = pick::pick(&trace, path, options.recording.as_ref())?;
                let ending = ending(&trace, picked.number, &picked.summary);
                match options.format {
                    Format::Json => json::write(&picked, ending, next(&trace, picked.number), out)?,
                    Format::Perfetto => perfetto::write(picked, ending, out)?,
                    Format::Dot => dot::write(picked, ending, out)?,
                    Format::Html => page::write(&Model::new(picked, ending), out)?,
                    _ => svg::write(picked, ending, out)?,
                }
                count += 1;
            }
        }
    }
    Ok(count)
}

fn ending(trace: &Trace, number: usize, summary: &Summary) -> Ending {
    Ending::of(summary, number == trace.sessions().len(), about::boot_id().as_deref())
}

/// The recording of the boot that followed.
fn next(trace: &Trace, number: usize) -> Option<(usize, &Summary, Ending)> {
    let summary = pick::next_boot(trace, number)?;
    Some((number + 1, summary, ending(trace, number + 1, summary)))
}

/// The numbers of the recordings that are meant; without a name the newest with a shutdown in it.
fn numbers(options: &Options, path: &Path, trace: &Trace) -> Result<Vec<usize>, Error> {
    if options.all {
        recordings::pick(trace, path, &Recording::Newest)?;
        return Ok((1..=trace.sessions().len()).collect());
    }
    match &options.recording {
        Some(wanted) => Ok(vec![recordings::pick(trace, path, wanted)?.0]),
        // To know it takes reading them, but not keeping what was read.
        None => Ok(vec![pick::pick(trace, path, None)?.number]),
    }
}

/// Adds the rows of the recordings that are meant of one file, which is called `name` in them.
fn tabulate(
    options: &Options,
    path: &Path,
    name: &str,
    table: Table,
    rows: &mut dyn table::Rows,
) -> Result<usize, Error> {
    let trace = &locate::open(path)?;
    if table == Table::Events {
        let numbers = numbers(options, path, trace)?;
        for number in &numbers {
            table::events::rows(trace, &trace.sessions()[number - 1], name, rows)?;
        }
        return Ok(numbers.len());
    }
    let mut tell = |picked: &Picked| {
        if picked.story.shutdown.is_none() && !picked.story.cut {
            // Of all recordings those of boots are no news.
            if !options.all {
                say(&format!(
                    "{}: recording {} has no shutdown in it, so it adds no row; `lastrites list` shows the others",
                    path.display(),
                    picked.number
                ));
            }
            return Ok(());
        }
        table::of_story(table, picked, name, rows)
    };
    if !options.all {
        tell(&pick::pick(trace, path, options.recording.as_ref())?)?;
        return Ok(1);
    }
    let numbers = numbers(options, path, trace)?;
    for number in &numbers {
        tell(&pick::read(trace, path, *number)?)?;
    }
    Ok(numbers.len())
}

/// The lines of `show --json`.
fn jsonl(trace: &Trace, number: usize, out: &mut dyn Write) -> Result<(), Error> {
    let summary = &trace.sessions()[number - 1];
    let requests = Requests::of(trace, summary)?;
    let mut head = String::new();
    let ending = ending(trace, number, summary);
    lines::push_recording(&mut head, number, summary, ending, requests.first.as_ref(), requests.reboot);
    out.write_all(head.as_bytes())?;
    let style = line::Style { palette: Palette::PLAIN, wall: false };
    let items = trace.events(summary.session.id)?;
    let format = show::Format { json: true, style };
    show::events(items, &Clocks::new(summary), &Filter::default(), format, out)?;
    Ok(())
}
