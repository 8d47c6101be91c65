//! What context looks like between services: the headers `traceparent`, `tracestate` and `baggage` of W3C, and B3, which is read only. Text
//! and bytes, no span.
//!
//! All of what it reads comes from strangers. Every function is bounded by the limits that stand with it, none fails in another way than by
//! saying that there is nothing, and none panics on any text. The Go kit has the same code; `kit/contract/propagation.json` is run by both.

mod b3;
mod baggage;
mod targets;
mod traceparent;
mod tracestate;

pub use crate::context::{MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS};
pub use b3::{B3, parse_b3, parse_b3_multi};
pub use baggage::{append_baggage, is_token, parse_baggage};
pub use targets::Targets;
pub use traceparent::{TraceParent, append_traceparent, parse_traceparent};
pub use tracestate::{MAX_MEMBERS, ot_value, parse_tracestate, replace_ot};

/// `s` without spaces and tabs at its ends, the optional white space of RFC 9110.
fn trim(s: &str) -> &str {
    s.trim_matches([' ', '\t'])
}

/// The value of a lower-case hex digit.
fn nibble(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

/// Fills `to` with the bytes of `text`, which must be lower-case hex of exactly twice its length.
fn decode_hex(to: &mut [u8], text: &[u8]) -> Option<()> {
    if text.len() != 2 * to.len() {
        return None;
    }
    for (byte, pair) in to.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(())
}
