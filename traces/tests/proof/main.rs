//! The proof that FORMAT.md's promises hold, by doing to a ring file whatever can be done to one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changing;
mod corrupt;
mod crash;
mod failing;
mod files;
mod glance;
mod hostile;
mod round_trip;
mod support;
mod whats;
