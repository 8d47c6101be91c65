//! Records in a test what the kit would have sent, waits for it without sleeping, and draws it.
//!
//! There is one recorder for the process, so tests run in parallel threads as `cargo test` runs them. A span belongs to a test by its
//! trace: traces started on the test's own thread, in a [`Recorder::run`] future, or linked to such a trace. On a `#[tokio::test]` that is
//! everything; in a multi-threaded runtime, hand [`Recorder::marker`] to `Builder::on_thread_start` when roots start on workers.
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use clew::{Component, Kind, Level, span::{self, Parent}};
//!
//! let recorder = clew::testing::Recorder::start();
//! let order = span::start(Component::App, Level::Standard, Kind::Internal, "order", Parent::Current);
//! order.set("items", 3);
//! order.finish();
//! recorder.wait().unwrap();
//! assert_eq!(recorder.tree(&["items"]), "trace 1\n└─ INTERNAL order (test) items=3\n");
//! # }
//! ```

mod decode;
mod recorder;
mod tree;

use std::fmt;

pub use crate::view::{Event, Link, Status, Value};
pub use recorder::{Marker, Recorder};

/// A recorded span, read back from the bytes that would have been sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: [u8; 16],
    /// The span.
    pub id: [u8; 8],
    /// The span above, also when it is in another process; `None` for a root.
    pub parent: Option<[u8; 8]>,
    /// The members of `tracestate`.
    pub trace_state: String,
    /// The flags of OTLP: the low byte is that of `traceparent`.
    pub flags: u32,
    /// The number of OTLP: 1 internal … 5 consumer.
    pub kind: u8,
    /// The name.
    pub name: String,
    /// The service that recorded it.
    pub service: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// Nanoseconds since 1970; 0 while the span is open.
    pub end: u64,
    /// In the order on the wire.
    pub attributes: Vec<(String, Value)>,
    /// In the order on the wire.
    pub events: Vec<Event>,
    /// In the order on the wire.
    pub links: Vec<Link>,
    /// Unset, ok, or failed with a message.
    pub status: Status,
}

impl Span {
    /// The kind's name in capitals; an unknown number counts as INTERNAL, as the specification defaults it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            2 => "SERVER",
            3 => "CLIENT",
            4 => "PRODUCER",
            5 => "CONSUMER",
            _ => "INTERNAL",
        }
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

impl fmt::Display for Value {
    /// As RFC 8785 writes it; `NaN`, `Infinity` and `-Infinity` stand bare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Text(text) => f.write_str(&tree::quote(text)),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => f.write_str(&tree::number(*value)),
            Value::Bytes(bytes) => f.write_str(&tree::quote(&String::from_utf8_lossy(bytes))),
            Value::Array(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Draws spans as the contract's section 9 says, with the attributes named in `shown`.
pub fn draw(spans: &[Span], shown: &[&str]) -> String {
    tree::draw(spans, shown)
}
