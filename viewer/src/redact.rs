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
mod address;
mod line;
mod options;
mod path;
mod places;
mod record;
mod seek;
mod services;
mod shape;
mod text;
mod unit;
mod vocabulary;
mod whom;
mod word;
mod wrapper;

use std::collections::{HashMap, HashSet};

use lastrites_traces::{
    abi::{EXEC_FLAG_ARGV_CUT, EXEC_FLAG_ENV_CUT, EXEC_FLAG_FILENAME_CUT},
    codec::STRING_MAX,
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

impl Place {
    const fn words(self) -> &'static str {
        match self {
            Self::Comm => "names of processes",
            Self::File => "programs",
            Self::Environment => "environment",
            Self::Tty => "terminals",
            Self::Cgroup => "cgroups",
            Self::Path => "mounts",
        }
    }
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
    /// Numbers of processes that are so long that they may be something else.
    pids: HashSet<u32>,
    /// Strings come again and again.
    done: HashMap<(Place, Bytes), Bytes>,
    commands: HashMap<(Bytes, Bytes), Bytes>,
    /// Bytes that these two hold.
    done_len: usize,
    learning: bool,
    /// What is judged is only mentioned: nobody is known by it.
    by_the_way: bool,
}

/// Bytes of a command's name that the kernel keeps.
const COMM_LEN: usize = 15;
/// What is larger may be somebody's secret, unless it is known to be a process.
const SHORT_NUMBER_MAX: u32 = 99_999;
/// Bytes of strings that are remembered with what stands for them.
const DONE_MAX: usize = 64 << 20;
/// Programs and services that are known by name; a machine that has more is none, and their names go.
const PROGRAMS_MAX: usize = 1 << 16;

impl Redactor {
    pub fn new(keep: Keep) -> Self {
        Self { keep, learning: true, ..Self::default() }
    }

    /// For a recording of a report: the stand-ins that are in it stay as they are, so that what is said of one report is true
    /// of the other.
    pub fn of_report(keep: Keep) -> Self {
        let mut redactor = Self::new(keep);
        redactor.names.again = true;
        redactor
    }

    /// Learns of one recording who and what is called how. Every recording has to be learned, with all of its items,
    /// before the first is rewritten.
    pub fn learn(&mut self, session: &Session) {
        let _ = self.session(session);
    }

    /// The same of one of its items.
    pub fn learn_item(&mut self, item: &Item) {
        let _ = match item {
            Item::Known(process) => {
                self.pid(process.process.tgid);
                What::Process(Box::new(self.process(process)))
            }
            Item::Event(event) => {
                match &event.what {
                    What::Fork { child, .. } => self.pid(child.tgid),
                    What::Process(process) => self.pid(process.process.tgid),
                    What::Exec(exec) => self.pid(exec.process.tgid),
                    _ => {}
                }
                self.what(&event.what)
            }
            Item::Gap(_) => return,
        };
    }

    fn pid(&mut self, pid: u32) {
        if pid > SHORT_NUMBER_MAX && self.pids.len() < PROGRAMS_MAX {
            self.pids.insert(pid);
        }
    }

