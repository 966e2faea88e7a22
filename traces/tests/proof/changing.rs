//! A recorder writes while the file is being read.
//!
//! What must be true: nothing is read that was not recorded; what made way meanwhile is a gap.

use std::sync::atomic::{AtomicBool, Ordering};

use lastrites_traces::{
    Error,
    event::{Event, What},
    layout::SIZE_MIN,
    reader::{Item, Trace},
    ring::Writer,
    storage::FileStorage,
};

use crate::support::{numbered, read_all, session};

/// Events that tell from their number alone whether they are right.
fn batch(first: u64, count: u64) -> Vec<(u64, What)> {
    (first..first + count).map(|number| (time_of(number), what_of(number))).collect()
}

fn time_of(number: u64) -> u64 {
    10_000 + number * 7
}

fn what_of(number: u64) -> What {
    let comm: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(400 + number as usize % 200).collect();
    What::Rename { process: lastrites_traces::event::ProcId { tgid: 5, start_ns: 6 }, comm: comm.into() }
}

fn right(event: &Event) {
    assert_eq!((event.time_ns, &event.what), (time_of(event.number), &what_of(event.number)));
}

fn ring(dir: &tempfile::TempDir) -> Writer<FileStorage> {
    let (storage, _) = FileStorage::create(&dir.path().join("ring"), SIZE_MIN).unwrap();
    let mut writer = Writer::open(storage).unwrap();
    writer.begin(&session(1)).unwrap();
    writer
}

fn append(writer: &mut Writer<FileStorage>, count: u64) {
    let events = batch(writer.next_number(), count);
    writer.append(&events, &[]).unwrap();
}

#[test]
fn what_makes_way_while_it_is_read_is_a_gap_and_the_rest_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ring(&dir);
    append(&mut writer, 600);
    let trace = Trace::open(&dir.path().join("ring")).unwrap();
    assert_eq!(trace.sessions()[0].events, 600);
    let mut items = trace.events(session(1).id).unwrap();
    assert!(matches!(items.next(), Some(Ok(Item::Event(event))) if event.number == 0));
    // The oldest segments make way; the reader holds the first in memory.
    for _ in 0..80 {
        append(&mut writer, 10);
    }
    let (mut events, mut gaps) = (1, Vec::new());
    for item in items {
        match item.unwrap() {
            Item::Event(event) => {
                right(&event);
                events += 1;
            }
            Item::Gap(gap) => gaps.push(gap),
            Item::Known(_) => {}
        }
    }
    let missing: u64 = gaps.iter().map(|gap| gap.to - gap.from).sum();
    assert_eq!(events + missing, 600);
    assert!(missing > 100, "something made way");
    assert!(gaps.iter().all(|gap| gap.why.contains("made way")), "{gaps:?}");
    assert_eq!(trace.for_each(session(1).id, &mut right).unwrap().len(), 1);
}

#[test]
fn a_recording_that_made_way_altogether_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ring(&dir);
    append(&mut writer, 3);
    let trace = Trace::open(&dir.path().join("ring")).unwrap();
    writer.begin(&session(2)).unwrap();
    (0..150).for_each(|_| append(&mut writer, 10));
    let error = trace.save(session(1).id, &mut Vec::new()).expect_err("it is no longer there");
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    let gaps = trace.for_each(session(1).id, &mut |_| panic!("no event is left")).unwrap();
    assert_eq!((gaps[0].from, gaps[0].to), (0, 3));
    assert!(matches!(trace.events(session(2).id), Err(Error::Gone { .. })), "it was not there when opened");
}

#[test]
fn a_copy_of_a_recording_that_is_making_way_holds_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ring(&dir);
    append(&mut writer, 600);
    let trace = Trace::open(&dir.path().join("ring")).unwrap();
    (0..70).for_each(|_| append(&mut writer, 10));
    let mut saved = Vec::new();
    trace.save(session(1).id, &mut saved).unwrap();
    let copy = Trace::from_bytes(std::path::Path::new("copy"), saved).unwrap();
    let reading = read_all(&copy).remove(0);
    assert!(reading.summary.first_number > 0 && !reading.events.is_empty());
    reading.events.iter().for_each(right);
}

#[test]
fn a_reader_beside_a_recorder_never_sees_what_was_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ring(&dir);
    append(&mut writer, 100);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..400).for_each(|turn| append(&mut writer, 1 + turn % 23));
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            let trace = Trace::open(&dir.path().join("ring")).unwrap();
            for summary in trace.sessions() {
                let mut next = summary.first_number;
                let gaps = trace
                    .for_each(summary.session.id, &mut |event| {
                        right(event);
                        assert!(event.number >= next);
                        next = event.number + 1;
                    })
                    .unwrap();
                assert!(gaps.iter().all(|gap| gap.to <= summary.next_number));
            }
            if last {
                break;
            }
        }
    });
    let all = numbered(0, &batch(0, writer.next_number()));
    let reading = read_all(&Trace::open(&dir.path().join("ring")).unwrap()).remove(0);
    assert_eq!(reading.events[..], all[reading.summary.first_number as usize..]);
    assert_eq!(reading.gaps, []);
}
