//! The story: what a recording says, told to a person. The library behind the command `lastrites`.
//!
//! Everything here works without root, on a recording of any machine. Strings of a recording are
//! hostile: they reach an output only through [`safe`].

pub mod about;
pub mod ahead;
pub mod cli;
pub mod demo;
pub mod diff;
pub mod error;
pub mod explain;
pub mod export;
pub mod filter;
pub(crate) mod fresh;
pub mod import;
pub mod json;
pub mod line;
pub mod list;
pub mod locate;
pub mod names;
pub mod output;
pub mod page;
pub mod pick;
pub mod processes;
pub mod progress;
pub mod redact;
pub mod report;
pub mod requests;
pub mod safe;
pub mod save;
pub mod show;
pub mod story;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod tracer;
pub mod view;
