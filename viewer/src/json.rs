//! JSON, one object a line, for programs.
//!
//! Invariant: the names of members are those of JSON.md (a test compares); a line is plain ASCII
//! where a character is not safe for a terminal, so even a careless `cat` does no harm. A string
//! that is valid UTF-8 reads back exactly; one that is not has U+FFFD for what is invalid, and
//! `<name>_hex` beside it with the exact bytes.

use std::{fmt::Write as _, io};

use serde::Serializer as _;
use serde_json::ser::Formatter;

use lastrites_traces::{
    abi,
    event::{Bytes, Disposition, Event, ProcId, What},
    reader::{Gap, Summary},
};

use crate::{
    about::{self, Ending},
    filter, names,
    processes::Processes,
    requests::Request,
    safe,
    time::Clocks,
};

/// One object being written.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Object<'a> {
    pub fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    pub fn close(self) {
        self.out.push('}');
    }

    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        let _ = write!(self.out, "\"{key}\":");
    }

    pub fn number(&mut self, key: &str, value: impl Into<i128>) {
        self.key(key);
        let value: i128 = value.into();
        let _ = write!(self.out, "{value}");
    }

    pub fn truth(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.push_str(if value { "true" } else { "false" });
    }

    pub fn null(&mut self, key: &str) {
        self.key(key);
        self.out.push_str("null");
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_string(self.out, value);
    }

    /// Bytes of a traced process.
    pub fn bytes(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        push_string(self.out, &String::from_utf8_lossy(value));
        if std::str::from_utf8(value).is_err() {
            self.key(&format!("{key}_hex"));
            self.out.push('"');
            for byte in value {
                let _ = write!(self.out, "{byte:02x}");
            }
            self.out.push('"');
        }
    }

    /// NUL-terminated strings.
    pub fn words(&mut self, key: &str, value: &[u8]) {
        let body = value.strip_suffix(b"\0").unwrap_or(value);
        let words: Vec<&[u8]> =
            if value.is_empty() { Vec::new() } else { body.split(|byte| *byte == 0).collect() };
        self.list(key, words.iter(), |out, word| push_string(out, &String::from_utf8_lossy(word)));
        if std::str::from_utf8(value).is_err() {
            self.key(&format!("{key}_hex"));
            self.out.push('"');
            for byte in value {
                let _ = write!(self.out, "{byte:02x}");
            }
            self.out.push('"');
        }
    }

    pub fn list<T>(&mut self, key: &str, items: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) {
        self.key(key);
        self.out.push('[');
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write(self.out, item);
        }
        self.out.push(']');
    }

    /// What `write` appends has to be JSON.
    pub fn raw(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        self.key(key);
        write(self.out);
    }

    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::open(self.out);
        write(&mut inner);
        inner.close();
    }
}

/// Appends `text` as JSON writes strings, and besides escapes all that is not safe for a terminal.
fn push_string(out: &mut String, text: &str) {
    let mut serializer = serde_json::Serializer::with_formatter(Sink(out), Careful);
    // Writing to memory does not fail.
    let _ = serializer.serialize_str(text);
}

