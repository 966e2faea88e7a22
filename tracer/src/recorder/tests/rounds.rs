//! Batches that are taken in several rounds, of several CPUs.

use std::path::PathBuf;

use lastrites_traces::{
    event::{Event, What},
    reader::Trace,
    ring::Writer,
    session::{Session, SessionId},
    storage::FileStorage,
};

use super::{
    super::{BATCH_BYTES, Drained, Patience, ROUND_BYTES, Recorder, Rings as _},
    LEN,
    cpus::{Cpu, Cpus, Stuck, made_by},
    disk::Fault,
};
use crate::{machine, status::Status};

/// How many records one round reads: the last of them lies across its end.
const ROUND: usize = ROUND_BYTES.div_ceil(LEN) as usize;

struct Scene {
    _dir: tempfile::TempDir,
    path: PathBuf,
    recorder: Recorder<Cpus>,
}

impl Scene {
    /// These CPUs, and a session that is in the file: its first batch is one round.
    fn new(cpus: Vec<Cpu>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().canonicalize().expect("its name").join("ring");
        FileStorage::create(&path, 8 << 20).expect("a ring file");
        let session = Session { id: SessionId([7; 16]), started: machine::clock(), ..Session::default() };
        let mut rings = Cpus { cpus, ..Cpus::default() };
        rings.disk.path.clone_from(&path);
        let mut recorder = Recorder::new(rings, &path, session, Status::default());
        recorder.drain(Patience::Later).expect("begun");
        Self { _dir: dir, path, recorder }
    }

    /// The same, and all records are there.
    fn full(cpus: Vec<Cpu>) -> Self {
        let mut scene = Self::new(cpus);
        scene.cpus().iter_mut().for_each(|cpu| cpu.shown = cpu.times.len());
        scene
    }

    fn cpus(&mut self) -> &mut Vec<Cpu> {
        &mut self.recorder.rings_mut().cpus
    }

    fn drain(&mut self) -> Drained {
        self.recorder.drain(Patience::Later).expect("drained")
    }

    /// As long as there is more, with a limit.
    fn drain_all(&mut self) {
        for _ in 0..64 {
            if !self.drain().more {
                return;
            }
        }
        panic!("there is always more");
    }

    /// The disk fails with the `reads`th read of a ring from now on. The file is open by then.
    fn breaks(&mut self, reads: u32, fault: Fault) {
        self.recorder.writer = None;
        self.recorder.rings_mut().disk.fault = Some((reads, fault));
    }

    fn mend(&mut self) {
        self.recorder.rings_mut().disk.mend();
    }

    fn written(&self) -> Vec<Event> {
        let trace = Trace::open(&self.path).expect("a recording");
        let mut events = Vec::new();
        let id = self.recorder.session().id;
        let gaps = trace.for_each(id, &mut |event| events.push(event.clone())).expect("readable");
        assert!(gaps.is_empty(), "{gaps:?}");
        events
    }

    /// Bytes of the file up to the last that was written.
    fn used(&self) -> u64 {
        let bytes = std::fs::read(&self.path).expect("the ring file");
        bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
    }

    /// Whatever is recorded or lost up to where the recorder is was made, and all that was made is the one or the
    /// other. Gives (recorded, lost) of each CPU.
    fn account(&mut self) -> Vec<(usize, u64)> {
        let events = self.written();
        let mut counts = vec![(0, 0); self.cpus().len()];
        let mut last = vec![None; counts.len()];
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event.number, number as u64);
            match &event.what {
                What::Exit { process, .. } => {
                    let (cpu, index) = made_by(process.tgid);
                    assert!(last[cpu].is_none_or(|last| last < index), "twice: {index} of CPU {cpu}");
                    assert_eq!(event.time_ns, self.cpus()[cpu].times[index]);
                    last[cpu] = Some(index);
                    counts[cpu].0 += 1;
                }
                What::Lost { cpu, count, .. } => counts[*cpu as usize].1 += count,
                other => panic!("nobody made {other:?}"),
            }
        }
        let at: Vec<_> = self.recorder.positions.iter().map(|at| (at >> super::POS_BITS) as usize).collect();
        for (cpu, ((stored, lost), at)) in counts.iter().zip(at).enumerate() {
            assert_eq!(stored + *lost as usize, at, "CPU {cpu}: {stored} recorded, {lost} lost");
        }
        let found = Writer::open(FileStorage::new(&self.path)).expect("a ring").resume().expect("a session");
        assert_eq!(found.positions, self.recorder.positions);
        assert_eq!(self.recorder.status.events, events.len() as u64);
        assert_eq!(self.recorder.status.lost, counts.iter().map(|(_, lost)| lost).sum::<u64>());
        counts
    }

    /// The same when nothing is left to be taken.
    fn settled(&mut self) -> Vec<(usize, u64)> {
        assert_eq!(self.recorder.positions, self.recorder.rings().heads());
        assert!(!self.recorder.behind());
        self.account()
    }

    fn in_order(&self) -> bool {
        self.written().is_sorted_by_key(|event| event.time_ns)
    }

    fn latest_ns(&self) -> u64 {
        self.written().iter().map(|event| event.time_ns).max().expect("something is written")
    }
}

