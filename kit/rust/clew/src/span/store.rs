//! Where live spans are kept: places that are counted, recycled and never moved, each behind a short lock of its own. A place has a generation, so a
//! handle of a span that is gone finds nothing. Buffers stay with their place, so a span allocates only when it is larger than those before it.

use std::cell::RefCell;
use std::sync::{OnceLock, PoisonError};

use super::handle::{GENERATIONS, Handle, PLACES};
use super::record::Record;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The first segment has so many places, each further one as many as all before it.
const FIRST: u32 = 256;
/// Spans that live at once; more are not recorded.
const MOST: u32 = 1 << 18;
const SEGMENTS: usize = 11;
/// A thread keeps so many free places for itself.
const KEPT: usize = 64;

const _: () = assert!(MOST <= PLACES && FIRST << (SEGMENTS - 1) == MOST);

/// ```text
/// 63            24   23       22      0
/// +---------------+----------+---------+
/// | generation 40 | finished | uses 23 |
/// +---------------+----------+---------+
/// ```
/// With no uses the place is free. Uses that reach their limit stay there: the place is never freed.
struct Place {
    state: AtomicU64,
    record: Mutex<Record>,
}

const USES: u64 = (1 << 23) - 1;
const FINISHED: u64 = 1 << 23;
const GENERATION_SHIFT: u32 = 24;

impl Default for Place {
    fn default() -> Place {
        Place { state: AtomicU64::new(0), record: Mutex::new(Record::default()) }
    }
}

crate::sync::statics! {
    static SEGMENT: [OnceLock<Box<[Place]>>; SEGMENTS] = [const { OnceLock::new() }; SEGMENTS];
    /// The first place that was never used.
    static FRESH: AtomicU32 = AtomicU32::new(0);
    static FREE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
}

/// The free places of a thread; they go back when the thread ends.
struct Kept(Vec<u32>);

impl Drop for Kept {
    fn drop(&mut self) {
        lock(&FREE).append(&mut self.0);
    }
}

crate::sync::local!(static KEPT_HERE: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) });

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics; should it, the record is reset before its next use.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The segment of a place and the index within it.
#[inline]
fn locate(place: u32) -> (usize, usize) {
    if place < FIRST {
        return (0, place as usize);
    }
    let segment = (place / FIRST).ilog2();
    (segment as usize + 1, (place - (FIRST << segment)) as usize)
}

#[inline]
fn place(index: u32) -> Option<&'static Place> {
    let (segment, at) = locate(index);
    SEGMENT.get(segment)?.get()?.get(at)
}

#[cold]
fn grow(index: u32) {
    let (segment, _) = locate(index);
    let size = if segment == 0 { FIRST } else { FIRST << (segment - 1) };
    SEGMENT[segment].get_or_init(|| (0..size).map(|_| Place::default()).collect());
}

fn free_place() -> Option<u32> {
    let kept = KEPT_HERE.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.0.is_empty() {
            let mut free = lock(&FREE);
            let from = free.len().saturating_sub(KEPT / 2);
            kept.0.extend(free.drain(from..));
        }
        kept.0.pop()
    });
    if let Some(place) = kept.unwrap_or_else(|_| lock(&FREE).pop()) {
        return Some(place);
    }
    let fresh = FRESH.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fresh| (fresh < MOST).then_some(fresh + 1)).ok()?;
    grow(fresh);
    Some(fresh)
}

/// A new place with one use. `fill` gets a record that is empty but for its buffers. `None` when [`MOST`] spans live.
#[inline]
pub fn insert(sampled: bool, carried: bool, fill: impl FnOnce(&mut Record)) -> Option<Handle> {
    let index = free_place()?;
    let place = place(index)?;
    let generation = place.state.load(Ordering::Relaxed) >> GENERATION_SHIFT;
    fill(&mut lock(&place.record));
    place.state.store(generation << GENERATION_SHIFT | 1, Ordering::Release);
    Some(Handle::new(index, generation, sampled, carried))
}

/// One use more; false when the place is no longer the handle's.
#[inline]
pub fn acquire(handle: Handle) -> bool {
    let Some(place) = place(handle.place()) else { return false };
    let mut state = place.state.load(Ordering::Relaxed);
    loop {
        if state >> GENERATION_SHIFT != handle.generation() || state & USES == 0 {
            return false;
        }
        if state & USES == USES {
            return true;
        }
        match place.state.compare_exchange_weak(state, state + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => state = now,
        }
    }
}

