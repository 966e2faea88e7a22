//! Two things at once: what comes next is made in a thread of its own, a recording decoded say, while somebody looks at
//! what came before.
//!
//! Invariant: what is seen, and in which order, is as if one thread did both. Where there is no second thread, one does;
//! and where there is one CPU, on which two would only wait for each other.

use std::{
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
};

/// So many are handed over at a time, and so many times they may wait: less than a megabyte of events.
const BATCH: usize = 1024;
const WAITING: usize = 4;

/// Calls `see` with each of `items`, up to the first error of either, which is handed on.
pub fn each<T: Send, E: Send>(
    items: impl Iterator<Item = Result<T, E>> + Send,
    see: impl FnMut(&T) -> Result<(), E>,
) -> Result<(), E> {
    if has_one_cpu() { by_turns(items, see) } else { beside(thread::Builder::new(), items, see) }
}

fn has_one_cpu() -> bool {
    thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1)
}

fn by_turns<T, E>(
    mut items: impl Iterator<Item = Result<T, E>>,
    mut see: impl FnMut(&T) -> Result<(), E>,
) -> Result<(), E> {
    items.try_for_each(|item| see(&item?))
}

fn beside<T: Send, E: Send>(
    maker: thread::Builder,
    items: impl Iterator<Item = Result<T, E>> + Send,
    mut see: impl FnMut(&T) -> Result<(), E>,
) -> Result<(), E> {
    let items = Mutex::new(Some(items));
    let take = || items.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| {
        let (full, batches) = sync_channel(WAITING);
        let (seen, empty) = channel();
        let make = move || {
            if let Some(items) = take() {
                fill(items, &full, &empty);
            }
        };
        let Ok(making) = maker.spawn_scoped(scope, make) else {
            return take().map_or(Ok(()), |items| by_turns(items, see));
        };
        // Whoever makes them stops when nobody takes them any more.
        for (batch, error) in batches {
            batch.iter().try_for_each(&mut see)?;
            if let Some(error) = error {
                return Err(error);
            }
            let _ = seen.send(batch);
        }
        making.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
}

fn fill<T, E>(
    items: impl Iterator<Item = Result<T, E>>,
    full: &SyncSender<(Vec<T>, Option<E>)>,
    seen: &Receiver<Vec<T>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    for item in items {
        match item {
            Ok(item) => batch.push(item),
            Err(error) => {
                let _ = full.send((batch, Some(error)));
                return;
            }
        }
        if batch.len() == BATCH {
            // What was seen is dropped where it was made: memory and counts of strings go to and fro between no threads.
            let mut next = seen.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
            next.clear();
            if full.send((std::mem::replace(&mut batch, next), None)).is_err() {
                return;
            }
        }
    }
    let _ = full.send((batch, None));
}

/// What `one` and `other` yield, which are done beside each other.
pub fn both<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    both_by((!has_one_cpu()).then(thread::Builder::new), one, other)
}

fn both_by<A: Send, B>(
    maker: Option<thread::Builder>,
    one: impl Fn() -> A + Sync,
    other: impl FnOnce() -> B,
) -> (A, B) {
    thread::scope(|scope| {
        let beside = maker.and_then(|maker| maker.spawn_scoped(scope, &one).ok());
        let other = other();
        let one = match beside {
            Some(beside) => beside.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => one(),
        };
        (one, other)
    })
}

