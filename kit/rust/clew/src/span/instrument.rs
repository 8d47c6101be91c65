//! Futures that run in a span.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Waker, Poll};

use pin_project_lite::pin_project;

use super::Span;
use super::current::Carried;

pin_project! {
    /// A future in a span. The span's handle goes when the future is done or dropped, whichever comes first; the future is dropped inside the span.
    #[must_use = "futures do nothing unless polled"]
    pub struct Instrumented<F: Future> {
        #[pin]
        future: Option<F>,
        span: Span,
    }

    impl<F: Future> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _scope = this.span.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Instrumented<F> {
    pub(super) fn new(future: F, span: Span) -> Instrumented<F> {
        Instrumented { future: Some(future), span }
    }

    /// The span.
    pub fn span(&self) -> &Span {
        &self.span
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = this.span.enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(waker),
            // Only the drop takes the future away.
            None => Poll::Pending,
        }
    }
}

pin_project! {
    /// A future in a context; see [`crate::Context::instrument`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InstrumentedContext<F> {
        #[pin]
        future: F,
        context: Carried,
    }
}

impl<F> InstrumentedContext<F> {
    pub(super) fn new(future: F, context: Carried) -> InstrumentedContext<F> {
        InstrumentedContext { future, context }
    }
}

impl<F: Future> Future for InstrumentedContext<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = this.context.enter();
        this.future.poll(waker)
    }
}
