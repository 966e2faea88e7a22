//! The recording of the demonstration as its miniature machine would have made it: two boots, with the pids that
//! processes had there, and without the real machine around it.
//!
//! Invariant: no event is made up and no time is changed; what happened outside is left out. What is said about the
//! machine (its init, its inittab) is what was staged.

use std::{
    collections::HashMap,
    fs,
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

use tempfile::TempPath;

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

/// The recording of the machine staged in a directory: rewritten as it grows, for whoever follows it, and gone with this
/// unless it is kept.
#[derive(Debug)]
pub(super) struct Recording {
    dir: PathBuf,
    path: TempPath,
    ids: Vec<SessionId>,
}

fn no_room(error: std::io::Error) -> Error {
    Error::failed("a temporary file", error, "make room in /tmp, or set TMPDIR")
}

impl Recording {
    /// Beside `dir`; there is nothing in it yet.
    pub(super) fn beside(dir: &Path) -> Result<Self, Error> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("lastrites-demo-").suffix(".lrt");
        let file = match dir.parent() {
            Some(parent) => builder.tempfile_in(parent),
            None => builder.tempfile(),
        };
        let path = file.map_err(no_room)?.into_temp_path();
        Ok(Self { dir: dir.to_owned(), path, ids: Vec::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn keep(self) -> Result<PathBuf, Error> {
        self.path.keep().map_err(|e| no_room(e.error))
    }

    /// Writes what was recorded of the machine so far; `over`: that is all there will be. How many boots began.
    pub(super) fn write(&mut self, trace: &Trace, summary: &Summary, over: bool) -> Result<usize, Error> {
        let items = trace.events(summary.session.id)?.collect::<Result<Vec<Item>, _>>()?;
        let events: Vec<&Event> = items
            .iter()
            .filter_map(|item| match item {
                Item::Event(event) => Some(event),
                _ => None,
            })
            .collect();
        let init = self.dir.join("bin/init");
        let mut machine = Machine { members: HashMap::new(), boots: 0 };
        for event in &events {
            machine.see(event, init.as_os_str().as_bytes());
        }
        let ring = self.dir.join("machine.lrt");
        match fs::remove_file(&ring) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(no_room(e)),
            _ => {}
        }
        let (storage, _) = FileStorage::create(&ring, SIZE)?;
        let mut writer = Writer::open(storage)?;
        // Who follows it finds a recording before anything happens.
        let boots = machine.boots.max(1);
        self.ids.resize_with(boots.max(self.ids.len()), || SessionId(ring::random_id()));
        for boot in 0..boots {
            let own: Vec<(u64, What)> = events
                .iter()
                .filter_map(|event| Some((event.time_ns, machine.inside(boot, &event.what)?)))
                .collect();
            let first_ns = own.first().map_or(summary.session.started.boottime_ns, |(ns, _)| *ns);
            let mut session = session(summary, &self.dir, boot, first_ns);
            (session.id, session.previous) =
                (self.ids[boot], boot.checked_sub(1).map(|before| self.ids[before]));
            let goes_on = !over && boot + 1 == boots;
            if goes_on {
                // By that it is known to be recorded now.
                session.boot_id.clone_from(&summary.session.boot_id);
            }
            writer.begin(&session)?;
            if !own.is_empty() {
                writer.append(&own, &[])?;
            }
            for coverage in &summary.coverage {
                writer.cover(coverage)?;
            }
            if !goes_on {
                let note = "the miniature machine was gone".into();
                writer.end(&End { how: How::Stopped, time_ns: own.last().map_or(0, |(ns, _)| *ns), note })?;
            }
        }
        drop(writer);
        // In one step, for those who read it meanwhile.
        let mut file = tempfile::Builder::new().tempfile_in(&self.dir).map_err(no_room)?;
        Trace::open(&ring)?.save_all(&self.ids[..boots], &mut file)?;
        file.flush().map_err(no_room)?;
        file.persist(&self.path).map_err(|e| no_room(e.error))?;
        Ok(machine.boots)
    }
}

/// Without the ids that tie it to others.
fn session(summary: &Summary, dir: &Path, boot: usize, first_ns: u64) -> Session {
    let real = &summary.session;
    let entry = |(id, name): (&str, &str)| {
        let command: Vec<String> =
            std::iter::once(name.to_owned()).chain(roles::argument(dir, name)).collect();
        ("inittab".to_owned(), format!("{id}:23456:respawn:{}", command.join(" ")))
    };
    Session {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        about::{self, Ending},
        testing::{exec, exit, fork, id, signal},
    };

    /// What the recorder has seen so far.
    fn seen(dir: &Path, whats: &[What]) -> Trace {
        let path = dir.join("seen.lrt");
        let _ = fs::remove_file(&path);
        let (storage, _) = FileStorage::create(&path, 1 << 20).expect("a ring");
        let mut writer = Writer::open(storage).expect("a writer");
        let session = Session {
            id: SessionId([7; 16]),
            boot_id: about::boot_id().expect("Linux says it"),
            hostname: "outside".into(),
            ..Session::default()
        };
        writer.begin(&session).expect("begun");
        let all: Vec<(u64, What)> = (1..).map(|n| n * 1_000_000).zip(whats.iter().cloned()).collect();
        writer.append(&all, &[]).expect("written");
        drop(writer);
        Trace::open(&path).expect("a ring")
    }

    /// `view --live` of the recorder's own file showed the machine outside, and the miniature among its others.
    #[test]
    fn who_follows_it_sees_the_miniature_alone_as_it_grows() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = outer.path().join("demo");
        fs::create_dir(&dir).expect("made");
        let init = dir.join("bin/init").display().to_string();
        let mut recording = Recording::beside(&dir).expect("a file");
        let boot = |n: u32| {
            let (stage, first, lockd) = (id(n), id(n + 1), id(n + 2));
            vec![
                exec(stage, id(1), "/usr/bin/stage", &["stage"]),
                fork(stage, first),
                exec(first, stage, &init, &["init"]),
                fork(first, lockd),
                exec(lockd, first, "/demo/bin/lockd", &["lockd"]),
            ]
        };
        let mut told = |whats: &[What], over: bool| -> Vec<(String, String, u64, Ending)> {
            let trace = seen(outer.path(), whats);
            let summary = trace.sessions().last().expect("one");
            recording.write(&trace, summary, over).expect("written");
            let trace = Trace::open(recording.path()).expect("a recording");
            let count = trace.sessions().len();
            let one = |(at, summary): (usize, &Summary)| {
                let ending = Ending::of(summary, at + 1 == count, about::boot_id().as_deref());
                (summary.session.id.to_string(), summary.session.hostname.clone(), summary.events, ending)
            };
            trace.sessions().iter().enumerate().map(one).collect()
        };
        let outside = exec(id(900), id(1), "/usr/bin/outside", &["outside"]);
        let nothing = told(std::slice::from_ref(&outside), false);
        assert_eq!(nothing.len(), 1, "there is something to open before it begins");
        let mut whats = vec![outside];
        whats.extend(boot(10));
        let first = told(&whats, false);
        assert_eq!((first[0].1.as_str(), first[0].2, first[0].3), ("miniature", 4, Ending::Recording));
        assert_eq!(first[0].0, nothing[0].0, "it is the same one");
        whats.extend([signal(id(12), id(12), 9), exit(id(12), 9)]);
        whats.extend(boot(20));
        let both = told(&whats, false);
        let endings: Vec<_> = both.iter().map(|(_, _, events, ending)| (*events, *ending)).collect();
        assert_eq!(endings, [(6, Ending::Stopped), (4, Ending::Recording)]);
        let over = told(&whats, true);
        assert!(over.iter().all(|(_, _, _, ending)| *ending == Ending::Stopped), "{over:?}");
        assert_eq!((&over[0].0, &over[1].0), (&both[0].0, &both[1].0));
        let path = recording.path().to_owned();
        assert_eq!(path.parent(), Some(outer.path()));
        drop(recording);
        assert!(!path.exists(), "what is not kept goes");
    }
}
