//! `lastrites explain`: what happened in a shutdown, in sentences.
//!
//! Invariant: everything said comes from [`crate::story`]; here it is only put into words for a person or a program.

pub mod json;
pub mod one;
pub mod pick;
pub mod text;

use std::path::Path;

use crate::{
    about::Ending,
    error::Error,
    output::{Output, Palette, width},
    story::world::Idx,
};

pub use pick::Picked;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub all: bool,
    /// A number as the text shows it, or the id of a rule.
    pub finding: Option<String>,
    pub service: Option<String>,
    pub pid: Option<u32>,
    pub json: bool,
    /// With what is no trouble, without all that `all` adds: for somebody who cannot ask again.
    pub noted: bool,
}

/// Columns where there is no terminal: what bug trackers show without breaking.
const DEFAULT_WIDTH: usize = 100;
/// Narrower than this nothing is readable.
const LEAST_WIDTH: usize = 40;

/// How wide pages are.
pub(crate) fn columns() -> usize {
    width().unwrap_or(DEFAULT_WIDTH).max(LEAST_WIDTH)
}

/// Explains `picked`; returns the exit code.
pub fn run(picked: &Picked, ending: Ending, wanted: &Wanted, palette: Palette) -> Result<u8, Error> {
    use std::io::Write as _;
    if let Some(gap) = picked.summary.gaps.first().filter(|_| picked.summary.events == 0) {
        let why = format!(
            "no event of recording {} can be read ({}, at byte {})",
            picked.number, gap.why, gap.offset
        );
        return Err(Error::failed(picked.path.display().to_string(), why, "if it was copied, copy it again"));
    }
    let (text, code) = tell(picked, ending, wanted, columns(), palette)?;
    let mut out = Output::stdout();
    out.write_all(text.as_bytes())?;
    out.finish()?;
    Ok(code)
}

/// The same as text: everything an output needs is in its arguments.
pub fn tell(
    picked: &Picked,
    ending: Ending,
    wanted: &Wanted,
    width: usize,
    palette: Palette,
) -> Result<(String, u8), Error> {
    if wanted.json {
        return Ok((json::document(picked, ending), 0));
    }
    let page = text::Page { picked, ending, width, palette };
    if let Some(name) = &wanted.finding {
        return Ok((page.finding(name)?, 0));
    }
    if let Some(pid) = wanted.pid {
        return Ok((one::pid(&page, pid)?, 0));
    }
    if let Some(name) = &wanted.service {
        return Ok((one::service(&page, name)?, 0));
    }
    Ok((page.whole(wanted.all, wanted.all || wanted.noted), 0))
}

/// The processes with this pid, oldest first.
pub(crate) fn with_pid(picked: &Picked, pid: u32) -> Vec<Idx> {
    let world = &picked.story.world;
    world.all().filter(|(_, proc)| proc.id.tgid == pid && pid != 0).map(|(idx, _)| idx).collect()
}

/// Where a recording comes from, for messages.
pub(crate) fn not_there(what: &str, path: &Path) -> Error {
    Error::usage(format!("{}: {what}", path.display()))
}
