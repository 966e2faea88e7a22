//! Files that are not what a recorder left: flipped, cut, foreign, full of noise.
//!
//! What must be true: no panic, no event that was not recorded, and whatever is missing in the
//! middle is a gap.

use std::path::Path;

use lastrites_traces::{
    Error,
    event::Event,
    layout::{FIRST_SEGMENT, SEGMENT_SIZE_MIN, SIZE_MIN},
    reader::Trace,
    ring::{self, Writer},
    session::{Clock, End, How, Session},
    storage::MemoryStorage,
};

use crate::support::{Noise, Reading, empty_ring, numbered, read, session};

/// A ring that has wrapped, and what was recorded into it.
fn wrapped() -> (Vec<u8>, Vec<Event>) {
    let mut writer = Writer::open(empty_ring()).unwrap();
    writer.begin(&session(1)).unwrap();
    let (mut noise, mut now_ns, mut all) = (Noise(11), 2_000, Vec::new());
    while writer.bytes_written() < SIZE_MIN * 3 / 2 {
        let batch = noise.heavy(&mut now_ns, 7);
        all.extend(numbered(writer.next_number(), &batch));
        writer.append(&batch, &[]).unwrap();
    }
    (writer.into_storage().bytes().to_vec(), all)
}

/// A stand-alone trace of it.
fn saved(ring: &[u8]) -> Vec<u8> {
    let mut saved = Vec::new();
    let trace = Trace::from_bytes(Path::new("memory"), ring.to_vec()).unwrap();
    trace.save(session(1).id, &mut saved).unwrap();
    saved
}

