//! The words of the command line, as people type them and as help, pages and completions show them.
//!
//! Invariant: nothing is done here.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};

use crate::{error::EXIT_CODES, export, output::Color, pick::Recording, view};

/// Who killed whom, and who restarted what, in runlevel 6.
///
/// A flight recorder for the last minute of a machine. `sudo lastrites arm`, reboot, and then `sudo lastrites explain`
/// tells what happened and what to change; `sudo lastrites` alone shows it on a time axis. `lastrites FILE` does so with
/// a recording or a report that somebody has sent. `lastrites demo` shows what all this is about.
#[derive(Debug, Parser)]
#[command(name = "lastrites", version, after_help = format!("{EXIT_CODES}\n\n{DOCUMENTS}"))]
pub(super) struct Cli {
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Handed to lastrites-tracer as it is.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct Handed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(super) args: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Explain a shutdown: who killed whom, who restarted what, who everybody waited for, what to change
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<ExplainArgs>),
    /// Look at a shutdown on a time axis: who killed whom, who restarted what (the same as no command at all)
    #[command(after_help = VIEW_EXAMPLES)]
    View(ViewArgs),
    /// Make one file for a bug report: what happened in words, and the recording without secrets and names
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Box<ReportArgs>),
    /// List the recorded shutdowns and boots: when, who asked, how they ended, what is missing
    #[command(after_help = "Times are those of the recorded machine.")]
    List {
        #[command(flatten)]
        file: FileArgs,
        /// One JSON object a line (documented in JSON.md)
        #[arg(long)]
        json: bool,
    },
    /// Compare two shutdowns: what took longer, died differently, was restarted, or is there in one only
    #[command(after_help = DIFF_EXAMPLES)]
    Diff {
        /// The good one: newest, previous, a number as `list` shows it, the beginning of an id, FILE, or
        /// FILE:RECORDING [default: the newest shutdown but one]
        #[arg(value_name = "A")]
        good: Option<String>,
        /// The bad one [default: the newest shutdown]
        #[arg(value_name = "B")]
        bad: Option<String>,
        /// The file that A and B are recordings of, instead of the ring
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// One JSON object (documented in JSON.md)
        #[arg(long)]
        json: bool,
    },
    /// Show the events of one recording, filtered, one a line
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Box<ShowArgs>),
    /// Copy one recording out as a file of its own, which every command accepts in place of the ring
    Save {
        /// The new file; nothing is overwritten. `-` is standard output
        #[arg(value_name = "NEW")]
        target: PathBuf,
        /// The file to copy it from, instead of the ring
        #[arg(long = "file", value_name = "FILE")]
        from: Option<PathBuf>,
        /// newest, previous, a number as `list` shows it, or the beginning of an id
        #[arg(long, default_value = "newest", value_name = "WHICH")]
        recording: Recording,
    },
    /// Write a recording and its story for other tools: JSON, CSV, Parquet, Perfetto, SVG, Graphviz, HTML
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Box<ExportArgs>),
    /// Keep recordings and reports of other machines, to be listed and opened beside your own
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// Saved recordings or reports; they are checked and copied
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What to call it [default: the name of the file]
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
        /// For all users of this machine (as root)
        #[arg(long)]
        system: bool,
        /// Forget what was imported under this name
        #[arg(long, value_name = "NAME", conflicts_with_all = ["files", "name"])]
        remove: Vec<String>,
    },
    /// Stage a miniature runlevel 6 in namespaces of its own, record it, and show what was seen
    Demo {
        /// Show the bundled recording of a real machine, without recording anything
        #[arg(long)]
        bundled: bool,
    },
    /// Record the next shutdown and the boot after it (as root; `arm --help` tells more)
    Arm(Handed),
    /// Undo everything that arm did; recordings stay (as root)
    Disarm(Handed),
    /// Whether it is armed, how much was recorded and lost, and where
    Status(Handed),
    /// What this kernel and this init allow, and what to do about the rest
    Doctor(Handed),
    /// Record until told to stop (as root)
    Record(Handed),
}

#[derive(Debug, Default, Args)]
pub(super) struct FileArgs {
    /// A ring file, a saved recording, a report, or the name of an imported one [default: LASTRITES_FILE, or the ring
    /// of this machine]
    #[arg(value_name = "FILE")]
    pub(super) positional: Option<PathBuf>,
    /// The same as FILE
    #[arg(long = "file", value_name = "FILE", conflicts_with = "positional", hide_short_help = true)]
    pub(super) option: Option<PathBuf>,
}

