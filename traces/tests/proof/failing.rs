//! Storage that fails: at any call, in any way, once or for good.
//!
//! What must be true: the writer says so and writes nothing more; the file still opens and holds
//! what was synced; a writer opened later goes on.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use lastrites_traces::{
    Error,
    event::Event,
    layout::{FIRST_SEGMENT, SEGMENT_SIZE_MIN, SIZE_MIN},
    ring::{self, Writer},
    session::{Clock, Coverage, End, How, Layer},
    storage::{MemoryStorage, Storage},
};

use crate::support::{Noise, Reading, empty_ring, numbered, read, session};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// ENOSPC or EIO, before anything was done.
    Full,
    Broken,
    /// A part of the data was written before the disk gave up.
    Short,
    /// A sync fails, and what it should have stored is only in the cache from then on, where it is called
    /// clean: what Linux does after an error of the disk.
    Forgotten,
}

/// Fails at one call, and at all that follow it.
#[derive(Debug)]
struct Failing {
    disk: MemoryStorage,
    calls_left: usize,
    how: Failure,
    calls: usize,
}

impl Failing {
    fn new(calls_left: usize, how: Failure) -> Self {
        Self { disk: empty_ring(), calls_left, how, calls: 0 }
    }

    fn fails(&mut self) -> bool {
        self.calls += 1;
        let fails = self.calls_left == 0;
        self.calls_left = self.calls_left.saturating_sub(1);
        fails
    }

    fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(if self.how == Failure::Full { 28 } else { 5 })
    }
}

impl Storage for Failing {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if self.fails() { Err(self.error()) } else { self.disk.read_at(offset, buf) }
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        if !self.fails() {
            return self.disk.write_at(offset, data);
        }
        if self.how == Failure::Short {
            self.disk.write_at(offset, &data[..data.len() / 2])?;
        }
        Err(self.error())
    }
    fn sync(&mut self) -> io::Result<()> {
        if !self.fails() {
            return self.disk.sync();
        }
        if self.how == Failure::Forgotten {
            self.disk.drop_unsynced();
        }
        Err(self.error())
    }
    fn len(&mut self) -> io::Result<u64> {
        if self.fails() { Err(self.error()) } else { self.disk.len() }
    }
    fn path(&self) -> &Path {
        Path::new("/var/lib/lastrites/ring")
    }
}

/// Records until the first error. What was synced before it goes to `synced`.
fn record(writer: &mut Writer<Failing>, synced: &mut Vec<Event>) -> Result<(), Error> {
    writer.begin(&session(1))?;
    let (mut noise, mut now_ns, mut all) = (Noise(4), 2_000, Vec::new());
    for (turn, count) in [3, 140, 0, 5, 320, 20].into_iter().enumerate() {
        let batch = noise.heavy(&mut now_ns, count);
        all.extend(numbered(writer.next_number(), &batch));
        writer.append(&batch, &[turn as u64])?;
        if turn % 2 == 0 {
            writer.sync()?;
            synced.clone_from(&all);
        }
        writer.cover(&Coverage { from_ns: 1, to_ns: now_ns, layer: Layer::Seal, note: String::new() })?;
        writer.clock(Clock::default())?;
    }
    writer.end(&End { how: How::Sealed, time_ns: now_ns, note: String::new() })?;
    writer.sync()?;
    *synced = all;
    Ok(())
}

#[test]
fn a_writer_reports_every_failure_and_whoever_comes_next_goes_on() {
    let mut whole = Writer::open(Failing::new(usize::MAX, Failure::Full)).unwrap();
    record(&mut whole, &mut Vec::new()).unwrap();
    let calls = whole.into_storage().calls;
    assert!(calls > 30);
    for how in [Failure::Full, Failure::Broken, Failure::Short, Failure::Forgotten] {
        for call in 0..calls {
            fails_at(call, how);
        }
    }
}

