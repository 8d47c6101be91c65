//! A live span: its ids, and its attributes, events and links as the OTLP bytes that they will be sent as.

use tracing_core::Metadata;

use super::handle::Handle;
use super::limits::{Limits, Redact};
use crate::wire;
use crate::{Context, Kind, SpanContext, SpanId, Value};

/// The fields of `Span` in opentelemetry/proto/trace/v1/trace.proto.
mod field {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START: u32 = 7;
    pub const END: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const DROPPED_ATTRIBUTES: u32 = 10;
    pub const EVENTS: u32 = 11;
    pub const DROPPED_EVENTS: u32 = 12;
    pub const LINKS: u32 = 13;
    pub const DROPPED_LINKS: u32 = 14;
    pub const STATUS: u32 = 15;
    pub const FLAGS: u32 = 16;
    /// Of `ScopeSpans`.
    pub const SPANS: u32 = 2;
}

/// `SpanFlags`: whether the parent is remote is known, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Buffers larger than this are not kept for the next span of the place.
const KEPT_BYTES: usize = 4096;
const KEPT_INDEX: usize = 64;

/// The status of a span, by the numbers of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Status {
    /// Nothing was said.
    #[default]
    Unset = 0,
    /// Said to be fine; nothing changes it any more.
    Ok = 1,
    /// Failed.
    Error = 2,
}

/// What was left out because of a limit.
#[derive(Default)]
struct Dropped {
    attributes: u32,
    events: u32,
    links: u32,
}

/// A span while it lives.
#[derive(Default)]
pub struct Record {
    /// Its own ids and the baggage.
    pub context: Context,
    /// The parent's id; zeros for a root.
    pub parent_id: SpanId,
    /// The parent's place, when it lives here.
    pub parent: Option<Handle>,
    /// The parent is in another process.
    pub parent_remote: bool,
    /// Unix time in nanoseconds.
    pub start_ns: u64,
    pub name: String,
    pub kind: Kind,
    pub status: Status,
    pub message: String,
    /// The callsite of the `tracing` macro that made it.
    pub metadata: Option<&'static Metadata<'static>>,
    pub finished: bool,
    /// It counts as a request that is being served.
    pub serving: bool,
    /// An unsampled root of this process: sent as a summary when it fails.
    pub summary: bool,
    /// Attributes, events and links, each with its tag.
    fields: Vec<u8>,
    /// Hash of the key and offset in `fields` of each attribute.
    index: Vec<(u32, u32)>,
    events: u32,
    links: u32,
    dropped: Dropped,
}

/// Tells most keys apart without a look at their bytes.
#[inline]
fn hash(key: &str) -> u32 {
    key.bytes().fold(key.len() as u32, |h, b| (h.rotate_left(5) ^ u32::from(b)).wrapping_mul(0x9e37_79b9))
}

/// Reads a varint that this module wrote.
#[inline]
fn read_varint(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return (value, i + 1);
        }
    }
    (0, 0)
}

impl Record {
    /// Empties the record; buffers of usual size stay.
    pub fn reset(&mut self) {
        let old = std::mem::take(self);
        let (mut name, mut message, mut fields, mut index) = (old.name, old.message, old.fields, old.index);
        name.clear();
        message.clear();
        fields.clear();
        index.clear();
        if name.capacity() <= KEPT_BYTES {
            self.name = name;
        }
        if message.capacity() <= KEPT_BYTES {
            self.message = message;
        }
        if fields.capacity() <= KEPT_BYTES {
            self.fields = fields;
        }
        if index.capacity() <= KEPT_INDEX {
            self.index = index;
        }
    }

    /// An attribute of that key is set.
    pub fn has(&self, key: &str) -> bool {
        let hash = hash(key);
        self.index.iter().any(|(h, at)| *h == hash && self.key_at(*at) == key.as_bytes())
    }

    /// What was sent needs no memory while others still use the span's ids.
    pub fn forget_fields(&mut self) {
        self.fields.clear();
        self.index.clear();
    }

    /// Names the span.
    pub fn set_name(&mut self, limits: &Limits, name: &str) {
        self.name.clear();
        self.name.push_str(wire::cut(name, limits.name_bytes));
    }