impl FileArgs {
    pub(super) fn named(&self) -> Option<&Path> {
        self.positional.as_deref().or(self.option.as_deref())
    }
}

fn pid(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a pid is a number, like 812".to_owned())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "the number of an event, like 929".to_owned())
}

const SHOW_EXAMPLES: &str = "\
Filters of different kinds must all match; of one kind given several times, any. Events that were lost \
in the time asked for are always shown, and are not counted as matches.

Examples:
  lastrites show --signal KILL                      who was killed, by whom
  lastrites show --name mongod --kind exec,exit     when it was started, and how it ended
  lastrites show --name 'postgres*' --from -10      the last ten seconds of everything like it
  lastrites show --pid 812 --json                   for programs
  lastrites show --color always | less -R";

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id
    #[arg(long, default_value = "newest", value_name = "WHICH")]
    pub(super) recording: Recording,
    /// Events by or about this process
    #[arg(long, value_delimiter = ',', value_parser = pid)]
    pub(super) pid: Vec<u32>,
    /// ... or one of this name or program; * and ? stand for anything
    #[arg(long, value_delimiter = ',')]
    pub(super) name: Vec<String>,
    /// Signals sent, received or died of: TERM, SIGTERM or 15
    #[arg(long, value_delimiter = ',')]
    pub(super) signal: Vec<String>,
    /// process (running before), fork, exec, exit, rename, signal, deliver, call, poll, reboot, umount,
    /// remount, cgroup-mkdir, cgroup-rmdir, cgroup-attach, oom, lost
    #[arg(long, value_delimiter = ',')]
    pub(super) kind: Vec<String>,
    /// From this time: seconds since the recording began (12.5), before its last event (-3), after the shutdown was
    /// asked for (asked, asked+2.5), or a time of its clock (03:14:07, "2026-11-12 03:14:07")
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) from: Option<String>,
    /// To this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) to: Option<String>,
    /// Only the event with this number
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = number)]
    pub(super) event: Vec<u64>,
    /// Show times of the recorded machine's clock
    #[arg(long)]
    pub(super) wall: bool,
    /// Without the lines about the recording at the beginning
    #[arg(long)]
    pub(super) no_head: bool,
    /// One JSON object a line (documented in JSON.md)
    #[arg(long)]
    pub(super) json: bool,
}

const DOCUMENTS: &str = "\
The documents that help and man pages name (JSON.md, EXPORT.md, PAGE.md, REPORT.md) lie in \
/usr/share/doc/lastrites/viewer where the Debian package is installed, and in doc/viewer of the archive for other \
systems.";

const EXPLAIN_EXAMPLES: &str = "\
Times with a sign count from the beginning of the shutdown. Evidence is given by numbers of events: \
`lastrites show --event N` shows them.

Examples:
  lastrites explain                       the newest shutdown, worst things first
  lastrites explain --all                 every restart, every end, every phase with its rule
  lastrites explain --finding 1           one finding with all of its evidence
  lastrites explain --service mongod      what happened to it
  lastrites explain --pid 812             what happened to this process, and what it did to others
  lastrites explain --json                for programs";

const DIFF_EXAMPLES: &str = "\
Processes are matched by service and program, never by pid. Differences of less than half a second, \
or of less than half as much again, are none. newest and previous count only recordings with a \
shutdown in them.

Examples:
  lastrites diff                          the newest two shutdowns
  lastrites diff 3                        the newest shutdown, against recording 3
  lastrites diff previous newest --json   for programs
  lastrites diff good.lrt ring.lrt:2      a saved recording, and one of another file";

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]
    #[arg(long, value_name = "WHICH")]
    pub(super) recording: Option<Recording>,
    /// Everything: all findings with all evidence, every restart and every end
    #[arg(long)]
    pub(super) all: bool,
    /// Only this finding: its number, or its kind (restarted, killed, ...)
    #[arg(long, value_name = "ID", conflicts_with_all = ["service", "pid", "json", "all"])]
    pub(super) finding: Option<String>,
    /// What happened to this service
    #[arg(long, value_name = "NAME", conflicts_with_all = ["pid", "json", "all"])]
    pub(super) service: Option<String>,
    /// What happened to this process, and what it did to others
    #[arg(long, conflicts_with_all = ["json", "all"], value_parser = pid)]
    pub(super) pid: Option<u32>,
    /// One JSON object (documented in JSON.md)
    #[arg(long)]
    pub(super) json: bool,
}

