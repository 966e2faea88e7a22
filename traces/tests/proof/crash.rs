//! The power goes, at any moment, and takes any part of what was not yet synced.
//!
//! What must be true afterwards: all that was synced and has not made way reads back as it was;
//! of the rest a prefix of batches may be there, whole and right; and recording goes on.

#![expect(clippy::single_range_in_vec_init, reason = "a list of ranges, of which there is one")]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use lastrites_traces::{
    Error,
    event::{Event, What},
    layout::{FileHeader, SIZE_MIN, SLOTS_MIN, SegmentHeader},
    ring::{self, Writer},
    session::{Clock, Coverage, End, How, Layer, SessionId},
    storage::{MemoryStorage, Storage},
};
use proptest::prelude::*;

use crate::support::{Noise, Reading, empty_ring, numbered, read, session};

/// Storage that keeps a log of all that is done to it.
#[derive(Debug, Clone, Default)]
struct Logged {
    now: MemoryStorage,
    log: Vec<Op>,
}

#[derive(Debug, Clone)]
enum Op {
    Write(u64, Vec<u8>),
    Sync,
}

impl Storage for Logged {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.now.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.log.push(Op::Write(offset, data.to_vec()));
        self.now.write_at(offset, data)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.log.push(Op::Sync);
        self.now.sync()
    }
    fn len(&mut self) -> io::Result<u64> {
        self.now.len()
    }
    fn path(&self) -> &Path {
        self.now.path()
    }
}

/// What a recorder does.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A batch of so many events.
    Append(u16),
    Cover,
    Clock,
    End,
    Sync,
    Begin,
    /// Another process takes over.
    Reopen,
}

/// What was recorded, and when it was in the log.
#[derive(Debug, Clone, Default)]
struct History {
    /// What was there before.
    base: MemoryStorage,
    log: Vec<Op>,
    events: BTreeMap<SessionId, Vec<Event>>,
    /// Where batches end: (session, next number, positions, operations in the log by then).
    batches: Vec<(SessionId, u64, Vec<u64>, usize)>,
}

fn run(steps: &[Step]) -> History {
    run_on(empty_ring(), steps)
}

/// Records into what a power cut has left.
fn run_on(base: MemoryStorage, steps: &[Step]) -> History {
    let mut writer = Writer::open(Logged { now: base.clone(), log: Vec::new() }).unwrap();
    let mut noise = Noise(steps.len() as u64);
    let mut history = History { base, ..History::default() };
    let (mut now_ns, mut sessions) = (2_000, 0);
    let mut positions = vec![0, 0];
    let mut id = SessionId::default();
    for reading in read(history.base.bytes()).unwrap() {
        sessions += 1;
        id = reading.summary.session.id;
        assert_eq!(reading.summary.first_number, 0);
        history.events.insert(id, reading.events);
    }
    if let Some(resumed) = writer.resume() {
        positions.clone_from(&resumed.positions);
        history.batches.push((id, resumed.next_number, resumed.positions, 0));
    }
    let mut do_begin = |writer: &mut Writer<Logged>, history: &mut History| {
        sessions += 1;
        writer.begin(&session(sessions)).unwrap();
        let id = session(sessions).id;
        history.batches.push((id, 0, Vec::new(), writer.storage().log.len()));
        history.events.insert(id, Vec::new());
        id
    };
    for step in steps {
        if id == SessionId::default() {
            id = do_begin(&mut writer, &mut history);
        }
        match *step {
            Step::Append(count) => {
                let batch = noise.heavy(&mut now_ns, count.into());
                positions.iter_mut().for_each(|position| *position += u64::from(count) * 60 + 8);
                let first = writer.next_number();
                writer.append(&batch, &positions).unwrap();
                history.events.get_mut(&id).unwrap().extend(numbered(first, &batch));
                let end = writer.storage().log.len();
                history.batches.push((id, writer.next_number(), positions.clone(), end));
            }
            Step::Cover => {
                let coverage =
                    Coverage { from_ns: 1, to_ns: now_ns, layer: Layer::Drainer, note: "so far".into() };
                writer.cover(&coverage).unwrap();
            }
            Step::Clock => {
                writer.clock(Clock { boottime_ns: now_ns, realtime_ns: 5, utc_offset_s: 0 }).unwrap()
            }
            Step::End => writer.end(&End { how: How::Sealed, time_ns: now_ns, note: String::new() }).unwrap(),
            Step::Sync => writer.sync().unwrap(),
            Step::Begin => id = do_begin(&mut writer, &mut history),
            Step::Reopen => writer = Writer::open(writer.into_storage()).unwrap(),
        }
    }
    history.log = writer.into_storage().log;
    history
}

