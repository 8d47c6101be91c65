//! Threads that carry context.

use std::thread::JoinHandle;

/// Like `std::thread::spawn`, with the current context: spans of the thread are children of the current span.
///
/// # Panics
/// When the operating system has no thread to give, as `std::thread::spawn` does.
pub fn spawn<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let carried = crate::task::carried();
    let task = carried.task();
    std::thread::spawn(move || {
        let _task = task;
        let _entered = crate::log::task::enter(crate::log::task::next());
        carried.run(work)
    })
}
