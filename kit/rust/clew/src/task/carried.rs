//! The context of one piece of work, in the hands of another.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Cx, Poll};

use crate::{Context, log, watch};

/// The context that was current when this was made, to be made current elsewhere. Cheap to clone, free to cross threads.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    context: Context,
    mark: watch::Carry,
}

/// Takes the current context along. For pools and callbacks:
///
/// ```
/// let carried = clew::task::carried();
/// std::thread::scope(|scope| {
///     scope.spawn(|| carried.run(|| { /* spans in here are children of the current span */ }));
/// });
/// ```
pub fn carried() -> Carried {
    Carried { context: crate::current(), mark: watch::carry() }
}

impl Carried {
    /// The context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Makes the context current while `work` runs.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.mark.enter(|| self.context.in_scope(work))
    }

    /// Makes the context current at every poll of `future`.
    pub fn instrument<F: Future>(&self, future: F) -> CarriedFuture<F> {
        let id = log::task::next();
        CarriedFuture { carried: self.clone(), id, _task: watch::task(self.context.span.trace_id.0), future: Some(Box::pin(future)) }
    }

    /// Notes that work was handed over, so that a test waits for it.
    pub(crate) fn task(&self) -> watch::Task {
        watch::task(self.context.span.trace_id.0)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn mark(&self) -> watch::Carry {
        self.mark
    }
}

/// A future in a carried context.
pub struct CarriedFuture<F> {
    carried: Carried,
    // Marks the log lines of the future.
    id: u64,
    // Empty after its end.
    future: Option<Pin<Box<F>>>,
    // Dropped after the future, so that a test has seen all of its spans.
    _task: watch::Task,
}

impl<F: Future> Future for CarriedFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let slot = &mut this.future;
        let _entered = log::task::enter(this.id);
        this.carried.run(|| {
            // It is done, and was polled again.
            let Some(future) = slot else { return Poll::Pending };
            let polled = future.as_mut().poll(cx);
            if polled.is_ready() {
                *slot = None;
            }
            polled
        })
    }
}

impl<F> Drop for CarriedFuture<F> {
    fn drop(&mut self) {
        // What the future still holds ends in the context too.
        if let Some(future) = self.future.take() {
            let _entered = log::task::enter(self.id);
            self.carried.run(|| drop(future));
        }
    }
}
