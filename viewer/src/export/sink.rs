//! Where an export goes: standard output, or a new file.
//!
//! Invariant: the file has its name only when all of it is written.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout, Write},
    path::{Path, PathBuf},
};

use crate::{error::Error, fresh::Fresh, report};

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Recordings may hold secrets.
    Owner,
    /// What was made of reports alone: whoever the umask lets, and by sudo its caller.
    Anybody,
}

#[derive(Debug)]
pub enum Sink {
    Stdout(BufWriter<Stdout>),
    File { out: BufWriter<Fresh>, target: PathBuf },
}

impl Sink {
    /// None and `-`: standard output.
    pub fn open(target: Option<&Path>, whose: Whose, binary: bool) -> Result<Self, Error> {
        let Some(target) = target.filter(|target| *target != Path::new("-")) else {
            let out = io::stdout();
            if binary && out.is_terminal() {
                return Err(Error::usage("this format is not for a terminal: name a file with -o"));
            }
            return Ok(Self::Stdout(BufWriter::with_capacity(128 << 10, out)));
        };
        report::refuse_existing(target)?;
        let file = report::new_file(target, whose == Whose::Anybody)?;
        Ok(Self::File { out: BufWriter::with_capacity(128 << 10, file), target: target.to_owned() })
    }

    /// An error of writing here, told as what it is: of the file and not of standard output.
    pub fn told(&self, error: Error) -> Error {
        match (self, error) {
            (Self::File { target, .. }, Error::Output(source)) => report::failed(target, "write it", source),
            (_, error) => error,
        }
    }

    /// Writes the rest and gives the file its name; returns its bytes.
    pub fn finish(self) -> Result<u64, Error> {
        match self {
            Self::Stdout(mut out) => {
                out.flush()?;
                Ok(0)
            }
            Self::File { out, target } => {
                let file =
                    out.into_inner().map_err(|e| report::failed(&target, "write it", e.into_error()))?;
                report::name_it(file, &target)
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File { out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File { out, .. } => out.flush(),
        }
    }
}
