//! What the store promises: a place is one span's at a time, its last use ends it, and who sees a state sees what was done before it.

use loom::cell::UnsafeCell;
use loom::thread::spawn;

use super::handle::Handle;
use super::store;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, model};

fn insert(of: u32) -> Handle {
    let fill = |record: &mut super::record::Record| {
        assert_eq!((record.of, record.written), (0, 0), "an empty record");
        record.of = of;
    };
    store::insert(true, false, fill).expect("a free place")
}

/// Memory without any order of its own: loom fails when it is read beside a write.
#[allow(unsafe_code)]
mod witness {
    use super::UnsafeCell;

    pub struct Witness(UnsafeCell<u32>);

    // SAFETY: every access is checked by loom to be ordered after the write.
    unsafe impl Send for Witness {}
    // SAFETY: as above.
    unsafe impl Sync for Witness {}

    impl Witness {
        pub fn new() -> Witness {
            Witness(UnsafeCell::new(0))
        }

        pub fn write(&self) {
            // SAFETY: loom fails when another access is not ordered with this one.
            self.0.with_mut(|value| unsafe { *value += 1 });
        }

        pub fn read(&self) -> u32 {
            // SAFETY: as above.
            self.0.with(|value| unsafe { *value })
        }
    }
}
use witness::Witness;

/// The end runs once, on the thread of the last release, after everything that each user did before it gave its use back.
#[test]
fn the_last_use_ends_the_span_once_and_after_all_others() {
    model(2, || {
        let span = insert(7);
        let witnesses = Arc::new([Witness::new(), Witness::new(), Witness::new()]);
        let work = |i: usize| {
            let witnesses = witnesses.clone();
            move || {
                assert!(store::with(span, |record| record.written += 1).is_some(), "a user finds its span");
                witnesses[i].write();
                store::release(span, |record| {
                    assert_eq!((record.of, record.written), (7, 3));
                    assert_eq!(witnesses.each_ref().map(Witness::read), [1, 1, 1]);
                })
            }
        };
        assert!(store::acquire(span) && store::acquire(span));
        let others = [spawn(work(1)), spawn(work(2))];
        let mut ends = usize::from(work(0)());
        for other in others {
            ends += usize::from(other.join().unwrap());
        }
        assert_eq!(ends, 1);
        assert!(!store::live(span));
    });
}

/// A handle without a use of its own is a guess. Beside the end of its span and the start of the next one in the same place it finds its span
/// or nothing; a use that it gets is a whole one.
#[test]
fn a_handle_finds_its_own_span_or_nothing() {
    model(4, || {
        let first = insert(1);
        let guess = spawn(move || {
            let look = |record: &mut super::record::Record| {
                assert_eq!(record.of, 1, "another span's record");
                record.written += 1;
            };
            let before = store::with(first, look).is_some();
            if store::acquire(first) {
                assert!(before, "a span that was gone came back");
                assert!(store::live(first) && store::open(first));
                assert!(store::with(first, look).is_some(), "gone in spite of a use");
                store::release(first, |record| assert_eq!(record.written, 2));
            }
        });
        store::release(first, |record| assert_eq!(record.of, 1));
        let second = insert(2);
        assert!(store::with(second, |record| assert_eq!((record.of, record.written), (2, 0))).is_some());
        assert!(store::open(second));
        guess.join().unwrap();
        assert!(!store::live(first) && store::live(second));
        assert!(store::release(second, |record| assert_eq!((record.of, record.written), (2, 0))));
    });
}

/// Places go from thread to thread through the list that all share. Nobody gets a place that another has, also while a thread ends and gives
/// its own back.
#[test]
fn a_place_is_given_to_one_at_a_time() {
    model(3, || {
        let begun = [insert(1), insert(2)];
        let threads = begun.map(|span| {
            spawn(move || {
                let mine = span.place() + 10;
                assert!(store::release(span, |_| ()));
                let next = insert(mine);
                let other = insert(mine + 10);
                assert!(!next.same(other));
                assert_eq!(store::with(next, |record| record.of), Some(mine));
                assert_eq!(store::with(other, |record| record.of), Some(mine + 10));
                assert!(store::release(next, |record| assert_eq!(record.of, mine)));
                assert!(store::release(other, |record| assert_eq!(record.of, mine + 10)));
            })
        });
        let third = insert(3);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(store::with(third, |record| record.of), Some(3));
        assert!(store::release(third, |_| ()));
    });
}

/// Who sees that a span is there or is finished sees all that was done before that, though the handle itself came without any order.
#[test]
fn a_state_comes_with_what_was_done_before_it() {
    model(4, || {
        let witnesses = Arc::new([Witness::new(), Witness::new()]);
        let passed = Arc::new(AtomicU64::new(0));
        // The store is made before the threads are.
        assert!(store::release(insert(1), |_| ()));
        let guess = {
            let (witnesses, passed) = (witnesses.clone(), passed.clone());
            spawn(move || {
                let Some(span) = Handle::from_bits(passed.load(Ordering::Relaxed)) else { return };
                if store::open(span) {
                    assert_eq!(witnesses[0].read(), 1);
                    if !store::open(span) {
                        assert_eq!(witnesses[1].read(), 1);
                    }
                }
                if store::live(span) {
                    assert_eq!(witnesses[0].read(), 1);
                }
            })
        };
        witnesses[0].write();
        let span = insert(2);
        passed.store(span.bits().get(), Ordering::Relaxed);
        witnesses[1].write();
        store::mark_finished(span);
        guess.join().unwrap();
        assert!(store::live(span) && !store::open(span));
    });
}
