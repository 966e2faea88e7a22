//! Opening a ring at a glance: the end of each session is what it is, the rest is believed and never
//! taken for read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use lastrites_traces::{
    event::Event,
    layout::{FIRST_SEGMENT, SEGMENT_SIZE_MIN},
    reader::{Item, Trace},
    ring::Writer,
    session::{End, How, SessionId},
    storage::FileStorage,
};
use proptest::prelude::*;

use crate::support::{Noise, read_all, session};

const SEGMENTS: u64 = 24;

/// Two sessions, of which the first is ended, in more than ten segments each.
fn two_sessions(dir: &Path) -> PathBuf {
    let path = dir.join("ring");
    let size = FIRST_SEGMENT + SEGMENTS * u64::from(SEGMENT_SIZE_MIN);
    let (storage, _) = FileStorage::create(&path, size).unwrap();
    let mut writer = Writer::open(storage).unwrap();
    let (mut noise, mut now_ns) = (Noise(7), 2_000);
    for number in 1..=2 {
        writer.begin(&session(number)).unwrap();
        let until = writer.bytes_written() + 11 * u64::from(SEGMENT_SIZE_MIN);
        while writer.bytes_written() < until {
            writer.append(&noise.heavy(&mut now_ns, 60), &[1, 2]).unwrap();
        }
        if number == 1 {
            writer.end(&End { how: How::Sealed, time_ns: now_ns, note: "the hook".into() }).unwrap();
        }
    }
    path
}

fn last_events(trace: &Trace, id: SessionId, segments: usize) -> Vec<Event> {
    let event = |item| match item {
        Item::Event(event) => Some(event),
        Item::Known(_) => None,
        Item::Gap(gap) => panic!("{gap:?}"),
    };
    trace.last_events(id, segments).unwrap().map(Result::unwrap).filter_map(event).collect()
}

#[test]
fn a_glance_reads_the_end_of_each_session_as_all_of_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = two_sessions(dir.path());
    let whole = Trace::open(&path).unwrap();
    assert_eq!(whole.sessions().len(), 2);
    for count in [1, 3, 9] {
        let glance = Trace::glance(&path, count).unwrap();
        for (known, seen) in whole.sessions().iter().zip(glance.sessions()) {
            let id = known.session.id;
            assert_eq!((glance.segments(id).unwrap(), glance.seen(id).unwrap()), (12, count));
            assert_eq!(whole.seen(id).unwrap(), 12);
            // What a header says, and what the first and the last segment hold.
            let same = |summary: &lastrites_traces::reader::Summary| {
                let numbers = (summary.first_number, summary.next_number, summary.events, summary.lost);
                let segments = (summary.first_segment, summary.last_segment);
                let times = (summary.first_ns, summary.last_ns);
                (summary.session.clone(), numbers, segments, times, summary.end.clone(), summary.gaps.clone())
            };
            assert_eq!(same(seen), same(known));
            assert_eq!(last_events(&glance, id, count), last_events(&whole, id, count));
        }
    }
}

#[test]
fn what_was_only_glanced_at_is_a_gap_that_says_so_and_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let path = two_sessions(dir.path());
    let glance = Trace::glance(&path, 2).unwrap();
    for reading in read_all(&glance) {
        let [gap] = &reading.gaps[..] else { panic!("one gap: {:?}", reading.gaps) };
        assert_eq!(gap.why, "it was only glanced at");
        assert!(!reading.events.is_empty());
        let refused = glance.save(reading.summary.session.id, &mut Vec::new()).unwrap_err();
        assert!(refused.to_string().contains("it was only glanced at"), "{refused}");
    }
    // Few segments are all looked at.
    let all = Trace::glance(&path, 11).unwrap();
    assert!(read_all(&all).iter().all(|reading| reading.gaps.is_empty()));
    assert!(all.save(session(1).id, &mut Vec::new()).unwrap() > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_survived_at_a_glance(
        hits in proptest::collection::vec((any::<u64>(), any::<u8>()), 1..20),
        headers in proptest::collection::vec((0..SEGMENTS, 0u64..80, any::<u8>()), 0..6),
        cut in prop_oneof![3 => Just(None), 1 => any::<u64>().prop_map(Some)],
        count in 0usize..6,
    ) {
        static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = SOUND.get_or_init(|| std::fs::read(two_sessions(dir.path())).unwrap()).clone();
        let len = bytes.len() as u64;
        for (at, value) in hits {
            bytes[(at % len) as usize] = value;
        }
        for (slot, at, value) in headers {
            bytes[(FIRST_SEGMENT + slot * u64::from(SEGMENT_SIZE_MIN) + at) as usize] = value;
        }
        bytes.truncate(cut.map_or(len, |cut| cut % len) as usize);
        let path = dir.path().join("damaged");
        std::fs::write(&path, &bytes).unwrap();
        let (Ok(whole), Ok(glance)) = (Trace::open(&path), Trace::glance(&path, count)) else { return Ok(()) };
        read_all(&glance);
        // What can be read at the end of a session is there: nothing is made up.
        let whole: BTreeMap<_, _> = read_all(&whole)
            .into_iter()
            .flat_map(|reading| {
                let id = reading.summary.session.id;
                reading.events.into_iter().map(move |event| ((id, event.number), event))
            })
            .collect();
        for summary in glance.sessions() {
            let id = summary.session.id;
            for item in glance.last_events(id, glance.seen(id).unwrap()).unwrap() {
                if let Item::Event(event) = item.unwrap() {
                    prop_assert_eq!(whole.get(&(id, event.number)), Some(&event));
                }
            }
        }
    }
}
