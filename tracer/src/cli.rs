//! The command line.

use std::{
    env,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};

use crate::{
    arm::{self, Disarmed, Options},
    doctor,
    error::{self, EXIT_CODES, Error},
    facts, machine, place, probe, record, say, seal,
    state::Mode,
};

/// Records the last minute of a machine, and the boot after it.
#[derive(Debug, Parser)]
#[command(name = "lastrites-tracer", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Records from now on, through the next shutdown, until the boot after it has settled
    Arm {
        /// Only the next shutdown and boot, then disarm (this is the default where nothing is armed)
        #[arg(long, conflicts_with = "always")]
        once: bool,
        /// Every shutdown and boot, until disarmed
        #[arg(long)]
        always: bool,
        /// Size of a new ring file, at least 1M [default: 64M]
        #[arg(long, value_parser = place::parse_size)]
        size: Option<u64>,
        /// Seconds, 30 unless told otherwise, without a program that this boot had not executed before: then it has settled, and
        /// recording ends. More of them for services that fail late, like a database that reads its journal for minutes first
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
        settle: Option<u64>,
    },
    /// Removes everything that arming installed; recordings stay
    Disarm,
    /// Moves events from the kernel to the ring file until told to stop
    Record {
        /// At boot: go on with what was armed before; quietly nothing if nothing was
        #[arg(long, hide = true, conflicts_with = "output")]
        boot: bool,
        /// In the background
        #[arg(long, hide = true, conflicts_with = "output")]
        detach: bool,
        /// Record into this file without arming, until SIGINT or SIGTERM; says `ready` once attached
        #[arg(long)]
        output: Option<PathBuf>,
        /// Size of a new file, at least 1M [default: 64M]
        #[arg(long, value_parser = place::parse_size, requires = "output")]
        size: Option<u64>,
        /// Hooks of the probe to leave out, to measure what they cost
        #[arg(long, hide = true, value_delimiter = ',', requires = "output")]
        without: Vec<String>,
    },
    /// Takes what the recorder could not write; run by the init as its last hook
    ///
    /// It ends the recording, so by hand it is refused unless the machine is going down.
    Seal {
        /// Which hook it is
        #[arg(long)]
        stage: Option<String>,
        /// By hand, and in the middle of a boot
        #[arg(long)]
        force: bool,
    },
    /// Whether it is armed, how much was recorded and lost, and where
    Status {
        /// One JSON object (documented in /usr/share/doc/lastrites/JSON.md)
        #[arg(long)]
        json: bool,
    },
    /// What this kernel and this init allow, and what to do about the rest
    ///
    /// Ends with 0 when recording works, also where something is missing that it does without (lines that begin with `missing`),
    /// and with 3 when it cannot work (`FAILED`). So `lastrites doctor && lastrites arm` arms wherever arming can work.
    Doctor {
        /// End with 3 when anything at all is missing, too
        #[arg(long)]
        strict: bool,
    },
    /// Brings what arming installed to the version of this program; a package's upgrade runs it
    #[command(hide = true)]
    Refresh,
    /// Loads the probe and pins it
    #[command(hide = true)]
    Load {
        dir: PathBuf,
        #[arg(long, value_delimiter = ',')]
        without: Vec<String>,
    },
}

/// Does what it says. The exit code, where there is more than one way to succeed.
pub fn run(cli: Cli) -> Result<u8, Error> {
    match cli.command {
        Command::Arm { once, always, size, settle } => {
            let mode = if always { Some(Mode::Always) } else { once.then_some(Mode::Once) };
            say::out(&told(&arm::arm(&Options { mode, size, settle_s: settle })?))?;
        }
        Command::Disarm => say::out(match arm::disarm()? {
            Disarmed::Armed => "disarmed; recordings stay where they are\n",
            Disarmed::Leftovers => {
                "it was not armed; what had been left of a recorder is removed, recordings stay\n"
            }
            Disarmed::Nothing => "it was not armed\n",
        })?,
        Command::Record { output: Some(output), size, without, .. } => {
            record::foreground(&output, record::size_or_default(size), &without)?;
        }
        Command::Record { boot, detach, .. } => record::service(boot, detach)?,
        Command::Seal { stage, force } => {
            let runlevel = env::var("RUNLEVEL").ok();
            if stage.is_none() && !force && !machine::is_ending(Path::new("/"), runlevel.as_deref()) {
                let why = "this machine is not going down, and nothing more would be recorded of it";
                let next = "`lastrites disarm` ends a recording; a hook says with --stage which it is";
                return Err(Error::failed("sealing", why, next));
            }
            seal::run(stage.as_deref().unwrap_or("by hand"));
        }
        Command::Status { json } => {
            let facts = facts::gather();
            say::out(&if json { facts::json(&facts) } else { facts::text(&facts) })?;
            return Ok(if facts.armed.is_some_and(|armed| armed.complete) { 0 } else { 3 });
        }
        Command::Doctor { strict } => {
            let checks = doctor::all();
            say::out(&format!("{}{}", doctor::text(&checks), doctor::conclusion(&checks)))?;
            return Ok(if doctor::is_content(&checks, strict) { 0 } else { 3 });
        }
        Command::Refresh => {
            if let Some(report) = arm::refresh()? {
                let mut text = "still armed, by this version\n".to_owned();
                report.warnings.iter().for_each(|line| {
                    let _ = writeln!(text, "  note:     {line}");
                });
                say::out(&text)?;
            }
        }
        Command::Load { dir, without } => load(&dir, without)?,
    }
    Ok(0)
}

fn load(dir: &Path, without: Vec<String>) -> Result<(), Error> {
    error::require_root("loading the probe")?;
    probe::load_and_pin(dir, &probe::LoadOptions { without, ..probe::LoadOptions::default() })
        .map(|_| ())
        .map_err(|e| Error::failed(dir.display().to_string(), e, "see `lastrites doctor`"))
}

fn told(report: &arm::Report) -> String {
    let armed = &report.armed;
    let until = match armed.mode {
        Mode::Once => "for the next shutdown and the boot after it",
        Mode::Always => "for every shutdown and boot, until disarmed",
    };
    let mut text = format!(
        "{} {until}, under {} {}\nrecording into {}\n",
        if report.again { "still armed," } else { "armed" },
        armed.init,
        armed.init_version,
        armed.ring.display()
    );
    let (recorded, missing) = (&report.promise.recorded, &report.promise.missing);
    for (what, lines) in [("recorded:", recorded), ("missing: ", missing), ("note:    ", &report.warnings)] {
        for line in lines {
            let _ = writeln!(text, "  {what} {line}");
        }
    }
    text
}
