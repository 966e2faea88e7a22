//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    arm::{self, Options},
    doctor,
    error::{self, EXIT_CODES, Error},
    place, probe, record, report,
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
        /// Only the next shutdown and boot, then disarm (this is the default)
        #[arg(long, conflicts_with = "always")]
        once: bool,
        /// Every shutdown and boot, until disarmed
        #[arg(long)]
        always: bool,
        /// Size of a new ring file, at least 1M [default: 64M]
        #[arg(long, value_parser = place::parse_size)]
        size: Option<u64>,
        /// Seconds without an exec after which a boot has settled
        #[arg(long, hide = true, value_parser = clap::value_parser!(u64).range(1..=3600))]
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
    Seal {
        /// Which hook it is
        #[arg(long, default_value = "by hand")]
        stage: String,
    },
    /// Whether it is armed, how much was recorded and lost, and where
    Status {
        /// One JSON object
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
        Command::Arm { once: _, always, size, settle } => {
            let mode = if always { Mode::Always } else { Mode::Once };
            tell(&arm::arm(&Options { mode, size, settle_s: settle })?);
        }
        Command::Disarm => {
            let was = arm::disarm()?;
            println!("{}", if was { "disarmed; recordings stay where they are" } else { "it was not armed" });
        }
        Command::Record { output: Some(output), size, without, .. } => {
            record::foreground(&output, record::size_or_default(size), &without)?;
        }
        Command::Record { boot, detach, .. } => record::service(boot, detach)?,
        Command::Seal { stage } => crate::seal::run(&stage),
        Command::Status { json } => {
            let facts = report::gather();
            print!("{}", if json { report::json(&facts) } else { report::text(&facts) });
            return Ok(if facts.armed.is_some_and(|armed| armed.complete) { 0 } else { 3 });
        }
        Command::Doctor { strict } => {
            let checks = doctor::all();
            print!("{}{}", doctor::text(&checks), doctor::conclusion(&checks));
            return Ok(if doctor::is_content(&checks, strict) { 0 } else { 3 });
        }
        Command::Refresh => {
            if let Some(report) = arm::refresh()? {
                println!("still armed, by this version");
                report.warnings.iter().for_each(|line| println!("  note:     {line}"));
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

fn tell(report: &arm::Report) {
    let armed = &report.armed;
    let until = match armed.mode {
        Mode::Once => "for the next shutdown and the boot after it",
        Mode::Always => "for every shutdown and boot, until disarmed",
    };
    println!(
        "{} {until}, under {} {}",
        if report.again { "still armed," } else { "armed" },
        armed.init,
        armed.init_version
    );
    println!("recording into {}", armed.ring.display());
    for line in &report.promise.recorded {
        println!("  recorded: {line}");
    }
    for line in &report.promise.missing {
        println!("  missing:  {line}");
    }
    for line in &report.warnings {
        println!("  note:     {line}");
    }
}
