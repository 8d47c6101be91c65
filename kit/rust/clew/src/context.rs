//! What travels: the ids of a span, its flags, the state of the trace and the baggage. Plain values, cheap to clone, free to cross threads.

use std::fmt;
use std::sync::Arc;

/// How many members of baggage there are at most.
pub const MAX_BAGGAGE_MEMBERS: usize = 64;
/// How many bytes of members and the commas between them are read and written at most.
pub const MAX_BAGGAGE_BYTES: usize = 8192;

/// Counts a member of baggage that was not taken.
fn left_out() {
    #[cfg(all(feature = "kit", not(target_family = "wasm")))]
    crate::selfmetrics::counters().baggage_dropped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// The id of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SpanId(pub [u8; 8]);

macro_rules! hex {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl $type {
            /// Not all zero.
            pub fn is_valid(self) -> bool {
                self.0.iter().any(|b| *b != 0)
            }
        }
    };
}
hex!(TraceId);
hex!(SpanId);

/// The flag `sampled` of W3C Trace Context.
pub const SAMPLED: u8 = 1;
/// The flag `random` of W3C Trace Context level 2.
pub const RANDOM: u8 = 2;

/// The part of a span that travels in headers. The default value is not valid: it stands for "no span".
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SpanContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// [`SAMPLED`] and [`RANDOM`]; other bits are never passed on.
    pub flags: u8,
    /// It came from another process.
    pub remote: bool,
    /// The members of `tracestate`, as they are written; `None` when empty.
    pub state: Option<Arc<str>>,
}

impl SpanContext {
    /// Both ids are set.
    pub fn is_valid(&self) -> bool {
        self.trace_id.is_valid() && self.span_id.is_valid()
    }

    /// The trace is kept.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// A member of baggage.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Member {
    /// A token of RFC 9110.
    pub key: String,
    /// The value, percent-decoded.
    pub value: String,
    /// What stood after the first `;`, as it was read; empty for none.
    pub properties: String,
}

/// What one unit of work hands to the next: the span and the baggage.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Context {
    /// The span; not valid when there is none.
    pub span: SpanContext,
    /// Baggage in the order in which it was read or set; `None` when empty.
    pub baggage: Option<Arc<[Member]>>,
}

impl Context {
    /// The value of a key of the baggage.
    pub fn baggage(&self, key: &str) -> Option<&str> {
        self.baggage.as_deref()?.iter().find(|m| m.key == key).map(|m| m.value.as_str())
    }

    /// The same context with `key` set to `value` in the baggage. A 65th member, and a key and value of more than 8,192 bytes, are left out
    /// and counted; what is over 8,192 bytes in all is dropped when written, not here.
    #[must_use]
    pub fn with_baggage(&self, key: &str, value: &str) -> Context {
        let mut members: Vec<Member> = self.baggage.as_deref().unwrap_or_default().to_vec();
        let full = members.len() >= MAX_BAGGAGE_MEMBERS;
        match members.iter_mut().find(|m| m.key == key) {
            _ if key.len() + value.len() > MAX_BAGGAGE_BYTES => left_out(),
            Some(member) => member.value = value.to_owned(),
            None if full => left_out(),
            None => members.push(Member { key: key.to_owned(), value: value.to_owned(), properties: String::new() }),
        }
        Context { span: self.span.clone(), baggage: Some(members.into()) }
    }
}

/// Where headers are read from and written to.
pub trait Carrier {
    /// Gives every value of `key`, compared without regard to case, in order.
    fn get(&self, key: &str, each: &mut dyn FnMut(&str));
    /// Replaces all values of `key`.
    fn set(&mut self, key: &str, value: &str);
}

impl Carrier for Vec<(String, String)> {
    fn get(&self, key: &str, each: &mut dyn FnMut(&str)) {
        for (_, value) in self.iter().filter(|(k, _)| k.eq_ignore_ascii_case(key)) {
            each(value);
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        self.retain(|(k, _)| !k.eq_ignore_ascii_case(key));
        self.push((key.to_owned(), value.to_owned()));
    }
}
