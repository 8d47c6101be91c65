//! Functions of the host that are asked at collection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engine::{Engine, MAX_INSTRUMENTS};

/// How long a collection waits for one callback.
pub const CALLBACK_TIME: Duration = Duration::from_secs(1);

/// A function of the host.
pub struct Callback {
    observe: Mutex<Box<dyn FnMut() + Send>>,
    /// It runs, perhaps since an earlier collection.
    busy: AtomicBool,
    gone: AtomicBool,
}

impl Callback {
    /// It is not called any more.
    pub fn remove(&self) {
        self.gone.store(true, Release);
    }
}

impl Engine {
    /// Has `observe` called at each collection, on a thread of its own: what it does after [`CALLBACK_TIME`] comes too late, and until it
    /// returns it is not called again. A panic is caught. Both are counted as invalid.
    pub fn on_collect(&self, observe: Box<dyn FnMut() + Send>) -> Option<Arc<Callback>> {
        let mut state = self.state();
        state.callbacks.retain(|c| !c.gone.load(Acquire));
        if state.callbacks.len() >= MAX_INSTRUMENTS {
            drop(state);
            self.invalid();
            return None;
        }
        let callback = Arc::new(Callback { observe: Mutex::new(observe), busy: AtomicBool::new(false), gone: AtomicBool::new(false) });
        state.callbacks.push(callback.clone());
        Some(callback)
    }

    /// Calls all callbacks, one after another, until `deadline`.
    pub fn run_callbacks(&self, deadline: Instant) {
        let callbacks = {
            let mut state = self.state();
            state.callbacks.retain(|c| !c.gone.load(Acquire));
            state.callbacks.clone()
        };
        for callback in callbacks {
            let time = deadline.saturating_duration_since(Instant::now()).min(CALLBACK_TIME);
            if !run(&callback, time) {
                self.invalid();
            }
        }
    }
}

/// Whether the callback returned in time and without a panic.
fn run(callback: &Arc<Callback>, time: Duration) -> bool {
    if callback.busy.swap(true, AcqRel) {
        return false;
    }
    let (done, answer) = sync_channel(1);
    let theirs = callback.clone();
    let started = std::thread::Builder::new().name("clew-observe".into()).spawn(move || {
        let fine = catch_unwind(AssertUnwindSafe(|| {
            let mut observe = theirs.observe.lock().unwrap_or_else(PoisonError::into_inner);
            observe();
        }));
        // What a panic carried may panic when it is dropped.
        let panicked = fine.map_err(std::mem::forget).is_err();
        theirs.busy.store(false, Release);
        let _ = done.send(!panicked);
    });
    if started.is_err() {
        callback.busy.store(false, Release);
        return false;
    }
    answer.recv_timeout(time).unwrap_or(false)
}
