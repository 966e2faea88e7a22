//! Words of a command line that are names of services, by the grammar of the program that gets them.
//!
//! Invariant: a word is one only in the place where that program takes one, for what is one is known by its name in all
//! of the recording. So `service openvpn stop customer7` tells of openvpn, and nothing of the customer.

use crate::requests;

/// The name comes first: `service NAME stop`, `runsv NAME`, Upstart's `start NAME`.
const NAME_FIRST: [&[u8]; 11] = [
    b"service",
    b"invoke-rc.d",
    b"rc-service",
    b"update-rc.d",
    b"chkconfig",
    b"start",
    b"stop",
    b"restart",
    b"runsv",
    b"s6-supervise",
    b"supervise",
];

/// What is to be done comes first, then the names of any number of services.
const VERB_FIRST: [(&[u8], &[&[u8]]); 2] = [
    (
        b"systemctl",
        &[
            b"start",
            b"stop",
            b"reload",
            b"restart",
            b"try-restart",
            b"condrestart",
            b"reload-or-restart",
            b"try-reload-or-restart",
            b"force-reload",
            b"isolate",
            b"kill",
            b"clean",
            b"freeze",
            b"thaw",
            b"is-active",
            b"is-failed",
            b"is-enabled",
            b"status",
            b"show",
            b"cat",
            b"list-dependencies",
            b"reset-failed",
            b"enable",
            b"disable",
            b"reenable",
            b"preset",
            b"mask",
            b"unmask",
            b"edit",
            b"revert",
            b"whoami",
        ],
    ),
    (
        b"sv",
        &[
            b"status",
            b"up",
            b"down",
            b"once",
            b"start",
            b"stop",
            b"reload",
            b"restart",
            b"shutdown",
            b"exit",
            b"kill",
            b"force-stop",
            b"force-reload",
            b"force-restart",
            b"force-shutdown",
            b"try-restart",
            b"check",
        ],
    ),
];

/// What is to be done comes first, then the name of one.
const VERB_AND_ONE: [(&[u8], &[&[u8]]); 4] = [
    (b"systemctl", &[b"set-property", b"bind", b"mount-image", b"add-wants", b"add-requires"]),
    (b"initctl", &[b"start", b"stop", b"restart", b"reload", b"status", b"show-config"]),
    (b"rc-update", &[b"add", b"del", b"delete"]),
    (b"monit", &[b"start", b"stop", b"restart", b"monitor", b"unmonitor", b"status", b"summary"]),
];

/// Options whose value is the next word, which is no service.
const VALUED: [(&[u8], &[&[u8]]); 4] = [
    (b"chkconfig", &[b"--level", b"--levels"]),
    (b"systemctl", &requests::VALUED),
    (b"sv", &[b"-w"]),
    (b"monit", &[b"-g", b"-c", b"-d", b"-l", b"-s", b"-i"]),
];

fn holds(table: &[(&[u8], &[&[u8]])], program: &[u8], word: &[u8]) -> bool {
    table.iter().any(|(name, words)| *name == program && words.contains(&word))
}

/// Where in a line a word stands, its options and their values not counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    first: Vec<u8>,
    met: usize,
    value: bool,
}

impl Words {
    /// An option was met.
    pub fn option(&mut self, program: &[u8], option: &[u8]) {
        self.value = holds(&VALUED, program, option);
    }

    /// Takes the next word that is none; whether `program` takes it for the name of a service.
    pub fn is_service(&mut self, program: &[u8], word: &[u8]) -> bool {
        if std::mem::take(&mut self.value) {
            return false;
        }
        self.met += 1;
        if self.met == 1 {
            self.first = word.to_vec();
            return NAME_FIRST.contains(&program);
        }
        holds(&VERB_FIRST, program, &self.first)
            || self.met == 2 && holds(&VERB_AND_ONE, program, &self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line that are services.
    fn services(line: &str) -> Vec<&str> {
        let mut all = line.split(' ');
        let program = all.next().unwrap_or_default().as_bytes();
        let mut words = Words::default();
        all.filter(|word| match word.starts_with('-') {
            true => {
                words.option(program, word.as_bytes());
                false
            }
            false => words.is_service(program, word.as_bytes()),
        })
        .collect()
    }

    #[test]
    fn services_are_named_where_a_program_takes_their_names() {
        for (line, wanted) in [
            ("service openvpn stop customer7", vec!["openvpn"]),
            ("invoke-rc.d --quiet nginx stop x", vec!["nginx"]),
            ("systemctl --no-block stop a b", vec!["a", "b"]),
            ("systemctl -p MainPID show a", vec!["a"]),
            ("systemctl kill --signal TERM a", vec!["a"]),
            ("systemctl reboot --message why", vec![]),
            ("systemctl reboot why", vec![]),
            ("systemctl set-property a x", vec!["a"]),
            ("initctl emit x", vec![]),
            ("initctl stop a x", vec!["a"]),
            ("start a x", vec!["a"]),
            ("sv -w 7 stop a b", vec!["a", "b"]),
            ("monit -g group restart a", vec!["a"]),
            ("runsv a", vec!["a"]),
        ] {
            assert_eq!(services(line), wanted, "{line}");
        }
    }
}
