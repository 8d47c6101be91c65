//! Finished spans as [`Guard::on_end`](crate::Guard::on_end) shows them, and what they are made of.

pub(crate) mod decode;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Kind, SpanId, TraceId};
use decode::{Field, Fields};

/// A finished span: what goes out, after limits and redaction.
#[derive(Clone, Debug)]
pub struct SpanView<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The flags of `traceparent`; 0 for a summary.
    pub flags: u8,
    /// The members of `tracestate`; empty for a summary.
    pub state: &'a str,
    /// The span above; `None` for a root.
    pub parent_id: Option<SpanId>,
    /// The span above is in another process.
    pub parent_remote: bool,
    /// Its role.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// When it started.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// Unset, ok, or failed with a message.
    pub status: Status,
    /// It is the root of a trace that is not sampled, sent because it failed.
    pub summary: bool,
    span: &'a [u8],
}

impl<'a> SpanView<'a> {
    /// Reads a record as the kit encodes it: field 2 of `ScopeSpans` with its tag and length.
    pub(crate) fn read(record: &'a [u8], summary: bool) -> Option<SpanView<'a>> {
        let (2, Field::Bytes(span)) = Fields::new(record).next()? else { return None };
        let mut view = SpanView {
            trace_id: TraceId::default(),
            span_id: SpanId::default(),
            flags: 0,
            state: "",
            parent_id: None,
            parent_remote: false,
            kind: Kind::Internal,
            name: "",
            start: UNIX_EPOCH,
            end: UNIX_EPOCH,
            status: Status::Unset,
            summary,
            span,
        };
        let time = |ns| UNIX_EPOCH + Duration::from_nanos(ns);
        for (number, field) in Fields::new(span) {
            match (number, field) {
                (1, Field::Bytes(id)) => view.trace_id = TraceId(id.try_into().ok()?),
                (2, Field::Bytes(id)) => view.span_id = SpanId(id.try_into().ok()?),
                (3, Field::Bytes(state)) => view.state = std::str::from_utf8(state).ok()?,
                (4, Field::Bytes(id)) => view.parent_id = Some(SpanId(id.try_into().ok()?)),
                (5, Field::Bytes(name)) => view.name = std::str::from_utf8(name).ok()?,
                (6, Field::Varint(kind)) => view.kind = Kind::ALL.into_iter().find(|k| *k as u64 == kind)?,
                (7, Field::Fixed64(ns)) => view.start = time(ns),
                (8, Field::Fixed64(ns)) => view.end = time(ns),
                (15, Field::Bytes(status)) => view.status = decode::status(status)?,
                (16, Field::Fixed32(flags)) => {
                    view.flags = flags as u8;
                    view.parent_remote = view.parent_id.is_some() && flags & IS_REMOTE != 0;
                }
                _ => {}
            }
        }
        Some(view)
    }

    /// The encoded message `Span` of OTLP.
    pub fn bytes(&self) -> &'a [u8] {
        self.span
    }

    /// Decodes the attributes, in the order on the wire.
    pub fn attributes(&self) -> Vec<(String, Value)> {
        self.each(9, decode::key_value)
    }

    /// Decodes the events.
    pub fn events(&self) -> Vec<Event> {
        self.each(11, decode::event)
    }

    /// Decodes the links.
    pub fn links(&self) -> Vec<Link> {
        self.each(13, decode::link)
    }

    fn each<T>(&self, wanted: u32, decode: fn(&[u8]) -> Option<T>) -> Vec<T> {
        Fields::new(self.span)
            .filter_map(|(number, field)| match field {
                Field::Bytes(bytes) if number == wanted => decode(bytes),
                _ => None,
            })
            .collect()
    }
}

/// Of `SpanFlags`: the parent is in another process.
const IS_REMOTE: u32 = 0x200;

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// The name.
    pub name: String,
    /// In the order on the wire.
    pub attributes: Vec<(String, Value)>,
}

/// A pointer to another span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The other span's trace.
    pub trace: [u8; 16],
    /// The other span.
    pub span: [u8; 8],
    /// In the order on the wire.
    pub attributes: Vec<(String, Value)>,
}

/// The status of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing was said.
    #[default]
    Unset,
    /// Said to be fine.
    Ok,
    /// Failed, with what was said about it.
    Error(String),
}

/// A value of an attribute as it stood on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// Text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Several values.
    Array(Vec<Value>),
}
