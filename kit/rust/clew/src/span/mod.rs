//! Spans: started, written to, finished.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task;

use crate::{Component, Context, Kind, Level, SpanContext, Value};

/// Where a new span belongs.
#[derive(Clone, Copy, Debug, Default)]
pub enum Parent<'a> {
    /// Under the current span; a root when there is none.
    #[default]
    Current,
    /// Under a context that was read from a carrier or taken from another task; a root when it has no valid span.
    Of(&'a Context),
    /// A root.
    Root,
    /// A new trace with links; its randomness is that of the first link, so that the same threshold keeps both.
    Linked(&'a [SpanContext]),
    /// A new trace with a link to a caller that is not trusted: its flags, sampling state and baggage are not taken.
    Public(&'a Context),
}

/// What sampling rules may look at beside name and kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The route's template; empty for none.
    pub route: &'a str,
    /// The method; empty for none.
    pub method: &'a str,
}

/// A span. Clones are the same span; none of them extends it beyond [`Span::finish`].
#[derive(Clone, Default)]
pub struct Span {}

/// Starts a span. `need` is the least level of `component` at which it is recorded.
pub fn start(component: Component, need: Level, kind: Kind, name: &str, parent: Parent<'_>) -> Span {
    start_with(component, need, kind, name, parent, Facts::default())
}

/// Starts a span with facts for sampling rules.
pub fn start_with(
    component: Component,
    need: Level,
    kind: Kind,
    name: &str,
    parent: Parent<'_>,
    facts: Facts<'_>,
) -> Span {
    let _ = (component, need, kind, name, parent, facts);
    Span {}
}

impl Span {
    /// The span is kept and not finished: attributes are worth building.
    pub fn recording(&self) -> bool {
        false
    }

    /// Sets an attribute; the last value of a key wins.
    pub fn set<'a>(&self, key: &str, value: impl Into<Value<'a>>) {
        let _ = (key, value.into());
    }

    /// Renames the span.
    pub fn set_name(&self, name: &str) {
        let _ = name;
    }

    /// Adds an event now.
    pub fn event(&self, name: &str, attributes: &[(&str, Value<'_>)]) {
        let _ = (name, attributes);
    }

    /// Marks the span as failed, with an `exception` event.
    pub fn fail(&self, error: &dyn fmt::Display) {
        let _ = error;
    }

    /// Marks the span as failed with a text.
    pub fn fail_text(&self, message: &str) {
        let _ = message;
    }

    /// Adds a link.
    pub fn link(&self, to: &SpanContext, attributes: &[(&str, Value<'_>)]) {
        let _ = (to, attributes);
    }

    /// Ends the span now.
    pub fn finish(&self) {}

    /// The span's ids, flags and state with its baggage: what `inject` writes.
    pub fn context(&self) -> Context {
        Context::default()
    }

    /// The span's ids, flags and state.
    pub fn span_context(&self) -> SpanContext {
        SpanContext::default()
    }

    /// Makes the span current while `f` runs.
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Makes the span current at every poll of `future`.
    pub fn instrument<F: Future>(&self, future: F) -> Instrumented<F> {
        Instrumented { future: Box::pin(future), span: self.clone() }
    }
}

/// A future in a span.
pub struct Instrumented<F> {
    future: Pin<Box<F>>,
    span: Span,
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<F::Output> {
        let span = self.span.clone();
        span.in_scope(|| self.future.as_mut().poll(cx))
    }
}
