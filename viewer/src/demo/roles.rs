//! Who plays in the miniature machine: this program under other names.
//!
//! Invariant: a role outlives neither the demonstration (parent-death signals, pid namespace) nor its
//! part; none does anything outside the demonstration's directory and namespaces.

mod init;
mod lockd;
mod rc;
mod stage;
mod supervisor;

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitCode},
};

/// Everybody, as they are called.
pub(super) const NAMES: [&str; 7] = ["stage", "init", "reboot", "rc", "lockd", "supervisor", "worker"];

/// What init keeps running, with an id each, as lines of an inittab have them.
pub(super) const INITTAB: [(&str, &str); 2] = [("lock", "lockd"), ("sup", "supervisor")];

/// The argument that init gives to a service, if it gives one.
pub(super) fn argument(dir: &Path, name: &str) -> Option<String> {
    (name == "lockd").then(|| dir.join("disk/lockd.lock").display().to_string())
}

/// Plays `name`; `None` if there is no such role.
pub(super) fn play(name: &str, dir: &Path) -> Option<ExitCode> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let code = match name {
        "stage" => stage::play(dir, &argument),
        "init" => init::play(dir, &argument),
        "reboot" => rc::ask(),
        "rc" => rc::play(dir),
        "lockd" => lockd::play(Path::new(&argument)),
        "supervisor" => supervisor::play(dir),
        "worker" => supervisor::play_worker(Path::new(&argument)),
        _ => return None,
    };
    Some(code.into())
}

/// The command that plays `name`.
fn role(dir: &Path, name: &str) -> Command {
    let mut command = Command::new(dir.join("bin").join(name));
    command.arg0(name);
    command
}

/// Complains on standard error, which is that of the demonstration.
fn complain(name: &str, what: &str) -> u8 {
    eprintln!("demo: {name}: {what}");
    1
}

/// Starts `command`, or complains.
fn start(name: &str, command: &mut Command) -> Option<Child> {
    match command.spawn() {
        Ok(child) => Some(child),
        Err(e) => {
            complain(name, &e.to_string());
            None
        }
    }
}