fn fails_at(call: usize, how: Failure) {
    let mut synced = Vec::new();
    let mut writer = match Writer::open(Failing::new(call, how)) {
        Ok(writer) => writer,
        Err(error) => return says_what_to_do(&error, how),
    };
    let error = record(&mut writer, &mut synced).expect_err("it failed");
    says_what_to_do(&error, how);
    assert!(matches!(writer.append(&[], &[]), Err(Error::Spent { .. })), "what is there is not known");
    assert!(matches!(writer.begin(&session(2)), Err(Error::Spent { .. })));
    assert!(matches!(writer.sync(), Err(Error::Spent { .. })));
    // The machine may go down now, or go on: what reached the disk is anything in between.
    let disk = writer.into_storage().disk;
    let cut = [disk.synced(), disk.bytes()].map(|bytes| MemoryStorage::holding(bytes.to_vec()));
    for left in cut.into_iter().chain([disk]) {
        let readings = read(left.bytes()).unwrap();
        let there = readings.first().map_or(&[][..], |reading| &reading.events[..]);
        let first = there.first().map_or(0, |event| event.number as usize);
        assert!(there.len() + first >= synced.len());
        let overlap = synced.get(first..).unwrap_or_default();
        assert_eq!(&there[..overlap.len()], overlap, "what was synced is there");

        let mut writer = Writer::open(left).unwrap();
        if writer.resume().is_none() {
            writer.begin(&session(1)).unwrap();
        }
        let number = writer.next_number();
        let mut now_ns = 1 << 40;
        let batch = Noise(5).events(&mut now_ns, 50);
        writer.append(&batch, &[]).unwrap();
        writer.sync().unwrap();
        let readings = read(writer.storage().synced()).unwrap();
        let events = |readings: &[Reading]| readings.iter().map(|r| r.events.clone()).collect::<Vec<_>>();
        let seen = read(writer.storage().bytes()).unwrap();
        assert_eq!(events(&readings), events(&seen), "what is read after a sync is on the disk");
        let reading = &readings[0];
        assert_eq!(
            reading.events[(number - reading.summary.first_number) as usize..],
            numbered(number, &batch)
        );
    }
}

fn says_what_to_do(error: &Error, how: Failure) {
    let text = error.to_string();
    assert!(text.contains("/var/lib/lastrites/ring"), "{text}");
    assert!(text.contains("cannot "), "{text}");
    assert_eq!(error.is_full_disk(), how == Failure::Full, "{text}");
    let advice = if how == Failure::Full { "free some space" } else { "the disk may be failing" };
    assert!(text.contains(advice), "{text}");
}

#[test]
fn a_disk_that_cannot_even_take_the_header_is_reported() {
    for call in 0..2 {
        let mut storage = Failing::new(call, Failure::Full);
        says_what_to_do(&ring::format(&mut storage, 4 << 20, [1; 16]).expect_err("it failed"), Failure::Full);
    }
}

/// After a sync that failed, Linux gives back from its cache what it never stored. A recorder that opened its
/// file anew believed it, went on behind it, and its next syncs succeeded; the power went, and everything behind
/// that hole was unreadable.
#[test]
fn what_a_failed_sync_did_not_store_is_stored_by_the_next_one() {
    let mut disk = empty_ring();
    let (mut noise, mut now_ns) = (Noise(6), 2_000);
    let mut all = Vec::new();
    for fails in [false, true, false, true, true, false] {
        let mut writer = Writer::open(disk).unwrap();
        if writer.resume().is_none() {
            writer.begin(&session(1)).unwrap();
        }
        let batch = noise.events(&mut now_ns, 40);
        all.extend(numbered(writer.next_number(), &batch));
        writer.append(&batch, &[now_ns]).unwrap();
        if fails {
            disk = writer.into_storage();
            disk.drop_unsynced();
            assert_eq!(read(disk.bytes()).unwrap()[0].events, all, "the cache has it");
        } else {
            writer.sync().unwrap();
            disk = writer.into_storage();
            assert_eq!(read(disk.synced()).unwrap()[0].events, all, "and now the disk");
        }
    }
    // Whoever adds nothing can ask for it as well.
    let mut writer = Writer::open(disk).unwrap();
    writer.append(&noise.events(&mut now_ns, 3), &[now_ns]).unwrap();
    let mut disk = writer.into_storage();
    disk.drop_unsynced();
    let mut writer = Writer::open(disk).unwrap();
    writer.sync().unwrap();
    let disk = writer.into_storage();
    assert_eq!(read(disk.synced()).unwrap()[0].events.len(), all.len() + 3);
}

const PAGE: u64 = 4096;

/// A disk that cannot read some of its pages, until they are written again.
#[derive(Debug, Clone)]
struct Worn {
    disk: MemoryStorage,
    bad: BTreeSet<u64>,
    /// How many places it was told of before it had to read a segment.
    told: usize,
}

