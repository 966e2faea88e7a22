//! What can go wrong, told to a person: every message names the thing, the reason and the next step.
//!
//! Invariant: each error has one exit code, and the codes are documented in [`EXIT_CODES`], which
//! `--help` prints.

use std::{io, path::PathBuf};

/// The text that `--help` ends with.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  2  the command line was not understood
  3  not armed (status); recording cannot work, or with --strict lacks something (doctor)
  4  failed; the message says what, why, and what to do next
  5  not allowed: needs root
  6  another recorder holds the ring file

As a hook `seal` always ends with 0: no shutdown waits for us, and none fails because of us.";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}: only root may do this; run it again with sudo")]
    NotRoot { what: &'static str },

    #[error("{path}: cannot {doing}: {source}; {next}")]
    File { path: PathBuf, doing: &'static str, source: io::Error, next: String },

    #[error("{what}: {why}; {next}")]
    Failed { what: String, why: String, next: String },

    #[error(
        "{path}: process {pid} is already recording into it (since {since}); stop that one first, or give another file with --output"
    )]
    Held { path: PathBuf, pid: u32, since: String },

    #[error("not armed; `lastrites arm` arms the next shutdown")]
    NotArmed,
}

impl Error {
    pub fn file(path: impl Into<PathBuf>, doing: &'static str, source: io::Error, next: &str) -> Self {
        Self::File { path: path.into(), doing, source, next: next.to_owned() }
    }

    pub fn failed(what: impl Into<String>, why: impl ToString, next: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), why: why.to_string(), next: next.into() }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotRoot { .. } => 5,
            Self::File { .. } | Self::Failed { .. } => 4,
            Self::Held { .. } => 6,
            Self::NotArmed => 3,
        }
    }
}

/// Fails unless the caller is root.
pub fn require_root(what: &'static str) -> Result<(), Error> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot { what }) }
}