    /// Whether a number tells nothing: it is short, or that of a process.
    fn is_harmless_number(&self, word: &[u8]) -> bool {
        let number = || std::str::from_utf8(word).ok()?.parse::<u32>().ok();
        shape::is_number(word)
            && number().is_some_and(|number| number <= SHORT_NUMBER_MAX || self.pids.contains(&number))
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
        self.done_len = 0;
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
            self.names.look_at("session record", session.boot_id.as_bytes());
            self.name(Kind::Id, session.boot_id.as_bytes())
        };
        let mut scrub = |text: &String| self.note(text);
        let mut new = Session {
            id: session.id,
            previous: session.previous,
            boot_id,
            hostname,
            kernel_release: scrub(&session.kernel_release),
            kernel_version: scrub(&session.kernel_version),
            machine: scrub(&session.machine),
            distribution: scrub(&session.distribution),
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
        };
        record::fit(&mut new);
        new
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
        // The last of strings that were cut lacks its end.
        let cut = |strings: &Bytes| !strings.is_empty() && !strings.ends_with(b"\0");
        let argv = self.command(&process.filename, &process.argv, cut(&process.argv));
        let env = self.at(Place::Environment, &process.env);
        Process {
            argv: strings_that_fit(&argv).0,
            env: strings_that_fit(&env).0,
            comm: self.at(Place::Comm, &process.comm),
            tty: self.at(Place::Tty, &process.tty),
            cgroup_path: self.at(Place::Cgroup, &process.cgroup_path),
            filename,
            ..process.clone()
        }
    }

    fn exec(&mut self, exec: &Exec) -> Exec {
        let cut = |flag| exec.flags & flag != 0;
        let mut filename = self.at(Place::File, &exec.filename);
        if cut(EXEC_FLAG_FILENAME_CUT) {
            filename = self.cut(&filename);
        }
        let argv = self.command(&exec.filename, &exec.argv, cut(EXEC_FLAG_ARGV_CUT));
        let (argv, more_argv) = strings_that_fit(&argv);
        let (env, more_env) = strings_that_fit(&self.at(Place::Environment, &exec.env));
        let flag = |more, flag| if more { flag } else { 0 };
        Exec {
            argv,
            env,
            comm: self.at(Place::Comm, &exec.comm),
            tty: self.at(Place::Tty, &exec.tty),
            filename,
            flags: exec.flags | flag(more_argv, EXEC_FLAG_ARGV_CUT) | flag(more_env, EXEC_FLAG_ENV_CUT),
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
        self.names.look_at(place.words(), text);
        let new = match place {
            Place::Comm => self.comm(text),
            Place::File => self.program_file(text),
            Place::Environment => self.environment(text),
            Place::Tty => self.tty(text),
            Place::Cgroup => self.cgroup(text),
            Place::Path => self.path(text),
        };
        let mut new = self.whole(&new);
        // `KEY=value` each, of which the last was cut.
        if place == Place::Environment && !text.ends_with(b"\0") {
            new = self.cut(&new);
        }
        self.remember(text.len() + new.len());
        self.done.insert((place, text.clone()), new.clone());
        new
    }

    /// What stands for the arguments of `file`; `cut`: the last of them lacks its end.
    fn command(&mut self, file: &Bytes, argv: &Bytes, cut: bool) -> Bytes {
        if argv.is_empty() {
            return argv.clone();
        }
        let key = (file.clone(), argv.clone());
        let new = match self.commands.get(&key) {
            Some(done) => done.clone(),
            None => {
                self.names.look_at("arguments", argv);
                let new = self.arguments(file, argv);
                let new = self.whole(&new);
                self.remember(file.len() + argv.len() + new.len());
                self.commands.insert(key, new.clone());
                new
            }
        };
        if cut { self.cut(&new) } else { new }
    }

    /// Makes room for so many bytes.
    fn remember(&mut self, len: usize) {
        self.done_len += len;
        if self.done_len > DONE_MAX {
            self.done.clear();
            self.commands.clear();
            self.done_len = len;
        }
    }

    /// A string whose end was cut off, and may be the beginning of what is sought.
    fn cut(&mut self, text: &Bytes) -> Bytes {
        let end = text.strip_suffix(b"\0").unwrap_or(text);
        let start = end.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1);
        match self.names.scrub_cut(&end[start..], self.keep) {
            Some(last) => [&text[..start], last.as_slice(), &text[end.len()..]].concat().into(),
            None => text.clone(),
        }
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
            self.names.sought.add(kind, original);
        }
    }

    /// Remembers while learning that a program or a service is called so.
    fn know(&mut self, name: &[u8]) {
        if self.learning
            && !self.by_the_way
            && self.programs.len() < PROGRAMS_MAX
            && word::is_plain_name(name)
        {
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

/// Strings as many as fit into a recording, which keeps so many bytes of them; whether some do not. Stand-ins may be
/// longer than what they stand for, and one that is cut is another.
fn strings_that_fit(strings: &Bytes) -> (Bytes, bool) {
    if strings.len() <= STRING_MAX {
        return (strings.clone(), false);
    }
    // Without its NUL, the last is known to be no whole one.
    let end = strings[..STRING_MAX].iter().rposition(|byte| *byte == 0).unwrap_or(0);
    (strings[..end].into(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(argv: &[u8], flags: u8) -> Exec {
        let none: Bytes = [].as_slice().into();
        Exec {
            process: Default::default(),
            parent: Default::default(),
            uid: 0,
            session: 1,
            cgroup: 1,
            comm: none.clone(),
            filename: b"/usr/bin/tool".as_slice().into(),
            argv: argv.into(),
            env: none.clone(),
            tty: none,
            flags,
        }
    }

    fn redacted(exec: &Exec) -> Exec {
        let mut redactor = Redactor::new(Keep::default());
        redactor.learn(&Session { hostname: "prod-berlin7".into(), ..Session::default() });
        redactor.exec(exec);
        redactor.learned();
        redactor.exec(exec)
    }

    #[test]
    fn that_arguments_were_cut_is_still_known_and_their_end_is_no_way_out() {
        let left = redacted(&exec(b"tool\0/usr/x/prod-berl", EXEC_FLAG_ARGV_CUT));
        assert_eq!((left.argv.as_ref(), left.flags), (b"tool\0/usr/x/host-1".as_slice(), EXEC_FLAG_ARGV_CUT));
    }

    /// What a process calls itself became a program's name, and harmless wherever it stood, if it began like a path.
    #[test]
    fn a_path_as_a_title_is_a_path_and_no_program() {
        let left = redacted(&exec(b"/zorbtitle\0zorbtitle\0/usr/bin/zorbtitle\0", 0));
        assert_eq!(left.argv.as_ref(), b"/path-1\0path-1\0/usr/bin/zorbtitle\0".as_slice());
        // The file itself, by whatever path, and a shell by one that packages brought.
        for own in [&b"tool\0"[..], b"-tool\0", b"/usr/bin/tool\0", b"/bin/sh\0", b"/usr/lib/acme/run\0"] {
            assert_eq!(redacted(&exec(own, 0)).argv.as_ref(), own);
        }
    }

    #[test]
    fn arguments_that_stand_ins_make_longer_than_a_recording_keeps_end_with_a_whole_one_and_say_so() {
        let words: Vec<String> =
            (0..680).map(|n| format!("z{}", char::from(b'a' + (n % 26) as u8))).collect();
        let argv = [b"tool\0".as_slice(), words.join("\0").as_bytes(), b"\0"].concat();
        let left = redacted(&exec(&argv, 0));
        assert_eq!(left.flags, EXEC_FLAG_ARGV_CUT);
        assert!(left.argv.len() <= STRING_MAX && left.argv.len() > STRING_MAX - 10);
        let last = left.argv.rsplit(|byte| *byte == 0).next().unwrap_or_default();
        assert!(last.starts_with(b"arg-") && last.len() >= 5, "{last:?}");
    }
}
