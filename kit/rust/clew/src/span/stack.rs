//! Which span is current: a stack of handles a thread. Entering and leaving touch nothing else, so a poll costs a few nanoseconds.

use std::cell::RefCell;

use super::handle::Handle;
use super::store;
use crate::panics;

/// Entries beyond this depth are not kept: the span below stays current. Only forgotten guards get here.
const DEEPEST: usize = 4096;

thread_local!(static STACK: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) });

/// Makes `handle` current.
#[inline]
pub fn enter(handle: Handle) {
    panics::forget();
    // While a thread's locals are destroyed nothing is current.
    let _ = STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        if stack.len() < DEEPEST {
            stack.push(handle);
        }
    });
    #[cfg(feature = "otel")]
    crate::otel::entered(handle);
}

/// Takes back the last [`enter`] of `handle`, wherever it is in the stack: guards may be dropped out of order.
#[inline]
pub fn exit(handle: Handle) {
    panics::forget();
    let _ = STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        if stack.last() == Some(&handle) {
            stack.pop();
        } else if let Some(at) = stack.iter().rposition(|h| *h == handle) {
            stack.remove(at);
        }
    });
    #[cfg(feature = "otel")]
    crate::otel::exited(handle);
}

/// The handle that was entered last.
#[inline]
pub fn current() -> Option<Handle> {
    STACK.try_with(|stack| stack.borrow().last().copied()).ok().flatten()
}

/// Takes away the spans that are gone though their scopes were never left, because somebody forgot a guard; else nothing would be recorded
/// below them on this thread. Says whether there were any.
#[cold]
pub fn purge() -> bool {
    STACK
        .try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let before = stack.len();
            stack.retain(|handle| store::live(*handle));
            stack.len() < before
        })
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_may_come_out_of_order_and_depth_is_bounded() {
        let handle = |place| Handle::new(place, 0, true, false);
        let (a, b) = (handle(1), handle(2));
        enter(a);
        enter(b);
        exit(a);
        assert_eq!(current(), Some(b));
        exit(b);
        assert_eq!(current(), None);
        exit(b);
        for place in 0..2 * DEEPEST as u32 {
            enter(handle(place));
        }
        assert_eq!(current(), Some(handle(DEEPEST as u32 - 1)));
        for place in 0..2 * DEEPEST as u32 {
            exit(handle(place));
        }
        assert_eq!(current(), None);
    }
}
