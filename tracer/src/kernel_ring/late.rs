//! Writers that come too late: one that was held up between reserving its room and stamping it, while its CPU wrote a whole ring,
//! writes into the middle of a record of a later lap, whose stamp says nothing of it.
//!
//! Invariant: a record is handed out only if no stamp of an earlier lap is among its bytes, all of which its own writer has
//! written. What is not seen: a late writer at work at this very moment, and one in the bytes of a path, where older ones may
//! have been left.

use lastrites_traces::abi::{self, POS_BITS, POS_MASK, kind};

use super::{COUNT_MASK, RawRecord, is_record_len, record_len};

/// Who is later than so many laps is not known for one: a machine that is so slow has other troubles.
const LAPS_MAX: u64 = 8;

/// What the stamps of one CPU's ring look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    pub key: u64,
    /// Bytes of a lap; a power of two.
    pub capacity: u64,
}

/// How far records were handed out, and what of them is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handed {
    pub next: u64,
    pub spoilt_records: u64,
    pub spoilt_bytes: u64,
}

impl Stamps {
    /// Whether `word` at head counter `head`, or `offset` bytes behind it, is the stamp of a record that began there in an earlier lap.
    fn is_late(self, word: u64, head: u64, offset: u64) -> bool {
        let was = word ^ self.key;
        let behind = head.wrapping_add(offset).wrapping_sub(was) & POS_MASK;
        if behind & (self.capacity - 1) != 0 || behind == 0 || behind > LAPS_MAX * self.capacity {
            return false;
        }
        // Each of the records in between has a header, and none is longer than the slack.
        let records = (head >> POS_BITS).wrapping_sub(was >> POS_BITS) & COUNT_MASK;
        (behind / abi::SLACK as u64..=behind / size_of::<abi::Header>() as u64).contains(&records)
    }

