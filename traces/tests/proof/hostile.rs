//! Files made by somebody who means harm: every checksum is right, and every claim is a lie.
//!
//! What must be true: no panic, no endless loop, nothing allocated because a number said so
//! (`tests/memory.rs` measures that), and a writer that opens such a file records, or refuses.

use std::path::Path;

use lastrites_traces::{
    codec::tag,
    layout::{
        FIRST_SEGMENT, FRAME_HEADER_LEN, FRAME_MORE, FileHeader, FileKind, FrameHeader, Frames, HEADER_COPY,
        SEGMENT_CONTINUES, SEGMENT_HEADER_LEN, SEGMENT_SIZE_MIN, SIZE_MIN, SegmentHeader, kind,
    },
    reader::Trace,
    ring::Writer,
    session::SessionId,
    storage::MemoryStorage,
};
use proptest::prelude::*;

use crate::support::{Noise, Reading, empty_ring, read, recording, session};

const FILE_ID: [u8; 16] = [7; 16];

/// A frame of any kind with any claims.
type Frame = (FrameHeader, Vec<u8>);

fn header(kind: u8) -> FrameHeader {
    FrameHeader { kind, ..FrameHeader::default() }
}

fn segment(seq: u64) -> SegmentHeader {
    SegmentHeader {
        seq,
        session: SessionId([1; 16]),
        first_number: 0,
        lost_before: 0,
        time_ns: 0,
        writer: 5,
        chain: 0,
        flags: 0,
        len: 0,
    }
}

/// The frames that a segment cannot do without.
fn start() -> Vec<Frame> {
    vec![(header(kind::SESSION), vec![0]), (header(kind::STATE), vec![0, 0])]
}

/// Header and frames, with right checksums.
fn forge(segment: &SegmentHeader, frames: &[Frame]) -> Vec<u8> {
    let mut bytes = segment.encode(&FILE_ID).to_vec();
    let mut chain = segment.seed(&FILE_ID);
    for (header, payload) in frames {
        let mut frame = vec![0; FRAME_HEADER_LEN];
        frame.extend_from_slice(payload);
        chain = header.seal(&mut frame, chain);
        bytes.extend_from_slice(&frame);
    }
    bytes
}

/// A ring of such segments, one per slot.
fn ring(segments: &[(SegmentHeader, Vec<Frame>)]) -> Vec<u8> {
    let file =
        FileHeader { kind: FileKind::Ring, file_id: FILE_ID, size: SIZE_MIN, segment_size: SEGMENT_SIZE_MIN };
    let mut bytes = vec![0; SIZE_MIN as usize];
    for copy in [0, HEADER_COPY as usize] {
        bytes[copy..copy + 64].copy_from_slice(&file.encode());
    }
    for (slot, (segment, frames)) in (0..4).zip(segments) {
        let forged = forge(segment, frames);
        let len = forged.len().min(SEGMENT_SIZE_MIN as usize);
        bytes[file.slot_offset(slot) as usize..][..len].copy_from_slice(&forged[..len]);
    }
    bytes
}

/// The same segments back to back, as a saved trace.
fn stand_alone(segments: &[(SegmentHeader, Vec<Frame>)]) -> Vec<u8> {
    let kind = FileKind::StandAlone;
    let mut bytes =
        FileHeader { kind, file_id: FILE_ID, size: 0, segment_size: SEGMENT_SIZE_MIN }.encode().to_vec();
    bytes.resize(FIRST_SEGMENT as usize, 0);
    for (segment, frames) in segments {
        let forged = forge(segment, frames);
        let header = SegmentHeader { len: forged.len() as u32, ..*segment }.encode(&FILE_ID);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&forged[SEGMENT_HEADER_LEN..]);
    }
    bytes
}

/// Reads and records; all that matters is that both come back.
fn withstand(bytes: Vec<u8>) -> Vec<Reading> {
    let readings = read(&bytes).unwrap();
    if let Ok(mut writer) = Writer::open(MemoryStorage::holding(bytes)) {
        let mut now_ns = 5;
        let batch = Noise(1).events(&mut now_ns, 40);
        let mut written = Ok(());
        if writer.resume().is_some() {
            written = writer.append(&batch, &[1, 2, 3]);
        }
        written = written.and_then(|()| writer.begin(&session(9))).and_then(|()| writer.append(&batch, &[]));
        let again = read(writer.storage().bytes()).unwrap();
        if written.is_ok() {
            // A liar's segment may still pass for the newest one, but takes nothing from ours.
            let ours = again.iter().find(|reading| reading.summary.session.id == session(9).id);
            assert_eq!(ours.map(|reading| reading.events.len()), Some(40));
        }
    }
    readings
}