const REPORT_EXAMPLES: &str = "\
The report is a .tar.gz that every lastrites command opens as it is. Passwords, tokens, unknown arguments, names of \
hosts and users, addresses and private paths are replaced by stand-ins (host-1, secret-2); REPORT.md \
says what is removed and what is not. Read it before you send it.

Without --recording and --last it is the newest shutdown that went wrong of the last three, unless it is more than a \
week older than the newest; else the newest. It says which one it took.

Examples:
  lastrites report                        the newest shutdown that went wrong, of the last three
  lastrites report --last                 the newest shutdown, however it went
  lastrites report --list-removed | less  what would be removed, line by line; writes nothing
  lastrites report --markdown             its summary alone, to paste
  lastrites report saved.lrt -o bug-1.tar.gz --keep hosts";

const EXPORT_EXAMPLES: &str = "\
An export holds what the recording holds: command lines, and the secrets in them. `lastrites report` makes a recording \
without secrets and names; exported from that report, nothing has them. EXPORT.md describes \
each format.

Examples:
  lastrites export --format svg -o shutdown.svg        the timeline as a picture
  lastrites export report.tar.gz --format perfetto -o trace.json
  lastrites export --format csv --table processes      for a spreadsheet, to standard output
  lastrites export host*.lrt --all --format parquet -o services.parquet
  lastrites export --format dot | dot -Tsvg >killed.svg";

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Ring files, saved recordings, reports, or names of imported ones; several for csv, jsonl and parquet [default:
    /// LASTRITES_FILE, or the ring of this machine]
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The same as FILE
    #[arg(long = "file", value_name = "FILE", conflicts_with = "files", hide_short_help = true)]
    pub(super) option: Vec<PathBuf>,
    /// What to write
    #[arg(short, long, value_name = "FORMAT")]
    pub(super) format: export::Format,
    /// The new file; nothing is overwritten. `-` is standard output, which is the default
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]
    #[arg(long, value_name = "WHICH")]
    pub(super) recording: Option<Recording>,
    /// Every recording of each file, one behind the other (csv, jsonl, parquet)
    #[arg(long, conflicts_with = "recording")]
    pub(super) all: bool,
    /// Which table (csv, parquet) [default: services]
    #[arg(long, value_name = "TABLE")]
    pub(super) table: Option<export::table::Table>,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  lastrites import report.tar.gz          then: lastrites list, lastrites view report
  lastrites import --as bug-1 saved.lrt   then: lastrites explain bug-1
  lastrites import --remove bug-1";

/// What `--keep` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kept {
    /// Host names and addresses
    Hosts,
    /// User names
    Users,
    /// Arguments, private paths and other words that are not known to be secret
    Args,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest of the last three
    /// shutdowns that went wrong, or else the newest]
    #[arg(long, value_name = "WHICH", conflicts_with = "last")]
    pub(super) recording: Option<Recording>,
    /// The newest shutdown, whether it went wrong or not
    #[arg(long)]
    pub(super) last: bool,
    /// The new file; nothing is overwritten. `-` is standard output [default: lastrites-report-TIME.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Print the summary alone, in Markdown
    #[arg(long, conflicts_with_all = ["output", "list_removed"])]
    pub(super) markdown: bool,
    /// Show line by line what is removed; without -o, write nothing
    #[arg(long)]
    pub(super) list_removed: bool,
    /// Leave these in
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(super) keep: Vec<Kept>,
}

const VIEW_EXAMPLES: &str = "\
In it: ? shows all keys and signs, q leaves.

Examples:
  lastrites                               the newest shutdown of this machine
  lastrites view saved.lrt                one that somebody has sent
  lastrites view --live                   follow what is being recorded";

#[derive(Debug, Default, Args)]
pub(super) struct ViewArgs {
    #[command(flatten)]
    pub(super) file: FileArgs,
    /// More of them, whose recordings are listed beside its own: `o` opens them, and compares with them
    #[arg(value_name = "FILE")]
    pub(super) beside: Vec<PathBuf>,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]
    #[arg(long, value_name = "WHICH")]
    pub(super) recording: Option<Recording>,
    /// Follow a recording that is being made
    #[arg(long)]
    pub(super) live: bool,
    /// For a dark or a light screen [default: as the terminal says, or dark]
    #[arg(long, value_name = "TONE")]
    pub(super) tone: Option<view::palette::Tone>,
    /// Nothing but ASCII
    #[arg(long)]
    pub(super) ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub(super) no_mouse: bool,
}
