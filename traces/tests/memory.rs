//! How much memory reading takes: what a segment takes, whatever the size of the file and whatever
//! its numbers say. The allocator counts, so this is a program of its own, with one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use lastrites_traces::{
    event::{Disposition, ProcId, What},
    layout::{FIRST_SEGMENT, FRAME_HEADER_LEN, FileHeader, FileKind, FrameHeader, SegmentHeader, kind},
    reader::{STAND_ALONE_MAX, Trace},
    ring::Writer,
    session::{Session, SessionId},
    storage::FileStorage,
};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that `act` holds at a time.
fn most(act: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    act();
    MOST.load(Ordering::Relaxed) - before
}

fn session() -> Session {
    Session { id: SessionId([1; 16]), ..Session::default() }
}

/// A ring of `size` bytes, full of events whose batches overlap in time by half.
fn full(path: &Path, size: u64) -> u64 {
    let mut writer = Writer::open(FileStorage::create(path, size).unwrap().0).unwrap();
    writer.begin(&session()).unwrap();
    let process = ProcId { tgid: 5, start_ns: 6 };
    let mut start_ns = 0;
    while writer.bytes_written() < size {
        let event = |n| What::Deliver { process, tid: 5, sig: n as u8, disposition: Disposition::Handled };
        let batch: Vec<_> = (0..2000).map(|n| (start_ns + n * 10, event(n % 8))).collect();
        writer.append(&batch, &[]).unwrap();
        start_ns += 10_000;
    }
    writer.next_number()
}

#[test]
fn reading_takes_the_memory_of_a_segment_and_believes_no_number() {
    let dir = tempfile::tempdir().unwrap();
    for (name, size) in [("small", 1 << 20), ("large", 4 << 20)] {
        let path = dir.path().join(name);
        let events = full(&path, size);
        assert!(events > size / 6, "many events");
        let opening = most(|| drop(Trace::open(&path).unwrap()));
        assert!(opening < 1 << 20, "{opening} bytes to open {size}");
        let trace = Trace::open(&path).unwrap();
        let decoding = most(|| drop(trace.for_each(session().id, &mut |_| {}).unwrap()));
        assert!(decoding < 1 << 20, "{decoding} bytes to decode {size}");
        let ordering = most(|| assert!(trace.events(session().id).unwrap().all(|item| item.is_ok())));
        assert!(ordering < 1 << 20, "{ordering} bytes to put {size} in order");
        let saving = most(|| assert!(trace.save(session().id, &mut std::io::sink()).unwrap() > 0));
        assert!(saving < 1 << 20, "{saving} bytes to save {size}");
    }

    let lies = lies();
    let len = lies.len();
    let reading = most(|| {
        let trace = Trace::from_bytes(Path::new("lies"), lies).unwrap();
        assert_eq!(trace.sessions().len(), STAND_ALONE_MAX, "no more, whatever it claims");
        for summary in trace.sessions() {
            let _ = trace.for_each(summary.session.id, &mut |_| {}).unwrap();
            let _ = trace.events(summary.session.id).unwrap().count();
        }
    });
    assert!(reading < 2 * len, "{reading} bytes to read {len} hostile ones");
}

/// A saved trace of a thousand segments, each of a session of its own,
/// whose frames claim all they can.
fn lies() -> Vec<u8> {
    let file_id = [3; 16];
    let kind = FileKind::StandAlone;
    let mut bytes = FileHeader { kind, file_id, size: 0, segment_size: 1 << 20 }.encode().to_vec();
    bytes.resize(FIRST_SEGMENT as usize, 0);
    for number in 0..1000u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let segment = |len| SegmentHeader {
            seq: number,
            session: SessionId(id),
            first_number: u64::MAX - 1000,
            lost_before: u64::MAX,
            time_ns: u64::MAX,
            writer: 1,
            chain: 2,
            flags: 1,
            len,
        };
        let mut frames = Vec::new();
        let mut chain = segment(0).seed(&file_id);
        let mut pairs = vec![0x80, 0x08];
        pairs.resize(2 + 2 * 1024, 0);
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        for (kind, count, payload) in [
            (kind::SESSION, u32::MAX, &pairs[..]),
            (kind::STATE, u32::MAX, &[0, 0]),
            (kind::SNAPSHOT, u32::MAX, &huge),
            (kind::EVENTS, 3, &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            (kind::COVERAGE, u32::MAX, &huge),
            (kind::END, u32::MAX, &huge),
        ] {
            let mut frame = vec![0; FRAME_HEADER_LEN];
            frame.extend_from_slice(payload);
            let header = FrameHeader {
                kind,
                count,
                first_number: u64::MAX - 1000,
                lost: u32::MAX,
                ..FrameHeader::default()
            };
            chain = header.seal(&mut frame, chain);
            frames.extend_from_slice(&frame);
        }
        let header = segment(80 + frames.len() as u32).encode(&file_id);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&frames);
    }
    bytes
}
