//! The command line.
//!
//! Invariant: results go to standard output, messages to standard error; every way to end has an
//! exit code in [`EXIT_CODES`](crate::error::EXIT_CODES).

mod args;

use std::{
    ffi::{OsStr, OsString},
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _};

use crate::{
    about::{self, Ending},
    demo, diff,
    error::Error,
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
    tracer,
    view::{self, listing::Listed},
};
use lastrites_traces::reader::{Summary, Trace};

use self::args::{Cli, Command, ExplainArgs, ExportArgs, Kept, ReportArgs, ShowArgs, ViewArgs};

/// The definition of the command line: man pages and completions are made of it. What is handed over to the tracer
/// is defined there, and has no options here.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The program.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let result = match words.get(1) {
        // The last hook of a shutdown calls the tracer itself; this is for old ones, and not for people.
        Some(word) if word == "seal" => Err(tracer::become_it("seal", &words[2..])),
        _ => run(Cli::parse_from(with_command(words))),
    };
    match result {
        Ok(code) => code.into(),
        Err(Error::ReaderGone) => ExitCode::SUCCESS,
        Err(error) => {
            // A path or a message may hold anything; and nobody may be listening.
            let _ = writeln!(std::io::stderr(), "lastrites: {}", Safe(&error));
            error.exit_code().into()
        }
    }
}

/// What the tracer knows the options of.
const HANDED: [&str; 5] = ["arm", "disarm", "status", "doctor", "record"];

/// `lastrites FILE` is what people type: it is opened in a terminal, and explained elsewhere. `help arm` is for the tracer
/// to answer.
fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = first_word(&words) else { return words };
    let is = |at: usize, name: &str| words.get(at).is_some_and(|word| word == name);
    if is(at, "help") {
        if HANDED.iter().any(|name| is(at + 1, name)) && words.len() == at + 2 {
            words.remove(at);
            words.push("--help".into());
        }
        return words;
    }
    let is_command = Cli::command().get_subcommands().any(|one| is(at, one.get_name()));
    if !is_command && names_file(&words[at]) {
        let fits = view::run::fits_here(&view::palette::Hints::of_environment()).is_ok();
        words.insert(at, if fits { "view" } else { "explain" }.into());
    }
    words
}

/// Where the first word is that is no option of all commands.
fn first_word(words: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        match words.get(at)?.as_encoded_bytes() {
            b"--color" => at += 2,
            word if word.starts_with(b"--color=") => at += 1,
            word => return (!word.starts_with(b"-")).then_some(at),
        }
    }
}

/// Whether something is there, was imported under that name, or is spelt like a file: then its name was mistyped.
fn names_file(word: &OsStr) -> bool {
    let path = Path::new(word);
    let spelt_like_one = word.as_encoded_bytes().iter().any(|byte| b"./".contains(byte));
    spelt_like_one || path.symlink_metadata().is_ok() || import::find(path).is_some()
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
            false => {
                let names = if args.name.is_empty() { "" } else { "; names are matched as they are written" };
                format!("has no event that fits, of {}{names}", summary.events)
            }
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

/// What is listed beside `path`: what else was named; and beside the ring of this machine, or what was imported, all of
/// these.
fn beside(path: &Path, args: &ViewArgs) -> Result<Vec<Listed>, Error> {
    let imported = import::all();
    let listed = |path: PathBuf| {
        let known = imported.iter().find(|one| one.path == path);
        Listed::new(path, known.map(|one| one.name.as_str()))
    };
    let mut beside = Vec::new();
    for named in &args.beside {
        beside.push(listed(locate::find(Some(named))?));
    }
    let is_imported = imported.iter().any(|one| one.path == path);
    if args.beside.is_empty() && (args.file.named().is_none() || is_imported) {
        if is_imported {
            // There may be none.
            beside.extend(locate::find(None).ok().map(listed));
        }
        beside.extend(imported.iter().map(|one| listed(one.path.clone())));
    }
    Ok(beside)
}

fn run_view(args: &ViewArgs, color: Color) -> Result<u8, Error> {
    let path = match locate::find(args.file.named()) {
        // Where nothing was recorded, what came last from elsewhere is what one wants to see.
        Err(Error::NothingThere { .. }) if args.file.named().is_none() && !args.live => {
            import::newest().map_or_else(|| locate::find(None), Ok)?
        }
        found => found?,
    };
    let options = view::Options {
        beside: beside(&path, args)?,
        path,
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
    // Before it is asked which recording is meant: who took NEW for the recording is told so.
    save::refuse_existing(target)?;
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
    fn a_file_in_place_of_a_command_is_opened_wherever_it_stands() {
        let with = |words: &[&str]| {
            let words = ["lastrites"].iter().chain(words).map(OsString::from).collect();
            let all: Vec<String> =
                with_command(words).iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            all.join(" ").replace("view ", "explain ")
        };
        let here = file!();
        for (words, meant) in [
            (&["mistyped.lrt"][..], "explain mistyped.lrt"),
            (&["--color", "never", "./x"], "--color never explain ./x"),
            (&["--color=never", "x.lrt", "--all"], "--color=never explain x.lrt --all"),
            (&["list", "x.lrt"], "list x.lrt"),
            (&["explian"], "explian"),
            (&["--help"], "--help"),
            (&["--color"], "--color"),
            (&["help", "arm"], "arm --help"),
            (&["help", "show"], "help show"),
            (&[], ""),
        ] {
            assert_eq!(with(words), meant, "{words:?}");
        }
        assert!(with(&[here]).starts_with("explain "));
    }

    #[test]
    fn what_is_handed_over_is_known_to_be() {
        for name in HANDED {
            let command = Cli::command();
            let handed = command.find_subcommand(name).expect("a command");
            assert!(handed.get_arguments().any(|arg| arg.is_trailing_var_arg_set()), "{name}");
        }
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
