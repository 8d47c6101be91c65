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

    /// The span; one that is not recorded when the future is done.
    pub fn span(&self) -> &Span {
        &self.span
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let scope = this.span.enter();
        let polled = match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(waker),
            // It is done, and was polled again.
            None => Poll::Pending,
        };
        if polled.is_ready() {
            // Whoever polled it may keep it for long.
            this.future.set(None);
            drop(scope);
            *this.span = Span::default();
        }
        polled
    }
}

pin_project! {
    /// A future in a context; see [`crate::Context::instrument`]. It is dropped inside the context.
    #[must_use = "futures do nothing unless polled"]
    pub struct InstrumentedContext<F> {
        #[pin]
        future: Option<F>,
        context: Carried,
    }

    impl<F> PinnedDrop for InstrumentedContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _scope = this.context.enter();
            this.future.set(None);
        }
    }
}

impl<F> InstrumentedContext<F> {
    pub(super) fn new(future: F, context: Carried) -> InstrumentedContext<F> {
        InstrumentedContext { future: Some(future), context }
    }
}

impl<F: Future> Future for InstrumentedContext<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = this.context.enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(waker),
            // Only the drop takes the future away.
            None => Poll::Pending,
        }
    }
}
