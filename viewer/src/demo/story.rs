//! What the recording of the demonstration says, told in lines and a few sentences.
//!
//! Invariant: derived from events alone, by rules that know no name, no time and no status of what was
//! staged. What was not recorded is not told.

use std::{collections::HashSet, fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use lastrites_traces::{
    event::{Bytes, Event, ProcId, What},
    reader::{Item, Summary, Trace},
};

use crate::{
    error::Error,
    filter, line, names,
    output::{Look, Palette},
    processes::{Processes, base_name},
    safe, show,
    time::{self, Clocks},
};

const TERM: u8 = 15;
const KILL: u8 = 9;
/// Lines that a demonstration shows at most.
const LINES_MAX: usize = 200;

/// Something that happened to a process: event number, time, and who did it.
#[derive(Debug, Clone)]
struct Deed {
    number: u64,
    time_ns: u64,
    by: String,
}

/// One program, from its exec to its end.
#[derive(Debug)]
struct Life {
    process: ProcId,
    filename: Bytes,
    name: String,
    began: Deed,
    asked: Option<Deed>,
    killed: Option<Deed>,
    ended: Option<(Deed, u32)>,
    /// How many reboots were recorded before.
    boot: u32,
}

/// Reads a recording once.
struct Reading<'a> {
    of: Of<'a>,
    family: HashSet<ProcId>,
    processes: Processes,
    lives: Vec<Life>,
    boot: u32,
    lines: String,
    line_count: usize,
    left_out: usize,
}

/// The lines and the sentences. `family_dir`: only programs from there and what they start.
pub(super) fn tell(
    trace: &Trace,
    summary: &Summary,
    family_dir: Option<&Path>,
    palette: Palette,
) -> Result<String, Error> {
    let clocks = Clocks::new(summary);
    let of = match family_dir {
        Some(dir) => Of::Family(dir),
        // Of a whole machine only what came back is worth telling here.
        None => Of::Programs(came_back(trace.events(summary.session.id)?, &clocks)?),
    };
    tell_items(trace.events(summary.session.id)?, summary.lost, &clocks, of, palette)
}

/// Of whom it is told.
enum Of<'a> {
    /// Programs from this directory, and what they start.
    Family(&'a Path),
    /// Programs of these names.
    Programs(HashSet<String>),
}

/// Names of the programs that came back during a shutdown.
fn came_back<E: Into<Error>>(
    items: impl Iterator<Item = Result<Item, E>>,
    clocks: &Clocks,
) -> Result<HashSet<String>, Error> {
    let mut reading = Reading::new(Of::Programs(HashSet::new()));
    for item in items {
        reading.item(&item.map_err(Into::into)?, clocks, Palette::PLAIN);
    }
    let lives = &reading.lives;
    let returned = lives.iter().enumerate().filter(|(at, _)| again(lives, *at).is_some());
    Ok(returned.map(|(_, life)| life.name.clone()).collect())
}

fn tell_items<E: Into<Error>>(
    items: impl Iterator<Item = Result<Item, E>>,
    lost: u64,
    clocks: &Clocks,
    of: Of<'_>,
    palette: Palette,
) -> Result<String, Error> {
    let mut reading = Reading::new(of);
    for item in items {
        reading.item(&item.map_err(Into::into)?, clocks, palette);
    }
    let mut out = String::new();
    palette.paint(&mut out, Look::Strong, |out| out.push_str("What was seen\n"));
    out.push_str(&reading.lines);
    if reading.left_out > 0 {
        let _ = writeln!(out, "  ... and {} more", reading.left_out);
    }
    out.push('\n');
    palette.paint(&mut out, Look::Strong, |out| out.push_str("What it means\n"));
    let sentences = sentences(&reading.lives, clocks);
    out.push_str(if sentences.is_empty() {
        "  Nobody was started again during the shutdown.\n"
    } else {
        &sentences
    });
    if lost > 0 {
        let text = format!("  {lost} events were lost: something may be missing above.\n");
        palette.paint(&mut out, Look::Warn, |out| out.push_str(&text));
    }
    Ok(out)
}

impl<'a> Reading<'a> {
    fn new(of: Of<'a>) -> Self {
        Self {
            of,
            family: HashSet::new(),
            processes: Processes::default(),
            lives: Vec::new(),
            boot: 0,
            lines: String::new(),
            line_count: 0,
            left_out: 0,
        }
    }

