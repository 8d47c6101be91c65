//! What the kit makes of `tracing`: the steps that its subscriber and its layer share.

use tracing_core::{Event, Metadata, span};

use crate::engine::ENGINE;
use crate::span::begin::{self, Site, Spec};
use crate::span::handle::Handle;
use crate::span::record::Status;
use crate::span::{Facts, Parent, stack, store};
use crate::visit::{Ahead, ErrorText, Fields};
use crate::{Component, Level, log, switch};

/// The span under which a new one starts.
#[derive(Clone, Copy)]
pub enum Under {
    /// Under what is current.
    Current,
    /// Under this one.
    Span(Handle),
    /// Under none.
    Nothing,
}

/// Debug and trace spans tell the phases of calls, so they need more.
#[inline]
pub fn need(metadata: &Metadata<'_>) -> Level {
    if *metadata.level() <= tracing_core::Level::INFO { Level::Standard } else { Level::Detailed }
}

/// A span of this callsite below `parent` has something of its own to record or to decide.
#[inline]
pub fn records(metadata: &Metadata<'_>, parent: Handle) -> bool {
    parent.carried() || (parent.sampled() && switch::on(Component::App, need(metadata)))
}

/// Starts the span of a macro. None: there is nothing above it and nothing to record.
#[inline]
pub fn start(attributes: &span::Attributes<'_>, under: Under) -> Option<Handle> {
    match under {
        Under::Current => {
            let current = stack::current();
            match below(attributes, current, false) {
                None if current.is_some() && stack::purge() => start(attributes, under),
                handle => handle,
            }
        }
        Under::Span(handle) => below(attributes, Some(handle), false),
        Under::Nothing => below(attributes, None, true),
    }
}

#[inline]
fn below(attributes: &span::Attributes<'_>, parent: Option<Handle>, asked: bool) -> Option<Handle> {
    let metadata = attributes.metadata();
    if let Some(parent) = parent {
        // What is not recorded stands for its parent, so that context survives a spawn.
        if !records(metadata, parent) {
            return begin::share(parent);
        }
    }
    if !switch::on(Component::App, need(metadata)) {
        return parent.and_then(begin::share);
    }
    let ahead = Ahead::of(metadata, attributes);
    let spec = Spec {
        kind: ahead.kind,
        name: ahead.name.as_deref().unwrap_or(metadata.name()),
        facts: Facts::default(),
        keep: false,
        asked,
        site: Site::Macro(metadata),
    };
    let handle = match parent {
        Some(parent) => begin::below(&spec, parent),
        None => begin::begin(&spec, Parent::Root),
    }?;
    if !metadata.fields().is_empty() {
        write(handle, |fields| attributes.record(fields));
    }
    Some(handle)
}

/// Gives the fields of a span to `f`, if they may be written.
#[inline]
pub fn write(handle: Handle, f: impl FnOnce(&mut Fields<'_>)) {
    if handle.alias() || handle.carried() {
        return;
    }
    ENGINE.with(|engine| {
        let Some(engine) = engine else { return };
        f(&mut Fields { handle, engine, summary_only: !handle.sampled() });
    });
}

/// `follows_from` is a link.
pub fn follows(handle: Handle, cause: Handle) {
    if handle.alias() || handle.carried() || !handle.sampled() {
        return;
    }
    let Some(to) = store::with(cause, |record| record.context.span.clone()) else { return };
    write(handle, |fields| {
        let engine = fields.engine;
        fields.record(|record| record.link(&engine.limits, engine, &to, &[]));
    });
}

/// An event with the single field `error` is what `#[instrument(err)]` makes of a failed function.
#[inline]
pub fn fail_by_event(event: &Event<'_>, handle: Option<Handle>) {
    let fields = event.metadata().fields();
    let Some(handle) = handle.filter(|h| !h.alias() && !h.carried()) else { return };
    if fields.len() != 1 || fields.iter().next().is_none_or(|f| f.name() != "error") {
        return;
    }
    let mut error = ErrorText::default();
    event.record(&mut error);
    if let Some(text) = error.0 {
        write(handle, |fields| {
            let limits = &fields.engine.limits;
            fields.record(|record| record.set_status(limits, Status::Error, &text));
        });
    }
}

/// Hands an event to the logs, with the ids of the span around it.
pub fn log(event: &Event<'_>, handle: Option<Handle>) {
    let span = handle.and_then(|h| store::with(h, |record| record.context.span.clone())).unwrap_or_default();
    log::on_event(event, &span);
}