/// The file after the first `count` operations.
fn after(history: &History, count: usize) -> MemoryStorage {
    let mut storage = history.base.clone();
    for op in &history.log[..count] {
        match op {
            Op::Write(offset, data) => storage.write_at(*offset, data).unwrap(),
            Op::Sync => storage.sync().unwrap(),
        }
    }
    storage
}

type Seen = BTreeMap<(SessionId, u64), Event>;

fn seen(readings: &[Reading]) -> Seen {
    let of = |reading: &Reading| {
        let id = reading.summary.session.id;
        reading.events.iter().map(move |event| ((id, event.number), event.clone())).collect::<Vec<_>>()
    };
    readings.iter().flat_map(of).collect()
}

/// What of the history is safe if the power goes now.
#[derive(Debug)]
struct Safe {
    seen: Seen,
    /// The newest batch that a sync made certain, by its place in [`History::batches`].
    batch: Option<usize>,
    /// No segment has made way yet.
    whole: bool,
}

fn safe(history: &History, storage: &MemoryStorage, count: usize) -> Safe {
    let mut in_both = seen(&read(storage.synced()).unwrap());
    let live = read(storage.bytes()).unwrap();
    let live_seen = seen(&live);
    in_both.retain(|key, _| live_seen.contains_key(key));
    let synced = history.log[..count].iter().rposition(|op| matches!(op, Op::Sync)).unwrap_or(0);
    let batch = history.batches.iter().rposition(|batch| batch.3 <= synced);
    Safe { seen: in_both, batch, whole: newest_segment(storage.bytes()) <= SLOTS_MIN }
}

/// The largest number of a segment that was begun, also of one whose batch is not complete, which
/// no reader counts. The first has number 1.
fn newest_segment(bytes: &[u8]) -> u64 {
    let header = FileHeader::decode(bytes).unwrap();
    let begun = (0..header.slots()).filter_map(|slot| {
        SegmentHeader::decode(&bytes[header.slot_offset(slot) as usize..], &header.file_id)
    });
    begun.map(|segment| segment.seq).max().unwrap_or(0)
}

/// Holds what a power cut left against what was recorded, and goes on recording.
fn survive(history: &History, safe: &Safe, left: MemoryStorage) {
    let readings = read(left.bytes()).unwrap();
    let found = seen(&readings);
    for (key, event) in &safe.seen {
        assert_eq!(found.get(key), Some(event), "what was synced is there");
    }
    for ((id, number), event) in &found {
        assert_eq!(&history.events[id][*number as usize], event, "nothing else is taken for an event");
    }
    for reading in &readings {
        let id = reading.summary.session.id;
        let whole = |batch: &&(SessionId, u64, Vec<u64>, usize)| {
            batch.0 == id && batch.1 == reading.summary.next_number
        };
        // The last segment of a session may be torn where it was about to make way, with the end of
        // a batch that it held: what is left of the session is a place without events.
        let made_way = !safe.whole && reading.events.is_empty() && reading.summary.first_number > 0;
        assert!(made_way || history.batches.iter().any(|batch| whole(&batch)), "no batch is there in part");
        if safe.whole {
            assert_eq!(reading.gaps, [], "nothing is missing in between");
            assert_eq!(reading.summary.first_number, 0);
        }
    }
    // And a recorder goes on from exactly there.
    let mut writer = Writer::open(left).unwrap();
    let resumed = writer.resume();
    let mut expected: Vec<Event> = Vec::new();
    if let Some(resumed) = &resumed {
        let id = resumed.session.id;
        let newest = readings.last().unwrap();
        assert_eq!((id, resumed.next_number), (newest.summary.session.id, newest.summary.next_number));
        assert_eq!(resumed.end, newest.summary.end);
        let is_it =
            |batch: &(SessionId, u64, Vec<u64>, usize)| batch.0 == id && batch.1 == resumed.next_number;
        let at = history.batches.iter().position(is_it).unwrap();
        assert!(history.batches.iter().any(|batch| is_it(batch) && batch.2 == resumed.positions));
        assert!(safe.batch.is_none_or(|safe| at >= safe || history.batches[safe].1 == history.batches[at].1));
        expected.clone_from(&newest.events);
    } else {
        assert!(safe.batch.is_none(), "a session that was synced is found again");
        writer.begin(&session(200)).unwrap();
    }
    let mut now_ns = 1 << 40;
    for (turn, count) in [3, 0, 40, 1].into_iter().enumerate() {
        let batch = Noise(turn as u64).events(&mut now_ns, count);
        expected.extend(numbered(writer.next_number(), &batch));
        writer.append(&batch, &[1 << 50, 1 << 51]).unwrap();
    }
    writer.sync().unwrap();
    let again = read(writer.storage().synced()).unwrap();
    let newest = again.last().unwrap();
    let missing = expected.len() - newest.events.len();
    assert_eq!(newest.events, expected[missing..], "what comes after a power cut is there");
    assert!(missing == 0 || !safe.whole || newest.summary.first_segment > 1, "and nothing else went");
    let next = Writer::open(writer.into_storage()).unwrap().resume().unwrap();
    assert_eq!(next.positions, [1 << 50, 1 << 51]);
}

