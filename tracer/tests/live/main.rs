//! The live proof: the real probe in the running kernel, the real recorder, and processes of the tests'
//! own that do what a shutdown does.
//!
//! Invariant: a test judges only processes that it made, told apart by identity and not by pid, for the
//! machine goes on living meanwhile. Each has a mount namespace, a bpffs and a /run of its own
//! ([`sandbox`]), so that tests can run side by side, and nothing of them stays behind. Waiting is always
//! for something that is said: a byte in a pipe, a wait status, a line. What could hurt the machine
//! (kill(-1), reboot(2)) takes a [`namespace::Inside`], which only a process that has proved to be
//! in a pid namespace of the tests' own can have.
//!
//! Without root or BTF these tests fail; they never pass by not running.

mod child;
mod namespace;
mod recording;
mod sandbox;
mod story;
mod sys;

mod apart;
mod armed;
mod calls;
mod census;
mod cgroups;
mod deliver;
mod disarm;
mod end;
mod exec;
mod exit;
mod fork;
mod hooks;
mod lost;
mod missed;
mod prototypes;
mod recorder;
mod ring;
mod storm;
mod timers;
mod upgrade;
mod usr;
