//! The command line.
//!
//! Invariant: results go to standard output, messages to standard error; every way to end has an
//! exit code in [`EXIT_CODES`].

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::{
    about::{self, Ending},
    demo, diff,
    error::{EXIT_CODES, Error},
    explain, export,
    filter::{self, Filter, Pattern},
    import::{self, Imported},
    json, line, list, locate,
    output::{self, Color, Output, Palette},
    pick::{self, Recording},
    redact::Keep,
    report,
    requests::Requests,
    safe::Safe,
    save, show,
    time::Clocks,
    tracer, view,
};
use lastrites_traces::reader::{Summary, Trace};

/// Who killed whom, and who restarted what, in runlevel 6.
///
/// A flight recorder for the last minute of a machine. `sudo lastrites arm`, reboot, and then
/// `sudo lastrites list` and `sudo lastrites show` tell what happened.
#[derive(Debug, Parser)]
#[command(name = "lastrites", version, after_help = EXIT_CODES)]
struct Cli {
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Handed to lastrites-tracer as it is.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
struct Handed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    args: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a shutdown on a time axis: who killed whom, who restarted what (the same as no command at all)
    #[command(after_help = VIEW_EXAMPLES)]
    View(ViewArgs),
    /// List the recorded shutdowns and boots: when, who asked, how they ended, what is missing
    #[command(after_help = "Times are those of the recorded machine.")]
    List {
        #[command(flatten)]
        file: FileArgs,
        /// One JSON object a line (documented in viewer/JSON.md)
        #[arg(long)]
        json: bool,
    },
    /// Show the events of one recording, filtered, one a line
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Box<ShowArgs>),
    /// Explain a shutdown: who killed whom, who restarted what, who everybody waited for, what to change
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<ExplainArgs>),
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
        /// One JSON object (documented in viewer/JSON.md)
        #[arg(long)]
        json: bool,
    },
    /// Copy one recording out as a file of its own, which every command accepts in place of the ring
    Save {
        /// The new file; nothing is overwritten. `-` is standard output
        #[arg(value_name = "FILE")]
        target: PathBuf,
        /// The file to copy it from, instead of the ring
        #[arg(long = "file", value_name = "FROM")]
        from: Option<PathBuf>,
        /// newest, previous, a number as `list` shows it, or the beginning of an id
        #[arg(long, default_value = "newest", value_name = "WHICH")]
        recording: Recording,
    },
    /// Make one file for a bug report: what happened in words, and the recording without secrets and names
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Box<ReportArgs>),
    /// Write a recording and its story for other tools: JSON, CSV, Parquet, Perfetto, SVG, Graphviz
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Box<ExportArgs>),
    /// Keep recordings and reports of other machines, to be listed and opened beside the own ones
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
    /// Take what the recorder could not write; the last hook of a shutdown runs it
    #[command(hide = true)]
    Seal(Handed),
}

#[derive(Debug, Default, Args)]
struct FileArgs {
    /// A ring file, a saved recording, a report, or the name of an imported one [default: LASTRITES_FILE, or the ring
    /// of this machine]
    #[arg(value_name = "FILE")]
    positional: Option<PathBuf>,
    /// The same as FILE
    #[arg(long = "file", value_name = "FILE", conflicts_with = "positional", hide_short_help = true)]
    option: Option<PathBuf>,
}

impl FileArgs {
    fn named(&self) -> Option<&Path> {
        self.positional.as_deref().or(self.option.as_deref())
    }
}

const SHOW_EXAMPLES: &str = "\
Filters of different kinds must all match; of one kind given several times, any. Events that were lost
in the time asked for are always shown, and are not counted as matches.

