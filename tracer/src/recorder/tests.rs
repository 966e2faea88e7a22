//! The recorder and a made-up kernel.

use std::{collections::VecDeque, path::PathBuf};

use lastrites_traces::{
    abi::{NO_CPU, POS_BITS, kind},
    event::{Event, ProcId},
    reader::Trace,
    session::SessionId,
};

use super::*;

mod cpus;
mod disk;
mod rounds;

const LEN: u64 = 56;

/// The record of process `tgid` that ended at `time_ns`, as the probe writes it.
fn exit(tgid: u32, time_ns: u64) -> Vec<u8> {
    let mut record = vec![0; LEN as usize];
    record[8..16].copy_from_slice(&time_ns.to_ne_bytes());
    record[16..18].copy_from_slice(&(LEN as u16).to_ne_bytes());
    record[18] = kind::EXIT;
    record[20..24].copy_from_slice(&tgid.to_ne_bytes());
    record[24..32].copy_from_slice(&1u64.to_ne_bytes());
    record
}

/// Head counter behind `count` such records.
fn head(count: u64) -> u64 {
    (count << POS_BITS) | (count * LEN)
}

/// One CPU's ring that is never lapped.
#[derive(Debug, Default)]
struct Made {
    records: Vec<Vec<u8>>,
    /// Which record is unfinished, and for how many reads.
    unfinished: Option<(usize, u32)>,
    asked: VecDeque<Patience>,
    /// What is lost, and whether it is known only to who has asked for the polls.
    lost: Vec<((u32, u8), u64)>,
    looked: bool,
}

impl Rings for Made {
    fn heads(&self) -> Vec<u64> {
        vec![head(self.records.len() as u64)]
    }

    fn read(
        &mut self,
        _cpu: u32,
        from: u64,
        until: u64,
        patience: Patience,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String> {
        self.asked.push_back(patience);
        let (mut at, until) = ((from >> POS_BITS) as usize, (until >> POS_BITS) as usize);
        let mut taken = Taken::default();
        while at < until {
            if let Some((stuck, reads)) = &mut self.unfinished
                && *stuck == at
                && *reads > 0
            {
                *reads -= 1;
                taken.stuck = true;
                break;
            }
            f(head(at as u64), &self.records[at]);
            at += 1;
        }
        taken.next = head(at as u64);
        Ok(taken)
    }

    fn lost(&self) -> Vec<((u32, u8), u64)> {
        if self.looked { self.lost.clone() } else { Vec::new() }
    }

    fn polls(&mut self, _before_ns: u64) -> Vec<(u64, What)> {
        self.looked = true;
        Vec::new()
    }
}

struct Scene {
    dir: tempfile::TempDir,
    recorder: Recorder<Made>,
}

impl Scene {
    fn new(records: Vec<Vec<u8>>, unfinished: Option<(usize, u32)>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ring");
        FileStorage::create(&path, 1 << 20).expect("a ring file");
        let session = Session { id: SessionId([7; 16]), started: machine::clock(), ..Session::default() };
        let rings = Made { records, unfinished, ..Made::default() };
        let recorder = Recorder::new(rings, &path, session, Status::default());
        Self { dir, recorder }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ring")
    }

    fn written(&self) -> Vec<Event> {
        let trace = Trace::open(&self.path()).expect("a recording");
        let mut events = Vec::new();
        trace
            .for_each(self.recorder.session().id, &mut |event| events.push(event.clone()))
            .expect("readable");
        events
    }