/// One use less. With the last one `end` gets the record, which is then emptied and its place freed.
#[inline]
pub fn release(handle: Handle, end: impl FnOnce(&mut Record)) -> bool {
    let Some(place) = place(handle.place()) else { return false };
    let mut state = place.state.load(Ordering::Relaxed);
    loop {
        if state >> GENERATION_SHIFT != handle.generation() || state & USES == 0 || state & USES == USES {
            return false;
        }
        match place.state.compare_exchange_weak(state, state - 1, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) if state & USES == 1 => break,
            Ok(_) => return false,
            Err(now) => state = now,
        }
    }
    // Without uses nobody finds the place, and it is not among the free ones yet.
    {
        let mut record = lock(&place.record);
        end(&mut record);
        record.reset();
    }
    let next = (handle.generation() + 1) % GENERATIONS;
    place.state.store(next << GENERATION_SHIFT, Ordering::Release);
    let index = handle.place();
    let kept = KEPT_HERE.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.0.len() >= KEPT {
            lock(&FREE).extend(kept.0.drain(KEPT / 2..));
        }
        kept.0.push(index);
    });
    if kept.is_err() {
        lock(&FREE).push(index);
    }
    true
}

/// Gives the record to `f`, unless its place is no longer the handle's.
#[inline]
pub fn with<R>(handle: Handle, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    let place = place(handle.place())?;
    let mut record = lock(&place.record);
    let state = place.state.load(Ordering::Acquire);
    if state >> GENERATION_SHIFT != handle.generation() || state & USES == 0 {
        return None;
    }
    Some(f(&mut record))
}

/// The place is still the handle's.
pub fn live(handle: Handle) -> bool {
    place(handle.place()).is_some_and(|place| {
        let state = place.state.load(Ordering::Acquire);
        state >> GENERATION_SHIFT == handle.generation() && state & USES != 0
    })
}

/// The span is live and not finished.
#[inline]
pub fn open(handle: Handle) -> bool {
    place(handle.place()).is_some_and(|place| {
        let state = place.state.load(Ordering::Acquire);
        state >> GENERATION_SHIFT == handle.generation() && state & USES != 0 && state & FINISHED == 0
    })
}

/// Marks the span as finished: [`open`] says no from now on.
#[inline]
pub fn mark_finished(handle: Handle) {
    if let Some(place) = place(handle.place()) {
        place.state.fetch_or(FINISHED, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn places_lie_one_behind_the_other() {
        let mut expected = (0, 0);
        for index in 0..MOST {
            let (segment, at) = locate(index);
            let size = if segment == 0 { FIRST } else { FIRST << (segment - 1) } as usize;
            assert!(at < size);
            if (segment, at) != expected {
                assert_eq!((segment, at), (expected.0 + 1, 0), "place {index}");
            }
            expected = (segment, at + 1);
        }
        assert_eq!(expected.0 + 1, SEGMENTS);
    }

    #[test]
    fn a_stale_handle_finds_nothing() {
        let handle = insert(true, false, |r| r.name.push_str("first")).unwrap();
        assert!(acquire(handle));
        assert!(!release(handle, |_| panic!("it is still used")));
        assert_eq!(with(handle, |r| r.name.clone()).as_deref(), Some("first"));
        assert!(open(handle));
        mark_finished(handle);
        assert!(!open(handle));
        assert!(release(handle, |r| assert_eq!(r.name, "first")));
        assert!(!acquire(handle) && !open(handle));
        assert!(with(handle, |_| ()).is_none());
        assert!(!release(handle, |_| panic!("it is free")));
        // The same place comes back, empty and under another generation.
        let next = insert(true, false, |r| assert!(r.name.is_empty())).unwrap();
        assert_eq!(next.place(), handle.place());
        assert!(!next.same(handle));
        assert!(open(next));
        release(next, |_| ());
    }

    #[test]
    fn uses_that_reach_their_limit_stay_there() {
        let handle = insert(true, false, |_| ()).unwrap();
        let state = &place(handle.place()).unwrap().state;
        let uses = || state.load(Ordering::Relaxed) & USES;
        state.fetch_add(USES - 2, Ordering::Relaxed);
        assert_eq!(uses(), USES - 1);
        assert!(!release(handle, |_| panic!("it is still used")));
        assert_eq!(uses(), USES - 2);
        assert!(acquire(handle) && acquire(handle) && acquire(handle));
        assert_eq!(uses(), USES);
        assert!(!release(handle, |_| panic!("who uses it is not known any more")));
        assert_eq!(uses(), USES);
        assert!(open(handle), "the count does not run into the mark of the finished");
        // As it was made, so that the place is not lost to the other tests.
        state.fetch_sub(USES - 1, Ordering::Relaxed);
        assert!(release(handle, |_| ()));
    }

    #[test]
    fn places_move_between_threads_and_are_not_lost() {
        let before = FRESH.load(Ordering::Relaxed);
        for _ in 0..20 {
            let handles: Vec<Handle> = (0..1000).map(|_| insert(false, false, |_| ()).unwrap()).collect();
            std::thread::spawn(move || {
                for handle in handles {
                    assert!(release(handle, |_| ()));
                }
            })
            .join()
            .unwrap();
        }
        let grown = FRESH.load(Ordering::Relaxed) - before;
        // Other tests run beside this one.
        assert!(grown < 3000, "{grown} places for 1,000 live spans");
    }
}
