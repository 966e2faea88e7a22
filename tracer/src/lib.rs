//! The recorder: loads, pins, drains, seals, arms; the only code that runs as root.
//!
//! `arm` installs what this machine's init needs ([`inits`]) and loads the probe ([`probe`]);
//! [`record`] moves events from the kernel ([`kernel_ring`]) to the ring file; [`seal`] takes the rest at the
//! very end. What they share is [`recorder`].

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod arm;
pub mod btf;
pub mod census;
pub mod cli;
pub mod convert;
pub mod doctor;
pub mod error;
pub mod facts;
pub mod inits;
pub mod kernel;
pub mod kernel_ring;
pub mod lock;
pub mod machine;
pub mod mounts;
pub mod own;
pub mod place;
pub mod probe;
pub mod record;
pub mod recorder;
pub mod say;
pub mod seal;
pub mod settle;
pub mod state;
pub mod status;
