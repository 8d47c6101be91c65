//! The counterpart of the kit's own module `sync`, and how a model is run.

use std::ops::Deref;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use loom::sync::{Arc, Mutex, MutexGuard, RwLock, atomic};
pub use loom::thread::LocalKey;

macro_rules! statics {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$attribute])* static $name: crate::sync::Static<$type> = crate::sync::Static::new(|| $value);)*
    };
}

macro_rules! constant {
    ($(#[$attribute:meta])* $visible:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visible fn $($rest)*
    };
}

/// Loom's own does not know `const`.
macro_rules! local {
    (static $name:ident: $type:ty = const $value:block) => {
        loom::thread_local!(static $name: $type = $value);
    };
}

pub(crate) use {constant, local, statics};

/// Counts the interleavings of all models.
static RUN: AtomicU64 = AtomicU64::new(0);

/// A static that every interleaving finds new. Loom's own is gone before the locals of the last threads are, which give places back to it.
pub struct Static<T> {
    make: fn() -> T,
    made: std::sync::Mutex<(u64, Option<Box<T>>)>,
}

impl<T> Static<T> {
    /// Made by `make` at its first use.
    pub const fn new(make: fn() -> T) -> Static<T> {
        Static { make, made: std::sync::Mutex::new((0, None)) }
    }
}

impl<T> Deref for Static<T> {
    type Target = T;

    #[allow(unsafe_code)]
    fn deref(&self) -> &T {
        let run = RUN.load(Relaxed);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0 != run {
            *made = (run, None);
        }
        let value: *const T = &raw const **made.1.get_or_insert_with(|| Box::new((self.make)()));
        // SAFETY: the box is replaced in the next interleaving only; all threads of this one are gone by then.
        unsafe { &*value }
    }
}

/// Runs `model` through the interleavings of its threads in which none is interrupted more often than `preemptions` times.
pub fn model(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    // The statics are those of one model at a time.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = RUN.load(Relaxed);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        RUN.fetch_add(1, Relaxed);
        model();
    });
    let runs = RUN.load(Relaxed) - before;
    println!("{runs} interleavings");
    assert!(runs > 10, "{runs} interleavings are no proof");
}