fn both(segments: &[(SegmentHeader, Vec<Frame>)]) -> Vec<Reading> {
    withstand(stand_alone(segments));
    withstand(ring(segments))
}

#[test]
fn counts_that_no_frame_can_hold_end_the_segment() {
    let lies = [
        (FrameHeader { count: u32::MAX, ..header(kind::EVENTS) }, vec![tag::OOM, 0, 0, 0]),
        (FrameHeader { count: 2, ..header(kind::EVENTS) }, vec![tag::OOM, 0, 0, 0, 0]),
        (
            FrameHeader { count: 1, first_ns: 5, last_ns: 4, ..header(kind::EVENTS) },
            vec![tag::OOM, 0, 0, 0, 0],
        ),
        (FrameHeader { count: 1, first_number: 7, ..header(kind::EVENTS) }, vec![tag::OOM, 0, 0, 0, 0]),
        (
            FrameHeader { count: 1, first_number: u64::MAX, ..header(kind::EVENTS) },
            vec![tag::OOM, 0, 0, 0, 0],
        ),
    ];
    for lie in lies {
        let mut frames = start();
        frames.push(lie);
        frames.push((FrameHeader { count: 1, ..header(kind::EVENTS) }, vec![tag::OOM, 0, 0, 0, 0]));
        let readings = both(&[(segment(1), frames)]);
        assert_eq!((readings[0].events.len(), readings[0].summary.events), (0, 0));
    }
}

#[test]
fn events_that_do_not_decode_are_a_gap_that_says_why() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let exec = |rest: &[u8]| [&[tag::EXEC, 0, 0, 0, 0, 0, 0, 0], rest].concat();
    let cases: [(Vec<u8>, &str); 12] = [
        (vec![99, 0, 3], "a shape that was never told"),
        (vec![tag::RENAME, 0, 0, 9], "a reference to a string that was never given"),
        (vec![tag::RENAME, 0, 200, 1, 1], "a reference to a process that was never defined"),
        (vec![30, 0, 0, 0], "an event of an unknown kind"),
        (vec![0, 0, 0, 0], "an event of an unknown kind"),
        ([&[tag::OOM], &huge[..], &[0, 0]].concat(), "time runs past its end"),
        ([&[tag::OOM], &[0x80; 11][..]].concat(), "a number of more than ten bytes"),
        ([&[tag::RENAME, 0, 0, 0], &huge[..]].concat(), "a frame ends in the middle of a field"),
        (exec(&[0, 0xff, 0xff, 3]), "a frame ends in the middle of a field"),
        (vec![tag::FORK, 0, 0, 0, 0], "nobody forks a child like itself"),
        (vec![tag::SHAPE, 9, 0, 0], "unknown kind of shape"),
        ([&[tag::SHAPE, 2, 1, 1].repeat(217)[..], &[40, 0, 0, 0]].concat(), "too many shapes"),
    ];
    for (bad, why) in cases {
        let mut frames = start();
        let payload = [&[tag::OOM, 0, 0, 0], &bad[..], &[tag::OOM, 0, 0, 0, 0]].concat();
        let count = 2 + u32::from(payload.len() > 20);
        frames.push((FrameHeader { count, first_ns: 1, last_ns: 1, ..header(kind::EVENTS) }, payload));
        let readings = both(&[(segment(1), frames)]);
        let reading = &readings[0];
        assert_eq!(reading.events.len(), 1, "{why}");
        assert_eq!((reading.gaps[0].from, reading.gaps[0].to), (1, count.into()), "{why}");
        assert_eq!(reading.gaps[0].why, why);
    }
}