/// `count` times from `start` on, `step` apart.
fn every(start: u64, step: u64, count: usize) -> impl Iterator<Item = u64> {
    (0..count as u64).map(move |index| start + index * step)
}

/// One that is fast, one that is slow, whose first round reaches into the third of the other, and one with nothing.
fn uneven() -> Vec<Cpu> {
    vec![Cpu::new(every(1000, 10, 6 * ROUND)), Cpu::new(every(1003, 25, 2 * ROUND + 17)), Cpu::default()]
}

#[test]
fn several_rounds_of_uneven_cpus_are_one_batch_in_order_of_time() {
    let mut scene = Scene::full(uneven());
    let drained = scene.drain();
    assert_eq!(drained, Drained { events: 8 * ROUND as u64 + 17, more: false });
    assert_eq!(scene.settled(), [(6 * ROUND, 0), (2 * ROUND + 17, 0), (0, 0)]);
    assert!(scene.in_order());
    let reads: Vec<_> = scene.cpus().iter().map(|cpu| cpu.asked.len()).collect();
    assert_eq!(reads, [6, 3, 0], "each is read on where all of the round before was taken");
    assert!(scene.cpus().iter().flat_map(|cpu| &cpu.asked).all(|bytes| *bytes <= ROUND_BYTES));
}

/// A CPU that was quiet has times far behind in one round what others need many for.
#[test]
fn what_waits_for_slower_times_is_neither_read_nor_taken_twice() {
    let burst = every(1000, 1, ROUND).chain(every(5_000_000, 1, 3));
    let mut scene = Scene::full(vec![
        Cpu::new(burst),
        Cpu::new(every(1000, 100, 5 * ROUND)),
        Cpu::new(every(4_000_000, 1, 4 * ROUND)),
    ]);
    scene.drain_all();
    assert_eq!(scene.settled(), [(ROUND + 3, 0), (5 * ROUND, 0), (4 * ROUND, 0)]);
    assert!(scene.in_order());
    let reads: Vec<_> = scene.cpus().iter().map(|cpu| cpu.asked.len()).collect();
    assert_eq!(reads, [2, 5, 4]);
}

#[test]
fn more_than_a_batch_takes_comes_with_the_next_and_in_order() {
    let batch = BATCH_BYTES.div_ceil(LEN) as usize;
    let mut scene = Scene::full(vec![
        Cpu::new(every(1000, 10, 2 * batch + 100)),
        Cpu::new(every(1005, 40, ROUND + 1)),
        Cpu::new(every(20_000_000, 1, ROUND + 1)),
    ]);
    let first = scene.drain();
    assert!(first.more);
    assert!((batch..2 * batch).contains(&(first.events as usize)), "{first:?}");
    let (fast, late) = (scene.account()[0], scene.account()[2]);
    assert!(fast.0 >= batch && fast.0 <= batch + 8, "{fast:?}");
    assert_eq!(late, (0, 0), "it waits for the times between");
    assert!(scene.in_order());
    scene.drain_all();
    assert_eq!(scene.settled(), [(2 * batch + 100, 0), (ROUND + 1, 0), (ROUND + 1, 0)]);
    assert!(scene.in_order());
}

