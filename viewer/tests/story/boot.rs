//! What happened in one boot of a scene, line by line, as events.
//!
//! Invariant: only what can be. Who acts is alive, time does not go back, and each event has a nanosecond of its own.

use std::collections::HashMap;

use lastrites::names;
use lastrites_traces::{
    abi::{NO_CPU, call, kind},
    event::{Bytes, Disposition, Event, Exec, ProcId, Process, Signal, What},
    reader::{Gap, Item, Summary},
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
};

use crate::scene::words;

/// What the recorder would have left.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub items: Vec<Item>,
    pub summary: Summary,
    /// Numbers of the events that a line made, by the line's `@label`.
    pub labels: HashMap<String, Vec<u64>>,
}

/// `+0.00` of a scene, after boot; the recording begins [`EARLIER_NS`] before.
pub const ZERO_NS: u64 = 1_000_000_000_000;
const EARLIER_NS: u64 = 100_000_000_000;
/// Events of one written moment are this far apart.
const APART_NS: u64 = 1_000;

/// A process as the scene knows it.
#[derive(Debug, Clone)]
struct Known {
    id: ProcId,
    parent: u32,
    alive: bool,
    level: u32,
    look: Look,
}

/// What a child has from its parent unless its line says otherwise.
#[derive(Debug, Clone, Default)]
struct Look {
    uid: u32,
    session: u32,
    tty: String,
    /// `KEY=value` each.
    env: Vec<String>,
    cgroup: u64,
}

/// What stands in brackets at the end of a line.
#[derive(Debug, Default)]
struct Options {
    pairs: Vec<(String, String)>,
    label: Option<String>,
}

impl Options {
    fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(of, _)| of == key).map(|(_, value)| value.as_str())
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        self.get(key).map(|text| text.parse().map_err(|_| format!("{key}={text} is no number"))).transpose()
    }

    fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.pairs.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(format!("[{key}=] means nothing here; {} do", known.join(", "))),
            None => Ok(()),
        }
    }
}

/// Options of a process.
const LOOKS: [&str; 9] = ["uid", "session", "tty", "env", "cgroup", "comm", "as", "by", "ns"];

#[derive(Debug)]
pub struct Boot {
    items: Vec<Item>,
    procs: HashMap<u32, Known>,
    cgroups: HashMap<String, u64>,
    labels: HashMap<String, Vec<u64>>,
    session: Session,
    how: Option<(How, u64)>,
    /// The recorder was told to stop then, and nothing sealed what it left; 0: at the end.
    told_ns: Option<u64>,
    begun_ns: u64,
    now_ns: u64,
    number: u64,
    lost: u64,
    timed: bool,
}

impl Boot {
    pub fn new() -> Self {
        let begun_ns = ZERO_NS - EARLIER_NS;
        let mut boot = Self {
            items: Vec::new(),
            procs: HashMap::new(),
            cgroups: HashMap::from([("/".to_owned(), 1)]),
            labels: HashMap::new(),
            session: Session { id: SessionId([1; 16]), cpus: 2, ..Session::default() },
            how: None,
            told_ns: None,
            begun_ns,
            now_ns: begun_ns,
            number: 0,
            lost: 0,
            timed: false,
        };
        let look = Look { cgroup: 1, session: 1, ..Look::default() };
        let id = ProcId { tgid: 1, start_ns: 0 };
        boot.procs.insert(1, Known { id, parent: 0, alive: true, level: 0, look });
        boot
    }

    /// The boot after this one, on the same machine.
    pub fn next(&self) -> Self {
        let mut next = Self::new();
        next.session =
            Session { id: SessionId([2; 16]), previous: Some(self.session.id), ..self.session.clone() };
        next.pid_1();
        next
    }

    /// Whether a line that begins with this word tells of a boot.
    pub fn knows(first: &str) -> bool {
        matches!(first, "init" | "inittab" | "has" | "began" | "sealed" | "stopped" | "cut" | "disarmed")
            || first == "unsealed"
            || first.starts_with(['+', '-'])
    }