    /// Sets an attribute. A key that was set before keeps its place and gets the new value.
    #[inline]
    pub fn set(&mut self, limits: &Limits, redact: &impl Redact, key: &str, value: Value<'_>) {
        let key = cut_key(limits, key);
        if let Some((value, most)) = redact.apply(key, value, limits.value_bytes) {
            self.put(limits, key, value, most);
        }
    }

    #[inline]
    fn put(&mut self, limits: &Limits, key: &str, value: Value<'_>, most: usize) {
        let hash = hash(key);
        if let Some(at) = self.index.iter().position(|(h, at)| *h == hash && self.key_at(*at) == key.as_bytes()) {
            return self.replace(limits, at, key, value, most);
        }
        if self.index.len() >= limits.attributes {
            return self.drop_attribute(limits);
        }
        if self.index.is_empty() {
            // Room for the usual span at once, instead of growing four times.
            self.index.reserve(8);
            self.fields.reserve(256);
        }
        if !limits.fits(&value) {
            limits.count_limited();
        }
        let at = self.fields.len();
        wire::key_value(&mut self.fields, field::ATTRIBUTES, key, value, most, limits.elements);
        if self.fields.len() > limits.span_bytes {
            self.fields.truncate(at);
            return self.drop_attribute(limits);
        }
        self.index.push((hash, at as u32));
    }

    #[cold]
    fn drop_attribute(&mut self, limits: &Limits) {
        self.dropped.attributes = self.dropped.attributes.saturating_add(1);
        limits.count_limited();
    }

    /// The bytes of the key of the attribute at `at`.
    fn key_at(&self, at: u32) -> &[u8] {
        let body = self.fields.get(at as usize + 1..).unwrap_or_default();
        let (_, skip) = read_varint(body);
        // The key's tag is one byte.
        let body = body.get(skip + 1..).unwrap_or_default();
        let (len, skip) = read_varint(body);
        body.get(skip..skip + len).unwrap_or_default()
    }

    #[cold]
    fn replace(&mut self, limits: &Limits, at: usize, key: &str, value: Value<'_>, most: usize) {
        if !limits.fits(&value) {
            limits.count_limited();
        }
        let offset = self.index[at].1;
        let start = offset as usize;
        let (len, skip) = read_varint(&self.fields[start + 1..]);
        let end = start + 1 + skip + len;
        let mut new = Vec::with_capacity(end - start);
        wire::key_value(&mut new, field::ATTRIBUTES, key, value, most, limits.elements);
        let (grown, old) = (new.len(), end - start);
        if self.fields.len() - old + grown > limits.span_bytes {
            return self.drop_attribute(limits);
        }
        self.fields.splice(start..end, new);
        for (_, later) in self.index.iter_mut().filter(|(_, o)| *o > offset) {
            *later = (*later as usize + grown - old) as u32;
        }
    }

