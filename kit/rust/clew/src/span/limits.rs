//! How large a span may be.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::Value;

/// Limits of a span. What is over is dropped and counted in the span.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Attributes a span.
    pub attributes: usize,
    /// Events a span.
    pub events: usize,
    /// Links a span.
    pub links: usize,
    /// Attributes an event.
    pub event_attributes: usize,
    /// Attributes a link.
    pub link_attributes: usize,
    /// Bytes a value; texts are cut on a character's border.
    pub value_bytes: usize,
    /// Bytes a key.
    pub key_bytes: usize,
    /// Bytes a name.
    pub name_bytes: usize,
    /// Elements an array.
    pub elements: usize,
    /// Bytes of all attributes, events and links of a span, so that a span always fits into a batch.
    pub span_bytes: usize,
    /// Where attributes that were dropped or cut are counted.
    pub limited: Option<&'static AtomicI64>,
}

/// The limits of the contract.
pub const LIMITS: Limits = Limits {
    attributes: 128,
    events: 128,
    links: 128,
    event_attributes: 32,
    link_attributes: 32,
    value_bytes: 4096,
    key_bytes: 256,
    name_bytes: 256,
    elements: 128,
    span_bytes: 448 << 10,
    limited: None,
};

impl Limits {
    /// Counts an attribute that was dropped or cut.
    #[cold]
    pub fn count_limited(&self) {
        if let Some(limited) = self.limited {
            limited.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a value is within the limits as it is.
    #[inline]
    pub fn fits(&self, value: &Value<'_>) -> bool {
        let (elements, bytes) = match value {
            Value::Str(v) => (0, v.len()),
            Value::Bytes(v) => (0, v.len()),
            Value::Strs(v) => (v.len(), v.iter().take(self.elements).map(|s| s.len()).max().unwrap_or(0)),
            Value::Bools(v) => (v.len(), 0),
            Value::Ints(v) => (v.len(), 0),
            Value::Floats(v) => (v.len(), 0),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => return true,
        };
        elements <= self.elements && bytes <= self.value_bytes
    }
}

/// What becomes of a value before it is written.
pub trait Redact {
    /// The value to write under `key` and the most bytes of its texts; `None` when it has to be dropped.
    fn apply<'v>(&self, key: &str, value: Value<'v>, most: usize) -> Option<(Value<'v>, usize)>;
}

/// Everything is written as it is.
impl Redact for () {
    fn apply<'v>(&self, _: &str, value: Value<'v>, most: usize) -> Option<(Value<'v>, usize)> {
        Some((value, most))
    }
}