#[cfg(test)]
mod reading;

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::{AtomicU64, Ordering},
    };

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::*;

    fn seen_of(count: u64, error_at: u64, stop_at: u64) -> (Vec<u64>, Result<(), u64>) {
        let mut seen = Vec::new();
        let items = (0..count).map(|n| if n == error_at { Err(n) } else { Ok(n) });
        let result = beside(thread::Builder::new(), items, |n| {
            if *n == stop_at {
                return Err(1_000_000 + n);
            }
            seen.push(*n);
            Ok(())
        });
        (seen, result)
    }

    #[test]
    fn everything_is_seen_in_order_up_to_the_first_error_of_either() {
        let batch = BATCH as u64;
        for count in [0, 1, batch - 1, batch, batch + 1, 20 * batch + 7] {
            assert_eq!(seen_of(count, u64::MAX, u64::MAX), ((0..count).collect(), Ok(())), "{count}");
        }
        for at in [0, 1, batch - 1, batch, 3 * batch, 9 * batch + 1] {
            assert_eq!(seen_of(10 * batch, at, u64::MAX), ((0..at).collect(), Err(at)), "{at}");
            assert_eq!(seen_of(10 * batch, u64::MAX, at), ((0..at).collect(), Err(1_000_000 + at)), "{at}");
            assert_eq!(seen_of(10 * batch, at + 1, at), ((0..at).collect(), Err(1_000_000 + at)), "{at}");
        }
    }

    /// Who looks at a recording may leave it: nothing goes on for long behind his back.
    #[test]
    fn no_more_is_made_than_can_wait_when_nobody_looks() {
        let made = AtomicU64::new(0);
        let items = (0..u64::MAX).map(|n| {
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(n)
        });
        assert_eq!(beside(thread::Builder::new(), items, |_| Err(())), Err(()));
        assert!(made.load(Ordering::Relaxed) <= (WAITING as u64 + 3) * BATCH as u64);
    }

    #[test]
    fn a_panic_is_handed_on() {
        let items = (0..5000).map(|n| if n == 3000 { panic!("of the maker") } else { Ok::<_, ()>(n) });
        let caught = catch_unwind(AssertUnwindSafe(|| beside(thread::Builder::new(), items, |_| Ok(()))));
        assert_eq!(caught.expect_err("a panic").downcast_ref::<&str>(), Some(&"of the maker"));
    }

    /// A maker of threads for which no machine has room.
    pub(super) fn no_thread() -> thread::Builder {
        let maker = || thread::Builder::new().stack_size(1 << 60);
        assert!(maker().spawn(|| ()).is_err(), "a thread with a stack of an exabyte");
        maker()
    }

    #[test]
    fn without_a_second_thread_one_does_both() {
        let items = || (0..5000).map(|n| if n == 4000 { Err("of the maker") } else { Ok(n) });
        let mut seen = Vec::new();
        let result = beside(no_thread(), items(), |n| {
            seen.push((*n, thread::current().id()));
            Ok(())
        });
        assert_eq!(result, Err("of the maker"));
        let me = thread::current().id();
        assert_eq!(seen, (0..4000).map(|n| (n, me)).collect::<Vec<_>>());
        let stopped = beside(no_thread(), items(), |n| if *n == 7 { Err("of the viewer") } else { Ok(()) });
        assert_eq!(stopped, Err("of the viewer"));
        assert_eq!(both_by(Some(no_thread()), || thread::current().id(), || "two"), (me, "two"));
    }

    #[test]
    fn on_one_cpu_there_is_no_second_thread() {
        let alone = || {
            let ours = sched_getaffinity(None).expect("the CPUs of this thread");
            let first = (0..CpuSet::MAX_CPU).find(|cpu| ours.is_set(*cpu)).expect("a CPU");
            let mut one = CpuSet::new();
            one.set(first);
            sched_setaffinity(None, &one).expect("one CPU");
            let me = thread::current().id();
            let by_me = |_: u64| if thread::current().id() == me { Ok(()) } else { Err("another thread") };
            assert_eq!(each((0..5000).map(by_me), |()| Ok(())), Ok(()));
            assert_eq!(both(|| thread::current().id(), || 2), (me, 2));
        };
        thread::spawn(alone).join().expect("no panic");
    }

    #[test]
    fn both_are_done() {
        assert_eq!(both(|| 1, || "two"), (1, "two"));
        let maker = || Some(thread::Builder::new());
        let caught = catch_unwind(|| both_by(maker(), || panic!("of one"), || 2).1);
        assert_eq!(caught.expect_err("a panic").downcast_ref::<&str>(), Some(&"of one"));
    }
}
