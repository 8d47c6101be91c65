//! Streams in a span.

use std::pin::Pin;
use std::task::{Context as Cx, Poll};

use futures_core::Stream;

use crate::span::{self, Parent};
use crate::{Component, Kind, Level, Span};

/// Streams that run in a span.
pub trait StreamExt: Stream + Sized {
    /// Runs every poll of the stream in a span `name`, a child of the span that is current here. It ends when the stream ends or is dropped.
    #[track_caller]
    fn in_span(self, name: &str) -> InSpan<Self> {
        let span = span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Current);
        InSpan { stream: Some(Box::pin(self)), span }
    }
}

impl<S: Stream> StreamExt for S {}

/// What [`StreamExt::in_span`] returns.
pub struct InSpan<S> {
    /// Empty after its end.
    stream: Option<Pin<Box<S>>>,
    span: Span,
}

impl<S> InSpan<S> {
    /// The span, to set attributes on or to process an item in.
    pub fn span(&self) -> &Span {
        &self.span
    }
}

impl<S: Stream> Stream for InSpan<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<S::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let next = this.span.in_scope(|| stream.as_mut().poll_next(cx));
        if matches!(next, Poll::Ready(None)) {
            this.end();
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), |stream| stream.size_hint())
    }
}

impl<S> InSpan<S> {
    /// Ends what the stream holds in the span, and then the span. After its end this does nothing.
    fn end(&mut self) {
        let stream = self.stream.take();
        self.span.in_scope(|| drop(stream));
        self.span.finish();
    }
}

impl<S> Drop for InSpan<S> {
    fn drop(&mut self) {
        self.end();
    }
}