/// Reads damaged bytes; whatever comes out must have been recorded.
fn honest(bytes: &[u8], all: &[Event]) -> Option<Reading> {
    let mut readings = match read(bytes) {
        Ok(readings) => readings,
        Err(Error::NotARecording { .. } | Error::Version { .. } | Error::Damaged { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    for reading in &readings {
        for event in &reading.events {
            assert_eq!(&all[event.number as usize], event);
        }
    }
    // A writer finds its way too, or refuses; either way it does not make things worse.
    if let Ok(mut writer) = Writer::open(MemoryStorage::holding(bytes.to_vec())) {
        writer.begin(&Session { id: session(77).id, ..session(1) }).unwrap();
        writer.append(&[], &[]).unwrap();
        let again = read(writer.storage().bytes()).unwrap();
        assert_eq!(again.last().unwrap().summary.session.id, session(77).id);
    }
    readings.pop()
}

#[test]
fn a_flipped_byte_costs_the_rest_of_its_segment_and_is_a_gap() {
    let (ring, all) = wrapped();
    let intact = honest(&ring, &all).unwrap();
    assert_eq!(intact.gaps, []);
    let mut noise = Noise(2);
    // Every byte of the headers, some of everything else.
    let headers = (0..8192).step_by(61).chain(0..64).chain(4096..4160);
    let starts = (0..4u64).flat_map(|slot| {
        let start = (FIRST_SEGMENT + slot * u64::from(SEGMENT_SIZE_MIN)) as usize;
        (start..start + 80 + 48).step_by(5)
    });
    let anywhere = (0..150).map(|_| noise.below(ring.len() as u64) as usize);
    let places: Vec<usize> = headers.chain(starts).chain(anywhere).collect();
    let mut gaps = 0;
    for at in places {
        let mut bytes = ring.clone();
        bytes[at] ^= 1 << (at % 8);
        let Some(reading) = honest(&bytes, &all) else {
            panic!("one flipped bit, and nothing at all is left")
        };
        if at < FIRST_SEGMENT as usize {
            assert_eq!(reading.events.len(), intact.events.len(), "there are two headers");
        }
        let lost = intact.events.len() - reading.events.len();
        assert!(lost < all.len() / 2, "three segments are left");
        gaps += reading.gaps.len();
    }
    assert!(gaps > 50, "damage in the middle is told");
}

#[test]
fn a_flipped_byte_of_a_saved_trace_costs_one_segment_too() {
    let (ring, all) = wrapped();
    let saved = saved(&ring);
    let mut noise = Noise(3);
    let intact = honest(&saved, &all).unwrap();
    for turn in 0..200 {
        // Often a segment's own header, without which the next one has to be searched for.
        let at = if turn % 2 == 0 { 8192 + noise.below(80) } else { noise.below(saved.len() as u64) };
        let mut bytes = saved.clone();
        bytes[at as usize] ^= 0x10;
        let reading = honest(&bytes, &all).expect("the rest is readable");
        if reading.events.len() < intact.events.len() {
            assert_ne!(reading.gaps, [], "at {at}");
        }
    }
}

#[test]
fn a_file_that_was_cut_off_yields_its_intact_segments_and_says_so() {
    let (ring, all) = wrapped();
    let mut noise = Noise(5);
    let slots = (0..=4u64).map(|slot| FIRST_SEGMENT + slot * u64::from(SEGMENT_SIZE_MIN));
    let lengths: Vec<u64> = slots.chain([0, 1, 63, 64, 4095, 4096, 8191]).collect();
    let anywhere: Vec<u64> = (0..60).map(|_| noise.below(ring.len() as u64)).collect();
    for len in lengths.into_iter().chain(anywhere) {
        let bytes = &ring[..len as usize];
        let Some(reading) = honest(bytes, &all) else { continue };
        assert!(!reading.gaps.is_empty() || reading.summary.first_number > 0 || len == ring.len() as u64);
        if len < SIZE_MIN {
            let error = Writer::open(MemoryStorage::holding(bytes.to_vec())).expect_err("it would grow");
            assert!(matches!(&error, Error::Damaged { offset, .. } if *offset == len), "{error}");
        }
    }
    let saved = saved(&ring);
    let whole = honest(&saved, &all).unwrap();
    for turn in 0..80 {
        let len = match turn {
            0 => FIRST_SEGMENT + 1,
            _ => FIRST_SEGMENT + noise.below(saved.len() as u64 - FIRST_SEGMENT),
        };
        if let Some(reading) = honest(&saved[..len as usize], &all) {
            let cut_between = reading.gaps.is_empty();
            assert!(!cut_between || whole.events.starts_with(&reading.events));
            assert!(reading.gaps.iter().all(|gap| gap.offset <= len));
            if !cut_between {
                assert_eq!(reading.gaps.last().unwrap().why, "the file is shorter than it was made");
            }
        }
    }
}

#[test]
fn a_ring_whose_newest_part_is_cut_off_says_so() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    writer.begin(&session(1)).unwrap();
    let (mut noise, mut now_ns) = (Noise(1), 1);
    while writer.bytes_written() < u64::from(SEGMENT_SIZE_MIN) * 5 / 2 {
        writer.append(&noise.heavy(&mut now_ns, 10), &[]).unwrap();
    }
    let ring = writer.into_storage().bytes().to_vec();
    let whole = read(&ring).unwrap().remove(0);
    let cut = read(&ring[..8192 + SEGMENT_SIZE_MIN as usize * 2]).unwrap().remove(0);
    assert!(whole.events.starts_with(&cut.events) && !cut.events.is_empty());
    assert_eq!(cut.gaps.last().map(|gap| gap.why), Some("the file is shorter than it was made"));
}

#[test]
fn the_beginning_of_a_session_that_is_damaged_has_not_made_way() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    writer.begin(&session(1)).unwrap();
    let (mut noise, mut now_ns) = (Noise(1), 1);
    while writer.bytes_written() < u64::from(SEGMENT_SIZE_MIN) * 5 / 2 {
        writer.append(&noise.heavy(&mut now_ns, 10), &[]).unwrap();
    }
    let mut ring = writer.into_storage().bytes().to_vec();
    ring[8192 + 3] ^= 1;
    let reading = read(&ring).unwrap().remove(0);
    let gap = &reading.gaps[0];
    assert_eq!((gap.from, gap.to, gap.why), (0, reading.summary.first_number, "damaged"));
}

#[test]
fn what_is_no_recording_is_refused_in_words() {
    let mut noise = Noise(6);
    let random: Vec<u8> = (0..10_000).map(|_| noise.next() as u8).collect();
    let (ring, _) = wrapped();
    let mut major = ring.clone();
    for copy in [0, 4096] {
        major[copy + 8] = 2;
    }
    let mut destroyed = ring.clone();
    destroyed[20] ^= 1;
    destroyed[4096 + 20] ^= 1;
    let cases: [(&[u8], &str); 8] = [
        (b"", "it is empty"),
        (&[0; 10_000], "it begins with zeros"),
        (&random, "it begins with something else"),
        (b"LASTRITE", "it is too short"),
        (b"#!/bin/sh\nexit 0\n# and so on for more than sixty four bytes of a script", "something else"),
        (&major, "format version 2, this program reads version 1"),
        (&destroyed, "the checksum of its header is wrong"),
        (&ring[..32], "it is too short"),
    ];
    for (bytes, words) in cases {
        let error = read(bytes).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
        let error = Writer::open(MemoryStorage::holding(bytes.to_vec())).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("memory: "), "{error}");
    }
}

