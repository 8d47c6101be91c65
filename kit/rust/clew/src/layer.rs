//! The kit beside other layers: its data is attached to the spans of a `tracing_subscriber` registry.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Makes a `tracing` span for a span of the kit's own functions. It is none when a filter of the host hides it; the kit's span lives on without.
pub fn show(handle: Handle, name: &str) -> tracing::Span {
    SHOWN.set(Some(handle));
    let span = tracing::info_span!(target: "clew::span", "clew", otel.name = name);
    SHOWN.set(None);
    span
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

fn attached<S>(id: &Id, context: &Context<'_, S>) -> Option<Handle>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    context.span(id)?.extensions().get::<Attached>()?.0
}

impl<S> tracing_subscriber::Layer<S> for ClewLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let shown = (attributes.metadata().target() == "clew::span").then(|| SHOWN.take()).flatten();
        let handle = match shown {
            Some(handle) => Some(handle).filter(|h| store::acquire(*h)),
            None => {
                let under = match attributes.parent() {
                    _ if attributes.is_root() => Under::Nothing,
                    Some(parent) => attached(parent, &context).map_or(Under::Nothing, Under::Span),
                    None => Under::Current,
                };
                bridge::start(attributes, under)
            }
        };
        span.extensions_mut().insert(Attached(handle));
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
        let Some(span) = context.span(&id) else { return };
        let attached = span.extensions_mut().remove::<Attached>();
        if let Some(handle) = attached.and_then(|a| a.0) {
            end::release(handle);
        }
    }
}
