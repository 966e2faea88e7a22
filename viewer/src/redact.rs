//! The boundary between a recording and the public: secrets and names out, the story stays.
//!
//! Invariant: pure, and never in place: events in, events out, and an account of what was removed. A string is kept
//! only where a rule says that it is harmless; what no rule knows is replaced. So a secret of a form that nobody
//! thought of goes with everything else that is not known, and what a mistake costs is readability. The same string
//! has the same pseudonym everywhere, so that services, restarts and causes are found as before. REPORT.md lists
//! what is removed and what is not.
//!
//! It goes over a recording twice: first it learns who is called how ([`Redactor::learn`]), then it rewrites.

mod account;
mod path;
mod places;
mod shape;
mod vocabulary;
mod word;

use std::collections::{HashMap, HashSet};

use lastrites_traces::{
    event::{Bytes, Event, Exec, Process, What},
    reader::Item,
    session::{Coverage, End, Session},
};

use self::account::Pseudonyms;
pub use self::account::{Account, Keep, Kind, Removed};

/// Where a string stands: what is harmless there depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Comm,
    File,
    Environment,
    Tty,
    Cgroup,
    Path,
}

/// Takes secrets and names out of recordings of one machine.
#[derive(Debug, Default)]
pub struct Redactor {
    keep: Keep,
    names: Pseudonyms,
    /// Programs and services: what was executed, and what inits and supervisors are told to look after.
    programs: HashSet<Vec<u8>>,
    /// Those of them that were executed.
    executed: HashSet<Vec<u8>>,
    /// The same, as a process is called by the kernel.
    comms: HashSet<Vec<u8>>,
    /// Strings come again and again.
    done: HashMap<(Place, Bytes), Bytes>,
    commands: HashMap<(Bytes, Bytes), Bytes>,
    learning: bool,
}

/// Bytes of a command's name that the kernel keeps.
const COMM_LEN: usize = 15;

impl Redactor {
    pub fn new(keep: Keep) -> Self {
        Self { keep, learning: true, ..Self::default() }
    }

    /// Learns of one recording who and what is called how. Every recording has to be learned, with all of its items,
    /// before the first is rewritten.
    pub fn learn(&mut self, session: &Session) {
        let _ = self.session(session);
    }

    /// The same of one of its items.
    pub fn learn_item(&mut self, item: &Item) {
        let _ = match item {
            Item::Known(process) => What::Process(Box::new(self.process(process))),
            Item::Event(event) => self.what(&event.what),
            Item::Gap(_) => return,
        };
    }

    /// Ends learning.
    pub fn learned(&mut self) {
        let executed = &self.executed;
        // A service's user is called like its program, with or without the d at its end; that is nobody's name.
        let harmless = |word: &[u8]| {
            vocabulary::holds(word) || executed.contains(word) || executed.contains(&[word, b"d"].concat())
        };
        self.names.begin_anew(harmless);
        self.done.clear();
        self.commands.clear();
        self.learning = false;
    }

    /// What was removed so far.
    pub fn account(&self) -> &Account {
        &self.names.account
    }

    /// A session record without names.
    pub fn session(&mut self, session: &Session) -> Session {
        let hostname = self.hostname(&session.hostname);
        let boot_id = if session.boot_id.is_empty() {
            String::new()
        } else {
            // It stands in every line of a journal.
            self.name(Kind::Id, session.boot_id.as_bytes())
        };
        let mut scrub = |text: &String| self.note(text);
        Session {
            id: session.id,
            previous: session.previous,
            boot_id,
            hostname,
            kernel_release: scrub(&session.kernel_release),
            kernel_version: scrub(&session.kernel_version),
            machine: scrub(&session.machine),
            init: scrub(&session.init),
            init_version: scrub(&session.init_version),
            tool_version: scrub(&session.tool_version),
            began: scrub(&session.began),
            mode: scrub(&session.mode),
            cpus: session.cpus,
            hooks: session.hooks.iter().map(&mut scrub).collect(),
            missing: session.missing.iter().map(&mut scrub).collect(),
            started: session.started,
            extra: session.extra.iter().filter_map(|(key, value)| self.extra(key, value)).collect(),
        }
    }

    pub fn coverage(&mut self, coverage: &Coverage) -> Coverage {
        Coverage { note: self.note(&coverage.note), ..coverage.clone() }
    }

    pub fn end(&mut self, end: &End) -> End {
        End { note: self.note(&end.note), ..end.clone() }
    }

    pub fn event(&mut self, event: &Event) -> Event {
        Event { what: self.what(&event.what), ..*event }
    }

