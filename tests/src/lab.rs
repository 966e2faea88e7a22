//! The lab's parts, from the disk up.

mod attachment;
mod btf;
mod console;
mod disk;
mod error;
mod findings;
mod guest;
mod image;
mod judge;
mod packages;
mod pattern;
mod phases;
mod place;
mod readers;
mod recording;
mod run;
mod samples;
mod scenario;
mod score;
mod serial;
mod services;
mod testimony;
mod truth;
mod verdict;
mod waits;

pub use btf::extract as extract_btf;
pub use error::Error;
pub use guest::Guest;
pub use image::Image;
pub use place::{cache_dir, definitions_dir, lab_dir, package, program, scenarios_dir};
pub use run::{Outcome, prepare, run, start};
pub use samples::refresh as refresh_samples;
pub use scenario::Scenario;
pub use score::table as truth_table;
pub use verdict::judge_again;
