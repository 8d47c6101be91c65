//! The header `traceparent`.

use super::decode_hex;
use crate::{RANDOM, SAMPLED, SpanId, TraceId};

/// The content of the header of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TraceParent {
    /// The trace, not zero.
    pub trace_id: TraceId,
    /// The sender's span, not zero.
    pub span_id: SpanId,
    /// `sampled` and `random`; other flags are never passed on.
    pub flags: u8,
}

/// The length of version 00.
const LENGTH: usize = 55;

/// Reads the header as level 2 says. Version ff, upper-case digits, ids of zero and a version 00 of another length are refused; a higher
/// version may go on after a minus.
pub fn parse_traceparent(text: &str) -> Option<TraceParent> {
    let s = text.as_bytes();
    if s.len() < LENGTH || s[2] != b'-' || s[35] != b'-' || s[52] != b'-' {
        return None;
    }
    let (mut version, mut flags) = ([0], [0]);
    let mut parent = TraceParent::default();
    decode_hex(&mut version, &s[..2])?;
    decode_hex(&mut parent.trace_id.0, &s[3..35])?;
    decode_hex(&mut parent.span_id.0, &s[36..52])?;
    decode_hex(&mut flags, &s[53..55])?;
    if version[0] == 0xff || !parent.trace_id.is_valid() || !parent.span_id.is_valid() {
        return None;
    }
    if s.len() > LENGTH && (version[0] == 0 || s[LENGTH] != b'-') {
        return None;
    }
    parent.flags = flags[0] & (SAMPLED | RANDOM);
    Some(parent)
}

/// Adds the header in version 00.
pub fn append_traceparent(to: &mut String, trace: TraceId, span: SpanId, flags: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut hex = |bytes: &[u8]| {
        for b in bytes {
            to.push(char::from(HEX[usize::from(b >> 4)]));
            to.push(char::from(HEX[usize::from(b & 15)]));
        }
        to.push('-');
    };
    hex(&[0]);
    hex(&trace.0);
    hex(&span.0);
    to.push('0');
    to.push(char::from(HEX[usize::from(flags & (SAMPLED | RANDOM))]));
}