/// Of `len` bytes, those in pieces of `piece` that `noise` picks.
fn torn(noise: &mut Noise, len: usize, piece: usize) -> Vec<std::ops::Range<usize>> {
    let pieces = (0..len).step_by(piece).map(|start| start..(start + piece).min(len));
    let odds = noise.below(5);
    pieces.filter(|_| noise.below(4) < odds).collect()
}

const SMALL: [Step; 14] = [
    Step::Append(3),
    Step::Sync,
    Step::Append(2),
    Step::Append(0),
    Step::Cover,
    Step::Sync,
    Step::Reopen,
    Step::Append(1),
    Step::Clock,
    Step::Begin,
    Step::Append(2),
    Step::End,
    Step::Reopen,
    Step::Append(1),
];

#[test]
fn every_subset_of_the_unsynced_writes_of_a_small_recording_may_survive() {
    let history = run(&SMALL);
    for count in 0..=history.log.len() {
        let storage = after(&history, count);
        let safe = safe(&history, &storage, count);
        let unsynced = storage.unsynced().len();
        assert!(unsynced < 8, "small enough to try everything");
        for subset in 0..1u32 << unsynced {
            let all = |index: usize, data: &[u8]| {
                if subset >> index & 1 == 1 { vec![0..data.len()] } else { vec![] }
            };
            survive(&history, &safe, storage.crashed(all));
        }
    }
}

#[test]
fn a_write_may_be_cut_at_every_byte() {
    let history = run(&SMALL);
    for count in 1..=history.log.len() {
        let storage = after(&history, count);
        let Some((_, last)) = storage.unsynced().last() else { continue };
        let (safe, last) = (safe(&history, &storage, count), last.len());
        let writes = storage.unsynced().len();
        for cut in 0..last {
            let prefix =
                |index: usize, data: &[u8]| vec![0..if index + 1 == writes { cut } else { data.len() }];
            survive(&history, &safe, storage.crashed(prefix));
        }
    }
}

/// Two batches that do not fit into one segment, in a ring that they wrap.
const WRAPPING: [Step; 16] = [
    Step::Append(70),
    Step::Sync,
    Step::Append(200),
    Step::Append(5),
    Step::Sync,
    Step::Append(300),
    Step::Cover,
    Step::Append(100),
    Step::Sync,
    Step::Reopen,
    Step::Append(140),
    Step::Begin,
    Step::Append(500),
    Step::Sync,
    Step::End,
    Step::Append(10),
];

#[test]
fn sectors_of_a_wrapping_ring_may_survive_in_any_mixture() {
    let history = run(&WRAPPING);
    let mut noise = Noise(1);
    for count in 0..=history.log.len() {
        let storage = after(&history, count);
        let safe = safe(&history, &storage, count);
        for piece in [512, 4096, 1 << 20] {
            survive(&history, &safe, storage.crashed(|_, data| torn(&mut noise, data.len(), piece)));
        }
        // A segment's header without what follows, over the frames of an older lap; and the reverse.
        for edge in [80, 512] {
            survive(&history, &safe, storage.crashed(|_, data| vec![0..edge.min(data.len())]));
            survive(&history, &safe, storage.crashed(|_, data| vec![edge.min(data.len())..data.len()]));
        }
    }
}

