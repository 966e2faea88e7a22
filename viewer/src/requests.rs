//! Who asked for a shutdown, as far as an exec shows it.
//!
//! Invariant: pure, phase-free and simple: the first command since the last cancelled one that ends
//! a machine when it succeeds. That it was executed is a fact; that it led to the end is not claimed.

use lastrites_traces::{
    event::{Bytes, Event, What},
    reader::{Summary, Trace},
};

use crate::{error::Error, names, processes::base_name, safe};

/// A command that asks for a shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of its exec.
    pub number: u64,
    pub time_ns: u64,
    pub uid: u32,
    pub tty: Bytes,
    pub argv: Bytes,
}

impl Request {
    /// `shutdown -r now (root, pts/0)`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        safe::push_argv(&mut out, &self.argv);
        out.push_str(" (");
        out.push_str(&names::user(self.uid));
        if !self.tty.is_empty() {
            out.push_str(", ");
            safe::push(&mut out, &self.tty);
        }
        out.push(')');
        out
    }
}

/// What a command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    End,
    /// Single-user mode, from which one comes back.
    Single,
    Cancel,
    Nothing,
}

/// Watches events go by.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    pub first: Option<Request>,
    /// The last command given to reboot(2) that ends the machine.
    pub reboot: Option<u32>,
}

impl Requests {
    /// What all events of a recording tell.
    pub fn of(trace: &Trace, summary: &Summary) -> Result<Self, Error> {
        let mut requests = Self::default();
        trace.for_each(summary.session.id, &mut |event| requests.see(event))?;
        Ok(requests)
    }

    pub fn see(&mut self, event: &Event) {
        match &event.what {
            What::Exec(exec) if exec.process.tgid != 1 => match asks(&exec.filename, &exec.argv) {
                Asks::End if self.first.is_none() => {
                    self.first = Some(Request {
                        number: event.number,
                        time_ns: event.time_ns,
                        uid: exec.uid,
                        tty: exec.tty.clone(),
                        argv: exec.argv.clone(),
                    });
                }
                Asks::Cancel => self.first = None,
                _ => {}
            },
            What::Reboot { cmd, ns_level: 0, .. } if names::reboot(*cmd).1 => self.reboot = Some(*cmd),
            _ => {}
        }
    }
}

/// What executing `filename` with these NUL-terminated arguments asks for.
pub fn asks(filename: &[u8], argv: &[u8]) -> Asks {
    let mut words = argv.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let called = base_name(words.next().unwrap_or(filename));
    let file = base_name(filename);
    // Every exec of a recording is asked about: nothing is kept of the many that ask for nothing.
    let words = || words.clone();
    let has = |wanted: &[&[u8]]| words().any(|word| wanted.contains(&word));
    let end_if = |yes: bool| if yes { Asks::End } else { Asks::Nothing };
    // systemctl is called by many names, an init script may be called by anything: both count.
    for name in [called, file] {
        match name {
            b"shutdown" if has(&[b"-c", b"--cancel"]) => return Asks::Cancel,
            b"shutdown" => return end_if(!has(&[b"-k", b"--help", b"--show"])),
            b"reboot" | b"halt" | b"poweroff" => {
                return end_if(!has(&[b"-w", b"--wtmp-only", b"--help", b"--version"]));
            }
            b"telinit" | b"init" | b"runit-init" if has(&[b"0", b"6"]) => return Asks::End,
            b"telinit" | b"init" if has(&[b"1", b"S", b"s"]) => return Asks::Single,
            b"telinit" | b"init" | b"runit-init" => return Asks::Nothing,
            b"openrc-shutdown" | b"s6-linux-init-shutdown" | b"s6-linux-init-hpr" => return Asks::End,
            b"initctl" => return end_if(has(&[b"reboot", b"poweroff", b"halt"])),
            b"kexec" => return end_if(has(&[b"-e", b"--exec"])),
            // Of another machine, or of a container.
            b"systemctl" | b"loginctl" if words().any(elsewhere) => return Asks::Nothing,
            b"systemctl" | b"loginctl" => {
                // What is done is the first word that is no option; what follows are its objects.
                let verb = verb(words()).unwrap_or_default();
                match when(words()) {
                    Some(b"cancel") => return Asks::Cancel,
                    Some(b"show") => return Asks::Nothing,
                    _ if has(&[b"--dry-run", b"--help", b"--version"]) => return Asks::Nothing,
                    _ => {}
                }
                let verbs: [&[u8]; 5] = [b"reboot", b"poweroff", b"halt", b"kexec", b"soft-reboot"];
                let targets: [&[u8]; 5] = [
                    b"reboot.target",
                    b"poweroff.target",
                    b"halt.target",
                    b"runlevel6.target",
                    b"runlevel0.target",
                ];
                return end_if(
                    verbs.contains(&verb) || matches!(verb, b"isolate" | b"start") && has(&targets),
                );
            }
            _ => {}
        }
    }
    Asks::Nothing
}