    pub fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(entry) = line.strip_prefix("inittab ") {
            self.session.extra.push(("inittab".into(), entry.trim().into()));
            return Ok(());
        }
        let mut words = words(line)?;
        let options = take_options(&mut words)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let before = self.number;
        match words.as_slice() {
            ["init", name, version @ ..] if version.len() < 2 => {
                options.only(&[])?;
                if !self.session.init.is_empty() {
                    return Err("there is an init already".into());
                }
                self.session.init = (*name).into();
                self.session.init_version = version.first().copied().unwrap_or_default().into();
                self.pid_1();
            }
            ["has", pid, "of", parent, file, args @ ..] => self.has(pid, parent, file, args, &options)?,
            ["has", pid, file, args @ ..] => self.has(pid, "1", file, args, &options)?,
            ["began", time] => self.begun_ns = moment(time)?,
            ["sealed"] => self.how = Some((How::Sealed, 0)),
            ["sealed", time] => self.how = Some((How::Sealed, moment(time)?)),
            ["stopped"] => self.how = Some((How::Stopped, 0)),
            ["cut"] => self.how = Some((How::NoSeal, 0)),
            ["unsealed"] => (self.how, self.told_ns) = (Some((How::NoSeal, 0)), Some(0)),
            ["unsealed", time] => {
                (self.how, self.told_ns) = (Some((How::NoSeal, 0)), Some(moment(time)?));
            }
            ["disarmed"] => self.how = Some((How::Disarmed, 0)),
            [time, rest @ ..] if time.starts_with(['+', '-']) => self.event(moment(time)?, rest, &options)?,
            _ => return Err(format!("not understood: {line}")),
        }
        if let Some(label) = options.label
            && self.labels.insert(label.clone(), (before..self.number).collect()).is_some()
        {
            return Err(format!("there is a label @{label} already"));
        }
        Ok(())
    }

    pub fn finish(self) -> Recorded {
        let last_ns = self.now_ns;
        let (how, at_ns) = self.how.unwrap_or((How::Sealed, 0));
        let end = End { how, time_ns: if at_ns == 0 { last_ns } else { at_ns }, note: String::new() };
        let started =
            Clock { boottime_ns: self.begun_ns, realtime_ns: 1_794_449_640_000_000_000, utc_offset_s: 0 };
        let coverage = Coverage {
            from_ns: self.begun_ns,
            to_ns: end.time_ns,
            layer: Layer::Kernel,
            note: String::new(),
        };
        let drainer = self.told_ns.map(|ns| Coverage {
            from_ns: self.begun_ns,
            to_ns: if ns == 0 { last_ns } else { ns },
            layer: Layer::Drainer,
            note: "until it was told to stop".into(),
        });
        let summary = Summary {
            session: Session { hostname: "db7".into(), started, ..self.session },
            first_segment: 1,
            last_segment: 1,
            next_number: self.number,
            events: self.number,
            first_ns: self.begun_ns,
            last_ns,
            lost: self.lost,
            clocks: vec![started],
            coverage: std::iter::once(coverage).chain(drainer).collect(),
            end: Some(end),
            ..Summary::default()
        };
        Recorded { items: self.items, summary, labels: self.labels }
    }

    fn push(&mut self, what: What) {
        self.items.push(Item::Event(Event { number: self.number, time_ns: self.now_ns, what }));
        self.number += 1;
        self.now_ns += APART_NS;
    }

    /// Tells of pid 1 as the census would.
    fn pid_1(&mut self) {
        let (file, argv): (&str, &[&str]) = match self.session.init.as_str() {
            "systemd" => ("/usr/lib/systemd/systemd", &["/sbin/init"]),
            "openrc" => ("/sbin/openrc-init", &["/sbin/init"]),
            "runit" => ("/usr/sbin/runit", &["runit"]),
            "busybox" => ("/bin/busybox", &["init"]),
            "finit" => ("/sbin/finit", &["/sbin/init"]),
            "s6" => ("/bin/s6-svscan", &["s6-svscan", "/run/service"]),
            "dinit" => ("/sbin/dinit", &["/sbin/init"]),
            _ => ("/sbin/init", &["init"]),
        };
        self.process(1, file, argv, "init");
    }

    fn has(
        &mut self,
        pid: &str,
        parent: &str,
        file: &str,
        args: &[&str],
        options: &Options,
    ) -> Result<(), String> {
        options.only(&[&LOOKS[..], &["exe"]].concat())?;
        if self.timed {
            return Err("who was running comes before what happened".into());
        }
        let (pid, parent) = (number(pid)?, self.alive(parent)?);
        if self.procs.contains_key(&pid) {
            return Err(format!("there is a process {pid} already"));
        }
        if pid >= 65_536 {
            return Err(format!("{pid}: pids are below 65536 here, their starts go by them"));
        }
        // Older pids are older processes, and none is as young as the recording.
        let id = ProcId { tgid: pid, start_ns: u64::from(pid) * ProcId::TICK_NS };
        let level = options.number("ns")?.unwrap_or(0);
        let mut look = Look { cgroup: 1, session: pid, ..Look::default() };
        self.dress(&mut look, options)?;
        self.procs.insert(pid, Known { id, parent: parent.tgid, alive: true, level, look });
        let argv = argv(file, args, options);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let comm = options.get("comm").unwrap_or_else(|| base_name(file)).to_owned();
        // /proc says what the kernel runs: the end of all links, of a script its interpreter.
        let exe = options.get("exe").or_else(|| options.get("by")).unwrap_or(file).to_owned();
        self.process(pid, &exe, &argv, &comm);
        Ok(())
    }

    fn process(&mut self, pid: u32, file: &str, argv: &[&str], comm: &str) {
        let Some(known) = self.procs.get(&pid).cloned() else { return };
        let path =
            self.cgroups.iter().find(|(_, id)| **id == known.look.cgroup).map(|(path, _)| path.clone());
        let process = Process {
            process: known.id,
            ppid: known.parent,
            uid: known.look.uid,
            session: known.look.session,
            comm: cut(comm),
            filename: bytes(file),
            argv: strings(argv),
            env: strings(&known.look.env),
            tty: bytes(&known.look.tty),
            cgroup_path: bytes(&path.unwrap_or_default()),
            cgroup: known.look.cgroup,
        };
        self.push(What::Process(Box::new(process)));
    }

    fn event(&mut self, ns: u64, words: &[&str], options: &Options) -> Result<(), String> {
        // The same moment goes on where the line before left off.
        if ns < self.now_ns / 1_000_000 * 1_000_000 {
            return Err("time goes back".into());
        }
        self.now_ns = self.now_ns.max(ns);
        self.timed = true;
        match words {
            ["lost", count, of @ ..] if of.len() < 2 => {
                options.only(&["cpu"])?;
                let kind = match of {
                    [name] => {
                        kind::NAMES.iter().position(|known| known == name).ok_or("no such kind of event")?
                    }
                    _ => 0,
                };
                let cpu = match options.get("cpu") {
                    Some("all") => NO_CPU,
                    _ => options.number("cpu")?.unwrap_or(0),
                };
                let count = number(count)?;
                self.lost += count;
                self.push(What::Lost { cpu, kind: kind as u8, count, bytes: count * 64 });
                Ok(())
            }
            ["gap", count] => {
                options.only(&[])?;
                let to = self.number + number::<u64>(count)?;
                self.items.push(Item::Gap(Gap { from: self.number, to, offset: 4096, why: "torn" }));
                self.number = to;
                Ok(())
            }
            [pid, "of", parent, "runs", file, args @ ..] => {
                self.fork(parent, pid, options)?;
                self.exec(pid, file, args, options)
            }
            [pid, "runs", file, args @ ..] => self.exec(pid, file, args, options),
            [parent, "forks", child] => self.fork(parent, child, options),
            [pid, rest @ ..] => self.deed(pid, rest, options),
            [] => Err("nothing happens".into()),
        }
    }

    fn deed(&mut self, pid: &str, words: &[&str], options: &Options) -> Result<(), String> {
        // The kernel sends some signals because somebody has ended.
        let at_end = words.iter().any(|word| matches!(*word, "no-info" | "by-kernel"));
        let process = match pid {
            "kernel" => ProcId::KERNEL,
            _ if at_end => self.known(pid)?.id,
            _ => self.alive(pid)?,
        };
        let known: &[&str] = match words {
            ["calls", ..] => &["ret", "pidfd"],
            ["polls", ..] => &["ret", "count"],
            ["reboots", ..] => &["ns"],
            ["moves" | "mkdir" | "rmdir", ..] => &["hierarchy"],
            _ => &["code"],
        };
        options.only(known)?;
        let hierarchy = options.number("hierarchy")?.unwrap_or(0);
        let what = match words {
            ["exits", code] => return self.ends(process, number::<u32>(code)? << 8),
            ["killed", sig] => return self.ends(process, signal(sig)?.into()),
            ["killed", sig, "core"] => return self.ends(process, u32::from(signal(sig)?) | 0x80),
            ["takes", sig] => deliver(process, signal(sig)?, Disposition::Handled),
            ["falls", "to", sig] => deliver(process, signal(sig)?, Disposition::Default),
            ["drops", sig] => deliver(process, signal(sig)?, Disposition::Ignored),
            ["calls", sig, target] => {
                let pidfd: Option<i32> = options.number("pidfd")?;
                What::Call {
                    process,
                    call: if pidfd.is_some() { call::PIDFD_SEND_SIGNAL } else { call::KILL },
                    target: number(target)?,
                    tgid_arg: pidfd.unwrap_or(0),
                    sig: signal(sig)?,
                    ret: options.number("ret")?.unwrap_or(0),
                }
            }
            ["polls", target, "from", time] => What::Poll {
                process,
                call: call::KILL,
                target: number(target)?,
                count: options.number("count")?.unwrap_or(10),
                first_ns: moment(time)?,
                last_ret: options.number("ret")?.unwrap_or(0),
            },
            ["reboots", how] => {
                What::Reboot { process, cmd: command(how)?, ns_level: options.number("ns")?.unwrap_or(0) }
            }
            ["umounts", path] => What::Umount { process, path: bytes(path), flags: 0 },
            // MS_REMOUNT | MS_RDONLY
            ["remounts", path] => What::Remount { process, path: bytes(path), flags: 33 },
            ["renames", name] => What::Rename { process, comm: cut(name) },
            ["mkdir", path] => {
                What::CgroupMkdir { process, id: self.cgroup(path), hierarchy, path: bytes(path) }
            }
            ["rmdir", path] => {
                What::CgroupRmdir { process, id: self.cgroup(path), hierarchy, path: bytes(path) }
            }
            ["moves", moved, "into", path] => {
                let (moved, id) = (self.alive(moved)?, self.cgroup(path));
                if let Some(known) = self.procs.get_mut(&moved.tgid).filter(|_| hierarchy == 0) {
                    known.look.cgroup = id;
                }
                What::CgroupAttach { process, moved, id, hierarchy, path: bytes(path) }
            }
            ["oom", victim] => What::Oom { process, victim: self.alive(victim)? },
            [sig, targets @ ..] if !targets.is_empty() => {
                return self.signals(process, signal(sig)?, targets, options);
            }
            _ => return Err(format!("{pid} does what? {}", words.join(" "))),
        };
        self.push(what);
        Ok(())
    }

    fn ends(&mut self, process: ProcId, status: u32) -> Result<(), String> {
        if process.tgid == 0 {
            return Err("the kernel does not end".into());
        }
        self.push(What::Exit { process, status, cpu_ns: 12_000_000, peak_rss_kib: 3400 });
        for child in self.procs.values_mut().filter(|child| child.parent == process.tgid) {
            child.parent = 1;
        }
        if let Some(known) = self.procs.get_mut(&process.tgid) {
            known.alive = false;
        }
        Ok(())
    }

    /// `TERM 812 813 ignored`: targets, then how it went.
    fn signals(&mut self, sender: ProcId, sig: u8, words: &[&str], options: &Options) -> Result<(), String> {
        let kernel = sender.tgid == 0;
        let mut sent = Signal {
            sender,
            target: ProcId::KERNEL,
            target_tid: 0,
            sig,
            code: options.number("code")?.unwrap_or(if kernel { 128 } else { 0 }),
            group: true,
            result: 0,
            no_info: false,
            priv_info: kernel,
        };
        let mut targets = Vec::new();
        for word in words {
            match *word {
                "ignored" => sent.result = 1,
                "pending" => sent.result = 2,
                "overflow" => sent.result = 3,
                "info-lost" => sent.result = 4,
                "by-kernel" => (sent.priv_info, sent.code) = (true, options.number("code")?.unwrap_or(128)),
                "no-info" => sent.no_info = true,
                "thread" => sent.group = false,
                pid => targets.push(self.alive(pid)?),
            }
        }
        if targets.is_empty() {
            return Err("a signal to nobody".into());
        }
        for target in targets {
            self.push(What::Signal(Signal { target, target_tid: target.tgid, ..sent }));
        }
        Ok(())
    }

    fn fork(&mut self, parent: &str, child: &str, options: &Options) -> Result<(), String> {
        options.only(&LOOKS)?;
        let (parent, pid) = (self.alive(parent)?, number(child)?);
        if self.procs.get(&pid).is_some_and(|known| known.alive) {
            return Err(format!("process {pid} is alive; without `of` it executes something else"));
        }
        let of = self.procs.get(&parent.tgid).ok_or("the kernel forks nobody")?;
        let (mut look, level) = (of.look.clone(), of.level);
        let level = options.number("ns")?.unwrap_or(level);
        self.dress(&mut look, options)?;
        let id = ProcId { tgid: pid, start_ns: self.now_ns };
        if self.procs.get(&pid).is_some_and(|before| before.id.same(id)) {
            return Err(format!("pid {pid} is used again within a clock tick"));
        }
        self.push(What::Fork {
            parent,
            child: id,
            child_ppid: parent.tgid,
            cgroup: look.cgroup,
            ns_level: level,
            ns_pid: if level == 0 { pid } else { 1 },
        });
        self.procs.insert(pid, Known { id, parent: parent.tgid, alive: true, level, look });
        Ok(())
    }

    fn exec(&mut self, pid: &str, file: &str, args: &[&str], options: &Options) -> Result<(), String> {
        options.only(&LOOKS)?;
        let process = self.alive(pid)?;
        let mut known = self.procs.get(&process.tgid).cloned().ok_or("the kernel executes nothing")?;
        self.dress(&mut known.look, options)?;
        let parent = self.procs.get(&known.parent).map_or(ProcId::KERNEL, |parent| parent.id);
        let argv = argv(file, args, options);
        let exec = Exec {
            process,
            parent,
            uid: known.look.uid,
            session: known.look.session,
            cgroup: known.look.cgroup,
            comm: cut(options.get("comm").unwrap_or_else(|| base_name(file))),
            filename: bytes(file),
            argv: strings(&argv),
            env: strings(&known.look.env),
            tty: bytes(&known.look.tty),
            flags: 0,
        };
        self.procs.insert(process.tgid, known);
        self.push(What::Exec(Box::new(exec)));
        Ok(())
    }

    fn dress(&mut self, look: &mut Look, options: &Options) -> Result<(), String> {
        look.uid = options.number("uid")?.unwrap_or(look.uid);
        look.session = options.number("session")?.unwrap_or(look.session);
        if let Some(tty) = options.get("tty") {
            look.tty = tty.to_owned();
        }
        if let Some(path) = options.get("cgroup") {
            look.cgroup = match self.cgroups.get(path) {
                Some(id) => *id,
                None => {
                    let id = self.cgroup(path);
                    // Of one that is new init tells by making it; the census tells of paths itself.
                    if self.timed {
                        let process = self.alive("1")?;
                        self.push(What::CgroupMkdir { process, id, hierarchy: 0, path: bytes(path) });
                    }
                    id
                }
            };
        }
        for pair in options.pairs.iter().filter(|(key, _)| key == "env").map(|(_, pair)| pair) {
            match pair.split_once('=') {
                Some((key, _)) => {
                    look.env.retain(|of| of.split('=').next() != Some(key));
                    look.env.push(pair.clone());
                }
                // `[env=]`: nothing of the parent's.
                None if pair.is_empty() => look.env.clear(),
                None => return Err(format!("env={pair} is no KEY=value")),
            }
        }
        Ok(())
    }

    fn cgroup(&mut self, path: &str) -> u64 {
        let next = self.cgroups.len() as u64 + 1;
        *self.cgroups.entry(path.to_owned()).or_insert(next)
    }

    fn known(&self, pid: &str) -> Result<&Known, String> {
        self.procs.get(&number(pid)?).ok_or_else(|| format!("there is no process {pid}"))
    }

    fn alive(&self, pid: &str) -> Result<ProcId, String> {
        let known = self.known(pid)?;
        if known.alive { Ok(known.id) } else { Err(format!("process {pid} is dead")) }
    }
}