#[test]
fn start_frames_that_lie_make_the_segment_unreadable_and_nothing_else() {
    let varint_max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let event = (FrameHeader { count: 1, ..header(kind::EVENTS) }, vec![tag::OOM, 0, 0, 0, 0]);
    let session = |payload: Vec<u8>| (header(kind::SESSION), payload);
    let state = |payload: Vec<u8>| (header(kind::STATE), payload);
    let snapshot = |count, payload| (FrameHeader { count, ..header(kind::SNAPSHOT) }, payload);
    let cases: [Vec<Frame>; 9] = [
        vec![session(varint_max.to_vec()), state(vec![0, 0])],
        vec![session(vec![1; 100_000]), state(vec![0, 0])],
        vec![session(vec![0])],
        vec![state(vec![0, 0])],
        vec![session(vec![0]), state([&[0], &varint_max[..]].concat())],
        vec![session(vec![0]), state(vec![0, 0xff])],
        vec![session(vec![0]), state(vec![0, 0]), state(vec![0, 0])],
        vec![session(vec![0]), state(vec![0, 0]), snapshot(u32::MAX, vec![1; 11])],
        vec![session(vec![0]), snapshot(1, vec![1; 11]), state(vec![0, 0])],
    ];
    for mut frames in cases {
        frames.push(event.clone());
        for reading in both(&[(segment(1), frames)]) {
            assert_eq!(reading.events, []);
        }
    }
}

#[test]
fn numbers_at_their_end_are_refused_and_never_wrap() {
    let event = |first_number| {
        let header = FrameHeader { count: 1, first_number, ..header(kind::EVENTS) };
        (header, vec![tag::OOM, 0, 0, 0, 0])
    };
    // Two sessions whose segments are numbered to the end.
    let of = |seq, number: u8| {
        let mut frames = start();
        frames.push(event(0));
        (SegmentHeader { session: SessionId([number; 16]), ..segment(seq) }, frames)
    };
    let bytes = ring(&[of(u64::MAX - 1, 1), of(u64::MAX, 2)]);
    let readings = withstand(bytes.clone());
    assert_eq!(readings.iter().map(|reading| reading.events.len()).collect::<Vec<_>>(), [1, 1]);
    let mut writer = Writer::open(MemoryStorage::holding(bytes)).unwrap();
    assert_eq!(writer.resume().unwrap().session.id, SessionId([2; 16]));
    writer.append(&[], &[]).unwrap();
    let error = writer.begin(&session(3)).expect_err("there is no number left");
    assert!(error.to_string().contains("numbered to the end"), "{error}");

    // Events that are.
    let mut frames = start();
    frames.push(event(u64::MAX - 1));
    let first = SegmentHeader { first_number: u64::MAX - 1, lost_before: u64::MAX, ..segment(1) };
    let bytes = ring(&[(first, frames)]);
    assert_eq!(withstand(bytes.clone())[0].events[0].number, u64::MAX - 1);
    let mut writer = Writer::open(MemoryStorage::holding(bytes)).unwrap();
    let mut now_ns = 1;
    let error = writer.append(&Noise(1).events(&mut now_ns, 3), &[]).expect_err("there is no number left");
    assert!(error.to_string().contains("numbered to the end"), "{error}");
}

#[test]
fn segments_that_tell_the_same_numbers_twice_are_read_once() {
    let with = |seq, flags, chain, more: bool| {
        let mut frames = start();
        let flag = if more { FRAME_MORE } else { 0 };
        let payload = if more { vec![tag::OOM, 0, 0, 0] } else { vec![tag::OOM, 0, 0, 0, 0] };
        frames.push((FrameHeader { count: 1, flags: flag, ..header(kind::EVENTS) }, payload));
        (SegmentHeader { flags, chain, ..segment(seq) }, frames)
    };
    assert_eq!(both(&[with(1, 0, 0, false), with(1, 0, 0, false), with(2, 0, 0, false)])[0].events.len(), 1);
    // All of them open, none completed.
    let open = with(1, SEGMENT_CONTINUES, 0, true);
    let endless = [open.clone(), with(2, SEGMENT_CONTINUES, 0, true), with(3, SEGMENT_CONTINUES, 9, true)];
    assert_eq!(both(&endless)[0].events.len(), 0);
}