#[test]
fn a_larger_minor_version_is_read_and_recorded_into() {
    let (mut ring, all) = wrapped();
    for copy in [0, 4096] {
        ring[copy + 10] = 9;
        let crc = crc32c(&ring[copy..copy + 60]);
        ring[copy + 60..copy + 64].copy_from_slice(&crc.to_le_bytes());
    }
    assert!(honest(&ring, &all).unwrap().events.len() > 300);
}

fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    }) ^ !0
}

#[test]
fn a_saved_trace_cannot_be_recorded_into() {
    let (ring, _) = wrapped();
    let error = Writer::open(MemoryStorage::holding(saved(&ring))).expect_err("it is no ring");
    assert!(matches!(error, Error::NotARing { .. }), "{error}");
}

#[test]
fn segments_of_another_file_never_pass() {
    // The story: a ring file was made anew on the blocks of an older one, whose segments were
    // intact. Only the file's id, which every checksum begins with, tells them apart.
    let (old, _) = wrapped();
    let mut new = MemoryStorage::holding(old);
    ring::format(&mut new, SIZE_MIN, [8; 16]).unwrap();
    assert!(read(new.bytes()).unwrap().is_empty());
    assert_eq!(Writer::open(new).unwrap().resume(), None);
}

#[test]
fn clocks_that_go_backwards_between_sessions_keep_the_sessions_in_order() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    let mut expected = Vec::new();
    for (number, boottime_ns, realtime_ns) in [(1, 1 << 50, 1 << 60), (2, 0, 1 << 61), (3, 1 << 40, 0)] {
        let started = Clock { boottime_ns, realtime_ns, utc_offset_s: 0 };
        writer.begin(&Session { started, ..session(number) }).unwrap();
        let mut now_ns = boottime_ns;
        let batch = Noise(number.into()).events(&mut now_ns, 100);
        writer.append(&batch, &[]).unwrap();
        expected.push((session(number).id, numbered(0, &batch)));
    }
    let readings = read(writer.storage().bytes()).unwrap();
    let found: Vec<_> =
        readings.into_iter().map(|reading| (reading.summary.session.id, reading.events)).collect();
    assert_eq!(found, expected);
}

/// A sealed shutdown whose last frame was damaged looked like a power cut, of which nothing more was known: that it had been ended, and
/// with it how many events, was said by nobody.
#[test]
fn the_end_of_a_session_that_another_followed_is_missed() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    writer.begin(&session(1)).unwrap();
    let (mut noise, mut now_ns) = (Noise(3), 2_000);
    for _ in 0..3 {
        writer.append(&noise.heavy(&mut now_ns, 7), &[]).unwrap();
    }
    writer.end(&End { how: How::Sealed, time_ns: now_ns, note: "the hook".into() }).unwrap();
    let last = writer.storage().bytes().iter().rposition(|byte| *byte != 0).unwrap();
    let alone = writer.storage().bytes().to_vec();
    writer.begin(&Session { previous: Some(session(1).id), ..session(2) }).unwrap();
    writer.append(&noise.heavy(&mut now_ns, 7), &[]).unwrap();
    let followed = writer.into_storage().bytes().to_vec();

    let first = |bytes: &[u8]| read(bytes).unwrap().swap_remove(0);
    let whole = first(&followed);
    assert_eq!((whole.gaps.len(), whole.summary.end.map(|end| end.how)), (0, Some(How::Sealed)));
    for at in [last, last - 40, last - 3000] {
        let damaged = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            first(&bytes)
        };
        let Reading { summary, gaps, .. } = damaged(&followed);
        assert_eq!(summary.end, None);
        let [gap] = &gaps[..] else { panic!("{at}: {gaps:?}") };
        assert_eq!((gap.from, gap.to), (summary.next_number, summary.next_number), "nobody knows how many");
        assert!(gap.offset <= at as u64 && gap.offset > FIRST_SEGMENT, "{gap:?}");
        assert_eq!(summary.gaps, gaps);
        // With nobody behind it a power cut may have torn it, and then it is as if it had never been.
        assert_eq!(damaged(&alone).gaps, []);
    }
}