Examples:
  lastrites show --signal KILL                      who was killed, by whom
  lastrites show --name mongod --kind exec,exit     when it was started, and how it ended
  lastrites show --name 'postgres*' --from -10      the last ten seconds of everything like it
  lastrites show --pid 812 --json                   for programs; see viewer/JSON.md
  lastrites show --color always | less -R";

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id
    #[arg(long, default_value = "newest", value_name = "WHICH")]
    recording: Recording,
    /// Events by or about this process
    #[arg(long, value_delimiter = ',')]
    pid: Vec<u32>,
    /// ... or one of this name or program; * and ? stand for anything
    #[arg(long, value_delimiter = ',')]
    name: Vec<String>,
    /// Signals sent, received or died of: TERM, SIGTERM or 15
    #[arg(long, value_delimiter = ',')]
    signal: Vec<String>,
    /// process (running before), fork, exec, exit, rename, signal, deliver, call, poll, reboot, umount,
    /// remount, cgroup-mkdir, cgroup-rmdir, cgroup-attach, oom, lost
    #[arg(long, value_delimiter = ',')]
    kind: Vec<String>,
    /// From this time: seconds since the recording began (12.5), before its last event (-3), after the shutdown was
    /// asked for (asked, asked+2.5), or a time of its clock (03:14:07, "2026-11-12 03:14:07")
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// To this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only the event with this number
    #[arg(long, value_name = "N", value_delimiter = ',')]
    event: Vec<u64>,
    /// Show times of the recorded machine's clock
    #[arg(long)]
    wall: bool,
    /// Without the lines about the recording at the beginning
    #[arg(long)]
    no_head: bool,
    /// One JSON object a line (documented in viewer/JSON.md)
    #[arg(long)]
    json: bool,
}

const EXPLAIN_EXAMPLES: &str = "\
Times with a sign count from the beginning of the shutdown. Evidence is given by numbers of events:
`lastrites show --event N` shows them.

Examples:
  lastrites explain                       the newest shutdown, worst things first
  lastrites explain --all                 every restart, every end, every phase with its rule
  lastrites explain --finding 1           one finding with all of its evidence
  lastrites explain --service mongod      what happened to it
  lastrites explain --pid 812             what happened to this process, and what it did to others
  lastrites explain --json                for programs; see viewer/JSON.md";

const DIFF_EXAMPLES: &str = "\
Processes are matched by service and program, never by pid. Differences of less than half a second,
or of less than half as much again, are none. newest and previous count only recordings with a
shutdown in them.

Examples:
  lastrites diff                          the newest two shutdowns
  lastrites diff 3                        the newest shutdown, against recording 3
  lastrites diff previous newest --json   for programs; see viewer/JSON.md
  lastrites diff good.lrt ring.lrt:2      a saved recording, and one of another file";

#[derive(Debug, Args)]
struct ExplainArgs {
    #[command(flatten)]
    file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]
    #[arg(long, value_name = "WHICH")]
    recording: Option<Recording>,
    /// Everything: all findings with all evidence, every restart and every end
    #[arg(long)]
    all: bool,
    /// Only this finding: its number, or its kind (restarted, killed, ...)
    #[arg(long, value_name = "ID", conflicts_with_all = ["service", "pid", "json", "all"])]
    finding: Option<String>,
    /// What happened to this service
    #[arg(long, value_name = "NAME", conflicts_with_all = ["pid", "json", "all"])]
    service: Option<String>,
    /// What happened to this process, and what it did to others
    #[arg(long, conflicts_with_all = ["json", "all"])]
    pid: Option<u32>,
    /// One JSON object (documented in viewer/JSON.md)
    #[arg(long)]
    json: bool,
}

const REPORT_EXAMPLES: &str = "\
The report is a .tar.gz that every lastrites command opens as it is. Passwords, tokens, unknown arguments, names of
hosts and users, addresses and private paths are replaced by stand-ins (host-1, secret-2); viewer/REPORT.md says what
is removed and what is not. Read it before you send it.

Examples:
  lastrites report                        the newest shutdown that went wrong
  lastrites report --list-removed | less  what would be removed, line by line; writes nothing
  lastrites report --markdown             its summary alone, to paste
  lastrites report saved.lrt -o bug-1.tar.gz --keep hosts";

const EXPORT_EXAMPLES: &str = "\
An export holds what the recording holds: command lines, and the secrets in them. `lastrites report` makes a recording
without secrets and names; exported from that report, nothing has them. viewer/EXPORT.md describes each format.

Examples:
  lastrites export --format svg -o shutdown.svg        the timeline as a picture
  lastrites export report.tar.gz --format perfetto -o trace.json
  lastrites export --format csv --table processes      for a spreadsheet, to standard output
  lastrites export host*.lrt --all --format parquet -o services.parquet
  lastrites export --format dot | dot -Tsvg >killed.svg";

