//! The kit behind the `opentelemetry` API, so that libraries that use it join the service's traces: [`crate::start`] makes it the API's global tracer
//! provider, and where a span of the kit is current, it is the API's current span too.
//!
//! A span that a library makes current through the API alone is the parent of the library's spans, not of `tracing`'s macros below it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{self, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, Context, ContextGuard, InstrumentationScope, KeyValue, Value};

use crate::span::handle::Handle;
use crate::span::{self, Parent, store};
use crate::{Component, Kind, Level};

/// The kit as a tracer provider. All tracers are the same; their scopes are not kept apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provider(());

/// The kit as a tracer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracer(());

/// A span of the kit that was started through the API.
#[derive(Debug)]
pub struct Span {
    span: crate::Span,
    context: SpanContext,
}

/// The kit as a tracer provider.
pub fn provider() -> Provider {
    Provider(())
}

thread_local!(static ATTACHED: RefCell<Vec<(Handle, ContextGuard)>> = const { RefCell::new(Vec::new()) });

/// Makes the handle's span the API's current one.
pub(crate) fn entered(handle: Handle) {
    let Some(span) = store::with(handle, |record| to_api(&record.context.span)) else { return };
    let guard = Context::current().with_remote_span_context(span).attach();
    let _ = ATTACHED.try_with(|attached| attached.borrow_mut().push((handle, guard)));
}

/// Takes back the last [`entered`] of the handle.
pub(crate) fn exited(handle: Handle) {
    let guard = ATTACHED.try_with(|attached| {
        let mut attached = attached.borrow_mut();
        attached.iter().rposition(|(h, _)| *h == handle).map(|at| attached.remove(at))
    });
    // Outside the borrow: the API may drop what it held.
    drop(guard);
}

fn to_api(span: &crate::SpanContext) -> SpanContext {
    let state = span.state.as_deref().and_then(|s| TraceState::from_str(s).ok()).unwrap_or_default();
    SpanContext::new(
        TraceId::from_bytes(span.trace_id.0),
        SpanId::from_bytes(span.span_id.0),
        TraceFlags::new(span.flags & (crate::SAMPLED | crate::RANDOM)),
        span.remote,
        state,
    )
}

fn from_api(span: &SpanContext) -> crate::SpanContext {
    let state = span.trace_state().header();
    crate::SpanContext {
        trace_id: crate::TraceId(span.trace_id().to_bytes()),
        span_id: crate::SpanId(span.span_id().to_bytes()),
        flags: span.trace_flags().to_u8() & (crate::SAMPLED | crate::RANDOM),
        remote: span.is_remote(),
        state: (!state.is_empty()).then(|| state.into()),
    }
}

fn ns(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos().try_into().unwrap_or(u64::MAX))
}

/// Gives the value as the kit knows it to `f`.
fn given<R>(value: &Value, f: impl FnOnce(crate::Value<'_>) -> R) -> R {
    match value {
        Value::Bool(v) => f((*v).into()),
        Value::I64(v) => f((*v).into()),
        Value::F64(v) => f((*v).into()),
        Value::String(v) => f(v.as_str().into()),
        Value::Array(Array::Bool(v)) => f(v.as_slice().into()),
        Value::Array(Array::I64(v)) => f(v.as_slice().into()),
        Value::Array(Array::F64(v)) => f(v.as_slice().into()),
        Value::Array(Array::String(v)) => f(crate::Value::Strs(&v.iter().map(|s| s.as_str()).collect::<Vec<_>>())),
        // Types that the API may get later are kept as their text.
        other => f(crate::Value::Str(&other.to_string())),
    }
}

impl trace::TracerProvider for Provider {
    type Tracer = Tracer;

    fn tracer_with_scope(&self, _: InstrumentationScope) -> Tracer {
        Tracer(())
    }
}

impl trace::Tracer for Tracer {
    type Span = Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
        let kind = match builder.span_kind {
            Some(SpanKind::Server) => Kind::Server,
            Some(SpanKind::Client) => Kind::Client,
            Some(SpanKind::Producer) => Kind::Producer,
            Some(SpanKind::Consumer) => Kind::Consumer,
            _ => Kind::Internal,
        };
        let above = from_api(parent.span().span_context());
        let context = crate::Context { span: above, baggage: span::current().baggage };
        let parent = match span::current_ids() {
            _ if !context.span.is_valid() => Parent::Root,
            Some((trace, id, _)) if (trace, id) == (context.span.trace_id, context.span.span_id) => Parent::Current,
            _ => Parent::Of(&context),
        };
        let span = span::start(Component::App, Level::Standard, kind, &builder.name, parent);
        if let Some(start) = builder.start_time {
            span.started_at(ns(start));
        }
        let mut span = Span { context: to_api(&span.span_context()), span };
        trace::Span::set_attributes(&mut span, builder.attributes.into_iter().flatten());
        for link in builder.links.into_iter().flatten() {
            trace::Span::add_link(&mut span, link.span_context, link.attributes);
        }
        for event in builder.events.into_iter().flatten() {
            trace::Span::add_event_with_timestamp(&mut span, event.name, event.timestamp, event.attributes);
        }
        span
    }
}

/// Gives attributes as the kit knows them to `f`. Arrays of events and links are kept as their text.
fn with_attributes(attributes: &[KeyValue], f: impl FnOnce(&[(&str, crate::Value<'_>)])) {
    let texts: Vec<Option<String>> = attributes
        .iter()
        .map(|kv| match &kv.value {
            Value::Bool(_) | Value::I64(_) | Value::F64(_) | Value::String(_) => None,
            other => Some(other.to_string()),
        })
        .collect();
    let pairs: Vec<(&str, crate::Value<'_>)> = attributes
        .iter()
        .zip(&texts)
        .map(|(kv, text)| {
            let value = match (&kv.value, text) {
                (Value::Bool(v), _) => crate::Value::Bool(*v),
                (Value::I64(v), _) => crate::Value::Int(*v),
                (Value::F64(v), _) => crate::Value::Float(*v),
                (Value::String(v), _) => crate::Value::Str(v.as_str()),
                (_, text) => crate::Value::Str(text.as_deref().unwrap_or_default()),
            };
            (kv.key.as_str(), value)
        })
        .collect();
    f(&pairs);
}

impl trace::Span for Span {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        with_attributes(&attributes, |pairs| self.span.event_at(ns(timestamp), &name.into(), pairs));
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.span.recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        given(&attribute.value, |value| self.span.set(attribute.key.as_str(), value));
    }

    fn set_status(&mut self, status: Status) {
        match status {
            Status::Unset => {}
            Status::Ok => self.span.ok(),
            Status::Error { description } => self.span.fail_text(&description),
        }
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.span.set_name(&name.into());
    }

    fn add_link(&mut self, to: SpanContext, attributes: Vec<KeyValue>) {
        with_attributes(&attributes, |pairs| self.span.link(&from_api(&to), pairs));
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.span.finish_at(ns(timestamp));
    }
}

/// Becomes the API's global provider.
pub(crate) fn install() {
    opentelemetry::global::set_tracer_provider(provider());
}