/// Options of systemctl and loginctl whose value may be a word of its own, but for those that name another machine or user.
pub const VALUED: [&[u8]; 30] = [
    b"-t",
    b"--type",
    b"-p",
    b"--property",
    b"-P",
    b"-s",
    b"--signal",
    b"-n",
    b"--lines",
    b"-o",
    b"--output",
    b"--state",
    b"--job-mode",
    b"--check-inhibitors",
    b"--what",
    b"--kill-who",
    b"--kill-whom",
    b"--kill-value",
    b"--root",
    b"--image",
    b"--image-policy",
    b"--preset-mode",
    b"--message",
    b"--when",
    b"--reboot-argument",
    b"--boot-loader-menu",
    b"--boot-loader-entry",
    b"--timestamp",
    b"--drop-in",
    b"--legend",
];

/// The first word that is neither an option nor the value of one.
fn verb<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    while let Some(word) = words.next() {
        match word {
            _ if VALUED.contains(&word) => drop(words.next()),
            _ if !word.starts_with(b"-") => return Some(word),
            _ => {}
        }
    }
    None
}

/// What `--when` is given.
fn when<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    while let Some(word) = words.next() {
        match word.strip_prefix(b"--when") {
            Some(b"") => return words.next(),
            Some([b'=', value @ ..]) => return Some(value),
            _ if VALUED.contains(&word) => drop(words.next()),
            _ => {}
        }
    }
    None
}

/// Whether an option of systemctl names another machine than this: `-M c1`, `--host=db8`.
fn elsewhere(word: &[u8]) -> bool {
    let named = word.split(|byte| *byte == b'=').next().unwrap_or(word);
    matches!(named, b"--machine" | b"--host") || word.starts_with(b"-M") || word.starts_with(b"-H")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{exec, id};

    fn seen(commands: &[&str]) -> Option<String> {
        let mut requests = Requests::default();
        for (at, command) in commands.iter().enumerate() {
            let words: Vec<&str> = command.split(' ').collect();
            let what = exec(id(100 + at as u32), id(99), &format!("/sbin/{}", words[0]), &words);
            requests.see(&Event { number: at as u64, time_ns: 0, what });
        }
        requests.first.map(|request| request.text())
    }

    #[test]
    fn what_ends_a_machine_is_a_request() {
        for command in [
            "shutdown -r now",
            "shutdown -h +10",
            "reboot",
            "poweroff -f",
            "telinit 6",
            "init 0",
            "systemctl reboot",
            "systemctl --force poweroff",
            "systemctl isolate reboot.target",
            "systemctl --message update reboot",
            "systemctl reboot --when +5min",
        ] {
            assert_eq!(seen(&["ls", command]), Some(format!("{command} (root, pts/0)")), "{command}");
        }
    }

    #[test]
    fn what_does_not_is_none() {
        for command in [
            "shutdown -k now",
            "halt -w",
            "telinit q",
            "telinit 1",
            "init",
            "systemctl status reboot.target",
            "systemctl --machine=c1 reboot",
            "systemctl -M c1 reboot",
            "systemctl reboot --host=db8",
            "systemctl reboot --when=show",
            "systemctl poweroff --when show",
            "systemctl reboot --dry-run",
            "systemctl --signal reboot kill",
            "rebooted",
        ] {
            assert_eq!(seen(&[command]), None, "{command}");
        }
    }

    #[test]
    fn the_first_that_was_not_cancelled_counts() {
        let commands = ["shutdown -h +10", "shutdown -c", "shutdown -r now", "reboot -d -f"];
        assert_eq!(seen(&commands).as_deref(), Some("shutdown -r now (root, pts/0)"));
    }

    #[test]
    fn pid_1_that_executes_itself_asks_for_nothing() {
        let mut requests = Requests::default();
        let what = exec(id(1), id(0), "/sbin/init", &["init", "6"]);
        requests.see(&Event { number: 0, time_ns: 0, what });
        assert_eq!(requests.first, None);
    }
}