/// Takes `[key=value ...]` and `@label` off the end of a line.
fn take_options(words: &mut Vec<String>) -> Result<Options, String> {
    let mut options = Options::default();
    if let Some(label) = words.last().and_then(|word| word.strip_prefix('@')) {
        options.label = Some(label.to_owned());
        words.pop();
    }
    if !words.last().is_some_and(|word| word.ends_with(']')) {
        return Ok(options);
    }
    let from = words.iter().rposition(|word| word.starts_with('[')).ok_or("a bracket is not opened")?;
    let inner = words.drain(from..).collect::<Vec<_>>();
    let last = inner.len() - 1;
    for (at, word) in inner.iter().enumerate() {
        let word = if at == 0 { &word[1..] } else { word };
        let word = if at == last { &word[..word.len() - 1] } else { word };
        let (key, value) = word.split_once('=').ok_or_else(|| format!("[{word}] is no key=value"))?;
        options.pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(options)
}

fn argv(file: &str, args: &[&str], options: &Options) -> Vec<String> {
    // A script's first words are its interpreter and its path.
    let by = options.get("by").map(str::to_owned);
    let zeroth = options.get("as").unwrap_or(file).to_owned();
    by.into_iter().chain([zeroth]).chain(args.iter().map(|word| (*word).to_owned())).collect()
}

fn deliver(process: ProcId, sig: u8, disposition: Disposition) -> What {
    What::Deliver { process, tid: process.tgid, sig, disposition }
}

fn command(how: &str) -> Result<u32, String> {
    Ok(match how {
        "restart" => 0x0123_4567,
        "power-off" => 0x4321_fedc,
        "halt" => 0xcdef_0123,
        "kexec" => 0x4558_4543,
        "suspend" => 0xd000_fce2,
        "cad-on" => 0x89ab_cdef,
        "cad-off" => 0,
        _ => return Err(format!("no such command of reboot(2): {how}")),
    })
}

fn signal(name: &str) -> Result<u8, String> {
    names::parse_signal(name).ok_or_else(|| format!("no such deed or signal: {name}"))
}

pub fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// `+0.41` and `-3` are seconds from the scene's zero.
pub fn moment(text: &str) -> Result<u64, String> {
    let seconds: f64 = number(text)?;
    let ns = (seconds * 1e6).round() as i64 * 1_000;
    ZERO_NS.checked_add_signed(ns).ok_or_else(|| format!("{text} is before the boot"))
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

/// A comm: at most 15 bytes.
fn cut(text: &str) -> Bytes {
    text.as_bytes()[..text.len().min(15)].into()
}

fn strings<T: AsRef<str>>(words: &[T]) -> Bytes {
    words.iter().flat_map(|word| word.as_ref().bytes().chain([0])).collect::<Vec<u8>>().into()
}