    fn item(&mut self, item: &Item, clocks: &Clocks, palette: Palette) {
        let was = show::name_before(item, &self.processes);
        self.processes.learn(item);
        let Item::Event(event) = item else { return };
        self.belong(&event.what);
        let ours = self.ours(&event.what);
        if let (Of::Family(_), false) = (&self.of, ours) {
            return;
        }
        if ours && relevant(&event.what) {
            if self.line_count < LINES_MAX {
                let style = line::Style { palette, wall: false };
                line::push(&mut self.lines, event, &was, &self.processes, clocks, style);
                self.line_count += 1;
            } else {
                self.left_out += 1;
            }
        }
        self.live(event);
    }

    fn belong(&mut self, what: &What) {
        let Of::Family(dir) = self.of else { return };
        let dir = dir.as_os_str().as_bytes();
        let member = match what {
            What::Exec(exec) if exec.filename.starts_with(dir) => exec.process,
            What::Fork { parent, child, .. } if self.family.contains(parent) => *child,
            _ => return,
        };
        self.family.insert(member);
    }

    fn ours(&self, what: &What) -> bool {
        let (actor, target) = filter::processes_of(what);
        [actor, target].into_iter().flatten().any(|id| match &self.of {
            Of::Family(_) => self.family.contains(&id),
            Of::Programs(names) => self
                .processes
                .get(id)
                .is_some_and(|known| names.contains(&safe::text(base_name(&known.filename)))),
        })
    }

    fn called(&self, id: ProcId) -> String {
        match self.processes.comm(id) {
            b"" => format!("process {}", id.tgid),
            comm => format!("{} {}", safe::text(comm), id.tgid),
        }
    }

    fn live(&mut self, event: &Event) {
        let deed = |by: String| Deed { number: event.number, time_ns: event.time_ns, by };
        match &event.what {
            What::Process(process) => self.lives.push(Life {
                process: process.process,
                filename: process.filename.clone(),
                name: safe::text(base_name(&process.filename)),
                began: deed("somebody".into()),
                asked: None,
                killed: None,
                ended: None,
                boot: self.boot,
            }),
            What::Exec(exec) => {
                let life = Life {
                    process: exec.process,
                    filename: exec.filename.clone(),
                    name: safe::text(base_name(&exec.filename)),
                    began: deed(self.called(exec.parent)),
                    asked: None,
                    killed: None,
                    ended: None,
                    boot: self.boot,
                };
                // What it was before ends here, without an end to tell of.
                self.lives.retain(|life| !life.process.same(exec.process) || life.ended.is_some());
                self.lives.push(life);
            }
            What::Signal(signal) if matches!(signal.sig, TERM | KILL) => {
                let by =
                    if signal.by_kernel() { "the kernel".to_owned() } else { self.called(signal.sender) };
                let alive = |life: &&mut Life| life.process.same(signal.target) && life.ended.is_none();
                if let Some(life) = self.lives.iter_mut().rev().find(alive) {
                    let slot = if signal.sig == TERM { &mut life.asked } else { &mut life.killed };
                    slot.get_or_insert(deed(by));
                }
            }
            What::Exit { process, status, .. } => {
                let alive = |life: &&mut Life| life.process.same(*process) && life.ended.is_none();
                if let Some(life) = self.lives.iter_mut().rev().find(alive) {
                    life.ended = Some((deed(String::new()), *status));
                }
            }
            What::Reboot { cmd, .. } if names::reboot(*cmd).1 => self.boot += 1,
            _ => {}
        }
    }
}

/// What a reader of a demonstration wants to see.
fn relevant(what: &What) -> bool {
    match what {
        What::Exec(_)
        | What::Exit { .. }
        | What::Reboot { .. }
        | What::Umount { .. }
        | What::Remount { .. } => true,
        What::Signal(signal) => matches!(signal.sig, 1 | 2 | TERM | KILL),
        What::Call { .. } | What::Poll { .. } | What::Oom { .. } | What::Lost { .. } => true,
        _ => false,
    }
}

/// The life that took the place of the one at `at`, which had been asked to end and did.
fn again(lives: &[Life], at: usize) -> Option<&Life> {
    let first = &lives[at];
    let (Some(_), Some((end, _))) = (&first.asked, &first.ended) else { return None };
    lives[at + 1..].iter().find(|life| {
        life.filename == first.filename && life.boot == first.boot && life.began.time_ns >= end.time_ns
    })
}