#[test]
fn a_batch_counts_across_segments_only_where_the_chain_holds() {
    let part = |first_number, more: bool| {
        let mut frames = start();
        let flags = if more { FRAME_MORE } else { 0 };
        let payload = if more { vec![tag::OOM, 0, 0, 0] } else { vec![tag::OOM, 0, 0, 0, 0] };
        frames.push((FrameHeader { count: 1, first_number, flags, ..header(kind::EVENTS) }, payload));
        frames
    };
    let first = forge(&segment(1), &part(0, true));
    let last = Frames::new(&first, &segment(1), &FILE_ID).last().unwrap();
    for (chain, counted) in [(last.crc, 2), (last.crc ^ 1, 1)] {
        let second = SegmentHeader { first_number: 1, chain, flags: SEGMENT_CONTINUES, ..segment(2) };
        let readings = both(&[(segment(1), part(0, true)), (second, part(1, false))]);
        assert_eq!(readings[0].events.len(), counted);
        assert_eq!(readings[0].gaps.len(), 2 - counted);
    }
}

#[test]
fn a_saved_trace_of_nothing_but_headers_is_read_through() {
    let mut bytes = stand_alone(&[]);
    for seq in 0..20_000 {
        let header = SegmentHeader { len: 80, ..segment(seq) };
        bytes.extend_from_slice(&header.encode(&FILE_ID));
    }
    assert!(read(&bytes).unwrap().is_empty());
    // And one whose segments claim lengths that cannot be.
    let mut bytes = stand_alone(&[]);
    for len in [0, 79, SEGMENT_SIZE_MIN + 1, u32::MAX, 81] {
        bytes.extend_from_slice(&SegmentHeader { len, ..segment(1) }.encode(&FILE_ID));
    }
    assert!(read(&bytes).unwrap().is_empty());
}

/// Of a file of the smallest segments there can be, four times its size was kept in memory.
#[test]
fn a_saved_trace_has_no_more_segments_than_its_size_is_worth() {
    let tiny: Vec<_> = (1..=5_000).map(|seq| (segment(seq), start())).collect();
    let bytes = stand_alone(&tiny);
    let most = bytes.len() / 1024 + 64;
    assert!(most < 2_000, "this is about many more: {most}");
    let trace = Trace::from_bytes(Path::new("tiny"), bytes).unwrap();
    let [summary] = trace.sessions() else { panic!("{:?}", trace.sessions()) };
    let kept = trace.segments(summary.session.id).unwrap();
    assert!((64..=most).contains(&kept), "{kept} of {most}");
    // A short recording may well consist of a few small ones.
    let trace = Trace::from_bytes(Path::new("few"), stand_alone(&tiny[..60])).unwrap();
    assert_eq!(trace.segments(trace.sessions()[0].session.id).unwrap(), 60);
}

/// The frames of the first segment of a real recording.
fn real() -> (SegmentHeader, Vec<Frame>) {
    let mut writer = recording(empty_ring());
    let (mut noise, mut now_ns) = (Noise(21), 2_000);
    for turn in 0..12 {
        writer.append(&noise.events(&mut now_ns, 60), &[turn, turn]).unwrap();
    }
    let ring = writer.storage().bytes();
    let bytes = &ring[FIRST_SEGMENT as usize..][..SEGMENT_SIZE_MIN as usize];
    let header = SegmentHeader::decode(bytes, &FILE_ID).unwrap();
    let frames =
        Frames::new(bytes, &header, &FILE_ID).map(|frame| (frame.header, frame.payload.to_vec())).collect();
    (header, frames)
}

#[test]
fn a_real_recording_with_bytes_changed_under_right_checksums_is_withstood() {
    let (header, frames) = real();
    let mut noise = Noise(22);
    for turn in 0..250 {
        let mut frames = frames.clone();
        for _ in 0..=noise.below(3) {
            let frame = noise.below(frames.len() as u64) as usize;
            let payload = &mut frames[frame].1;
            let at = noise.below(payload.len() as u64) as usize;
            match noise.below(4) {
                0 => payload.truncate(at),
                1 => payload.insert(at, noise.next() as u8),
                2 if !payload.is_empty() => payload[at] = [0, 0x7f, 0x80, 0xff][noise.below(4) as usize],
                _ if !payload.is_empty() => payload[at] = noise.next() as u8,
                _ => {}
            }
        }
        if turn % 5 == 0 {
            let frame = noise.below(frames.len() as u64) as usize;
            frames[frame].0.count = noise.below(200) as u32;
            frames[frame].0.flags = noise.below(2) as u8;
        }
        withstand(ring(&[(header, frames)]));
    }
}