    /// Adds an event.
    pub fn event(&mut self, limits: &Limits, redact: &impl Redact, time_ns: u64, name: &str, attributes: &[(&str, Value<'_>)]) {
        if self.events as usize >= limits.events {
            self.dropped.events = self.dropped.events.saturating_add(1);
            return;
        }
        let at = self.fields.len();
        wire::message(&mut self.fields, field::EVENTS, |out| {
            wire::fixed64(out, 1, time_ns);
            wire::bytes(out, 2, wire::cut(name, limits.name_bytes).as_bytes());
            let dropped = few(out, 3, limits, redact, attributes, limits.event_attributes);
            if dropped > 0 {
                wire::number(out, 4, dropped);
            }
        });
        if self.fields.len() > limits.span_bytes {
            self.fields.truncate(at);
            self.dropped.events = self.dropped.events.saturating_add(1);
            return;
        }
        self.events += 1;
    }

    /// Adds a link.
    pub fn link(&mut self, limits: &Limits, redact: &impl Redact, to: &SpanContext, attributes: &[(&str, Value<'_>)]) {
        if self.links as usize >= limits.links {
            self.dropped.links = self.dropped.links.saturating_add(1);
            return;
        }
        let at = self.fields.len();
        wire::message(&mut self.fields, field::LINKS, |out| {
            wire::bytes(out, 1, &to.trace_id.0);
            wire::bytes(out, 2, &to.span_id.0);
            if let Some(state) = &to.state {
                wire::bytes(out, 3, state.as_bytes());
            }
            let dropped = few(out, 4, limits, redact, attributes, limits.link_attributes);
            if dropped > 0 {
                wire::number(out, 5, dropped);
            }
            wire::fixed32(out, 6, u32::from(to.flags) | HAS_IS_REMOTE | if to.remote { IS_REMOTE } else { 0 });
        });
        if self.fields.len() > limits.span_bytes {
            self.fields.truncate(at);
            self.dropped.links = self.dropped.links.saturating_add(1);
            return;
        }
        self.links += 1;
    }

    /// Says how the span went. Ok is final, and nothing is set back to unset.
    pub fn set_status(&mut self, limits: &Limits, status: Status, message: &str) {
        if self.status == Status::Ok || status == Status::Unset {
            return;
        }
        self.status = status;
        self.message.clear();
        if status == Status::Error {
            self.message.push_str(wire::cut(message, limits.value_bytes));
        }
    }

    /// The text that an error status has or will have.
    pub fn describe(&mut self, limits: &Limits, message: &str) {
        if self.status != Status::Ok {
            self.message.clear();
            self.message.push_str(wire::cut(message, limits.value_bytes));
        }
    }

    /// The span as an element of `ScopeSpans`, with its tag and length.
    pub fn encode(&self, out: &mut Vec<u8>, end_ns: u64) {
        wire::message(out, field::SPANS, |out| {
            let span = &self.context.span;
            wire::bytes(out, field::TRACE_ID, &span.trace_id.0);
            wire::bytes(out, field::SPAN_ID, &span.span_id.0);
            // An unsampled root that is sent as a summary has no probability to tell.
            if let Some(state) = span.state.as_ref().filter(|_| !self.summary) {
                wire::bytes(out, field::TRACE_STATE, state.as_bytes());
            }
            if self.parent_id.is_valid() {
                wire::bytes(out, field::PARENT_SPAN_ID, &self.parent_id.0);
            }
            wire::bytes(out, field::NAME, self.name.as_bytes());
            wire::number(out, field::KIND, self.kind as u64);
            wire::fixed64(out, field::START, self.start_ns);
            wire::fixed64(out, field::END, end_ns.max(self.start_ns));
            out.extend_from_slice(&self.fields);
            for (number, count) in [
                (field::DROPPED_ATTRIBUTES, self.dropped.attributes),
                (field::DROPPED_EVENTS, self.dropped.events),
                (field::DROPPED_LINKS, self.dropped.links),
            ] {
                if count > 0 {
                    wire::number(out, number, count.into());
                }
            }
            if self.status != Status::Unset {
                wire::message(out, field::STATUS, |out| {
                    if !self.message.is_empty() {
                        wire::bytes(out, 2, self.message.as_bytes());
                    }
                    wire::number(out, 3, self.status as u64);
                });
            }
            let flags = if self.summary { 0 } else { span.flags };
            let remote = if self.parent_remote { IS_REMOTE } else { 0 };
            wire::fixed32(out, field::FLAGS, u32::from(flags) | HAS_IS_REMOTE | remote);
        });
    }
}

#[inline]
fn cut_key<'a>(limits: &Limits, key: &'a str) -> &'a str {
    if key.len() > limits.key_bytes {
        limits.count_limited();
    }
    wire::cut(key, limits.key_bytes)
}

/// The attributes of an event or a link: at most `most` different keys. Gives how many were left out.
fn few(out: &mut Vec<u8>, field: u32, limits: &Limits, redact: &impl Redact, attributes: &[(&str, Value<'_>)], most: usize) -> u64 {
    let (mut written, mut dropped) = (0, 0);
    for (at, (key, _)) in attributes.iter().enumerate() {
        // Looking for the key again is quadratic, so only as far as the attributes that can be written.
        if attributes[..at.min(most)].iter().any(|(k, _)| k == key) {
            continue;
        }
        if written >= most || at >= 4 * most {
            dropped += 1;
            continue;
        }
        let value = attributes.iter().rev().find(|(k, _)| k == key).map_or(Value::Bool(false), |(_, v)| *v);
        if !limits.fits(&value) {
            limits.count_limited();
        }
        let key = cut_key(limits, key);
        if let Some((value, most)) = redact.apply(key, value, limits.value_bytes) {
            wire::key_value(out, field, key, value, most, limits.elements);
            written += 1;
        }
    }
    if dropped > 0 {
        limits.count_limited();
    }
    dropped
}