    /// Where among the bytes of the record that was reserved at `head` a late writer has put his stamp.
    fn late_in(self, record: &[u8], head: u64) -> Option<usize> {
        let written = match record.get(18) {
            Some(&(kind::UMOUNT | kind::REMOUNT)) => size_of::<abi::Mount>(),
            Some(&(kind::CGROUP_MKDIR | kind::CGROUP_RMDIR | kind::CGROUP_ATTACH)) => {
                size_of::<abi::Cgroup>()
            }
            _ => record.len(),
        };
        let words = record.get(..written).unwrap_or(record).as_chunks::<8>().0;
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word)).enumerate().skip(1);
        words.find_map(|(at, word)| self.is_late(word, head, at as u64 * 8).then_some(at * 8))
    }

    /// Hands the records in `block`, which lie between the head counters `from` and `end`, to `f`.
    pub(super) fn hand_out(
        self,
        block: &[u8],
        from: u64,
        end: u64,
        f: &mut impl FnMut(RawRecord<'_>),
    ) -> Handed {
        let mut handed = Handed { next: from, spoilt_records: 0, spoilt_bytes: 0 };
        let (mut at, mut spoilt_to) = (0, 0);
        let len_at = |at: usize| {
            let word = block.get(at + 16..at + 24)?.try_into().ok()?;
            Some(record_len(u64::from_le_bytes(word))).filter(|len| is_record_len(*len))
        };
        while handed.next != end {
            let Some(len) = len_at(at) else { break };
            let Some(bytes) = block.get(at..at + len) else { break };
            if let Some(late) = self.late_in(bytes, handed.next) {
                // As far as his own record goes he has written into those behind this one, too.
                spoilt_to = at + late + len_at(at + late).unwrap_or(8);
            }
            if at < spoilt_to {
                handed.spoilt_records += 1;
                handed.spoilt_bytes += len as u64;
            } else {
                f(RawRecord { head: handed.next, bytes });
            }
            at += len;
            handed.next = handed.next.wrapping_add(len as u64 | 1 << POS_BITS);
        }
        handed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMPS: Stamps = Stamps { key: 0x5a5a_1234_9876_fedc, capacity: 1 << 18 };
    const LEN: u64 = 64;
    const COUNT: u64 = 40;

    fn at(count: u64) -> u64 {
        (count & COUNT_MASK) << POS_BITS | (count * LEN) & POS_MASK
    }

    fn put(block: &mut [u8], offset: usize, record: &[u8]) {
        block[offset..offset + record.len()].copy_from_slice(record);
    }

    fn record(count: u64, kind: u8) -> Vec<u8> {
        let mut record = vec![kind; LEN as usize];
        put(&mut record, 0, &abi::stamp(at(count), STAMPS.key).to_le_bytes());
        put(&mut record, 16, &(LEN as u16).to_le_bytes());
        record[18] = kind;
        record
    }

    /// So many records behind the first one of a later lap.
    fn block(first: u64, kind: u8) -> Vec<u8> {
        (first..first + COUNT).flat_map(|count| record(count, kind)).collect()
    }

    fn handed(block: &[u8], first: u64) -> (Vec<u64>, Handed) {
        let mut counts = Vec::new();
        let handed = STAMPS.hand_out(block, at(first), at(first + COUNT), &mut |record| {
            counts.push((record.head >> POS_BITS) - first);
        });
        assert_eq!(handed.next, at(first + COUNT));
        (counts, handed)
    }

    /// A program that was preempted for a lap of the ring wrote the end of its record into another's middle, and that was told as
    /// something that had happened.
    #[test]
    fn what_a_late_writer_has_written_into_is_lost_and_counted() {
        let per_lap = STAMPS.capacity / LEN;
        for laps in [1, 3, LAPS_MAX] {
            // Begun in the middle of what is now the twelfth, by one whose records were longer then.
            let first = 5 * per_lap + laps * per_lap;
            let mut block = block(first, kind::EXIT);
            let began = (at(first + 12) + 24 - laps * STAMPS.capacity) & POS_MASK;
            let late = (first + 12 - laps * per_lap - 7) << POS_BITS | began;
            // Of its fields those that it had still to write when it went on.
            let place = 12 * LEN as usize + 24;
            put(&mut block, place, &abi::stamp(late, STAMPS.key).to_le_bytes());
            put(&mut block, place + 16, &(LEN as u16).to_le_bytes());
            let (counts, handed) = handed(&block, first);
            assert_eq!(counts, (0..COUNT).filter(|count| !(12..=13).contains(count)).collect::<Vec<_>>());
            assert_eq!((handed.spoilt_records, handed.spoilt_bytes), (2, 2 * LEN), "{laps}");
        }
    }

    /// In a path there may be bytes of an earlier lap that nobody has overwritten: those say nothing.
    #[test]
    fn what_was_left_where_a_path_ends_is_nobodys_work() {
        let first = 9 * STAMPS.capacity / LEN;
        for kind in [kind::REMOUNT, kind::CGROUP_ATTACH] {
            let mut block = block(first, kind);
            let long = 4 * LEN as usize;
            put(&mut block, 16, &(long as u16).to_le_bytes());
            let old = at(first + 2 - STAMPS.capacity / LEN);
            put(&mut block, 2 * LEN as usize, &abi::stamp(old, STAMPS.key).to_le_bytes());
            let mut count = 0;
            let end = at(first).wrapping_add(long as u64 | 1 << POS_BITS);
            let handed = STAMPS.hand_out(&block, at(first), end, &mut |_| count += 1);
            assert_eq!((count, handed.spoilt_records), (1, 0));
        }
    }

    #[test]
    fn a_lap_of_whole_records_and_of_noise_is_handed_out_as_it_is() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let first = 12 * STAMPS.capacity / LEN;
        for _ in 0..500 {
            let mut block = block(first, kind::EXIT);
            for record in block.chunks_exact_mut(LEN as usize) {
                for word in record[24..].chunks_exact_mut(8) {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    word.copy_from_slice(&seed.to_le_bytes());
                }
            }
            assert_eq!(handed(&block, first).0.len() as u64, COUNT);
        }
    }
}
