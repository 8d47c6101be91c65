//! Spans: started, written to, finished.
//!
//! A [`Span`] is a handle of a few bytes. Its data lives in a store of the process until the last handle is gone; it *ends* at [`Span::finish`] or,
//! when nobody finishes it, with the last handle. What is written after the end is lost, and no clone can make a finished span longer.
//!
//! ```
//! use clew::{Component, Kind, Level, span};
//!
//! let span = span::start(Component::App, Level::Standard, Kind::Internal, "reserve", span::Parent::Current);
//! span.set("items", 3);
//! span.in_scope(|| { /* spans that start here are children */ });
//! span.finish();
//! ```

pub(crate) mod begin;
mod current;
mod decide;
pub(crate) mod end;
pub(crate) mod handle;
mod instrument;
pub(crate) mod limits;
pub(crate) mod record;
#[cfg(test)]
mod record_tests;
pub(crate) mod stack;
pub(crate) mod store;

use std::fmt;
use std::future::Future;
use std::panic::Location;

use crate::engine::ENGINE;
use crate::{Component, Context, Kind, Level, SpanContext, Value, switch};
use begin::{Site, Spec};
pub use current::{Scope, current, current_ids, current_is_sampled, current_sampled_ids};
use handle::Handle;
pub use instrument::{Instrumented, InstrumentedContext};
use record::{Record, Status};

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
    /// A new trace with a link to the context's span, whose randomness it has; the context's baggage goes on. A root when the context has no
    /// valid span.
    Caused(&'a Context),
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

/// A span. Clones are the same span; none of them extends it beyond [`Span::finish`]. The default is a span that is not recorded.
#[derive(Default)]
pub struct Span {
    handle: Option<Handle>,
    /// The same span for layers beside the kit's; none when the kit has the subscriber to itself. Behind a pointer, because a span that is off
    /// costs what it is large.
    seen: Option<Box<tracing::Span>>,
}

/// Starts a span. `need` is the least level of `component` at which it is recorded; below, the context of `parent` passes through.
#[inline(always)]
#[track_caller]
pub fn start(component: Component, need: Level, kind: Kind, name: &str, parent: Parent<'_>) -> Span {
    start_with(component, need, kind, name, parent, Facts::default())
}

/// Starts a span with facts for sampling rules.
#[inline(always)]
#[track_caller]
pub fn start_with(component: Component, need: Level, kind: Kind, name: &str, parent: Parent<'_>, facts: Facts<'_>) -> Span {
    if !switch::on(component, need) {
        // The usual case without a call.
        let handle = if let Parent::Current = parent { None } else { begin::pass(parent) };
        return Span { handle, seen: None };
    }
    let site = Site::Call(Location::caller());
    let asked = !matches!(parent, Parent::Current);
    launch(&Spec { kind, name, facts, keep: false, asked, site }, parent)
}

/// Starts a span that is kept whatever the sampler says, unless its component is off. Its trace has no known probability and counts as one.
#[track_caller]
pub fn start_kept(component: Component, kind: Kind, name: &str, parent: Parent<'_>) -> Span {
    if !switch::on(component, Level::Edges) {
        return Span { handle: begin::pass(parent), seen: None };
    }
    let site = Site::Call(Location::caller());
    let asked = !matches!(parent, Parent::Current);
    launch(&Spec { kind, name, facts: Facts::default(), keep: true, asked, site }, parent)
}

fn launch(spec: &Spec<'_>, parent: Parent<'_>) -> Span {
    let handle = begin::begin(spec, parent);
    let seen = match handle {
        Some(handle) if crate::layer::beside_others() => crate::layer::show(handle, spec.name),
        _ => None,
    };
    Span { handle, seen }
}

impl Span {
    /// The current span, to decorate it. Dropping or cloning it changes nothing; finishing it ends the span.
    pub fn current() -> Span {
        let handle = stack::current().filter(|h| store::acquire(*h));
        Span { handle, seen: None }
    }

    /// The span is kept and not finished: attributes are worth building.
    #[inline]
    pub fn recording(&self) -> bool {
        self.handle.is_some_and(|h| h.sampled() && !h.alias() && !h.carried() && store::open(h))
    }

    /// What is set may go out: the span is recorded, or it is the root of a trace that is not and goes out as a summary if it fails.
    #[cfg(any(feature = "tokio", feature = "http", feature = "sqlx", feature = "redis", feature = "nats", feature = "rdkafka"))]
    #[inline]
    pub(crate) fn keeps(&self) -> bool {
        let Some(handle) = self.handle.filter(|h| !h.alias() && !h.carried()) else { return false };
        if handle.sampled() { store::open(handle) } else { store::with(handle, |record| record.summary && !record.finished) == Some(true) }
    }

    /// Gives the record to `f` if it may be written to. `silent_too`: even when nothing of the span can go out.
    #[inline]
    fn write(&self, silent_too: bool, f: impl FnOnce(&mut Record, &crate::engine::Engine)) {
        let Some(handle) = self.handle else { return };
        if handle.alias() || handle.carried() {
            return;
        }
        ENGINE.with(|engine| {
            let Some(engine) = engine else { return };
            store::with(handle, |record| {
                if !record.finished && (handle.sampled() || record.summary || silent_too) {
                    f(record, engine);
                }
            });
        });
    }

    /// Sets an attribute. A key that was set before keeps its place and gets the new value. At most 128 keys of 256 bytes with values of 4,096.
    #[inline]
    pub fn set<'a>(&self, key: &str, value: impl Into<Value<'a>>) {
        let value = value.into();
        self.write(false, |record, engine| record.set(&engine.limits, engine, key, value));
    }

    /// Gives the span to `f` to set many attributes under one lock. `f` runs none of the host's code.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn fill(&self, f: impl FnOnce(&mut Writing<'_>)) {
        self.write(false, |record, engine| f(&mut Writing { record, engine }));
    }

    /// Sets several attributes at once, which is cheaper than one by one.
    #[inline]
    pub fn set_all(&self, attributes: &[(&str, Value<'_>)]) {
        self.write(false, |record, engine| {
            for (key, value) in attributes {
                record.set(&engine.limits, engine, key, *value);
            }
        });
    }

    /// Renames the span.
    pub fn set_name(&self, name: &str) {
        self.write(true, |record, engine| record.set_name(&engine.limits, name));
    }

    /// Adds an event now. At most 128 a span, with 32 attributes each.
    pub fn event(&self, name: &str, attributes: &[(&str, Value<'_>)]) {
        self.write(false, |record, engine| {
            record.event(&engine.limits, engine, begin::now_ns(), name, attributes);
        });
    }

    #[cfg(feature = "otel")]
    pub(crate) fn event_at(&self, time_ns: u64, name: &str, attributes: &[(&str, Value<'_>)]) {
        self.write(false, |record, engine| record.event(&engine.limits, engine, time_ns, name, attributes));
    }

    #[cfg(feature = "otel")]
    pub(crate) fn started_at(&self, time_ns: u64) {
        self.write(true, |record, _| record.start_ns = time_ns);
    }

    /// Marks the span as failed. The status has the error's text; `error.type` is the name of its type, unless it is set already.
    pub fn fail<E: fmt::Display + ?Sized>(&self, error: &E) {
        if self.handle.is_none_or(|h| h.alias() || h.carried()) {
            return;
        }
        // The error's own code runs before the span is locked: it may use the span.
        let text = bounded(error, limits::LIMITS.value_bytes);
        self.write(false, |record, engine| {
            record.set_status(&engine.limits, Status::Error, &text);
            let kind = std::any::type_name::<E>();
            // Behind a trait object there is no name to tell.
            if !kind.starts_with("dyn ") && !record.has("error.type") {
                record.set(&engine.limits, engine, "error.type", Value::Str(kind));
            }
        });
    }

    /// Marks the span as failed with a text.
    pub fn fail_text(&self, message: &str) {
        self.write(false, |record, engine| record.set_status(&engine.limits, Status::Error, message));
    }

    /// Marks the span as gone well, which is final.
    pub fn ok(&self) {
        self.write(false, |record, engine| record.set_status(&engine.limits, Status::Ok, ""));
    }

    /// Adds a link. At most 128 a span, with 32 attributes each.
    pub fn link(&self, to: &SpanContext, attributes: &[(&str, Value<'_>)]) {
        if to.is_valid() {
            self.write(false, |record, engine| record.link(&engine.limits, engine, to, attributes));
        }
    }

    /// Ends the span now. Later ends and writes do nothing; the span's ids stay valid for what runs below it.
    pub fn finish(&self) {
        if let Some(handle) = self.handle {
            end::finish(handle, begin::now_ns);
        }
    }

    #[cfg(feature = "otel")]
    pub(crate) fn finish_at(&self, time_ns: u64) {
        if let Some(handle) = self.handle {
            end::finish(handle, || time_ns);
        }
    }

    /// Sets a member of the baggage for everything that the span calls from now on. It reaches other hosts only when `propagate_to` names
    /// them. It does nothing for a span that is not recorded: there use [`Context::with_baggage`].
    pub fn set_baggage(&self, key: &str, value: &str) {
        self.write(true, |record, _| record.context = record.context.with_baggage(key, value));
    }

    /// The span's ids, flags and state with its baggage: what [`crate::inject`] writes. Of a span that is not recorded it is the context
    /// that passes through.
    pub fn context(&self) -> Context {
        match self.handle {
            Some(handle) => store::with(handle, |record| record.context.clone()).unwrap_or_default(),
            None => current(),
        }
    }

    /// The span's ids, flags and state.
    pub fn span_context(&self) -> SpanContext {
        self.context().span
    }

    /// Makes the span current while `f` runs.
    #[inline]
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _scope = self.enter();
        f()
    }

    /// Makes the span current until the scope is dropped, on this thread. Not across an `await`: use [`Span::instrument`] there.
    #[inline]
    pub fn enter(&self) -> Scope<'_> {
        Scope::new(self.handle, self.seen.as_deref())
    }

    /// Makes the span current at every poll of `future`.
    pub fn instrument<F: Future>(self, future: F) -> Instrumented<F> {
        Instrumented::new(future, self)
    }
}

/// A span that is being written to; see [`Span::fill`].
#[cfg(feature = "http")]
pub(crate) struct Writing<'a> {
    record: &'a mut Record,
    engine: &'a crate::engine::Engine,
}

#[cfg(feature = "http")]
impl Writing<'_> {
    /// Like [`Span::set`].
    #[inline]
    pub(crate) fn set<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        self.record.set(&self.engine.limits, self.engine, key, value.into());
    }
}

impl Clone for Span {
    fn clone(&self) -> Span {
        Span { handle: self.handle.filter(|h| store::acquire(*h)), seen: self.seen.clone() }
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            end::release(handle);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.span_context();
        write!(f, "Span({} {})", span.trace_id, span.span_id)
    }
}

/// The text of `value`, as far as it is kept, without building the rest.
pub(crate) fn bounded<T: fmt::Display + ?Sized>(value: &T, limit: usize) -> String {
    let mut out = Bounded { text: String::new(), limit };
    out.format(format_args!("{value}"));
    out.text
}

/// Text that stops growing; the writer is told so at the limit, which ends its work.
pub(crate) struct Bounded {
    pub text: String,
    pub limit: usize,
}

impl Bounded {
    /// Formats as much as there is room for. Foreign code runs in there: its panic becomes the text.
    pub fn format(&mut self, value: fmt::Arguments<'_>) {
        // An error of the inner kind says that the limit was reached.
        if let Err(thrown) = crate::panics::contained(|| fmt::write(self, value)) {
            self.text.clear();
            let said = crate::panics::text(&*thrown).unwrap_or("a value that is no text");
            let _ = fmt::write(self, format_args!("!PANIC: {said}"));
        }
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.limit.saturating_sub(self.text.len());
        let fits = crate::wire::cut(s, room);
        self.text.push_str(fits);
        if fits.len() < s.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