    pub fn process(&mut self, process: &Process) -> Process {
        // What it is called rests on what it executed.
        let filename = self.at(Place::File, &process.filename);
        Process {
            argv: self.command(&process.filename, &process.argv),
            env: self.at(Place::Environment, &process.env),
            comm: self.at(Place::Comm, &process.comm),
            tty: self.at(Place::Tty, &process.tty),
            cgroup_path: self.at(Place::Cgroup, &process.cgroup_path),
            filename,
            ..process.clone()
        }
    }

    fn exec(&mut self, exec: &Exec) -> Exec {
        let filename = self.at(Place::File, &exec.filename);
        Exec {
            argv: self.command(&exec.filename, &exec.argv),
            env: self.at(Place::Environment, &exec.env),
            comm: self.at(Place::Comm, &exec.comm),
            tty: self.at(Place::Tty, &exec.tty),
            filename,
            ..exec.clone()
        }
    }

    fn what(&mut self, what: &What) -> What {
        let mut what = what.clone();
        match &mut what {
            What::Process(process) => **process = self.process(process),
            What::Exec(exec) => **exec = self.exec(exec),
            What::Rename { comm, .. } => *comm = self.at(Place::Comm, comm),
            What::Umount { path, .. } | What::Remount { path, .. } => *path = self.at(Place::Path, path),
            What::CgroupMkdir { path, .. }
            | What::CgroupRmdir { path, .. }
            | What::CgroupAttach { path, .. } => {
                *path = self.at(Place::Cgroup, path);
            }
            // Numbers alone. No `_`: a kind of event that is new has to be thought about here.
            What::Fork { .. }
            | What::Exit { .. }
            | What::Signal(_)
            | What::Deliver { .. }
            | What::Call { .. }
            | What::Poll { .. }
            | What::Reboot { .. }
            | What::Oom { .. }
            | What::Lost { .. } => {}
        }
        what
    }

    /// What stands for `text` in a place of this kind.
    fn at(&mut self, place: Place, text: &Bytes) -> Bytes {
        if text.is_empty() {
            return text.clone();
        }
        if let Some(done) = self.done.get(&(place, text.clone())) {
            return done.clone();
        }
        let new = match place {
            Place::Comm => self.comm(text),
            Place::File => self.program_file(text),
            Place::Environment => self.environment(text),
            Place::Tty => self.tty(text),
            Place::Cgroup => self.cgroup(text),
            Place::Path => self.path(text),
        };
        let new = self.whole(&new);
        self.done.insert((place, text.clone()), new.clone());
        new
    }

    /// What stands for the arguments of `file`.
    fn command(&mut self, file: &Bytes, argv: &Bytes) -> Bytes {
        if argv.is_empty() {
            return argv.clone();
        }
        let key = (file.clone(), argv.clone());
        if let Some(done) = self.commands.get(&key) {
            return done.clone();
        }
        let new = self.arguments(file, argv);
        let new = self.whole(&new);
        self.commands.insert(key, new.clone());
        new
    }

    /// A string whose parts were judged, looked at as a whole: what is sought may lie across several of them.
    fn whole(&mut self, text: &[u8]) -> Bytes {
        self.names.scrub(text, self.keep).into()
    }

    /// The pseudonym of `original`, or itself where its kind is kept.
    fn name(&mut self, kind: Kind, original: &[u8]) -> String {
        if self.keep.holds(kind) {
            let kept = self.names.scrub(original, self.keep);
            return String::from_utf8(kept).unwrap_or_else(|_| self.names.name(kind, original).0);
        }
        self.names.name(kind, original).0
    }

    /// The same as bytes: what is kept need not be UTF-8.
    fn named(&mut self, kind: Kind, original: &[u8]) -> Vec<u8> {
        if self.keep.holds(kind) {
            return self.names.scrub(original, self.keep);
        }
        self.names.name(kind, original).0.into_bytes()
    }

    /// Remembers while learning that `original` has to go wherever it stands.
    fn seek(&mut self, kind: Kind, original: &[u8]) {
        if self.learning && !vocabulary::holds(original) {
            self.names.seek(kind, original);
        }
    }

    /// Remembers while learning that a program or a service is called so.
    fn know(&mut self, name: &[u8]) {
        if self.learning && word::is_plain_name(name) {
            self.programs.insert(name.to_vec());
            // `K20exim4` of /etc/rc6.d is exim4.
            if let [b'K' | b'S', a, b, rest @ ..] = name
                && a.is_ascii_digit()
                && b.is_ascii_digit()
                && rest.len() >= 2
            {
                self.programs.insert(rest.to_vec());
            }
            self.comms.insert(name[..name.len().min(COMM_LEN)].to_vec());
        }
    }
}