impl Worn {
    /// What a reader makes of it: nothing there checks.
    fn seen(&self) -> Vec<u8> {
        let mut bytes = self.disk.bytes().to_vec();
        for &page in &self.bad {
            let start = (page * PAGE) as usize;
            bytes[start..start + PAGE as usize].fill(0x5a);
        }
        bytes
    }
}

impl Storage for Worn {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let slots = (self.disk.bytes().len() as u64 - FIRST_SEGMENT) / u64::from(SEGMENT_SIZE_MIN);
        assert!(offset < FIRST_SEGMENT || self.told as u64 == slots, "it was told what comes");
        let until = self.bad.range(offset / PAGE..).next().map_or(u64::MAX, |page| page * PAGE);
        match until.saturating_sub(offset) {
            0 if !buf.is_empty() => Err(io::Error::from_raw_os_error(5)),
            most => {
                let most = buf.len().min(usize::try_from(most).unwrap());
                self.disk.read_at(offset, &mut buf[..most])
            }
        }
    }
    fn will_read(&mut self, _: u64, _: u64) {
        self.told += 1;
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        // What is before it in its first page would have to be read; what is behind it in its last need not be.
        if !offset.is_multiple_of(PAGE) && self.bad.contains(&(offset / PAGE)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        for page in offset / PAGE..end.div_ceil(PAGE) {
            if self.bad.remove(&page) && (page + 1) * PAGE > end {
                self.disk.write_at(end, &vec![0; ((page + 1) * PAGE - end) as usize])?;
            }
        }
        self.disk.write_at(offset, data)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync()
    }
    fn len(&mut self) -> io::Result<u64> {
        self.disk.len()
    }
    fn path(&self) -> &Path {
        Path::new("/var/lib/lastrites/ring")
    }
}

/// Two laps of the smallest ring, and a batch that is not complete in its last segment.
fn worn_out() -> MemoryStorage {
    let mut writer = Writer::open(empty_ring()).unwrap();
    writer.begin(&session(1)).unwrap();
    let (mut noise, mut now_ns) = (Noise(8), 2_000);
    for _ in 0..9 {
        writer.append(&noise.heavy(&mut now_ns, 130), &[now_ns]).unwrap();
    }
    writer.sync().unwrap();
    writer.into_storage()
}

/// The story: both copies of the file's header were read at once, and any segment's header that the disk could not read
/// ended a recorder. One bad sector, and nothing was recorded any more; nor was it ever written again, upon which the
/// disk would have replaced it.
#[test]
fn one_page_that_cannot_be_read_ends_no_recording() {
    let base = worn_out();
    let pages = SIZE_MIN / PAGE;
    let mut noise = Noise(10);
    let alone = (0..pages).map(|page| BTreeSet::from([page]));
    let several: Vec<_> = (0..100)
        .map(|_| (0..2 + noise.below(5)).map(|_| 1 + noise.below(pages - 1)).collect::<BTreeSet<_>>())
        .collect();
    let mut refused = 0;
    for bad in alone.chain(several) {
        let worn = Worn { disk: base.clone(), bad: bad.clone(), told: 0 };
        let readings = read(&worn.seen()).unwrap();
        let mut writer = match Writer::open(worn.clone()) {
            Ok(writer) => writer,
            // It may be the newest, and readable again in a moment.
            Err(error) => {
                says_what_to_do(&error, Failure::Broken);
                refused += 1;
                Writer::open_past_damage(Worn { told: 0, ..worn }).unwrap()
            }
        };
        let resumed = writer.resume().map(|resumed| resumed.next_number);
        assert_eq!(resumed, readings.last().map(|reading| reading.summary.next_number), "{bad:?}");
        if resumed.is_none() {
            writer.begin(&session(1)).unwrap();
        }
        let mut now_ns = 1 << 40;
        for _ in 0..7 {
            let batch = noise.heavy(&mut now_ns, 100);
            let number = writer.next_number();
            writer.append(&batch, &[now_ns]).unwrap();
            writer.sync().unwrap();
            let readings = read(&writer.storage().seen()).unwrap();
            let newest = readings.iter().max_by_key(|reading| reading.summary.last_segment).unwrap();
            let events = newest.events.iter().filter(|event| event.number >= number);
            assert!(events.eq(&numbered(number, &batch)), "what comes behind {bad:?} is there");
        }
        let left = &writer.storage().bad;
        let begins = |page: &&u64| (*page * PAGE - FIRST_SEGMENT).is_multiple_of(u64::from(SEGMENT_SIZE_MIN));
        let of_segments = left.iter().filter(|page| **page * PAGE >= FIRST_SEGMENT);
        assert_eq!(of_segments.filter(begins).count(), 0, "a lap later they are written again: {left:?}");
    }
    assert!((1..50).contains(&refused), "{refused} times what cannot be read may have been the newest");
}