/// A string as a place to write to. What is written is pieces of JSON, each of them UTF-8.
struct Sink<'a>(&'a mut String);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push_str(std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Careful;

impl Formatter for Careful {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !safe::is_plain(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// The object of a whole recording: what `list --json` prints, and `show --json` first.
pub fn push_recording(
    out: &mut String,
    number: usize,
    summary: &Summary,
    ending: Ending,
    requested: Option<&Request>,
    reboot: Option<u32>,
) {
    let session = &summary.session;
    let clocks = Clocks::new(summary);
    let mut object = Object::open(out);
    object.text("type", "recording");
    object.number("recording", number as u64);
    object.text("id", &session.id.to_string());
    match session.previous {
        Some(previous) => object.text("previous", &previous.to_string()),
        None => object.null("previous"),
    }
    object.text("started", &clocks.wall(session.started.boottime_ns).to_rfc3339());
    object.number("started_ns", session.started.boottime_ns);
    object.number("duration_ns", about::lasted_ns(summary));
    for (key, value) in [
        ("boot_id", &session.boot_id),
        ("hostname", &session.hostname),
        ("kernel_release", &session.kernel_release),
        ("machine", &session.machine),
        ("distribution", &session.distribution),
        ("init", &session.init),
        ("init_version", &session.init_version),
        ("tool_version", &session.tool_version),
        ("began", &session.began),
        ("mode", &session.mode),
    ] {
        object.text(key, value);
    }
    match requested {
        Some(request) => object.object("requested", |o| {
            o.number("event", request.number);
            o.number("uid", request.uid);
            o.bytes("tty", &request.tty);
            o.words("argv", &request.argv);
        }),
        None => object.null("requested"),
    }
    match reboot {
        Some(cmd) => object.text("reboot", &names::reboot(cmd).0),
        None => object.null("reboot"),
    }
    object.text("end", ending.word());
    object.text("end_note", summary.end.as_ref().map_or("", |end| &end.note));
    object.number("events", summary.events);
    object.number("first_event", summary.first_number);
    object.number("next_event", summary.next_number);
    object.number("lost", summary.lost);
    object.list("coverage", summary.coverage.iter(), |out, coverage| {
        let mut o = Object::open(out);
        o.text("layer", about::layer(coverage.layer));
        o.number("from_ns", coverage.from_ns);
        o.number("to_ns", coverage.to_ns);
        o.text("note", &coverage.note);
        o.close();
    });
    object.list("gaps", summary.gaps.iter(), |out, gap| {
        let mut o = Object::open(out);
        gap_members(&mut o, gap);
        o.close();
    });
    object.list("missing", session.missing.iter(), |out, text| push_string(out, text));
    object.close();
    out.push('\n');
}

fn gap_members(object: &mut Object<'_>, gap: &Gap) {
    object.number("from", gap.from);
    object.number("to", gap.to);
    object.number("offset", gap.offset);
    object.text("why", gap.why);
}

/// The object of a stretch that cannot be read.
pub fn push_gap(out: &mut String, gap: &Gap) {
    let mut object = Object::open(out);
    object.text("type", "gap");
    gap_members(&mut object, gap);
    object.close();
    out.push('\n');
}

/// The object of one event. `processes` has learnt from it already.
pub fn push(out: &mut String, event: &Event, processes: &Processes, clocks: &Clocks) {
    let mut object = Object::open(out);
    object.text("type", filter::kind(&event.what));
    object.number("event", event.number);
    object.number("time_ns", event.time_ns);
    object.number("since_start_ns", clocks.since_start_ns(event.time_ns));
    object.text("time", &clocks.wall(event.time_ns).to_rfc3339_opts(chrono::SecondsFormat::Nanos, false));
    Members { object: &mut object, processes }.what(&event.what);
    object.close();
    out.push('\n');
}

struct Members<'a, 'b> {
    object: &'a mut Object<'b>,
    processes: &'a Processes,
}

impl Members<'_, '_> {
    fn process(&mut self, key: &str, id: ProcId) {
        if id.tgid == 0 {
            self.object.null(key);
            return;
        }
        let comm = self.processes.comm(id);
        self.object.object(key, |o| {
            o.number("pid", id.tgid);
            o.number("start_ns", id.start_ns);
            o.bytes("name", comm);
        });
    }

    fn signal(&mut self, sig: u8) {
        self.object.text("signal", &names::signal(sig));
        self.object.number("signal_number", sig);
    }

    fn call(&mut self, call: u8, target: i64, ret: i64) {
        self.object.text("call", abi::call::NAMES.get(usize::from(call)).copied().unwrap_or("unknown"));
        self.object.number("target_arg", target);
        self.object.number("ret", ret);
        match names::errno(ret) {
            Some(name) => self.object.text("errno", &name),
            None => self.object.null("errno"),
        }
    }

    fn cgroup(&mut self, id: u64, hierarchy: u32, path: &Bytes) {
        self.object.number("cgroup", id);
        self.object.number("hierarchy", hierarchy);
        self.object.bytes("path", path);
    }

    #[expect(clippy::too_many_lines, reason = "one table: kind of event to members")]
    fn what(&mut self, what: &What) {
        let (actor, _) = filter::processes_of(what);
        match actor {
            _ if matches!(what, What::Signal(_)) => {}
            Some(id) => self.process("process", id),
            None => {}
        }
        match what {
            What::Process(p) => {
                self.object.number("ppid", p.ppid);
                self.object.number("uid", p.uid);
                self.object.number("session", p.session);
                self.object.bytes("filename", &p.filename);
                self.object.words("argv", &p.argv);
                self.object.words("env", &p.env);
                self.object.bytes("tty", &p.tty);
                self.object.number("cgroup", p.cgroup);
                self.object.bytes("path", &p.cgroup_path);
            }
            What::Fork { child, child_ppid, cgroup, ns_level, ns_pid, .. } => {
                self.process("child", *child);
                self.object.number("child_ppid", *child_ppid);
                self.object.number("cgroup", *cgroup);
                self.object.number("ns_level", *ns_level);
                self.object.number("ns_pid", *ns_pid);
            }
            What::Exec(exec) => {
                self.process("parent", exec.parent);
                self.object.number("uid", exec.uid);
                self.object.number("session", exec.session);
                self.object.number("cgroup", exec.cgroup);
                self.object.bytes("filename", &exec.filename);
                self.object.words("argv", &exec.argv);
                self.object.words("env", &exec.env);
                self.object.bytes("tty", &exec.tty);
                self.object.truth("cut", exec.flags != 0);
            }
            What::Exit { status, cpu_ns, peak_rss_kib, .. } => {
                let sig = (status & 0x7f) as u8;
                self.object.number("status", *status);
                if sig == 0 {
                    self.object.number("exit_code", status >> 8 & 0xff);
                    self.object.null("killed_by");
                } else {
                    self.object.null("exit_code");
                    self.object.text("killed_by", &names::signal(sig));
                }
                self.object.truth("core", status & 0x80 != 0);
                self.object.number("cpu_ns", *cpu_ns);
                self.object.number("peak_rss_kib", *peak_rss_kib);
            }
            What::Rename { comm, .. } => self.object.bytes("comm", comm),
            What::Signal(s) => {
                self.process("sender", s.sender);
                self.process("target", s.target);
                self.signal(s.sig);
                self.object.truth("by_kernel", s.by_kernel());
                self.object.number("code", s.code);
                self.object.text("why", &names::si_code(s.sig, s.code));
                self.object.truth("group", s.group);
                self.object.number("target_tid", s.target_tid);
                self.object.text("result", &names::result(s.result));
                self.object.number("result_number", s.result);
                self.object.truth("no_info", s.no_info);
            }
            What::Deliver { tid, sig, disposition, .. } => {
                self.signal(*sig);
                self.object.number("tid", *tid);
                self.object.text(
                    "disposition",
                    match disposition {
                        Disposition::Default => "default",
                        Disposition::Handled => "handled",
                        Disposition::Ignored => "ignored",
                    },
                );
            }
            What::Call { call, target, tgid_arg, sig, ret, .. } => {
                self.signal(*sig);
                self.call(*call, *target, *ret);
                self.object.number("tgid_arg", *tgid_arg);
            }
            What::Poll { call, target, count, first_ns, last_ret, .. } => {
                self.call(*call, *target, *last_ret);
                self.object.number("count", *count);
                self.object.number("first_ns", *first_ns);
            }
            What::Reboot { cmd, ns_level, .. } => {
                let (word, ends) = names::reboot(*cmd);
                self.object.text("command", &word);
                self.object.number("command_number", *cmd);
                self.object.number("ns_level", *ns_level);
                self.object.truth("ends_machine", ends && *ns_level == 0);
            }
            What::Umount { path, flags, .. } | What::Remount { path, flags, .. } => {
                self.object.bytes("path", path);
                self.object.number("flags", *flags);
            }
            What::CgroupMkdir { id, hierarchy, path, .. } | What::CgroupRmdir { id, hierarchy, path, .. } => {
                self.cgroup(*id, *hierarchy, path);
            }
            What::CgroupAttach { moved, id, hierarchy, path, .. } => {
                self.process("moved", *moved);
                self.cgroup(*id, *hierarchy, path);
            }
            What::Oom { victim, .. } => self.process("victim", *victim),
            What::Lost { cpu, kind, count, bytes } => {
                if *cpu == abi::NO_CPU {
                    self.object.null("cpu");
                } else {
                    self.object.number("cpu", *cpu);
                }
                self.object
                    .text("kind", abi::kind::NAMES.get(usize::from(*kind)).copied().unwrap_or("unknown"));
                self.object.number("count", *count);
                self.object.number("bytes", *bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::one_of_each;
    use proptest::prelude::*;

    /// The members that JSON.md documents: what stands in back quotes at the beginning of a row.
    fn documented() -> Vec<String> {
        include_str!("../JSON.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned()))
            .collect()
    }

    fn members(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    found.push(key.clone());
                    members(value, found);
                }
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| members(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_member_is_documented_and_every_kind_too() {
        let documented = documented();
        let processes = Processes::default();
        let clocks = crate::time::tests::clocks();
        let mut found = Vec::new();
        for event in one_of_each() {
            let mut out = String::new();
            push(&mut out, &event, &processes, &clocks);
            let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            assert_eq!(out.matches('\n').count(), 1, "one line: {out}");
            members(&value, &mut found);
            found.push(value["type"].as_str().expect("a type").to_owned());
        }
        let mut out = String::new();
        push_recording(&mut out, 1, &crate::testing::summary(), Ending::Sealed, None, None);
        members(&serde_json::from_str(&out).expect("JSON"), &mut found);
        for name in found {
            let name = name.strip_suffix("_hex").unwrap_or(&name).to_owned();
            assert!(documented.contains(&name), "{name} is not in JSON.md");
        }
        for kind in filter::KINDS {
            assert!(documented.iter().any(|name| name == kind), "{kind} is not in JSON.md");
        }
    }

    /// 4294967295 is no CPU.
    #[test]
    fn what_was_lost_on_nobody_knows_which_cpu_is_said_so() {
        for (cpu, wanted) in [(abi::NO_CPU, serde_json::Value::Null), (1, 1.into())] {
            let what = What::Lost { cpu, kind: abi::kind::POLL, count: 2, bytes: 0 };
            let mut out = String::new();
            let event = Event { number: 0, time_ns: 0, what };
            push(&mut out, &event, &Processes::default(), &crate::time::tests::clocks());
            let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            assert_eq!((&value["cpu"], &value["kind"]), (&wanted, &"poll".into()));
        }
    }

    proptest! {
        #[test]
        fn text_reads_back_and_is_safe_on_a_terminal(text in any::<String>()) {
            let mut out = String::new();
            push_string(&mut out, &text);
            prop_assert!(out.chars().all(safe::is_plain));
            prop_assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
        }

        #[test]
        fn any_bytes_give_one_object(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut out = String::new();
            let mut object = Object::open(&mut out);
            object.bytes("name", &bytes);
            object.words("argv", &bytes);
            object.close();
            let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            prop_assert_eq!(value.get("name_hex").is_some(), std::str::from_utf8(&bytes).is_err());
        }
    }
}
