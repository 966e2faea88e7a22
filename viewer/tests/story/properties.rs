//! What holds for every scene, whatever it tells.
//!
//! Invariant: deterministic; what is drawn at random is drawn from the scene's own name.

use std::collections::BTreeSet;

use lastrites::{
    redact::{Keep, Redactor},
    story::{Story, finding::Finding, world::Idx},
};
use lastrites_traces::{
    event::{Disposition, Event, Exec, ProcId, Signal, What},
    reader::Item,
};

use crate::{boot::Recorded, random::Random, scene::Scene};

/// A seed that a text gives.
fn seed_of(text: &str) -> Random {
    // FNV-1a: the standard library's hash may change.
    Random::new(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// A finding without the numbers of its events.
fn told(story: &Story, finding: &Finding) -> String {
    let pids: Vec<u32> = finding.procs.iter().map(|idx| story.world.pid(*idx)).collect();
    let steps: Vec<_> = finding.steps.iter().map(|step| (step.at.map(|at| at.ns), &step.text)).collect();
    format!(
        "{} {:?} {} {:?} {:?} {pids:?} {steps:?}",
        finding.rule.id(),
        finding.confidence,
        finding.headline,
        finding.advice,
        finding.failed
    )
}

fn all_told(story: &Story) -> Vec<String> {
    story.findings.iter().map(|finding| told(story, finding)).collect()
}

fn same(before: &Story, after: &Story) -> Result<(), String> {
    let (before, after) = (all_told(before), all_told(after));
    if before == after {
        return Ok(());
    }
    Err(format!("told before:\n{}\nand now:\n{}", before.join("\n"), after.join("\n")))
}

/// A report tells the same of the same processes on the same evidence; only names of people and things are others.
pub fn redacted(scene: &Scene) -> Result<(), String> {
    let mut redactor = Redactor::new(Keep::default());
    for recorded in std::iter::once(&scene.recorded).chain(&scene.next) {
        redactor.learn(&recorded.summary.session);
        recorded.items.iter().for_each(|item| redactor.learn_item(item));
    }
    redactor.learned();
    let mut rewrite = |recorded: &Recorded| {
        let mut recorded = recorded.clone();
        recorded.summary.session = redactor.session(&recorded.summary.session);
        for item in &mut recorded.items {
            match item {
                Item::Known(process) => **process = redactor.process(process),
                Item::Event(event) => *event = redactor.event(event),
                Item::Gap(_) => {}
            }
        }
        recorded
    };
    let without = Scene {
        file: scene.file.clone(),
        sentence: scene.sentence.clone(),
        recorded: rewrite(&scene.recorded),
        next: scene.next.as_ref().map(&mut rewrite),
        expected: Default::default(),
    };
    let (before, after) = (scene.story(), without.story());
    let all = |story: &Story| -> Vec<String> {
        let told = story.findings.iter().map(|finding| {
            let pids: Vec<u32> = finding.procs.iter().map(|idx| story.world.pid(*idx)).collect();
            let steps: Vec<_> = finding.steps.iter().map(|step| (step.at, &step.events)).collect();
            let advice = finding.advice.is_some();
            format!("{} {:?} {advice} {pids:?} {steps:?}", finding.rule.id(), finding.confidence)
        });
        let phases =
            story.shutdown.iter().flat_map(|shutdown| &shutdown.phases).map(|phase| format!("{phase:?}"));
        let fates = story.fates.iter().map(|fate| format!("{fate:?}"));
        let restarts = story.restarts.iter().map(|restart| format!("{restart:?}"));
        told.chain(phases).chain(fates).chain(restarts).collect()
    };
    let (told, now) = (all(&before), all(&after));
    if told == now {
        return Ok(());
    }
    Err(format!(
        "told before:\n{}\nand now:\n{}\nin words:\n{}\nand now:\n{}",
        told.join("\n"),
        now.join("\n"),
        all_told(&before).join("\n"),
        all_told(&after).join("\n")
    ))
}

/// Frames of several CPUs arrive in any order: then numbers do not go with time.
pub fn order_of_arrival(scene: &Scene) -> Result<(), String> {
    let mut random = seed_of(&scene.sentence);
    let story = scene.story();
    for cpus in [2, 3, 8] {
        let mut recorded = scene.recorded.clone();
        let mut events: Vec<&mut Event> = recorded
            .items
            .iter_mut()
            .filter_map(|item| match item {
                Item::Event(event) => Some(event),
                _ => None,
            })
            .collect();
        // Each CPU's events keep their order; a CPU's whole batch comes before or after the others'.
        let mut batches: Vec<Vec<usize>> = vec![Vec::new(); cpus];
        for at in 0..events.len() {
            let cpu = random.below(cpus);
            batches[cpu].push(at);
        }
        let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
        for (at, number) in batches.into_iter().flatten().zip(numbers) {
            events[at].number = number;
        }
        same(&story, &scene.story_of(&recorded))?;
    }
    Ok(())
}

/// Where strangers live, and when, is drawn so often: which of a scene's moments they fall between is chance.
const CROWDS: usize = 8;

/// Processes that have nothing to do with anybody in the scene.
pub fn strangers(scene: &Scene) -> Result<(), String> {
    let story = scene.story();
    (0..CROWDS).try_for_each(|crowd| {
        let random = seed_of(&format!("{} {crowd}", scene.sentence));
        among(scene, &story, random).map_err(|wrong| format!("in crowd {crowd}, {wrong}"))
    })
}

fn among(scene: &Scene, story: &Story, mut random: Random) -> Result<(), String> {
    let mut recorded = scene.recorded.clone();
    let mut events: Vec<Event> = recorded.items.iter().filter_map(event).cloned().collect();
    if events.len() < recorded.items.len() {
        // Where something cannot be read, more events are more that could be missing.
        return Ok(());
    }
    let first =
        events.iter().map(|event| event.time_ns).find(|ns| *ns > recorded.summary.first_ns + 1_000_000);
    let (Some(first), Some(last)) = (first, events.last().map(|event| event.time_ns)) else { return Ok(()) };
    let span = last.saturating_sub(first).max(1);
    for family in 0..24_u32 {
        let mut ns = first + random.next() % span;
        let mut step = || {
            ns = (ns + 1 + span / 97).min(last);
            ns
        };
        let nobody = ProcId { tgid: 100_000 + family * 10, start_ns: 5_000_000_000 };
        let born = step();
        let child = ProcId { tgid: nobody.tgid + 1, start_ns: born };
        let mut add = |time_ns, what| events.push(Event { number: 0, time_ns, what });
        let exit = |process, status| What::Exit { process, status, cpu_ns: 0, peak_rss_kib: 0 };
        let tty: &[u8] = if family % 8 < 4 { b"pts/77" } else { b"" };
        add(born, fork(nobody, child));
        add(step(), exec(child, nobody, tty));
        match family % 4 {
            // Told, and gone.
            0 => {
                add(step(), signal(child, nobody, 10));
                add(step(), signal(nobody, child, 15));
                add(step(), exit(child, 15));
            }
            // Told, and killed, as by `timeout -k`.
            1 => {
                add(step(), signal(nobody, child, 15));
                add(step(), deliver(child, 15));
                add(step(), signal(nobody, child, 9));
                add(step(), exit(child, 9));
            }
            // The same command three times.
            2 => {
                add(step(), exit(child, 0));
                for again in 2..4 {
                    let born = step();
                    let child = ProcId { tgid: nobody.tgid + again, start_ns: born };
                    add(born, fork(nobody, child));
                    add(step(), exec(child, nobody, tty));
                    add(step(), exit(child, 256));
                }
            }
            // Whose parent has gone, and who stays.
            _ => {
                let born = step();
                let left = ProcId { tgid: nobody.tgid + 2, start_ns: born };
                add(born, fork(child, left));
                add(step(), exit(child, 0));
                // Of a terminal: without one it would be a daemon, whom the shutdown has to stop.
                add(step(), exec(left, nobody, b"pts/77"));
                add(step(), signal(nobody, left, 1));
                add(step(), deliver(left, 1));
            }
        }
    }
    events.sort_by_key(|event| (event.time_ns, event.number));
    renumber(&mut events);
    recorded.items = events.into_iter().map(Item::Event).collect();
    same(story, &scene.story_of(&recorded))
}

fn renumber(events: &mut [Event]) {
    for (event, number) in events.iter_mut().zip(0..) {
        event.number = number;
    }
}

fn event(item: &Item) -> Option<&Event> {
    match item {
        Item::Event(event) => Some(event),
        _ => None,
    }
}

fn fork(parent: ProcId, child: ProcId) -> What {
    What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 0, ns_level: 0, ns_pid: child.tgid }
}

fn exec(process: ProcId, parent: ProcId, tty: &[u8]) -> What {
    let file = &b"/opt/strange/worker"[..];
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 4711,
        session: process.tgid,
        cgroup: 0,
        comm: file[13..].into(),
        filename: file.into(),
        argv: b"worker\0".as_slice().into(),
        env: b"".as_slice().into(),
        tty: tty.into(),
        flags: 0,
    }))
}

