//! Notices a fork. A child inherits the memory of its parent but none of its other
//! threads: locks that they held stay locked, queues hold records that the parent
//! will send, generators would repeat the parent's ids.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How often this process and its ancestors were forked since [`watch`] was first
/// called. A read is one relaxed load.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Relaxed)
}

/// Starts to notice forks. Without it [`generation`] never changes.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(register);
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn register() {
    type Handler = extern "C" fn();
    unsafe extern "C" {
        fn pthread_atfork(prepare: Option<Handler>, parent: Option<Handler>, child: Option<Handler>) -> i32;
    }
    /// Runs in the child before anything else there, where only what is
    /// async-signal-safe may be done: an atomic addition is.
    extern "C" fn child() {
        GENERATION.fetch_add(1, Relaxed);
    }
    // SAFETY: POSIX' own signature; the handler lives as long as the program. There
    // is no safe way to learn of a fork: asking for the process id at every record
    // is a system call. An error (no memory) leaves forks unnoticed.
    let _ = unsafe { pthread_atfork(None, None, Some(child)) };
}

#[cfg(not(unix))]
fn register() {}
