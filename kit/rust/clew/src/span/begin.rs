//! How a span comes to be: which trace it belongs to, whether it is kept, and what its place in the store holds.

use std::panic::Location;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_core::Metadata;

use super::decide;
use super::handle::Handle;
use super::record::Record;
use super::{Facts, Parent, stack, store};
use crate::engine::{ENGINE, Engine};
use crate::sampling::Decision;
use crate::{Context, Kind, Member, SpanContext, SpanId, TraceId, ids, panics, watch};

/// What is known of a span before it starts.
pub struct Spec<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub facts: Facts<'a>,
    /// The span is kept whatever the sampler says.
    pub keep: bool,
    /// Whoever starts it names its parent, or says that there is none: as a root it has not lost its context.
    pub asked: bool,
    pub site: Site,
}

/// Where in the code a span was started.
#[derive(Clone, Copy)]
pub enum Site {
    /// A `tracing` macro.
    Macro(&'static Metadata<'static>),
    /// A call of the kit's own functions.
    Call(&'static Location<'static>),
}

impl Site {
    fn file_and_line(self) -> Option<(&'static str, u32)> {
        match self {
            Site::Macro(metadata) => metadata.file().zip(metadata.line()),
            Site::Call(location) => Some((location.file(), location.line())),
        }
    }

    fn metadata(self) -> Option<&'static Metadata<'static>> {
        match self {
            Site::Macro(metadata) => Some(metadata),
            Site::Call(_) => None,
        }
    }
}

/// Nanoseconds since 1970.
#[inline]
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(since.subsec_nanos().into())
}

/// The handle for what happens below an unrecorded span: the same place, with one use more.
#[inline]
pub fn share(handle: Handle) -> Option<Handle> {
    store::acquire(handle).then(|| handle.as_alias())
}

/// Makes a place for a context that is no span of ours.
pub fn carry(context: Context) -> Option<Handle> {
    let sampled = context.span.is_sampled();
    store::insert(sampled, true, |record| record.context = context)
}

/// What stands for a span that is not recorded at all: its context passes through.
pub fn pass(parent: Parent<'_>) -> Option<Handle> {
    match parent {
        Parent::Current => None,
        Parent::Of(context) => carry(context.clone()),
        Parent::Caused(context) => carry(Context { span: SpanContext::default(), baggage: context.baggage.clone() }),
        // Below it nothing of the outer context is to be seen.
        Parent::Root | Parent::Linked(_) | Parent::Public(_) => stack::current().and_then(|_| carry(Context::default())),
    }
}

/// Starts a span under `parent`.
#[inline]
pub fn begin(spec: &Spec<'_>, parent: Parent<'_>) -> Option<Handle> {
    panics::forget();
    let current = match parent {
        Parent::Current => stack::current(),
        _ => None,
    };
    let handle = match current {
        Some(current) if spec.keep && !current.sampled() => keep(spec, current),
        Some(current) if !current.sampled() && !current.carried() => share(current),
        Some(current) => below(spec, current),
        None => ENGINE.with(|engine| match engine {
            Some(engine) => beginning(spec, engine, parent),
            None => pass(parent),
        }),
    };
    if handle.is_none() && current.is_some() && stack::purge() {
        return begin(spec, parent);
    }
    handle
}

/// Starts a span that is kept under one that is not.
#[cold]
fn keep(spec: &Spec<'_>, parent: Handle) -> Option<Handle> {
    let context = store::with(parent, |record| record.context.clone())?;
    ENGINE.with(|engine| match engine {
        Some(engine) if context.span.is_valid() => child_of(spec, engine, &context),
        Some(engine) => root(spec, engine, context),
        None => share(parent),
    })
}

/// Starts a span under one that lives here.
#[inline]
pub fn below(spec: &Spec<'_>, parent: Handle) -> Option<Handle> {
    if parent.carried() {
        let context = store::with(parent, |record| record.context.clone());
        return ENGINE.with(|engine| match (engine, context) {
            // A context without a span is a border: what starts here is a root.
            (Some(engine), Some(context)) if !context.span.is_valid() => root(spec, engine, context),
            (Some(_), Some(context)) if !context.span.remote && !context.span.is_sampled() => share(parent),
            (Some(engine), Some(context)) => beginning(spec, engine, Parent::Of(&context)),
            _ => share(parent),
        });
    }
    if !parent.sampled() {
        return share(parent);
    }
    ENGINE.with(|engine| {
        let Some(engine) = engine else { return share(parent) };
        let start_ns = now_ns();
        let span_id = ids::span(start_ns);
        let (mut context, parent_id) = store::with(parent, |record| {
            let context = record.context.clone();
            let parent_id = context.span.span_id;
            (context, parent_id)
        })?;
        context.span.span_id = span_id;
        recorded(
            spec,
            engine,
            start_ns,
            context,
            |record| {
                record.parent_id = parent_id;
                record.parent = Some(parent);
            },
            &[],
        )
    })
}

/// Starts a span whose parent has no place here.
fn beginning(spec: &Spec<'_>, engine: &Engine, parent: Parent<'_>) -> Option<Handle> {
    match parent {
        Parent::Current | Parent::Root => root(spec, engine, Context::default()),
        Parent::Of(context) if !context.span.is_valid() => {
            root(spec, engine, Context { span: SpanContext::default(), baggage: context.baggage.clone() })
        }
        Parent::Of(context) if !context.span.remote && !context.span.is_sampled() => carry(context.clone()).map(Handle::as_alias),
        Parent::Of(context) => child_of(spec, engine, context),
        Parent::Linked(links) => linked(spec, engine, links, None),
        Parent::Caused(context) => linked(spec, engine, std::slice::from_ref(&context.span), context.baggage.clone()),
        Parent::Public(context) => public(spec, engine, &context.span),
    }
}