#[derive(Debug, Args)]
struct ExportArgs {
    /// Ring files, saved recordings, reports, or names of imported ones; several for csv, jsonl and parquet [default:
    /// LASTRITES_FILE, or the ring of this machine]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The same as FILE
    #[arg(long = "file", value_name = "FILE", conflicts_with = "files", hide_short_help = true)]
    option: Vec<PathBuf>,
    /// What to write
    #[arg(short, long, value_name = "FORMAT")]
    format: export::Format,
    /// The new file; nothing is overwritten. `-` is standard output, which is the default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]
    #[arg(long, value_name = "WHICH")]
    recording: Option<Recording>,
    /// Every recording of each file, one behind the other (csv, jsonl, parquet)
    #[arg(long, conflicts_with = "recording")]
    all: bool,
    /// Which table (csv, parquet) [default: services]
    #[arg(long, value_name = "TABLE")]
    table: Option<export::table::Table>,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  lastrites import report.tar.gz          then: lastrites list, lastrites view report
  lastrites import --as bug-1 saved.lrt   then: lastrites explain bug-1
  lastrites import --remove bug-1";

/// What `--keep` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kept {
    /// Host names and addresses
    Hosts,
    /// User names
    Users,
    /// Arguments, private paths and other words that are not known to be secret
    Args,
}

#[derive(Debug, Args)]
struct ReportArgs {
    #[command(flatten)]
    file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown that
    /// went wrong, or else the newest]
    #[arg(long, value_name = "WHICH", conflicts_with = "last")]
    recording: Option<Recording>,
    /// The newest shutdown, whether it went wrong or not
    #[arg(long)]
    last: bool,
    /// The new file; nothing is overwritten. `-` is standard output [default: lastrites-report-TIME.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the summary alone, in Markdown
    #[arg(long, conflicts_with_all = ["output", "list_removed"])]
    markdown: bool,
    /// Show line by line what is removed; without -o, write nothing
    #[arg(long)]
    list_removed: bool,
    /// Leave these in
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    keep: Vec<Kept>,
}

const VIEW_EXAMPLES: &str = "\
In it: ? shows all keys and signs, q leaves.

Examples:
  lastrites                               the newest shutdown of this machine
  lastrites view saved.lrt                one that somebody has sent
  lastrites view --live                   follow what is being recorded";

#[derive(Debug, Default, Args)]
struct ViewArgs {
    #[command(flatten)]
    file: FileArgs,
    /// newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]
    #[arg(long, value_name = "WHICH")]
    recording: Option<Recording>,
    /// Follow a recording that is being made
    #[arg(long)]
    live: bool,
    /// For a dark or a light screen [default: as the terminal says, or dark]
    #[arg(long, value_name = "TONE")]
    tone: Option<view::palette::Tone>,
    /// Nothing but ASCII
    #[arg(long)]
    ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
}

/// The definition of the command line: man pages and completions are made of it. What is handed over to the tracer
/// is defined there, and has no options here.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The program.
pub fn main() -> ExitCode {
    let cli = Cli::parse_from(with_command(std::env::args_os().collect()));
    match run(cli) {
        Ok(code) => code.into(),
        Err(Error::ReaderGone) => ExitCode::SUCCESS,
        Err(error) => {
            // A path or a message may hold anything; and nobody may be listening.
            let _ = writeln!(std::io::stderr(), "lastrites: {}", Safe(&error));
            error.exit_code().into()
        }
    }
}

/// `lastrites FILE` is what people type: it is opened in a terminal, and explained elsewhere.
fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let names_file = words.get(1).is_some_and(|word| {
        let is_command = |name: &str| word == name;
        let option = word.as_encoded_bytes().starts_with(b"-");
        !option
            && !Cli::command().get_subcommands().any(|one| is_command(one.get_name()))
            && Path::new(word).is_file()
    });
    if names_file {
        let fits = view::run::fits_here(&view::palette::Hints::of_environment()).is_ok();
        words.insert(1, if fits { "view" } else { "explain" }.into());
    }
    words
}

fn run(cli: Cli) -> Result<u8, Error> {
    let palette = Palette::of_stdout(cli.color);
    let Some(command) = cli.command else { return run_bare(cli.color) };
    match command {
        Command::View(args) => run_view(&args, cli.color),
        Command::List { file, json } => run_list(file.named(), json, palette),
        Command::Show(args) => run_show(&args, palette),
        Command::Explain(args) => run_explain(&args, palette),
        Command::Diff { good, bad, file, json } => {
            let (a, b) = diff::pick::both(file.as_deref(), good.as_deref(), bad.as_deref())?;
            diff::run(&a, &b, json, palette)
        }
        Command::Save { target, from, recording } => run_save(from.as_deref(), &recording, &target),
        Command::Report(args) => run_report(&args),
        Command::Export(args) => run_export(&args),
        Command::Import { files, name, system, remove } => {
            import::run(&import::Options { files, name, system, remove })
        }
        Command::Demo { bundled } => demo::run(bundled, palette),
        Command::Arm(handed) => Err(tracer::become_it("arm", &handed.args)),
        Command::Disarm(handed) => Err(tracer::become_it("disarm", &handed.args)),
        Command::Status(handed) => Err(tracer::become_it("status", &handed.args)),
        Command::Doctor(handed) => Err(tracer::become_it("doctor", &handed.args)),
        Command::Record(handed) => Err(tracer::become_it("record", &handed.args)),
        Command::Seal(handed) => Err(tracer::become_it("seal", &handed.args)),
    }
}

