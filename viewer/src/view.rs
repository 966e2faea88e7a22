//! `lastrites view`: a shutdown on a time axis, in a terminal.
//!
//! Invariant: state, update and drawing are apart. A key or a move of the mouse becomes an [`action::Action`] through
//! one table, [`app::App::update`] is pure but for the [`app::Effect`] it asks for, and panels draw from `&App` and
//! decide nothing. What is drawn is computed for the screen at hand, from sorted indices, never from all events.

pub mod action;
pub mod app;
pub mod asker;
pub mod background;
mod causes;
pub mod compared;
pub mod copy;
pub mod facts;
pub mod filter;
mod history;
mod keep;
pub mod lanes;
pub mod layout;
pub mod listing;
pub mod load;
pub mod model;
mod modes;
mod mouse;
pub mod moving;
pub mod notes;
pub mod palette;
pub mod panel;
mod rows;
pub mod run;
mod search;
pub mod survey;
pub mod terminal;
pub mod text;
pub mod timeline;
pub mod worst;

pub use run::{Options, run};

use crate::story::world::Idx;

/// What the detail panel tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    Proc(Idx),
    /// A place in [`crate::story::Story::findings`].
    Finding(usize),
    /// A place in [`crate::story::world::World::sigs`].
    Sig(u32),
    /// A place in [`crate::story::shutdown::Shutdown::phases`].
    Phase(usize),
}