/// One paragraph for each program that came back during a shutdown.
fn sentences(lives: &[Life], clocks: &Clocks) -> String {
    let mut out = String::new();
    let mut count = 0;
    for (at, first) in lives.iter().enumerate() {
        let (Some(asked), Some((end, status))) = (&first.asked, &first.ended) else { continue };
        let Some(again) = again(lives, at) else { continue };
        count += 1;
        let after = |from: u64, to: u64| time::duration(to.saturating_sub(from));
        let mut told = String::new();
        let mut line = |time_ns: u64, text: String| {
            told.push_str("  ");
            time::push_padded(&mut told, clocks.since_start_ns(time_ns));
            let _ = writeln!(told, " s  {text}");
        };
        let (name, pid) = (&first.name, first.process.tgid);
        line(asked.time_ns, format!("{} sent SIGTERM to {name} {pid}", asked.by));
        let status_text = names::status(*status);
        line(
            end.time_ns,
            format!(
                "{name} {pid} ended ({status_text}), {} after being asked",
                after(asked.time_ns, end.time_ns)
            ),
        );
        line(again.began.time_ns, format!("{} started it again as {}", again.began.by, again.process.tgid));
        let mut evidence = vec![asked.number, end.number, again.began.number];
        if let Some(killed) = &again.killed {
            let age = after(again.began.time_ns, killed.time_ns);
            line(
                killed.time_ns,
                format!("{} sent SIGKILL to {name} {}, {age} old", killed.by, again.process.tgid),
            );
            evidence.push(killed.number);
        }
        if let Some((end, status)) = &again.ended {
            line(end.time_ns, format!("{name} {}: {}", again.process.tgid, names::status(*status)));
            evidence.push(end.number);
        }
        for next in lives.iter().filter(|life| life.filename == first.filename && life.boot == first.boot + 1)
        {
            let Some((end, status)) = next.ended.as_ref().filter(|(_, status)| *status != 0) else {
                continue;
            };
            let age = after(next.began.time_ns, end.time_ns);
            let pid = next.process.tgid;
            line(
                end.time_ns,
                format!("next boot: {name} {pid} failed ({}) after {age}", names::status(*status)),
            );
            evidence.push(end.number);
        }
        let fate = if again.killed.is_some() { ", then killed" } else { "" };
        let numbers: Vec<String> = evidence.iter().map(u64::to_string).collect();
        let _ = writeln!(out, "  [{count}] {name} was started again during the shutdown{fate}");
        out.push_str(&told);
        let _ = writeln!(out, "      evidence: events {}", numbers.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{exec, exit, fork, id, signal, summary};
    use lastrites_traces::Error as TraceError;

    fn told(whats: Vec<What>) -> String {
        let event = |(n, what): (usize, What)| {
            let time_ns = 101_000_000_000 + n as u64 * 100_000_000;
            Ok::<_, TraceError>(Item::Event(Event { number: n as u64, time_ns, what }))
        };
        let items = whats.into_iter().enumerate().map(event);
        let of = Of::Family(Path::new("/tmp/d/bin"));
        tell_items(items, 0, &Clocks::new(&summary()), of, Palette::PLAIN).expect("told")
    }

    #[test]
    fn the_founding_story_is_told_from_its_events() {
        let db = |pid| exec(id(pid), id(2), "/tmp/d/bin/lockd", &["lockd"]);
        let text = told(vec![
            exec(id(2), id(1), "/tmp/d/bin/init", &["init"]),
            fork(id(2), id(10)),
            db(10),
            exec(id(11), id(2), "/tmp/d/bin/rc", &["rc", "6"]),
            signal(id(11), id(10), TERM),
            exit(id(10), 0),
            db(12),
            exec(id(99), id(1), "/bin/unrelated", &["unrelated"]),
            signal(id(11), id(12), KILL),
            exit(id(12), 9),
            What::Reboot { process: id(11), cmd: 0x0123_4567, ns_level: 1 },
            exec(id(20), id(1), "/tmp/d/bin/lockd", &["lockd"]),
            exit(id(20), 100 << 8),
        ]);
        assert!(!text.contains("unrelated"), "{text}");
        let meaning = text.split_once("What it means\n").expect("a meaning").1;
        let expected = "
  [1] lockd was started again during the shutdown, then killed
      +1.400000 s  rc 11 sent SIGTERM to lockd 10
      +1.500000 s  lockd 10 ended (exit 0), 100.0 ms after being asked
      +1.600000 s  init 2 started it again as 12
      +1.800000 s  rc 11 sent SIGKILL to lockd 12, 200.0 ms old
      +1.900000 s  lockd 12: killed by SIGKILL
      +2.200000 s  next boot: lockd 20 failed (exit 100) after 100.0 ms
      evidence: events 4 5 6 8 9 12
";
        assert_eq!(format!("\n{meaning}"), expected);
    }

    #[test]
    fn nothing_is_told_that_was_not_seen() {
        let text = told(vec![exec(id(2), id(1), "/tmp/d/bin/init", &["init"]), exit(id(2), 0)]);
        assert!(text.contains("Nobody was started again"), "{text}");
    }
}