fn open(named: Option<&Path>) -> Result<(PathBuf, Trace), Error> {
    let path = locate::find(named)?;
    let trace = locate::open(&path)?;
    Ok((path, trace))
}

fn ending(trace: &Trace, number: usize, summary: &Summary) -> Ending {
    Ending::of(summary, number == trace.sessions().len(), about::boot_id().as_deref())
}

/// The recordings of one file, as text or JSON. `imported`: under which name, if it is not this machine's.
fn listed(
    path: &Path,
    recordings: &[(Summary, Requests)],
    imported: Option<&str>,
    as_json: bool,
    palette: Palette,
) -> Result<String, Error> {
    // A ring without any has been refused.
    if recordings.is_empty() {
        return Err(Error::empty(path, false));
    }
    let boot_id = about::boot_id();
    let mut rows = Vec::new();
    for (at, (summary, requests)) in recordings.iter().enumerate() {
        let ending = Ending::of(summary, at + 1 == recordings.len(), boot_id.as_deref());
        rows.push(list::Row { number: at + 1, summary, ending, requests: requests.clone() });
    }
    if !as_json {
        return Ok(list::table(&rows, output::width(), palette));
    }
    let mut text = String::new();
    for row in &rows {
        let Requests { first, reboot } = &row.requests;
        let mut line = String::new();
        json::push_recording(&mut line, row.number, row.summary, row.ending, first.as_ref(), *reboot);
        if let Some(name) = imported {
            // A name is a plain word: see `import`.
            line = line.replacen('{', &format!("{{\"imported\":\"{name}\","), 1);
        }
        text.push_str(&line);
    }
    Ok(text)
}

fn run_list(named: Option<&Path>, as_json: bool, palette: Palette) -> Result<u8, Error> {
    let own = open(named).and_then(|(path, trace)| {
        if trace.sessions().is_empty() {
            return Err(Error::empty(&path, trace.is_ring()));
        }
        let seen = |summary: &Summary| Ok((summary.clone(), Requests::of(&trace, summary)?));
        let recordings: Vec<_> = trace.sessions().iter().map(seen).collect::<Result<_, Error>>()?;
        listed(&path, &recordings, None, as_json, palette)
    });
    let imported = if named.is_some() { Vec::new() } else { import::all() };
    let mut text = match own {
        Ok(text) => text,
        Err(error) if imported.is_empty() => return Err(error),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lastrites: {}", Safe(&error));
            String::new()
        }
    };
    for one @ Imported { name, path, system } in &imported {
        // One that cannot be read must not hide the others.
        let told = import::seen(one).and_then(|seen| listed(path, &seen, Some(name), as_json, palette));
        match told {
            Ok(told) if as_json => text.push_str(&told),
            Ok(told) => {
                let whose = if *system { " (for all users)" } else { "" };
                let gap = if text.is_empty() { "" } else { "\n" };
                text.push_str(&format!(
                    "{gap}imported as {name}{whose}; `lastrites view {name}` opens it:\n{told}"
                ));
            }
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "lastrites: {}", Safe(&error));
            }
        }
    }
    let mut out = Output::stdout();
    out.write_all(text.as_bytes())?;
    out.finish()?;
    Ok(0)
}

