//! A value that is read on every hot path and replaced now and then, without `unsafe`: readers keep an `Arc` in a thread-local and look at
//! one version number. A thread that reads no more keeps its last value alive until it ends.

use std::cell::RefCell;
use std::sync::PoisonError;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, LocalKey, RwLock};

/// What a thread remembers of a [`Shared`] value.
pub struct Cached<T> {
    version: u64,
    value: Option<Arc<T>>,
}

impl<T> Cached<T> {
    /// Nothing is remembered yet.
    pub const fn new() -> RefCell<Cached<T>> {
        RefCell::new(Cached { version: 0, value: None })
    }
}

/// A replaceable value. Make one with a `static` and a `thread_local!` beside it.
pub struct Shared<T: 'static> {
    /// Starts at 1, so that an empty cache is stale. It only says that the lock is worth asking; what the lock guards it orders itself.
    version: AtomicU64,
    value: RwLock<Option<Arc<T>>>,
    cache: &'static LocalKey<RefCell<Cached<T>>>,
}

impl<T> Shared<T> {
    crate::sync::constant! {
        /// An empty value.
        pub fn new(cache: &'static LocalKey<RefCell<Cached<T>>>) -> Shared<T> {
            Shared { version: AtomicU64::new(1), value: RwLock::new(None), cache }
        }
    }

    /// Replaces the value for all threads. Readers that are inside [`Shared::with`] finish with the old one.
    pub fn set(&self, value: Option<Arc<T>>) {
        let mut slot = self.value.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *slot, value);
        // Inside the lock, so that a higher version never goes with an older value.
        self.version.fetch_add(1, Ordering::Relaxed);
        drop(slot);
        drop(old);
    }

    /// The value itself, from the lock.
    pub fn get(&self) -> Option<Arc<T>> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the value to `f`. It may be called within `f` and while the thread's locals are being destroyed.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let mut f = Some(f);
        let result = self.cache.try_with(|cache| {
            if cache.try_borrow().is_ok_and(|c| c.version != self.version.load(Ordering::Relaxed)) {
                self.refresh(cache);
            }
            let cached = cache.try_borrow().ok()?;
            f.take().map(|f| f(cached.value.as_deref()))
        });
        match (result, f) {
            (Ok(Some(result)), _) => result,
            (_, Some(f)) => f(self.get().as_deref()),
            // `f` is taken only where its result is returned.
            (_, None) => unreachable!(),
        }
    }

    #[cold]
    fn refresh(&self, cache: &RefCell<Cached<T>>) {
        // Within `f` the cache is borrowed: the outer value is used until the outermost call ends.
        let Ok(mut cached) = cache.try_borrow_mut() else { return };
        let slot = self.value.read().unwrap_or_else(PoisonError::into_inner);
        cached.version = self.version.load(Ordering::Relaxed);
        let old = std::mem::replace(&mut cached.value, slot.clone());
        drop(slot);
        drop(cached);
        drop(old);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    thread_local!(static CACHE: RefCell<Cached<u32>> = const { Cached::new() });
    static VALUE: Shared<u32> = Shared::new(&CACHE);

    #[test]
    fn readers_see_the_last_value_and_nested_readers_the_outer_one() {
        assert_eq!(VALUE.with(|v| v.copied()), None);
        VALUE.set(Some(Arc::new(1)));
        VALUE.with(|outer| {
            assert_eq!(outer, Some(&1));
            VALUE.set(Some(Arc::new(2)));
            VALUE.with(|inner| assert_eq!(inner, Some(&1)));
            assert_eq!(outer, Some(&1));
        });
        assert_eq!(VALUE.with(|v| v.copied()), Some(2));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    let mut last = 0;
                    while last < 1000 {
                        let now = VALUE.with(|v| *v.unwrap());
                        assert!(now >= last, "{now} after {last}");
                        last = now;
                    }
                })
            })
            .collect();
        for i in 3..=1000 {
            VALUE.set(Some(Arc::new(i)));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
