//! One kind of error: a sentence that says what, why, and what next.

use std::{fmt, path::Path, process::Command};

#[derive(Debug)]
pub struct Error(String);

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `doing` something with `path` failed.
    pub fn file(path: &Path, doing: &str, why: impl fmt::Display) -> Self {
        Self(format!("{}: cannot {doing}: {why}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Runs `command` to its end; what it wrote to standard output, or all that it said when it failed.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| {
        Error::new(format!("{name}: cannot run it: {e}; `tests/run` installs what the lab needs"))
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("{command:?}: {}\n{stdout}{stderr}", output.status)))
}