/// To a handler.
fn deliver(process: ProcId, sig: u8) -> What {
    What::Deliver { process, tid: process.tgid, sig, disposition: Disposition::Handled }
}

fn signal(sender: ProcId, target: ProcId, sig: u8) -> What {
    What::Signal(Signal {
        sender,
        target,
        target_tid: target.tgid,
        sig,
        code: 0,
        group: true,
        result: 0,
        no_info: false,
        priv_info: false,
    })
}

/// Who is said to have killed whom with what, and who started whom again.
fn accusations(story: &Story) -> BTreeSet<String> {
    let pid = |idx: Idx| story.world.pid(idx);
    let kills = story.fates.iter().filter_map(|fate| {
        let killer = story.world.sig(fate.killer?)?;
        Some(format!("{} killed by signal {} of {}", pid(fate.proc), killer.sig, pid(killer.sender)))
    });
    let restarts = story
        .restarts
        .iter()
        .map(|restart| format!("{} -> {} by {}", pid(restart.old), pid(restart.new), pid(restart.by)));
    kills.chain(restarts).collect()
}

/// What else is true by what was said: of rivals either may have done it; whoever took the place of an heir took the
/// place of the first; and whoever is between a supervisor and what it started has started it too.
fn implied(story: &Story) -> BTreeSet<String> {
    let pid = |idx: Idx| story.world.pid(idx);
    let mut all = BTreeSet::new();
    for fate in &story.fates {
        for rival in story.rivals(fate) {
            all.insert(format!("{} killed by signal {} of {}", pid(fate.proc), rival.sig, pid(rival.sender)));
        }
    }
    for first in &story.restarts {
        // What had only begun to be run again is in the place of what ran the old one as well.
        let ran = story.world.ancestors(first.old).filter(|_| first.is_unfinished(&story.world));
        all.extend(ran.map(|old| format!("{} -> {} by {}", pid(old), pid(first.new), pid(first.by))));
        let heirs = std::iter::successors(Some(first), |restart| story.replaced(restart.new)).take(64);
        for heir in heirs {
            // A daemon's first process, of which only the child goes on, is in its place as well.
            let line: Vec<Idx> = std::iter::once(heir.new).chain(story.world.ancestors(heir.new)).collect();
            for (at, new) in line.iter().enumerate() {
                for by in &line[at + 1..] {
                    all.insert(format!("{} -> {} by {}", pid(first.old), pid(*new), pid(*by)));
                }
            }
        }
    }
    all
}