#[test]
fn a_file_that_was_being_made_is_either_empty_or_none_of_ours() {
    let mut storage = MemoryStorage::new(SIZE_MIN as usize);
    ring::format(&mut storage, SIZE_MIN, [7; 16]).unwrap();
    for first in 0..=64 {
        for second in [0, 1, 63, 64] {
            let cut = [first, second];
            let left = storage.crashed(|index, _| vec![0..cut[index]]);
            match Writer::open(left.clone()) {
                Ok(writer) => {
                    assert!(first == 64 || second == 64, "an intact header");
                    assert_eq!(writer.resume(), None);
                    assert!(read(left.bytes()).unwrap().is_empty());
                }
                Err(Error::NotARecording { .. } | Error::Version { .. }) => {
                    assert!(first < 64 && second < 64)
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_recorder_that_takes_over_a_cut_batch_does_not_complete_it_with_its_own() {
    // The story: a batch of three segments was cut in its third. The recorder that took over went
    // back one segment, to the second, which holds nothing but a part of that batch; a batch of
    // its own there would have completed the dead one's.
    let history = run(&[Step::Append(5), Step::Sync, Step::Append(520)]);
    let whole = read(after(&history, history.log.len()).bytes()).unwrap();
    assert_eq!(whole[0].summary.last_segment, 3, "the batch takes three segments");
    for count in 0..history.log.len() {
        let storage = after(&history, count);
        let safe = safe(&history, &storage, count);
        survive(&history, &safe, storage.crashed(|_, data| vec![0..data.len()]));
    }
}

#[test]
fn a_second_power_cut_finds_no_dead_segment_to_go_on_with() {
    // The story: a batch was cut in its third segment. The recorder that took over went on in the
    // first, filled it, and the power went again while it began the next, in the place of the
    // second: torn. Now the third, dead, with the largest number and without a predecessor, passed
    // for one whose predecessor had made way.
    let first = run(&[Step::Append(5), Step::Sync, Step::Append(520)]);
    let storage = after(&first, first.log.len() - 1);
    let cut = storage.crashed(|_, data| vec![0..data.len()]);
    for steps in [
        &[Step::Append(50), Step::Sync, Step::Append(300), Step::Sync, Step::Append(3)][..],
        &[Step::Append(520), Step::Sync],
        &[Step::Append(2), Step::Sync, Step::Begin, Step::Append(260), Step::Sync],
    ] {
        let history = run_on(cut.clone(), steps);
        let mut noise = Noise(9);
        for count in 0..=history.log.len() {
            let storage = after(&history, count);
            let safe = safe(&history, &storage, count);
            for piece in [64, 512, 1 << 20] {
                survive(&history, &safe, storage.crashed(|_, data| torn(&mut noise, data.len(), piece)));
            }
        }
    }
}

#[test]
fn a_dead_segment_of_an_older_session_does_not_come_back() {
    // The story: a batch was cut in its third segment; another recorder began a session in the
    // place of the second. The third still checks, is the newest by its number, and belongs to
    // the older session; a third recorder must not go on with that.
    let history = run(&[Step::Append(5), Step::Sync, Step::Append(520)]);
    let storage = after(&history, history.log.len() - 1);
    let mut writer = Writer::open(storage).unwrap();
    assert_eq!(writer.resume().unwrap().next_number, 5);
    writer.begin(&session(9)).unwrap();
    writer.append(&[(5_000, What::Lost { cpu: 0, kind: 0, count: 1, bytes: 2 })], &[]).unwrap();
    writer.sync().unwrap();
    let bytes = writer.storage().bytes().to_vec();
    let readings = read(&bytes).unwrap();
    assert_eq!(readings.iter().map(|reading| reading.events.len()).collect::<Vec<_>>(), [5, 1]);
    assert_eq!(Writer::open(writer.into_storage()).unwrap().resume().unwrap().session.id, session(9).id);
}

#[test]
fn what_made_way_for_a_batch_that_was_cut_has_made_way() {
    // The story: the second segment of a batch went where the first session began, and was torn.
    let history = run(&[
        Step::Append(198),
        Step::Cover,
        Step::Append(30),
        Step::Begin,
        Step::Append(0),
        Step::Cover,
        Step::Append(125),
        Step::Append(300),
    ]);
    let whole = read(after(&history, history.log.len()).bytes()).unwrap();
    assert_eq!(whole.last().unwrap().summary.last_segment, 5, "the ring wraps within the last batch");
    let mut noise = Noise(3);
    for count in 0..=history.log.len() {
        let storage = after(&history, count);
        let safe = safe(&history, &storage, count);
        for piece in [7, 512, 1 << 20] {
            survive(&history, &safe, storage.crashed(|_, data| torn(&mut noise, data.len(), piece)));
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u16..5).prop_map(Step::Append),
        3 => (20u16..300).prop_map(Step::Append),
        1 => Just(Step::Cover),
        1 => Just(Step::Clock),
        1 => Just(Step::End),
        5 => Just(Step::Sync),
        1 => Just(Step::Begin),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_recorded_any_power_cut_is_survived(
        steps in proptest::collection::vec(step(), 1..14),
        seed in any::<u64>(),
        piece in prop_oneof![Just(1usize), Just(7), Just(512), Just(4096)],
    ) {
        let history = run(&steps);
        let mut noise = Noise(seed);
        for _ in 0..4 {
            let count = noise.below(history.log.len() as u64 + 1) as usize;
            let storage = after(&history, count);
            let safe = safe(&history, &storage, count);
            let left = storage.crashed(|_, data| torn(&mut noise, data.len(), piece));
            survive(&history, &safe, left);
        }
    }
}
