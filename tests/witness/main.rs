//! The witness: what runs inside a guest beside the tracer and knows nothing of it.
//!
//! Invariant: whatever a role sees - a signal with its sender, a start, an end - it says on the
//! guest's second serial port, one line each, and goes on only when the line has left the machine. So
//! a line that is missing is something that did not happen, not something that was not flushed.
//!
//!     w NAME PID TIME_NS WORD key=value...        TIME_NS is CLOCK_BOOTTIME
//!
//! One program plays every role, under the name of the service it stands for:
//!
//!     mongod --role database --start-ms 6000

mod agent;
mod args;
mod coroner;
mod daemons;
mod inbox;
mod voice;

use std::process::ExitCode;

use args::Args;
use voice::Voice;

/// Plays a role until its end; the exit code.
type Role = fn(&Args, &Voice) -> u8;

const ROLES: &[(&str, Role)] = &[
    ("database", daemons::database),
    ("clean", daemons::clean),
    ("leaver", daemons::leaver),
    ("stubborn", daemons::stubborn),
    ("ignorer", daemons::ignorer),
    ("blocker", daemons::blocker),
    ("glutton", daemons::glutton),
    ("leader", daemons::leader),
    ("coroner", coroner::run),
    ("agent", agent::run),
];

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args()) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("witness: {why}");
            return ExitCode::from(2);
        }
    };
    let role = args.text("role", "");
    let Some((_, play)) = ROLES.iter().find(|(name, _)| *name == role) else {
        let names: Vec<&str> = ROLES.iter().map(|(name, _)| *name).collect();
        eprintln!("witness: no role {role:?}: give --role and one of {}", names.join(", "));
        return ExitCode::from(2);
    };
    let voice = Voice::new(&args.name);
    play(&args, &voice).into()
}