/// Where events are lost, nobody is accused who was not, and nothing is surer.
pub fn losses(scene: &Scene) -> Result<(), String> {
    let mut random = seed_of(&scene.sentence);
    let all = scene.recorded.items.len();
    let singles = (0..all).map(|at| BTreeSet::from([at]));
    let subsets: Vec<BTreeSet<usize>> = (0..40)
        .map(|round| (0..all).filter(|_| random.below(10) <= round % 8).collect::<BTreeSet<usize>>())
        .filter(|dropped| !dropped.is_empty())
        .collect();
    let before = scene.story();
    let mut known = accusations(&before);
    known.extend(implied(&before));
    for dropped in singles.chain(subsets) {
        let recorded = without(&scene.recorded, &dropped);
        let after = scene.story_of(&recorded);
        let what = || {
            let gone = dropped.iter().filter_map(|at| event(&scene.recorded.items[*at]));
            gone.map(|event| format!("{:?}", event.what)).collect::<Vec<_>>().join("\n  ")
        };
        if let Some(new) = accusations(&after).difference(&known).next() {
            return Err(format!("accused: {new}\nwithout\n  {}", what()));
        }
        for finding in &after.findings {
            let alike = |was: &&Finding| was.rule == finding.rule && was.headline == finding.headline;
            let was = before.findings.iter().find(alike);
            if was.is_some_and(|was| was.confidence < finding.confidence) {
                return Err(format!("surer: {}\nwithout\n  {}", finding.headline, what()));
            }
        }
    }
    Ok(())
}

/// The recording without these items: each stretch of them is told of by the loss that follows it.
fn without(recorded: &Recorded, dropped: &BTreeSet<usize>) -> Recorded {
    let mut left = recorded.clone();
    left.items.clear();
    let mut lost: Option<(u64, u64, u64)> = None;
    for (at, item) in recorded.items.iter().enumerate() {
        if dropped.contains(&at) {
            if let Some(event) = event(item) {
                let count = lost.map_or(0, |(.., count)| count) + 1;
                lost = Some((event.time_ns, event.number, count));
            }
            continue;
        }
        left.items.extend(lost.take().map(loss));
        left.items.push(item.clone());
    }
    left.items.extend(lost.take().map(loss));
    left
}

fn loss((time_ns, number, count): (u64, u64, u64)) -> Item {
    // The recorder tells of it afterwards.
    Item::Event(Event {
        number,
        time_ns: time_ns + 100,
        what: What::Lost { cpu: 0, kind: 0, count, bytes: 0 },
    })
}
