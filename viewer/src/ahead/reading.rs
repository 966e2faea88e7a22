//! A recording that is read in a thread of its own says what it says in one: whole, cut off, or damaged.

use std::{sync::LazyLock, thread};

use lastrites_traces::{
    layout::SIZE_MIN,
    reader::{Item, Trace},
    ring::{self, Writer},
    session::{Session, SessionId},
    storage::MemoryStorage,
};
use proptest::prelude::*;

use super::{beside, by_turns, tests::no_thread};
use crate::testing::{exec, exit, fork, id, signal};

/// More than what waits between two threads, several times.
const PROCESSES: u32 = 5_000;

/// A ring that holds all of them, and a small one, in which the newer took the place of the older.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| recording(4 << 20, PROCESSES));
static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| recording(SIZE_MIN, 6 * PROCESSES));

fn recording(size: u64, processes: u32) -> Vec<u8> {
    let mut storage = MemoryStorage::new(size as usize);
    ring::format(&mut storage, size, [7; 16]).expect("a new ring");
    let mut writer = Writer::open(storage).expect("a ring");
    writer.begin(&Session { id: SessionId([1; 16]), ..Session::default() }).expect("a session");
    let begun_ns = 200_000_000_000;
    for first in (0..processes).step_by(50) {
        let life = |pid: u32| {
            let (me, argv) = (id(pid + 2), format!("{pid}"));
            [
                fork(id(1), me),
                exec(me, id(1), "/bin/tool", &["tool", &argv]),
                signal(id(1), me, 15),
                exit(me, 15),
            ]
        };
        let events = (first..first + 50).flat_map(life).zip(u64::from(first) * 4..);
        let events: Vec<_> = events.map(|(what, n)| (begun_ns + n * 1_000_000, what)).collect();
        writer.append(&events, &[]).expect("room");
    }
    writer.storage().bytes().to_vec()
}

/// What reading says of each session, and how it ends.
type Seen = Vec<(Vec<Item>, Result<(), String>)>;

/// The same in each way of reading; None if the file is none that can be opened.
fn seen(bytes: Vec<u8>) -> Option<Seen> {
    let trace = Trace::from_bytes("memory".as_ref(), bytes).ok()?;
    let sessions = trace.sessions().iter().map(|summary| summary.session.id);
    let of_session = |session: SessionId| {
        let read = |how: &dyn Fn(&mut Vec<Item>) -> Result<(), String>| {
            let mut list = Vec::new();
            let result = how(&mut list);
            (list, result)
        };
        let items = || {
            let events = trace.events(session).map_err(|error| error.to_string())?;
            Ok::<_, String>(events.map(|item| item.map_err(|error| error.to_string())))
        };
        let keep = |list: &mut Vec<Item>, item: &Item| {
            list.push(item.clone());
            Ok(())
        };
        let plain = read(&|list| {
            for item in items()? {
                list.push(item?);
            }
            Ok(())
        });
        let alone = read(&|list| by_turns(items()?, |item| keep(list, item)));
        let threads = read(&|list| beside(thread::Builder::new(), items()?, |item| keep(list, item)));
        let fallback = read(&|list| beside(no_thread(), items()?, |item| keep(list, item)));
        assert_eq!(plain, alone, "by turns");
        assert_eq!(plain, threads, "in two threads");
        assert_eq!(plain, fallback, "without a second thread");
        plain
    };
    Some(sessions.map(of_session).collect())
}

fn events(seen: &Seen) -> usize {
    let items = seen.iter().flat_map(|(items, _)| items);
    items.filter(|item| matches!(item, Item::Event(_))).count()
}

fn gaps(seen: &Seen) -> usize {
    seen.iter().flat_map(|(items, _)| items).filter(|item| matches!(item, Item::Gap(_))).count()
}

#[test]
fn a_whole_recording() {
    let all = seen(WHOLE.clone()).expect("a ring");
    assert_eq!(events(&all), PROCESSES as usize * 4);
    assert_eq!(gaps(&all), 0);
    let newest = seen(SMALL.clone()).expect("a ring");
    assert!((1024..PROCESSES as usize * 24).contains(&events(&newest)), "{}", events(&newest));
}

/// Each of these loses something, and not all.
#[test]
fn a_damaged_recording() {
    let end = WHOLE.iter().rposition(|byte| *byte != 0).expect("something written");
    let middle = end / 2;
    let whole = PROCESSES as usize * 4;
    let mut flipped = WHOLE.clone();
    flipped[middle] ^= 0x10;
    let mut zeroed = WHOLE.clone();
    zeroed[middle..middle + 8192].fill(0);
    let mut removed = WHOLE.clone();
    removed.drain(middle..middle + 777);
    let cut = WHOLE[..middle].to_vec();
    for (what, bytes) in [("flipped", flipped), ("zeroed", zeroed), ("removed", removed), ("cut", cut)] {
        let left = seen(bytes).unwrap_or_else(|| panic!("{what}: no ring"));
        assert!((1..whole).contains(&events(&left)), "{what}: {} events", events(&left));
    }
}

/// What may happen to a file, at a place that is a share of it.
#[derive(Debug, Clone)]
enum Damage {
    Cut,
    Flip(u8),
    Zero(usize),
    /// What comes behind moves to the front.
    Remove(usize),
    Copy(usize),
}

fn damage() -> impl Strategy<Value = (Damage, f64)> {
    let how = prop_oneof![
        Just(Damage::Cut),
        (1u8..=255).prop_map(Damage::Flip),
        (1usize..20_000).prop_map(Damage::Zero),
        (1usize..5_000).prop_map(Damage::Remove),
        (1usize..20_000).prop_map(Damage::Copy),
    ];
    (how, 0.0..1.0)
}

fn harm(bytes: &mut Vec<u8>, damage: &Damage, share: f64) {
    // Most of a ring that is not full is nothing.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let at = (used as f64 * share) as usize;
    let to = |len: usize| (at + len).min(used);
    match *damage {
        Damage::Cut => bytes.truncate(at),
        Damage::Flip(bits) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits),
        Damage::Zero(len) => bytes[at..to(len)].fill(0),
        Damage::Remove(len) => drop(bytes.drain(at..to(len))),
        Damage::Copy(len) => {
            let len = (to(len) - at).min(bytes.len() - used / 3);
            bytes.copy_within(at..at + len, used / 3);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_damage(small in any::<bool>(), damages in proptest::collection::vec(damage(), 1..4)) {
        let mut bytes = if small { SMALL.clone() } else { WHOLE.clone() };
        for (damage, share) in &damages {
            harm(&mut bytes, damage, *share);
        }
        seen(bytes);
    }
}
