//! Which events are meant.
//!
//! Invariant: pure. An event matches when every kind of filter that was given does; of one kind
//! given several times, any.

use lastrites_traces::event::{Event, ProcId, What};

use crate::{
    error::Error,
    names,
    processes::{Processes, base_name},
};

/// Names of the kinds of events, as `--kind` takes and `--json` prints them.
pub const KINDS: [&str; 17] = [
    "process",
    "fork",
    "exec",
    "exit",
    "rename",
    "signal",
    "deliver",
    "call",
    "poll",
    "reboot",
    "umount",
    "remount",
    "cgroup-mkdir",
    "cgroup-rmdir",
    "cgroup-attach",
    "oom",
    "lost",
];

/// The kind of an event.
pub fn kind(what: &What) -> &'static str {
    match what {
        What::Process(_) => "process",
        What::Fork { .. } => "fork",
        What::Exec(_) => "exec",
        What::Exit { .. } => "exit",
        What::Rename { .. } => "rename",
        What::Signal(_) => "signal",
        What::Deliver { .. } => "deliver",
        What::Call { .. } => "call",
        What::Poll { .. } => "poll",
        What::Reboot { .. } => "reboot",
        What::Umount { .. } => "umount",
        What::Remount { .. } => "remount",
        What::CgroupMkdir { .. } => "cgroup-mkdir",
        What::CgroupRmdir { .. } => "cgroup-rmdir",
        What::CgroupAttach { .. } => "cgroup-attach",
        What::Oom { .. } => "oom",
        What::Lost { .. } => "lost",
    }
}

/// The processes that an event is about: who did it, and whom it befell.
pub fn processes_of(what: &What) -> (Option<ProcId>, Option<ProcId>) {
    match what {
        What::Process(p) => (Some(p.process), None),
        What::Fork { parent, child, .. } => (Some(*parent), Some(*child)),
        What::Exec(exec) => (Some(exec.process), None),
        What::Signal(signal) => (Some(signal.sender), Some(signal.target)),
        What::Exit { process, .. }
        | What::Rename { process, .. }
        | What::Deliver { process, .. }
        | What::Call { process, .. }
        | What::Poll { process, .. }
        | What::Reboot { process, .. }
        | What::Umount { process, .. }
        | What::Remount { process, .. }
        | What::CgroupMkdir { process, .. }
        | What::CgroupRmdir { process, .. } => (Some(*process), None),
        What::CgroupAttach { process, moved, .. } => (Some(*process), Some(*moved)),
        What::Oom { process, victim } => (Some(*process), Some(*victim)),
        What::Lost { .. } => (None, None),
    }
}

/// What `show` is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub pids: Vec<u32>,
    pub names: Vec<Pattern>,
    pub signals: Vec<u8>,
    pub kinds: Vec<&'static str>,
    pub events: Vec<u64>,
    pub from_ns: Option<u64>,
    pub to_ns: Option<u64>,
}

impl Filter {
    pub fn matches(&self, event: &Event, processes: &Processes) -> bool {
        let what = &event.what;
        let any = |list_is_empty: bool, found: &dyn Fn() -> bool| list_is_empty || found();
        self.in_span(event.time_ns)
            && any(self.events.is_empty(), &|| self.events.contains(&event.number))
            && any(self.kinds.is_empty(), &|| self.kinds.contains(&kind(what)))
            && any(self.signals.is_empty(), &|| {
                signal_of(what).is_some_and(|sig| self.signals.contains(&sig))
            })
            && any(self.pids.is_empty(), &|| self.pid(what))
            && any(self.names.is_empty(), &|| self.name(what, processes))
    }

    /// Whether a loss belongs into the answer: one in the time asked for always does, whatever
    /// else was asked, for it may be what was asked for.
    pub fn wants_loss(&self, time_ns: u64) -> bool {
        self.events.is_empty() && self.in_span(time_ns)
    }

    fn in_span(&self, time_ns: u64) -> bool {
        self.from_ns.is_none_or(|from| time_ns >= from) && self.to_ns.is_none_or(|to| time_ns <= to)
    }

    /// Nothing after `event` can match.
    pub fn is_past(&self, event: &Event) -> bool {
        self.to_ns.is_some_and(|to| event.time_ns > to)
    }

    fn pid(&self, what: &What) -> bool {
        let (one, two) = processes_of(what);
        let target = match what {
            What::Call { target, .. } | What::Poll { target, .. } => u32::try_from(*target).ok(),
            _ => None,
        };
        [one.map(|id| id.tgid), two.map(|id| id.tgid), target]
            .into_iter()
            .flatten()
            .any(|pid| self.pids.contains(&pid))
    }

