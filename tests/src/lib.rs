//! The proof: the lab.
//!
//! A scenario (`scenarios/*.toml`) names an image (`lab/images/*.toml`), puts services into it, boots
//! it under qemu, does things to it, lets it reboot, boots it again, takes the ring file out, and judges
//! what `lastrites` says about it against a witness that knows nothing of the tracer.
//!
//! Invariant: every wait is for a condition - a line on a serial port, the end of a process - with a
//! generous limit; nothing sleeps and hopes. A guest is one process, which ends with its [`lab::Guest`].

pub mod lab;
