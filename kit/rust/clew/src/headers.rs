//! Context in and out of carriers, by the names of the headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::propagation::{
    append_baggage, append_traceparent, parse_b3, parse_b3_multi, parse_baggage, parse_traceparent, parse_tracestate,
};
use crate::selfmetrics::counters;
use crate::switch::POLICY;
use crate::{Carrier, Context, Member, RANDOM, SAMPLED, SpanContext};

/// In [`SpanContext::flags`] of a context that was read: the peer left the decision to us, as B3 allows. Never written.
pub(crate) const DEFERRED: u8 = 0x80;

/// Values of one header that are looked at; a peer who sends more sends nonsense.
const MOST_VALUES: usize = 64;

/// What is read and written; see [`set`].
static MODES: AtomicU8 = AtomicU8::new(CONTEXT | BAGGAGE | LEVEL_2);
const CONTEXT: u8 = 1;
const BAGGAGE: u8 = 2;
const LEVEL_2: u8 = 4;

/// Says which headers are read and written, and whether the flag `random` is.
pub(crate) fn set(context: bool, baggage: bool, random: bool) {
    let bits = [(context, CONTEXT), (baggage, BAGGAGE), (random, LEVEL_2)];
    MODES.store(bits.into_iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum(), Ordering::Relaxed);
}

fn reads(bit: u8) -> bool {
    MODES.load(Ordering::Relaxed) & bit != 0
}

/// The first value of a header; empty for none.
fn first<R>(carrier: &(impl Carrier + ?Sized), key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
    let mut f = Some(f);
    let mut result = None;
    carrier.get(key, &mut |value| {
        if let Some(f) = f.take() {
            result = Some(f(value));
        }
    });
    result
}

fn text(carrier: &(impl Carrier + ?Sized), key: &str) -> String {
    first(carrier, key, |v| v.chars().take(256).collect()).unwrap_or_default()
}

/// All values of a header, in order.
fn all(carrier: &(impl Carrier + ?Sized), key: &str) -> Vec<String> {
    let mut values = Vec::new();
    carrier.get(key, &mut |value| {
        if values.len() < MOST_VALUES {
            values.push(value.to_owned());
        }
    });
    values
}

/// What `parse` makes of all values of a header; `None` when there is none. One value, the usual, is parsed where it stands.
fn lines<R>(carrier: &(impl Carrier + ?Sized), key: &str, parse: impl Fn(&[&str]) -> R) -> Option<R> {
    let (mut count, mut of_one) = (0_u32, None);
    carrier.get(key, &mut |value| {
        count = count.saturating_add(1);
        if count == 1 {
            of_one = Some(parse(&[value]));
        }
    });
    if count < 2 {
        return of_one;
    }
    let values = all(carrier, key);
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Some(parse(&values))
}

fn read_span(carrier: &(impl Carrier + ?Sized)) -> Option<SpanContext> {
    if let Some(parent) = first(carrier, "traceparent", parse_traceparent).flatten() {
        let state = lines(carrier, "tracestate", |values| {
            let state = parse_tracestate(values);
            (!state.is_empty()).then(|| Arc::from(&*state))
        });
        return Some(SpanContext {
            trace_id: parent.trace_id,
            span_id: parent.span_id,
            flags: parent.flags & (SAMPLED | RANDOM),
            remote: true,
            state: state.flatten(),
        });
    }
    let b3 = first(carrier, "b3", parse_b3).flatten().or_else(|| {
        let trace = first(carrier, "x-b3-traceid", str::to_owned)?;
        parse_b3_multi(&trace, &text(carrier, "x-b3-spanid"), &text(carrier, "x-b3-sampled"), &text(carrier, "x-b3-flags"))
    })?;
    let flags = if b3.sampled { SAMPLED } else { 0 } | if b3.deferred { DEFERRED } else { 0 };
    Some(SpanContext { trace_id: b3.trace_id, span_id: b3.span_id, flags, remote: true, state: None })
}

/// The remote parent and the baggage that a carrier holds. What is malformed is as if it were not there.
///
/// ```
/// let headers = vec![("traceparent".to_owned(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned())];
/// # #[cfg(feature = "kit")]
/// assert!(clew::extract(&headers).span.is_sampled());
/// ```
pub fn extract(carrier: &(impl Carrier + ?Sized)) -> Context {
    let mut context = Context::default();
    if reads(CONTEXT) {
        context.span = read_span(carrier).unwrap_or_default();
    }
    if reads(BAGGAGE) {
        if let Some((members, dropped)) = lines(carrier, "baggage", parse_baggage) {
            count_dropped(dropped);
            context.baggage = (!members.is_empty()).then(|| members.into());
        }
    }
    context
}

/// Writes a context into a carrier: `traceparent` and `tracestate` always, baggage when the policy lets it go to `host`, which is the name of a
/// host with or without its port, or a subject. An empty `host` gets baggage only when `propagate_to` says `*`.
pub fn inject(context: &Context, host: &str, carrier: &mut (impl Carrier + ?Sized)) {
    let span = &context.span;
    if reads(CONTEXT) && span.is_valid() {
        let mut parent = String::with_capacity(55);
        let known = SAMPLED | if reads(LEVEL_2) { RANDOM } else { 0 };
        append_traceparent(&mut parent, span.trace_id, span.span_id, span.flags & known);
        carrier.set("traceparent", &parent);
        match &span.state {
            Some(state) => carrier.set("tracestate", state),
            // Headers that a proxy hands on may still have that of another trace.
            None if first(carrier, "tracestate", |text| !text.is_empty()).unwrap_or(false) => carrier.set("tracestate", ""),
            None => {}
        }
    }
    if reads(BAGGAGE) {
        inject_baggage(context.baggage.as_deref().unwrap_or_default(), host, carrier);
    }
}

fn inject_baggage(members: &[Member], host: &str, carrier: &mut (impl Carrier + ?Sized)) {
    let written = POLICY.with(|policy| {
        let (policy, mut value, mut dropped) = (policy?, String::new(), 0);
        if !members.is_empty() && policy.propagate_to(host) {
            dropped = append_baggage(&mut value, members, &|key| policy.baggage_key(key));
        }
        Some((value, dropped))
    });
    let Some((value, dropped)) = written else { return }; // no kit runs
    count_dropped(dropped);
    // Headers that a proxy hands on may still have its caller's.
    if !value.is_empty() || first(carrier, "baggage", |text| !text.is_empty()).unwrap_or(false) {
        carrier.set("baggage", &value);
    }
}

fn count_dropped(members: u64) {
    if members > 0 {
        counters().baggage_dropped.fetch_add(members as i64, Ordering::Relaxed);
    }
}
