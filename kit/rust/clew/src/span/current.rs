//! What is current on this thread.

use std::future::Future;
use std::marker::PhantomData;

use super::handle::Handle;
use super::{InstrumentedContext, begin, end, stack, store};
use crate::{Context, SpanId, TraceId};

/// The context that is current on this thread: what a message or another task should carry. Not valid when nothing is current.
pub fn current() -> Context {
    let Some(handle) = stack::current() else { return Context::default() };
    match store::with(handle, |record| record.context.clone()) {
        Some(context) => context,
        None if stack::purge() => current(),
        None => Context::default(),
    }
}

/// The ids of the current span and whether it is kept; cheaper than [`current`]. `None` when nothing is current.
#[inline]
pub fn current_ids() -> Option<(TraceId, SpanId, bool)> {
    let handle = stack::current()?;
    store::with(handle, |record| {
        let span = &record.context.span;
        span.is_valid().then(|| (span.trace_id, span.span_id, span.is_sampled()))
    })
    .flatten()
}

/// The ids of the current span when it is kept: for exemplars.
#[inline]
pub fn current_sampled_ids() -> Option<(TraceId, SpanId)> {
    let handle = stack::current().filter(|h| h.sampled())?;
    store::with(handle, |record| (record.context.span.trace_id, record.context.span.span_id))
}

/// A kept span is current. Costs a few nanoseconds.
#[inline]
pub fn current_is_sampled() -> bool {
    stack::current().is_some_and(Handle::sampled)
}

/// Keeps a span or a context current until it is dropped. It belongs to one thread.
pub struct Scope<'a> {
    handle: Option<Handle>,
    _seen: Option<tracing::span::Entered<'a>>,
    _thread: PhantomData<*const ()>,
}

impl<'a> Scope<'a> {
    #[inline]
    pub(super) fn new(handle: Option<Handle>, seen: Option<&'a tracing::Span>) -> Scope<'a> {
        if let Some(seen) = seen {
            // The kit's layer makes the span current, between those of the others.
            return Scope { handle: None, _seen: Some(seen.enter()), _thread: PhantomData };
        }
        if let Some(handle) = handle {
            stack::enter(handle);
        }
        Scope { handle, _seen: None, _thread: PhantomData }
    }
}

impl Drop for Scope<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            stack::exit(handle);
        }
    }
}

impl Context {
    /// Makes the context current while `f` runs: spans that start there are children of its span, or roots when it has none.
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let carried = Carried::new(self.clone());
        let _scope = carried.enter();
        f()
    }

    /// Makes the context current at every poll of `future`.
    pub fn instrument<F: Future>(&self, future: F) -> InstrumentedContext<F> {
        InstrumentedContext::new(future, Carried::new(self.clone()))
    }
}

/// A context in the store, as long as it is needed.
pub(super) struct Carried(Option<Handle>);

impl Carried {
    fn new(context: Context) -> Carried {
        Carried(begin::carry(context))
    }

    #[inline]
    pub(super) fn enter(&self) -> Scope<'_> {
        if let Some(handle) = self.0 {
            stack::enter(handle);
        }
        Scope { handle: self.0, _seen: None, _thread: PhantomData }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(handle) = self.0 {
            end::release(handle);
        }
    }
}