    fn name(&self, what: &What, processes: &Processes) -> bool {
        let (one, two) = processes_of(what);
        [one, two].into_iter().flatten().filter_map(|id| processes.get(id)).any(|known| {
            self.names
                .iter()
                .any(|name| name.matches(&known.comm) || name.matches(base_name(&known.filename)))
        })
    }
}

/// The signal that an event is about.
pub fn signal_of(what: &What) -> Option<u8> {
    match what {
        What::Signal(signal) => Some(signal.sig),
        What::Deliver { sig, .. } | What::Call { sig, .. } => Some(*sig),
        What::Poll { .. } => Some(0),
        What::Exit { status, .. } => Some((status & 0x7f) as u8).filter(|sig| *sig != 0),
        _ => None,
    }
}

/// A process name, in which `*` stands for anything and `?` for one byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// The kernel keeps this much of a name.
    const COMM_MAX: usize = 15;

    pub fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    pub fn matches(&self, name: &[u8]) -> bool {
        // Whoever asks for "postgresql-16-main" means the process that the kernel had to shorten.
        let plain = !self.0.iter().any(|byte| matches!(byte, b'*' | b'?'));
        if plain && self.0.len() > Self::COMM_MAX && name.len() == Self::COMM_MAX && self.0.starts_with(name)
        {
            return true;
        }
        glob(&self.0, name)
    }
}

/// Backtracks to the last star only, so the time is bounded by the product of the lengths.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, n) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// A signal as people write it.
pub fn parse_signal(text: &str) -> Result<u8, Error> {
    names::parse_signal(text)
        .ok_or_else(|| Error::usage(format!("{text}: not a signal; write it like TERM, SIGTERM or 15")))
}

/// A kind as people write it.
pub fn parse_kind(text: &str) -> Result<&'static str, Error> {
    KINDS
        .into_iter()
        .find(|kind| *kind == text)
        .ok_or_else(|| Error::usage(format!("{text}: not a kind of event; there are {}", KINDS.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{exec, exit, id, signal};

    fn event(number: u64, what: What) -> Event {
        Event { number, time_ns: number * 1000, what }
    }

    #[test]
    fn names_match_as_shells_match() {
        for (pattern, name, expected) in [
            ("mongod", "mongod", true),
            ("mongo", "mongod", false),
            ("mongo*", "mongod", true),
            ("*god", "mongod", true),
            ("m?ng*d", "mongod", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
            ("postgresql-16-main", "postgresql-16-m", true),
            ("postgresql-16-main", "postgresql-16-x", false),
            ("", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pid_is_found_on_either_side() {
        let filter = Filter { pids: vec![20], ..Filter::default() };
        let processes = Processes::default();
        assert!(filter.matches(&event(1, signal(id(5), id(20), 15)), &processes));
        assert!(filter.matches(&event(1, signal(id(20), id(5), 15)), &processes));
        assert!(!filter.matches(&event(1, signal(id(6), id(5), 15)), &processes));
        let call = What::Call { process: id(6), call: 1, target: 20, tgid_arg: 0, sig: 15, ret: -3 };
        assert!(filter.matches(&event(1, call), &processes));
    }

    #[test]
    fn filters_of_different_kinds_must_all_match() {
        let mut processes = Processes::default();
        processes.event(&exec(id(20), id(1), "/usr/bin/mongod", &["mongod"]));
        let filter = Filter { signals: vec![9], names: vec![Pattern::new("mongod")], ..Filter::default() };
        assert!(filter.matches(&event(1, signal(id(5), id(20), 9)), &processes));
        assert!(filter.matches(&event(1, exit(id(20), 9)), &processes), "died of it");
        assert!(!filter.matches(&event(1, signal(id(5), id(20), 15)), &processes));
        assert!(!filter.matches(&event(1, signal(id(5), id(21), 9)), &processes));
    }

    #[test]
    fn losses_in_the_time_asked_for_are_wanted_whatever_else_was_asked() {
        let filter = Filter { pids: vec![1], from_ns: Some(10), to_ns: Some(20), ..Filter::default() };
        assert!(filter.wants_loss(15) && !filter.wants_loss(25));
        assert!(!Filter { events: vec![3], ..Filter::default() }.wants_loss(15));
    }

    #[test]
    fn what_is_not_a_signal_or_a_kind_is_said() {
        assert_eq!(parse_signal("sigterm").ok(), Some(15));
        assert!(parse_signal("TERMINATE").is_err_and(|e| e.exit_code() == 2));
        assert!(parse_kind("forks").is_err_and(|e| e.to_string().contains("cgroup-mkdir")));
    }
}