fn run_show(args: &ShowArgs, palette: Palette) -> Result<u8, Error> {
    let (path, trace) = open(args.file.named())?;
    let (number, summary) = pick::pick(&trace, &path, &args.recording)?;
    let mut clocks = Clocks::new(summary);
    let times = [args.from.as_deref(), args.to.as_deref()];
    let is_of_asked = times.iter().flatten().any(|text| text.trim().starts_with("asked"));
    // Who asked is found by going through all of it.
    let requests =
        if is_of_asked || !args.no_head { Requests::of(&trace, summary)? } else { Requests::default() };
    clocks.asked_ns = requests.first.as_ref().map(|request| request.time_ns);
    let [from_ns, to_ns] = times.map(|text| text.map(|text| clocks.parse(text)).transpose());
    let filter = Filter {
        pids: args.pid.clone(),
        names: args.name.iter().map(|name| Pattern::new(name)).collect(),
        signals: args.signal.iter().map(|text| filter::parse_signal(text)).collect::<Result<_, _>>()?,
        kinds: args.kind.iter().map(|text| filter::parse_kind(text)).collect::<Result<_, _>>()?,
        events: args.event.clone(),
        from_ns: from_ns?,
        to_ns: to_ns?,
    };
    let mut out = Output::stdout();
    if !args.no_head {
        let ending = ending(&trace, number, summary);
        let mut head = String::new();
        if args.json {
            json::push_recording(
                &mut head,
                number,
                summary,
                ending,
                requests.first.as_ref(),
                requests.reboot,
            );
        } else {
            head = show::head(number, trace.sessions().len(), summary, ending, &requests, palette);
        }
        out.write_all(head.as_bytes())?;
    }
    let format = show::Format { json: args.json, style: line::Style { palette, wall: args.wall } };
    let items = trace.events(summary.session.id)?;
    let matched = show::events(items, &clocks, &filter, format, &mut out)?;
    out.finish()?;
    if matched == 0 {
        let why = match filter == Filter::default() {
            true => "has no events".to_owned(),
            false => format!(
                "has no event that fits, of {}; names are matched as they are written",
                summary.events
            ),
        };
        let _ = writeln!(std::io::stderr(), "lastrites: {}: recording {number} {why}", Safe(&path.display()));
    }
    Ok(u8::from(matched == 0))
}

fn run_explain(args: &ExplainArgs, palette: Palette) -> Result<u8, Error> {
    let (path, trace) = open(args.file.named())?;
    let picked = explain::pick::pick(&trace, &path, args.recording.as_ref())?;
    let ending = ending(&trace, picked.number, &picked.summary);
    let wanted = explain::Wanted {
        all: args.all,
        finding: args.finding.clone(),
        service: args.service.clone(),
        pid: args.pid,
        json: args.json,
        noted: false,
    };
    explain::run(&picked, ending, &wanted, palette)
}

fn run_view(args: &ViewArgs, color: Color) -> Result<u8, Error> {
    let options = view::Options {
        path: locate::find(args.file.named())?,
        recording: args.recording.clone(),
        live: args.live,
        tone: args.tone,
        color,
        ascii: args.ascii,
        mouse: !args.no_mouse,
    };
    view::run(&options)
}

fn run_report(args: &ReportArgs) -> Result<u8, Error> {
    report::run(&report::Options {
        file: args.file.named().map(Path::to_owned),
        recording: args.recording.clone(),
        last: args.last,
        output: args.output.clone(),
        markdown: args.markdown,
        list_removed: args.list_removed,
        keep: Keep {
            hosts: args.keep.contains(&Kept::Hosts),
            users: args.keep.contains(&Kept::Users),
            args: args.keep.contains(&Kept::Args),
        },
    })
}

fn run_export(args: &ExportArgs) -> Result<u8, Error> {
    export::run(&export::Options {
        files: args.files.iter().chain(&args.option).cloned().collect(),
        format: args.format,
        output: args.output.clone(),
        recording: args.recording.clone(),
        all: args.all,
        table: args.table,
    })
}

/// Without a command: the viewer where there is a terminal for it, else how to use this.
fn run_bare(color: Color) -> Result<u8, Error> {
    if view::run::fits_here(&view::palette::Hints::of_environment()).is_ok() {
        return run_view(&ViewArgs::default(), color);
    }
    let help = Cli::command().render_help();
    let _ = write!(std::io::stderr(), "{help}");
    Ok(2)
}

fn run_save(from: Option<&Path>, recording: &Recording, target: &Path) -> Result<u8, Error> {
    let (path, trace) = open(from)?;
    let (number, summary) = pick::pick(&trace, &path, recording)?;
    let written = save::save(&trace, summary.session.id, target)?;
    let _ = writeln!(
        std::io::stderr(),
        "saved recording {number} ({} events, {written} bytes) to {}",
        summary.events,
        Safe(target.display())
    );
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_of_show_names_every_kind() {
        let mut command = Cli::command();
        let show = command.find_subcommand_mut("show").expect("a subcommand");
        let help = show.render_long_help().to_string();
        for kind in filter::KINDS {
            assert!(help.contains(kind), "{kind}");
        }
    }
}
