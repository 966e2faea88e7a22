//! The recording of the demonstration as its miniature machine would have made it: two boots, with the pids that
//! processes had there, and without the real machine around it.
//!
//! Invariant: no event is made up and no time is changed; what happened outside is left out. What is said about the
//! machine (its init, its inittab) is what was staged.

use std::{
    collections::HashMap,
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use lastrites_traces::{
    event::{Event, Exec, ProcId, Signal, What},
    reader::{Item, Summary, Trace},
    ring::{self, Writer},
    session::{Clock, End, How, Session, SessionId},
    storage::FileStorage,
};

use super::roles;
use crate::error::Error;

/// Far more than both boots take.
const SIZE: u64 = 8 << 20;
/// What a signal comes from whose sender is not of the machine.
const OUTSIDE: ProcId = ProcId::KERNEL;

/// Who was of which boot, under which pid.
struct Machine {
    members: HashMap<ProcId, (usize, u32)>,
    boots: usize,
}

impl Machine {
    fn see(&mut self, event: &Event, init: &[u8]) {
        match &event.what {
            What::Fork { parent, child, ns_pid, .. } => {
                if let Some((boot, _)) = self.members.get(parent) {
                    self.members.insert(*child, (*boot, *ns_pid));
                }
            }
            What::Exec(exec) if *exec.filename == *init => {
                self.members.insert(exec.process, (self.boots, 1));
                self.boots += 1;
            }
            _ => {}
        }
    }

    /// What `process` was called in `boot`.
    fn known(&self, boot: usize, process: ProcId) -> Option<ProcId> {
        let (of, pid) = self.members.get(&process)?;
        (*of == boot).then_some(ProcId { tgid: *pid, ..process })
    }

    /// The event as a recorder inside would have it; `None` if it is none of this boot's.
    fn inside(&self, boot: usize, what: &What) -> Option<What> {
        let of = |process: ProcId| self.known(boot, process);
        let or_outside = |process: ProcId| of(process).unwrap_or(OUTSIDE);
        let mut what = what.clone();
        match &mut what {
            What::Fork { parent, child, child_ppid, ns_level, ns_pid, .. } => {
                (*child, *parent) = (of(*child)?, or_outside(*parent));
                (*child_ppid, *ns_level, *ns_pid) = (parent.tgid, 0, child.tgid);
            }
            What::Exec(exec) => {
                let Exec { process, parent, .. } = &mut **exec;
                (*process, *parent) = (of(*process)?, or_outside(*parent));
            }
            What::Signal(signal) => {
                let Signal { sender, target, target_tid, .. } = signal;
                let is_leader = *target_tid == target.tgid;
                (*target, *sender) = (of(*target)?, or_outside(*sender));
                if is_leader {
                    *target_tid = target.tgid;
                }
            }
            What::Deliver { process, tid, .. } => {
                let is_leader = *tid == process.tgid;
                *process = of(*process)?;
                if is_leader {
                    *tid = process.tgid;
                }
            }
            What::Reboot { process, ns_level, .. } => (*process, *ns_level) = (of(*process)?, 0),
            What::CgroupAttach { process, moved, .. } => {
                (*moved, *process) = (of(*moved)?, or_outside(*process));
            }
            What::Oom { process, victim } => (*victim, *process) = (of(*victim)?, or_outside(*process)),
            What::Process(found) => found.process = of(found.process)?,
            What::Exit { process, .. }
            | What::Rename { process, .. }
            | What::Call { process, .. }
            | What::Poll { process, .. }
            | What::Umount { process, .. }
            | What::Remount { process, .. }
            | What::CgroupMkdir { process, .. }
            | What::CgroupRmdir { process, .. } => *process = of(*process)?,
            // Whose it would have been nobody knows.
            What::Lost { .. } => {}
        }
        Some(what)
    }
}

/// Writes the recording of the machine staged in `dir` to a new file that stays; its path, and how many boots it has.
pub(super) fn write(trace: &Trace, summary: &Summary, dir: &Path) -> Result<(PathBuf, usize), Error> {
    let items = trace.events(summary.session.id)?.collect::<Result<Vec<Item>, _>>()?;
    let events: Vec<&Event> = items
        .iter()
        .filter_map(|item| match item {
            Item::Event(event) => Some(event),
            _ => None,
        })
        .collect();
    let init = dir.join("bin/init");
    let mut machine = Machine { members: HashMap::new(), boots: 0 };
    for event in &events {
        machine.see(event, init.as_os_str().as_bytes());
    }
    let ring = dir.join("machine.lrt");
    let (storage, _) = FileStorage::create(&ring, SIZE)?;
    let mut writer = Writer::open(storage)?;
    let mut ids: Vec<SessionId> = Vec::new();
    for boot in 0..machine.boots {
        let own: Vec<(u64, What)> = events
            .iter()
            .filter_map(|event| Some((event.time_ns, machine.inside(boot, &event.what)?)))
            .collect();
        let session = session(summary, dir, boot, ids.last().copied(), own.first().map_or(0, |(ns, _)| *ns));
        ids.push(session.id);
        writer.begin(&session)?;
        writer.append(&own, &[])?;
        for coverage in &summary.coverage {
            writer.cover(coverage)?;
        }
        let note = "the miniature machine was gone".into();
        writer.end(&End { how: How::Stopped, time_ns: own.last().map_or(0, |(ns, _)| *ns), note })?;
    }
    drop(writer);
    let failed = |e: std::io::Error| Error::failed("a temporary file", e, "make room in /tmp, or set TMPDIR");
    let mut file =
        tempfile::Builder::new().prefix("lastrites-demo-").suffix(".lrt").tempfile().map_err(failed)?;
    Trace::open(&ring)?.save_all(&ids, &mut file)?;
    file.flush().map_err(failed)?;
    let (_, path) = file.keep().map_err(|e| failed(e.error))?;
    Ok((path, machine.boots))
}

fn session(
    summary: &Summary,
    dir: &Path,
    boot: usize,
    previous: Option<SessionId>,
    first_ns: u64,
) -> Session {
    let real = &summary.session;
    let entry = |(id, name): (&str, &str)| {
        let command: Vec<String> =
            std::iter::once(name.to_owned()).chain(roles::argument(dir, name)).collect();
        ("inittab".to_owned(), format!("{id}:23456:respawn:{}", command.join(" ")))
    };
    Session {
        id: SessionId(ring::random_id()),
        previous,
        boot_id: format!("demonstration-{}", boot + 1),
        hostname: "miniature".into(),
        init: "sysvinit".into(),
        init_version: "in miniature".into(),
        began: "boot".into(),
        started: Clock {
            boottime_ns: first_ns,
            realtime_ns: real.started.realtime_of(first_ns),
            utc_offset_s: real.started.utc_offset_s,
        },
        extra: roles::INITTAB.map(entry).into(),
        ..real.clone()
    }
}