/// The segments of a ring that has wrapped.
fn all_real() -> Vec<(SegmentHeader, Vec<Frame>)> {
    let mut writer = recording(empty_ring());
    let (mut noise, mut now_ns) = (Noise(23), 2_000);
    while writer.bytes_written() < SIZE_MIN * 3 / 2 {
        writer.append(&noise.heavy(&mut now_ns, 30), &[now_ns]).unwrap();
    }
    let ring = writer.storage().bytes();
    let segments = ring[FIRST_SEGMENT as usize..].chunks_exact(SEGMENT_SIZE_MIN as usize);
    let decoded = segments.map(|bytes| {
        let header = SegmentHeader::decode(bytes, &FILE_ID).unwrap();
        let frames =
            Frames::new(bytes, &header, &FILE_ID).map(|frame| (frame.header, frame.payload.to_vec()));
        (header, frames.collect())
    });
    decoded.collect()
}

/// A number that is likely to be the end of something.
fn odd(noise: &mut Noise) -> u64 {
    match noise.below(6) {
        0 => 0,
        1 => 1,
        2 => u64::MAX - noise.below(2),
        3 => 1 << [31, 32, 63][noise.below(3) as usize],
        4 => noise.below(1000),
        _ => noise.next(),
    }
}

#[test]
fn real_segments_twice_in_any_order_and_under_other_claims_are_withstood() {
    let real = all_real();
    let mut noise = Noise(24);
    for _ in 0..150 {
        let mut segments: Vec<_> = (0..4).map(|_| real[noise.below(4) as usize].clone()).collect();
        for (header, frames) in &mut segments {
            match noise.below(12) {
                0 => header.seq = odd(&mut noise),
                1 => header.first_number = odd(&mut noise),
                2 => header.lost_before = odd(&mut noise),
                3 => header.time_ns = odd(&mut noise),
                4 => header.chain = odd(&mut noise) as u32,
                5 => header.flags = noise.below(4) as u32,
                6 => header.session = SessionId([2; 16]),
                _ => {}
            }
            let one = noise.below(frames.len() as u64) as usize;
            let other = noise.below(frames.len() as u64) as usize;
            match noise.below(12) {
                1 => frames[one].0.lost = odd(&mut noise) as u32,
                2 => frames[one].0.first_number = odd(&mut noise),
                3 => frames[one].0.first_ns = odd(&mut noise),
                4 => frames[one].0.last_ns = odd(&mut noise),
                6 => frames[one].0.kind = noise.below(10) as u8,
                7 => frames.swap(one, other),
                8 => frames[one] = frames[other].clone(),
                9 => frames.truncate(one),
                _ => {}
            }
        }
        both(&segments);
    }
}

fn frame() -> impl Strategy<Value = Frame> {
    let small = prop_oneof![Just(0u64), 0u64..5, Just(u64::MAX), any::<u64>()];
    let header = (0u8..10, 0u8..3, 0u32..12, any::<u32>(), small.clone(), small.clone(), small).prop_map(
        |(kind, flags, count, lost, first_number, first_ns, last_ns)| FrameHeader {
            kind,
            flags,
            count,
            lost,
            writer: 1,
            first_number,
            first_ns,
            last_ns,
        },
    );
    let byte = prop_oneof![4 => 0u8..20, 1 => 38u8..44, 1 => any::<u8>()];
    (header, proptest::collection::vec(byte, 0..60))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_with_right_checksums_are_withstood(
        segments in proptest::collection::vec(
            (0u64..6, 0u8..2, 0u64..4, 0u32..2, proptest::collection::vec(frame(), 0..8)),
            1..5,
        ),
    ) {
        let segments: Vec<_> = segments
            .into_iter()
            .map(|(seq, session, first_number, flags, frames)| {
                let session = SessionId([session; 16]);
                let header = SegmentHeader { session, first_number, flags, ..segment(seq) };
                (header, start().into_iter().chain(frames).collect())
            })
            .collect();
        both(&segments);
    }
}
