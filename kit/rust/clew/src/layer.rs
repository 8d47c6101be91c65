//! The kit beside other layers: its data is attached to the spans of a `tracing_subscriber` registry.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::bridge::{self, Under};
use crate::span::handle::Handle;
use crate::span::{end, stack, store};
use crate::switch;

/// The kit as one layer among others; see [`crate::layer`].
pub struct ClewLayer(());

static BESIDE_OTHERS: AtomicBool = AtomicBool::new(false);

thread_local!(static SHOWN: Cell<Option<Handle>> = const { Cell::new(None) });

/// A layer of the kit exists, so its own spans are shown to the layers beside it.
#[inline]
pub fn beside_others() -> bool {
    BESIDE_OTHERS.load(Ordering::Relaxed)
}

/// Makes a `tracing` span for a span of the kit's own functions. None when a filter of the host hides it; the kit's span lives on without.
pub fn show(handle: Handle, name: &str) -> Option<Box<tracing::Span>> {
    SHOWN.set(Some(handle));
    let span = tracing::info_span!(target: "clew::span", "clew", otel.name = name);
    // Still there when the layer did not see the span.
    let seen = SHOWN.take().is_none();
    seen.then(|| Box::new(span))
}

/// The data of the layer in the registry's span.
struct Attached(Option<Handle>);

/// The kit as one layer among others, for programs that keep a `tracing` subscriber of their own. Start the kit with
/// [`crate::Config::without_subscriber`], and [`crate::Config::without_lines`] if another layer writes log lines.
///
/// Spans that a filter in front of this layer hides do not exist for it: what runs in them belongs to the span around.
///
/// ```no_run
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry().with(clew::layer()).init();
/// let _kit = clew::start(clew::service!().without_subscriber());
/// ```
pub fn layer() -> ClewLayer {
    BESIDE_OTHERS.store(true, Ordering::Relaxed);
    ClewLayer(())
}

/// What this thread was last asked for; finding it in the registry takes a lock and two look-ups, which every enter and exit would pay.
const REMEMBERED: usize = 64;

thread_local!(static LAST: [Cell<Memory>; REMEMBERED] = const { [const { Cell::new(Memory { key: 0, births: 0, found: Found::NOTHING }) }; REMEMBERED] });

/// Counts new spans by a hash of their id. The registry gives an id out again, after 8,192 spans in the same place: what a thread remembers of an
/// id holds until one is born that may be the same.
static BIRTHS: [AtomicU32; 1 << BIRTH_BITS] = [const { AtomicU32::new(0) }; 1 << BIRTH_BITS];
const BIRTH_BITS: u32 = 10;

#[inline]
fn births(key: u64) -> &'static AtomicU32 {
    &BIRTHS[(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BIRTH_BITS)) as usize]
}

/// What a thread knows of an id.
#[derive(Clone, Copy)]
struct Memory {
    key: u64,
    births: u32,
    found: Found,
}

/// What belongs to a span of the registry.
#[derive(Clone, Copy)]
struct Found {
    handle: Option<Handle>,
    /// It is that of an ancestor, which the registry keeps as long as the span.
    inherited: bool,
}

impl Found {
    const NOTHING: Found = Found { handle: None, inherited: true };
}

fn remember(id: &Id, found: Found) {
    let key = id.into_u64();
    let births = births(key).load(Ordering::Relaxed);
    let _ = LAST.try_with(|last| last[key as usize % REMEMBERED].set(Memory { key, births, found }));
}

#[inline]
fn find<S>(id: &Id, context: &Context<'_, S>) -> Found
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let key = id.into_u64();
    match LAST.try_with(|last| last[key as usize % REMEMBERED].get()) {
        Ok(known) if known.key == key && known.births == births(key).load(Ordering::Relaxed) => known.found,
        _ => {
            let found = look_up(id, context);
            remember(id, found);
            found
        }
    }
}

#[cold]
fn look_up<S>(id: &Id, context: &Context<'_, S>) -> Found
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(span) = context.span(id) else { return Found::NOTHING };
    if let Some(attached) = span.extensions().get::<Attached>() {
        return Found { handle: attached.0, inherited: false };
    }
    let above = span.scope().skip(1).find_map(|span| span.extensions().get::<Attached>().map(|a| a.0));
    Found { handle: above.flatten().map(Handle::as_alias), inherited: true }
}

#[inline]
fn attached<S>(id: &Id, context: &Context<'_, S>) -> Option<Handle>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    find(id, context).handle
}

impl<S> tracing_subscriber::Layer<S> for ClewLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        births(id.into_u64()).fetch_add(1, Ordering::Relaxed);
        let shown = (attributes.metadata().target() == "clew::span").then(|| SHOWN.take()).flatten();
        let handle = match shown {
            Some(handle) => Some(handle).filter(|h| store::acquire(*h)),
            None => {
                let (under, in_registry) = match attributes.parent() {
                    _ if attributes.is_root() => (None, None),
                    Some(parent) => {
                        let parent = attached(parent, &context);
                        (parent, parent)
                    }
                    None => {
                        let current = context.current_span();
                        (stack::current(), current.id().and_then(|id| attached(id, &context)))
                    }
                };
                // What is not recorded belongs to the span above. Where the registry keeps that one anyway, nothing is counted or attached.
                if let (Some(above), Some(kept)) = (under, in_registry) {
                    if above.same(kept) && !bridge::records(attributes.metadata(), above) {
                        return remember(id, Found { handle: Some(above.as_alias()), inherited: true });
                    }
                }
                let otherwise = if attributes.is_contextual() { Under::Current } else { Under::Nothing };
                bridge::start(attributes, under.map_or(otherwise, Under::Span))
            }
        };
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Attached(handle));
        }
        remember(id, Found { handle, inherited: false });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(handle) = attached(id, &context) {
            bridge::write(handle, |fields| values.record(fields));
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if let (Some(span), Some(cause)) = (attached(id, &context), attached(follows, &context)) {
            bridge::follows(span, cause);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let current = match event.parent() {
            _ if event.is_root() => None,
            Some(parent) => attached(parent, &context),
            None => stack::current(),
        };
        bridge::fail_by_event(event, current);
        if switch::logs(event.metadata()) {
            bridge::log(event, current);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(handle) = attached(id, &context) {
            stack::enter(handle);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(handle) = attached(id, &context) {
            stack::exit(handle);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Found { handle: Some(handle), inherited: false } = find(&id, &context) {
            end::release(handle);
        }
    }
}