#[test]
fn a_disk_that_reads_nothing_is_not_taken_for_an_empty_one() {
    let base = worn_out();
    let slots = FIRST_SEGMENT / PAGE..SIZE_MIN / PAGE;
    for bad in [slots.clone().collect::<BTreeSet<_>>(), (0..2).collect(), (0..slots.end).collect()] {
        let error = Writer::open(Worn { disk: base.clone(), bad, told: 0 }).expect_err("nothing is known");
        says_what_to_do(&error, Failure::Broken);
    }
}

const SLOTS: u64 = 8;

/// A ring whose newest segments lie behind the fifth slot, some of them with a batch that goes on in the next.
fn long(turn: u64) -> MemoryStorage {
    let size = FIRST_SEGMENT + SLOTS * u64::from(SEGMENT_SIZE_MIN);
    let mut disk = MemoryStorage::new(size as usize);
    ring::format(&mut disk, size, [7; 16]).unwrap();
    let mut writer = Writer::open(disk).unwrap();
    writer.begin(&session(1)).unwrap();
    let (mut noise, mut now_ns) = (Noise(turn), 2_000);
    while writer.bytes_written() < (6 + turn % SLOTS) * u64::from(SEGMENT_SIZE_MIN) {
        writer.append(&noise.heavy(&mut now_ns, 20 + turn as usize * 9), &[now_ns]).unwrap();
    }
    writer.sync().unwrap();
    writer.into_storage()
}

/// Newest segments that could not be read were given up, and what came behind them was numbered as they were. When the disk did read
/// them again, they were taken for what had been recorded last, and that was not shown, or mixed with them.
#[test]
fn segments_that_are_given_up_and_come_back_take_nothing_from_what_came_behind_them() {
    let mut dropped = 0;
    for turn in 0..24 {
        let base = long(turn);
        let before = read(base.bytes()).unwrap().remove(0);
        let newest = before.summary.last_segment - 1;
        for (hidden, batches) in [(1, 1), (1, 12), (2, 1), (2, 5), (3, 1), (3, 9)] {
            let page =
                |back: u64| (FIRST_SEGMENT + (newest - back) % SLOTS * u64::from(SEGMENT_SIZE_MIN)) / PAGE;
            let bad: BTreeSet<u64> = (0..hidden).map(page).collect();
            let worn = Worn { disk: base.clone(), bad, told: 0 };
            says_what_to_do(&Writer::open(worn.clone()).expect_err("it may be the newest"), Failure::Broken);
            let mut writer = Writer::open_past_damage(Worn { told: 0, ..worn }).unwrap();
            let first = writer.next_number();
            let (mut noise, mut now_ns, mut all) = (Noise(turn ^ 77), 1 << 40, Vec::new());
            let mut went_on = |writer: &mut Writer<Worn>, count| {
                let batch = noise.heavy(&mut now_ns, count);
                all.extend(numbered(writer.next_number(), &batch));
                writer.append(&batch, &[now_ns]).unwrap();
                writer.sync().unwrap();
            };
            (0..batches).for_each(|_| went_on(&mut writer, 40));
            // The disk reads everything again, and whoever comes next goes on behind what came last.
            let worn = Worn { bad: BTreeSet::new(), told: 0, ..writer.into_storage() };
            let mut writer = Writer::open(worn).unwrap();
            assert_eq!(writer.next_number(), first + 40 * batches, "{turn} {hidden} {batches}");
            went_on(&mut writer, 10);
            let bytes = writer.storage().disk.bytes();
            let reading = read(bytes).unwrap().remove(0);
            let behind: Vec<Event> =
                reading.events.iter().filter(|event| event.number >= first).cloned().collect();
            assert_eq!(behind, all, "{turn} {hidden} {batches}");
            let older = &reading.events[..reading.events.len() - behind.len()];
            let known = before.events.iter().filter(|event| event.number < first);
            assert!(known.rev().zip(older.iter().rev()).all(|(known, read)| known == read));
            assert_eq!(reading.gaps, [], "what was given up was recorded again, or counted as lost");
            dropped += before.events.last().map_or(0, |last| last.number + 1 - first);
        }
    }
    assert!(dropped > 100, "{dropped}");
}