/// Where a round began with the record that is unfinished, the other CPUs ran ahead of it, though what is later was
/// promised to wait for it: they were told to wait only if that very round had read something before it.
#[test]
fn what_is_later_than_an_unfinished_record_waits_for_it_in_that_batch_and_no_longer() {
    for index in [ROUND + 7, ROUND, 2 * ROUND] {
        for reads in [1, u32::MAX] {
            let mut scene = Scene::full(uneven());
            scene.cpus()[1].stuck = Some(Stuck { index, reads, lost: false });
            let before_ns = scene.cpus()[1].times[index - 1];
            scene.drain();
            assert_eq!(scene.account()[1], (index, 0));
            assert!(scene.latest_ns() <= before_ns, "{index}: {} > {before_ns}", scene.latest_ns());
            assert!(scene.in_order());
            assert!(scene.recorder.behind());
            scene.drain_all();
            if reads == u32::MAX {
                let counts = scene.account();
                assert_eq!(counts, [(6 * ROUND, 0), (index, 0), (0, 0)], "nothing is held back for ever");
                scene.cpus()[1].stuck = None;
                scene.drain_all();
            } else {
                assert!(scene.in_order(), "{index}: it was waited for");
            }
            assert_eq!(scene.settled(), [(6 * ROUND, 0), (2 * ROUND + 17, 0), (0, 0)]);
        }
    }
}

#[test]
fn a_record_that_is_given_up_in_a_later_round_is_lost_once() {
    for index in [ROUND, ROUND + 7, 2 * ROUND] {
        let mut scene = Scene::full(uneven());
        scene.cpus()[1].stuck = Some(Stuck { index, reads: 2, lost: true });
        scene.recorder.drain_rest().expect("drained");
        assert_eq!(scene.settled(), [(6 * ROUND, 0), (2 * ROUND + 16, 1), (0, 0)]);
    }
}

#[test]
fn a_ring_that_cannot_be_read_in_a_later_round_is_read_from_there_by_the_next_batch() {
    for (cpu, read) in [(0, 1), (0, 5), (1, 0), (1, 1), (1, 2)] {
        let mut scene = Scene::full(uneven());
        scene.cpus()[cpu].fails = Some(read);
        scene.drain();
        let before = scene.account();
        assert_eq!(before[cpu], (read as usize * ROUND, 0), "whole rounds of CPU {cpu}");
        let other = [(6 * ROUND, 0), (2 * ROUND + 17, 0)][1 - cpu];
        assert_eq!(before[1 - cpu], other, "the others go on");
        assert!(scene.recorder.status.problem.contains("made to fail"), "{}", scene.recorder.status.problem);
        assert!(scene.recorder.behind());
        scene.drain_all();
        assert_eq!(scene.settled(), [(6 * ROUND, 0), (2 * ROUND + 17, 0), (0, 0)]);
        assert!(scene.recorder.status.problem.is_empty());
    }
}

#[test]
fn what_is_overwritten_in_a_later_round_is_lost_once() {
    for (at, kept) in [
        (2 * ROUND, 2 * ROUND + 50),
        (2 * ROUND + 5, 3 * ROUND),
        (2 * ROUND + 5, 3 * ROUND + 5),
        (ROUND, 5 * ROUND + 5),
        (5 * ROUND + 5, 6 * ROUND),
    ] {
        let mut scene = Scene::full(uneven());
        scene.cpus()[0].laps = Some((at, kept));
        scene.drain_all();
        let lost = kept - at;
        let counts = scene.settled();
        assert_eq!(counts, [(6 * ROUND - lost, lost as u64), (2 * ROUND + 17, 0), (0, 0)], "{at} to {kept}");
    }
}

/// What was overwritten in the middle of what was read was told at once, also where the batch ended before it: the
/// next one read it again and told it once more.
#[test]
fn what_is_overwritten_behind_what_a_batch_takes_is_lost_once() {
    let mut scene = Scene::full(uneven());
    scene.cpus()[0].stuck = Some(Stuck { index: 50, reads: 1, lost: false });
    scene.cpus()[1].laps = Some((100, 200));
    scene.drain();
    scene.account();
    scene.drain_all();
    assert_eq!(scene.settled(), [(6 * ROUND, 0), (2 * ROUND + 17 - 100, 100), (0, 0)]);
}

/// With what is overwritten in several rounds, and without.
fn lapped(laps: bool) -> Vec<Cpu> {
    let mut cpus = uneven();
    if laps {
        cpus[0].laps = Some((2 * ROUND + 5, 3 * ROUND));
        cpus[1].laps = Some((ROUND + 5, ROUND + 9));
    }
    cpus
}

