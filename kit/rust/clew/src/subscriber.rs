//! The kit as the only subscriber of the process. An id of `tracing` is a handle of the store, so nothing is looked up twice, and what is not
//! recorded costs a count: a new span under an unsampled one is that span again.

use std::num::NonZeroU64;

use tracing_core::callsite::Callsite;
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::subscriber::{Interest, Subscriber};
use tracing_core::{Event, Kind, LevelFilter, Metadata};

use crate::bridge::{self, Under};
use crate::span::handle::{Handle, NOTHING};
use crate::span::{end, stack, store};
use crate::switch;

/// The kit's subscriber; see [`crate::start`].
pub struct ClewSubscriber(());

impl ClewSubscriber {
    pub(crate) fn new() -> ClewSubscriber {
        ClewSubscriber(())
    }
}

/// Stands for spans of the kit's own functions where `tracing` asks for the metadata of what is current.
struct OwnSpans;

static OWN_SPANS: OwnSpans = OwnSpans;
static METADATA: Metadata<'static> = tracing_core::metadata! {
    name: "clew",
    target: "clew",
    level: tracing_core::Level::INFO,
    fields: &[],
    callsite: &OWN_SPANS,
    kind: Kind::SPAN,
};

impl Callsite for OwnSpans {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

/// Never zero.
const NOTHING_ID: NonZeroU64 = match NonZeroU64::new(NOTHING) {
    Some(id) => id,
    None => NonZeroU64::MIN,
};

#[inline]
fn handle(id: &Id) -> Option<Handle> {
    Handle::from_bits(id.into_u64())
}

#[inline]
fn id(handle: Option<Handle>) -> Id {
    Id::from_non_zero_u64(handle.map_or(NOTHING_ID, Handle::bits))
}

impl Subscriber for ClewSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    /// Never says no because of sampling: a span that does not exist cannot carry its context to another task.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() { switch::spans(metadata) } else { switch::logs(metadata) }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(switch::max_level())
    }

    #[inline]
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let under = match attributes.parent() {
            _ if attributes.is_root() => Under::Nothing,
            Some(parent) => handle(parent).map_or(Under::Nothing, Under::Span),
            None => Under::Current,
        };
        id(bridge::start(attributes, under))
    }

    #[inline]
    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Some(handle) = handle(span) {
            bridge::write(handle, |fields| values.record(fields));
        }
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        if let (Some(span), Some(cause)) = (handle(span), handle(follows)) {
            bridge::follows(span, cause);
        }
    }

    #[inline]
    fn event(&self, event: &Event<'_>) {
        let current = match event.parent() {
            _ if event.is_root() => None,
            Some(parent) => handle(parent),
            None => stack::current(),
        };
        bridge::fail_by_event(event, current);
        bridge::log(event, current);
    }

    #[inline]
    fn enter(&self, span: &Id) {
        if let Some(handle) = handle(span) {
            stack::enter(handle);
        }
    }

    #[inline]
    fn exit(&self, span: &Id) {
        if let Some(handle) = handle(span) {
            stack::exit(handle);
        }
    }

    #[inline]
    fn clone_span(&self, span: &Id) -> Id {
        id(handle(span).filter(|h| store::acquire(*h)))
    }

    #[inline]
    fn try_close(&self, span: Id) -> bool {
        handle(&span).is_some_and(end::release)
    }

    fn current_span(&self) -> Current {
        match stack::current() {
            Some(handle) => {
                let metadata = store::with(handle, |record| record.metadata).flatten();
                Current::new(id(Some(handle)), metadata.unwrap_or(&METADATA))
            }
            None => Current::none(),
        }
    }
}
