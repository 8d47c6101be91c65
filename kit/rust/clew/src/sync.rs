//! What [`crate::shared`], the store of spans and the queue of the exporter take of the standard library to share memory. The crate `loom` of
//! the workspace compiles the same files with a module of this shape that gives loom's counterparts instead, and tries all interleavings.

pub use std::sync::{Arc, Mutex, MutexGuard, RwLock, atomic};
pub use std::thread::LocalKey;

/// Statics. Those of loom are made anew for each interleaving.
macro_rules! statics {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$attribute])* static $name: $type = $value;)*
    };
}

/// What each thread has for itself.
macro_rules! local {
    (static $name:ident: $type:ty = const $value:block) => {
        std::thread_local!(static $name: $type = const $value);
    };
}

/// A constructor that is `const`. What loom counts cannot be made before the program runs.
macro_rules! constant {
    ($(#[$attribute:meta])* $visible:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visible const fn $($rest)*
    };
}

pub(crate) use {constant, local, statics};