#[test]
fn a_disk_that_is_full_at_any_byte_of_a_batch_loses_nothing_and_doubles_nothing() {
    for laps in [false, true] {
        let mut whole = Scene::full(lapped(laps));
        let start = whole.used();
        whole.drain_all();
        let end = whole.used();
        assert!(end - start > 50_000, "some frames: {start} to {end}");
        let (mut in_part, mut rounds) = (0, std::collections::BTreeSet::new());
        for at in (start..end).step_by(5003).chain([end - 1]) {
            let mut scene = Scene::full(lapped(laps));
            scene.breaks(0, Fault::Full(at));
            scene.recorder.drain(Patience::Later).expect_err("it is full");
            assert!(scene.recorder.behind());
            scene.mend();
            let stored = scene.written().len();
            in_part += usize::from(stored > 0);
            rounds.insert(stored);
            scene.drain_all();
            let counts = scene.settled();
            assert_eq!(counts.iter().any(|(_, lost)| *lost > 0), laps, "full at {at}");
            assert!(laps || scene.in_order(), "full at {at}");
        }
        assert!(in_part > 10 && rounds.len() > 3, "{in_part} in part, of {rounds:?} events");
    }
}

#[test]
fn what_a_failed_sync_says_is_not_stored_is_taken_again() {
    for laps in [false, true] {
        for reads in 0..9 {
            let mut scene = Scene::full(lapped(laps));
            scene.breaks(reads, Fault::Gone);
            scene.recorder.drain(Patience::Later).expect_err("it is gone");
            scene.mend();
            let stored = scene.written().len();
            assert_eq!(stored > 0, reads > 1, "{reads}: what was appended before is there");
            scene.drain_all();
            let counts = scene.settled();
            assert_eq!(counts.iter().any(|(_, lost)| *lost > 0), laps);
            assert!(laps || scene.in_order());
        }
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn cpu(&mut self) -> Cpu {
        let count = self.below(9 * ROUND);
        let (mut time_ns, step) = (1000, 1 + self.below(100) as u64);
        Cpu::new((0..count).map(|_| {
            let pause = if self.one_in(2000) { self.below(300_000) as u64 } else { 0 };
            time_ns += self.below(2) as u64 * step + pause;
            time_ns
        }))
    }

    /// Something goes wrong between `from` and what is made by now.
    fn trouble(&mut self, cpu: &mut Cpu, from: usize) {
        let left = cpu.shown.saturating_sub(from);
        if left == 0 {
            return;
        }
        if self.one_in(4) {
            let (index, reads) = (from + self.below(left), self.below(4) as u32);
            cpu.stuck = Some(Stuck { index, reads, lost: self.one_in(2) });
        }
        if self.one_in(4) {
            let at = from + self.below(left);
            cpu.laps = Some((at, at + 1 + self.below(cpu.shown - at)));
        }
        cpu.fails = self.one_in(5).then(|| self.below(5) as u32);
    }
}

#[test]
fn whatever_goes_wrong_all_that_was_made_is_recorded_or_lost_and_once() {
    let (mut failed, mut lost, mut recorded) = (0, 0, 0);
    for seed in 1..=50u64 {
        let mut dice = Dice(seed * 0x9e37_79b9_7f4a_7c15);
        let mut scene = Scene::new((0..2 + dice.below(2)).map(|_| dice.cpu()).collect());
        for _ in 0..10 {
            let at: Vec<_> =
                scene.recorder.positions.iter().map(|at| (at >> super::POS_BITS) as usize).collect();
            for (cpu, at) in scene.cpus().iter_mut().zip(at) {
                cpu.shown = (cpu.shown + dice.below(4 * ROUND)).min(cpu.times.len());
                dice.trouble(cpu, at);
            }
            if dice.one_in(3) {
                let full = Fault::Full(scene.used() + dice.below(80_000) as u64);
                scene.breaks(dice.below(8) as u32, if dice.one_in(3) { Fault::Gone } else { full });
            }
            let patience = if dice.one_in(4) { Patience::Last } else { Patience::Later };
            let done = scene.recorder.drain(patience);
            scene.mend();
            if done.is_ok() {
                scene.account();
            }
            failed += usize::from(done.is_err());
        }
        for cpu in scene.cpus() {
            (cpu.stuck, cpu.laps, cpu.fails) = (None, None, None);
        }
        scene.drain_all();
        let counts = scene.settled();
        recorded += counts.iter().map(|(stored, _)| stored).sum::<usize>();
        lost += counts.iter().map(|(_, lost)| *lost as usize).sum::<usize>();
    }
    assert!(
        failed > 30 && lost > 1000 && recorded > 100_000,
        "{failed} failed, {lost} lost, {recorded} recorded"
    );
}
