//! What [`Shared`] promises its readers.

use std::cell::RefCell;

use loom::thread::{spawn, yield_now};

use crate::shared::{Cached, Shared};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, model};

loom::thread_local!(static CACHE: RefCell<Cached<u32>> = Cached::new());

fn shared() -> Arc<Shared<u32>> {
    Arc::new(Shared::new(&CACHE))
}

fn read(shared: &Shared<u32>) -> u32 {
    shared.with(|value| value.copied().unwrap_or(0))
}

/// A thread never goes back to an older value, and one that has read amid a replacement does not keep the old value for ever. All values are
/// dropped in the end: loom reports any `Arc` that is left.
#[test]
fn readers_go_forward_and_reach_the_last_value() {
    model(2, || {
        let (shared, done) = (shared(), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (shared, done) = (shared.clone(), done.clone());
                spawn(move || {
                    let first = read(&shared);
                    let second = read(&shared);
                    assert!(second >= first, "{second} after {first}");
                    if done.load(Ordering::Acquire) {
                        assert_eq!(read(&shared), 2, "what was set last");
                    }
                })
            })
            .collect();
        shared.set(Some(Arc::new(1)));
        shared.set(Some(Arc::new(2)));
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// Those that replace the value at once leave one of theirs, and readers and the lock agree on which.
#[test]
fn readers_agree_on_who_came_last() {
    model(2, || {
        let shared = shared();
        let setters: Vec<_> = [1, 2]
            .map(|value| {
                let shared = shared.clone();
                spawn(move || {
                    shared.set(Some(Arc::new(value)));
                    assert_ne!(read(&shared), 0);
                })
            })
            .into();
        shared.set(Some(Arc::new(3)));
        assert_ne!(read(&shared), 0);
        for setter in setters {
            setter.join().unwrap();
        }
        let last = shared.get().map(|value| *value);
        assert_eq!(Some(read(&shared)), last);
    });
}

/// The value is taken away while it is being read: who reads keeps it to the end, and it is dropped once.
#[test]
fn a_value_lives_as_long_as_its_readers() {
    model(3, || {
        let shared = shared();
        shared.set(Some(Arc::new(1)));
        let reader = {
            let shared = shared.clone();
            spawn(move || {
                shared.with(|outer| {
                    let seen = outer.copied();
                    assert!(seen == Some(1) || seen.is_none());
                    yield_now();
                    shared.with(|inner| assert_eq!(inner.copied(), seen, "within a read the value stays"));
                    assert_eq!(outer.copied(), seen);
                });
            })
        };
        shared.set(None);
        reader.join().unwrap();
        assert_eq!(read(&shared), 0);
    });
}