    fn exits(&self) -> Vec<u32> {
        let tgid = |event: Event| {
            if let What::Exit { process, .. } = event.what { Some(process.tgid) } else { None }
        };
        self.written().into_iter().filter_map(tgid).collect()
    }
}

fn exits(count: u32) -> Vec<Vec<u8>> {
    (1..=count).map(|tgid| exit(tgid, 1_000_000 + u64::from(tgid))).collect()
}

/// A killer that was preempted in the middle of its record made the last batch drop that and all behind it,
/// and the recording said that nothing was lost.
#[test]
fn the_last_batch_waits_for_a_record_that_is_unfinished() {
    let mut scene = Scene::new(exits(9), Some((4, 3)));
    scene.recorder.drain_rest().expect("drained");
    assert_eq!(scene.exits(), (1..=9).collect::<Vec<_>>());
    assert!(scene.recorder.rings().asked.iter().all(|patience| *patience == Patience::Last));
}

/// What only a closer look shows is looked for before the last batch is written, and told once.
#[test]
fn the_last_batch_tells_what_the_hooks_have_missed() {
    let mut scene = Scene::new(exits(2), None);
    scene.recorder.rings_mut().lost = vec![((NO_CPU, kind::SIGNAL), 3), ((NO_CPU, kind::POLL), 4)];
    scene.recorder.drain_rest().expect("drained");
    scene.recorder.drain_rest().expect("drained once more");
    let lost = scene.written().into_iter().filter_map(|event| {
        if let What::Lost { cpu, kind, count, .. } = event.what { Some((cpu, kind, count)) } else { None }
    });
    assert_eq!(lost.collect::<Vec<_>>(), [(NO_CPU, kind::SIGNAL, 3), (NO_CPU, kind::POLL, 4)]);
    assert_eq!(scene.recorder.status.lost, 7);
}

/// A recorder was killed within a second of having told of losses, and whoever went on told of them once more.
#[test]
fn losses_are_told_once_also_by_who_goes_on_behind_one_that_was_killed() {
    let mut scene = Scene::new(exits(2), None);
    scene.recorder.run = Some(scene.dir.path().to_owned());
    scene.recorder.rings_mut().looked = true;
    let mut told = |count: u64, cut_off: bool| {
        scene.recorder.rings_mut().lost = vec![((0, kind::EXIT), count)];
        let before = std::fs::read(scene.path()).expect("readable");
        scene.recorder.drain(Patience::Later).expect("drained");
        if cut_off {
            // It was killed between its note and the write.
            std::fs::write(scene.path(), before).expect("written");
        }
        // It is gone, and has not come to store how things stand.
        let writer = Writer::open(FileStorage::new(scene.path())).expect("a ring file");
        let found = writer.resume().expect("a session");
        let mut status = Status::load(scene.dir.path()).expect("stored");
        status.settle(found.next_number);
        let rings = std::mem::take(scene.recorder.rings_mut());
        let mut next = Recorder::resume(rings, &scene.path(), writer, &found, status);
        next.run = Some(scene.dir.path().to_owned());
        scene.recorder = next;
        scene.recorder.drain(Patience::Later).expect("drained");
        let lost = scene
            .written()
            .into_iter()
            .filter_map(|event| if let What::Lost { count, .. } = event.what { Some(count) } else { None });
        lost.collect::<Vec<_>>()
    };
    assert_eq!(told(3, false), [3]);
    assert_eq!(told(5, true), [3, 2]);
    assert_eq!(told(9, false), [3, 2, 4]);
}

#[test]
fn what_is_never_finished_is_counted_as_lost_in_the_end() {
    let mut scene = Scene::new(exits(9), Some((4, u32::MAX)));
    scene.recorder.drain_rest().expect("drained");
    assert_eq!(scene.exits(), [1, 2, 3, 4]);
    let lost = scene.written().into_iter().find_map(|event| {
        if let What::Lost { count, bytes, .. } = event.what { Some((count, bytes)) } else { None }
    });
    assert_eq!(lost, Some((5, 5 * LEN)));
    assert_eq!(scene.recorder.status.lost, 5);
    assert!(!scene.recorder.behind());
}

/// It was left out, and nobody was told.
#[test]
fn a_record_that_nobody_can_read_is_counted_as_lost() {
    let unknown = {
        let mut record = exit(3, 1_000_003);
        record[18] = u8::MAX;
        record
    };
    let too_long = {
        let mut record = exit(6, 1_000_006);
        record[16..18].copy_from_slice(&(LEN as u16 + 1).to_ne_bytes());
        record
    };
    let mut records = exits(9);
    (records[2], records[5]) = (unknown, too_long);
    let read = records.len() as u64;
    let mut scene = Scene::new(records, None);
    scene.recorder.drain(Patience::Later).expect("drained");
    scene.recorder.drain(Patience::Later).expect("drained once more");
    assert_eq!(scene.exits(), [1, 2, 4, 5, 7, 8, 9]);
    let lost = scene.written().into_iter().filter_map(|event| {
        if let What::Lost { cpu, count, bytes, .. } = event.what { Some((cpu, count, bytes)) } else { None }
    });
    assert_eq!(lost.collect::<Vec<_>>(), [(0, 2, 2 * LEN)]);
    assert_eq!(scene.recorder.status.lost + scene.exits().len() as u64, read);
    assert!(!scene.recorder.behind());
}

/// A batch that seemed to have failed was read from the rings again, or what it had told besides was told twice.
#[test]
fn a_batch_that_failed_and_is_in_the_file_all_the_same_is_not_told_twice() {
    for stored in [true, false] {
        let mut scene = Scene::new(exits(3), None);
        let recorder = &mut scene.recorder;
        recorder.add([(
            5,
            What::CgroupMkdir {
                process: ProcId { tgid: 0, start_ns: 0 },
                id: 3,
                hierarchy: 0,
                path: b"/a".as_slice().into(),
            },
        )]);
        recorder.drain(Patience::Later).expect("drained");
        recorder.rings.records = exits(6);
        recorder.add([(
            7,
            What::CgroupMkdir {
                process: ProcId { tgid: 0, start_ns: 0 },
                id: 4,
                hierarchy: 0,
                path: b"/b".as_slice().into(),
            },
        )]);
        if stored {
            recorder.drain(Patience::Later).expect("drained");
        }
        // The sync failed, as far as the recorder knows.
        recorder.writer = None;
        recorder.positions = vec![head(3)];
        recorder.status.events = 4;
        recorder.failed =
            Some(Failed { only_here: std::mem::take(&mut recorder.pending), told: 5, lost: Vec::new() });
        if stored {
            recorder.failed.as_mut().expect("set").only_here = vec![(
                7,
                What::Rename { process: ProcId { tgid: 1, start_ns: 1 }, comm: b"twice".as_slice().into() },
            )];
        }
        assert!(recorder.behind());
        recorder.drain(Patience::Later).expect("drained");
        assert!(!recorder.behind());
        assert_eq!(scene.exits(), (1..=6).collect::<Vec<_>>(), "{stored}");
        let others = scene.written().len() - 6;
        assert_eq!(others, 2, "stored: {stored}: {:?}", scene.written());
    }
}
