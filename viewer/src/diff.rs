//! `lastrites diff`: one shutdown against another, the last good one against the bad one.
//!
//! Invariant: processes are matched by service and program, never by pid; what is said of each side is what
//! `lastrites explain` says of it.

mod compare;
mod json;
mod order;
pub mod pick;
mod text;

use std::io::Write as _;

use crate::{
    error::Error,
    explain,
    output::{Output, Palette},
};

pub use compare::{Diff, Took, Which, Who, compare};
pub use pick::Side;
pub(crate) use text::{
    doubts_of as doubts, end as end_words, restarted as restart_words, service as service_words,
};

/// Compares `a` with `b`; returns the exit code.
pub fn run(a: &Side, b: &Side, as_json: bool, palette: Palette) -> Result<u8, Error> {
    let mut out = Output::stdout();
    out.write_all(tell(a, b, as_json, explain::columns(), palette).as_bytes())?;
    out.finish()?;
    Ok(0)
}

/// The same as text.
pub fn tell(a: &Side, b: &Side, as_json: bool, width: usize, palette: Palette) -> String {
    let diff = compare(&a.picked, &b.picked);
    if as_json { json::document(a, b, &diff) } else { text::page(a, b, &diff, width, palette) }
}
