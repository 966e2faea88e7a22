//! `lastrites save`: one recording copied out as a file of its own.
//!
//! Invariant: the file appears whole under its name or not at all, replaces nothing, and is for its
//! owner only: recordings may hold secrets.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use lastrites_traces::{reader::Trace, session::SessionId};

use crate::{error::Error, fresh::Fresh};

/// A name that is taken is not for us.
pub fn refuse_existing(target: &Path) -> Result<(), Error> {
    if target == Path::new("-") || target.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::failed(
        target.display().to_string(),
        "it is there already, and nothing is overwritten",
        "name the new file; `--file` names the one to copy from",
    ))
}

/// Writes the recording to `target`; `-` is standard output. Returns the bytes written.
pub fn save(trace: &Trace, session: SessionId, target: &Path) -> Result<u64, Error> {
    if target == Path::new("-") {
        let mut out = io::stdout().lock();
        if out.is_terminal() {
            return Err(Error::usage("a recording is not for a terminal: name a file, or pipe it somewhere"));
        }
        let written = trace.save(session, &mut out)?;
        out.flush()?;
        return Ok(written);
    }
    refuse_existing(target)?;
    let fail = |doing, next| move |source| Error::File { path: target.to_owned(), doing, source, next };
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = Fresh::below(dir, 0o600)
        .map_err(fail("create it", "choose a directory that exists and is yours to write to"))?;
    let written = trace.save(session, file.file_mut())?;
    file.file().sync_all().map_err(fail("write it to the disk", "make room and try again"))?;
    file.name(target).map_err(fail("give it its name", "name another file"))?;
    Ok(written)
}
