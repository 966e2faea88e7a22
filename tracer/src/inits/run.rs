//! Other people's programs, run for an init.
//!
//! Invariant: none is run but through [`Run`], so that tests see each of them and run none.

use std::{
    io,
    process::{Command, Output, Stdio},
};

use super::Layout;
use crate::error::Error;

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the drainer without the init's help.
pub fn start_detached(layout: &Layout<'_>, run: &mut dyn Run) -> Result<(), Error> {
    let binary = layout.binary.to_string_lossy();
    run.run(&[&binary, "record", "--boot", "--detach"])
}

/// Runs other people's programs; tests look on instead.
pub trait Run {
    fn run(&mut self, command: &[&str]) -> Result<(), Error>;

    /// What a program says, whatever it ends with.
    fn ask(&mut self, command: &[&str]) -> String;
}

/// Runs them for real.
#[derive(Debug, Default)]
pub struct RealRun;

impl Run for RealRun {
    fn run(&mut self, command: &[&str]) -> Result<(), Error> {
        let what = command.join(" ");
        let next = "see what it says when run by hand, or disarm";
        let output = output(command).map_err(|error| Error::failed(&what, error, next))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::failed(what, format!("it ended with {}: {}", output.status, said.trim()), next))
    }

    fn ask(&mut self, command: &[&str]) -> String {
        let said = output(command).map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

fn output(command: &[&str]) -> io::Result<Output> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        // `su` may leave root with a user's PATH, which lacks /usr/sbin.
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
}