/// A trace that begins here.
fn root(spec: &Spec<'_>, engine: &Engine, mut context: Context) -> Option<Handle> {
    let start_ns = now_ns();
    let trace_id = ids::trace(start_ns);
    let decision = decide::root(spec, trace_id, start_ns);
    context.span = new_ids(engine, start_ns, trace_id, decision);
    settle(spec, engine, start_ns, context, |_| (), &[])
}

/// A trace that begins here because of others, with the randomness of the first.
fn linked(spec: &Spec<'_>, engine: &Engine, links: &[SpanContext], baggage: Option<Arc<[Member]>>) -> Option<Handle> {
    let Some(first) = links.iter().find(|link| link.is_valid()) else {
        return root(spec, engine, Context { span: SpanContext::default(), baggage });
    };
    let start_ns = now_ns();
    let trace_id = ids::trace(start_ns);
    let decision = decide::linked(spec, first, start_ns);
    let context = Context { span: new_ids(engine, start_ns, trace_id, decision), baggage };
    settle(spec, engine, start_ns, context, |_| (), links)
}

/// A trace that begins here although a caller, who is not trusted, named another.
fn public(spec: &Spec<'_>, engine: &Engine, caller: &SpanContext) -> Option<Handle> {
    let start_ns = now_ns();
    let trace_id = ids::trace(start_ns);
    let decision = decide::root(spec, trace_id, start_ns);
    let context = Context { span: new_ids(engine, start_ns, trace_id, decision), baggage: None };
    let link = SpanContext { flags: 0, state: None, ..caller.clone() };
    settle(spec, engine, start_ns, context, |_| (), if link.is_valid() { std::slice::from_ref(&link) } else { &[] })
}

/// The child of a span in another process, or of one that is known only by its context.
fn child_of(spec: &Spec<'_>, engine: &Engine, parent: &Context) -> Option<Handle> {
    let start_ns = now_ns();
    let remote = parent.span.remote;
    let decision = if spec.keep {
        decide::forced(&parent.span)
    } else if remote {
        decide::remote(spec, &parent.span, start_ns)
    } else {
        decide::local(&parent.span)
    };
    let mut context = Context { span: parent.span.clone(), baggage: parent.baggage.clone() };
    context.span.span_id = ids::span(start_ns);
    context.span.remote = false;
    context.span.flags = flags(engine, &decision);
    context.span.state = decision.state;
    let parent_id = parent.span.span_id;
    settle(
        spec,
        engine,
        start_ns,
        context,
        |record| {
            record.parent_id = parent_id;
            record.parent_remote = remote;
        },
        &[],
    )
}

fn new_ids(engine: &Engine, start_ns: u64, trace_id: TraceId, decision: Decision) -> SpanContext {
    let flags = flags(engine, &decision);
    SpanContext { trace_id, span_id: ids::span(start_ns), flags, remote: false, state: decision.state }
}

fn flags(engine: &Engine, decision: &Decision) -> u8 {
    decision.flags(if engine.random_flag { 2 } else { 1 })
}

/// Keeps the first span of this process in a trace, recorded or not.
fn settle(
    spec: &Spec<'_>,
    engine: &Engine,
    start_ns: u64,
    context: Context,
    more: impl FnOnce(&mut Record),
    links: &[SpanContext],
) -> Option<Handle> {
    if context.span.is_sampled() {
        return recorded(spec, engine, start_ns, context, more, links);
    }
    engine.count_unsampled();
    store::insert(false, false, |record| {
        fill(spec, engine, record, start_ns, context);
        record.summary = engine.summaries();
        more(record);
    })
}

fn fill(spec: &Spec<'_>, engine: &Engine, record: &mut Record, start_ns: u64, context: Context) {
    record.context = context;
    record.start_ns = start_ns;
    record.set_name(&engine.limits, spec.name);
    record.kind = spec.kind;
    record.metadata = spec.site.metadata();
}

/// Keeps a span that is recorded.
#[inline]
fn recorded(
    spec: &Spec<'_>,
    engine: &Engine,
    start_ns: u64,
    context: Context,
    more: impl FnOnce(&mut Record),
    links: &[SpanContext],
) -> Option<Handle> {
    let (trace, id) = (context.span.trace_id, context.span.span_id);
    let (mut parent, mut remote) = (SpanId::default(), false);
    let serving = watch::on() && matches!(spec.kind, Kind::Server | Kind::Consumer);
    let handle = store::insert(true, false, |record| {
        fill(spec, engine, record, start_ns, context);
        record.serving = serving;
        more(record);
        for link in links.iter().filter(|link| link.is_valid()) {
            record.link(&engine.limits, engine, link, &[]);
        }
        (parent, remote) = (record.parent_id, record.parent_remote);
    });
    if handle.is_none() {
        engine.count_too_many();
        return None;
    }
    engine.count_sampled();
    if serving {
        watch::serve();
    }
    if watch::on() {
        let links: Vec<[u8; 16]> = links.iter().filter(|l| l.is_valid()).map(|l| l.trace_id.0).collect();
        watch::started(&watch::Started {
            trace: trace.0,
            id: id.0,
            parent: parent.is_valid().then_some(parent.0),
            // The parent of a span that had to be kept may be one that is not known, because it is not recorded.
            remote: remote || spec.keep,
            kind: spec.kind as u8,
            asked: spec.asked,
            name: spec.name,
            start: start_ns,
            links: &links,
            site: spec.site.file_and_line(),
        });
    }
    handle
}
