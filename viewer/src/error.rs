//! What can go wrong, told to a person: the thing, the reason, the next step.
//!
//! Invariant: each error has one exit code, and the codes are in [`EXIT_CODES`], which `--help`
//! prints.

use std::{io, path::PathBuf};

/// The text that `--help` ends with.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done (also when the reader of our output went away early)
  1  nothing matched the filters, or nothing is recorded
  2  the command line was not understood
  3  not armed (status); recording cannot work, or with --strict lacks something (doctor)
  4  failed; the message says what, why, and what to do next
  5  not allowed: the recording is not readable for you, or the command needs root
  6  another recorder holds the ring file (record)";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever read our output has had enough.
    #[error("the reader went away")]
    ReaderGone,

    /// What is wanted lies where a glance at a recording did not look.
    #[error("only the end of the recording was looked at")]
    Unseen {
        /// The recording's, in the file, from 1.
        number: usize,
    },

    #[error("cannot write the output: {0}")]
    Output(io::Error),

    #[error("{0}")]
    Trace(#[from] lastrites_traces::Error),

    #[error(
        "{}: you may not read it: recordings may hold secrets, so they are for root and the group adm; \
         use sudo, or ask root for a copy made with `lastrites save`",
        path.display()
    )]
    NotAllowed { path: PathBuf },

    #[error("no recording found ({looked}); `sudo lastrites arm` records the next shutdown, or name a file")]
    NothingThere { looked: String },

    #[error("{}: nothing is recorded in it that can be read; `sudo lastrites arm` records the next shutdown", path.display())]
    Empty { path: PathBuf },

    #[error("{message}")]
    Usage { message: String },

    #[error("{}: cannot {doing}: {source}; {next}", path.display())]
    File { path: PathBuf, doing: &'static str, source: io::Error, next: &'static str },

    #[error("{what}: {why}; {next}")]
    Failed { what: String, why: String, next: String },
}

impl Error {
    /// Nothing is recorded in the ring, or nothing of the saved recording is left, at `path`.
    pub fn empty(path: &std::path::Path, is_ring: bool) -> Self {
        match is_ring {
            true => Self::Empty { path: path.to_owned() },
            false => Self::failed(
                path.display().to_string(),
                "no recording can be read in it: it is cut or damaged",
                "if it was copied, copy it again",
            ),
        }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into() }
    }

    pub fn failed(what: impl Into<String>, why: impl ToString, next: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), why: why.to_string(), next: next.into() }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::NothingThere { .. } | Self::Empty { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Unseen { .. }
            | Self::Output(_)
            | Self::Trace(_)
            | Self::File { .. }
            | Self::Failed { .. } => 4,
            Self::NotAllowed { .. } => 5,
        }
    }
}

/// Errors of writing to standard output.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::Output(error) }
    }
}
