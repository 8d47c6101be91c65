//! B3, single and multi, which is read only.

use super::decode_hex;
use crate::{SpanId, TraceId};

/// The context of a B3 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct B3 {
    /// The trace, not zero.
    pub trace_id: TraceId,
    /// The sender's span, not zero.
    pub span_id: SpanId,
    /// The sender keeps the trace.
    pub sampled: bool,
    /// The sender left the decision to us.
    pub deferred: bool,
}

/// Reads the header `b3`: `TRACE-SPAN`, then the state `1`, `0` or `d` (debug, which is sampled) and the parent's id when they are given. A
/// trace id of 16 digits gets zeros in front. A header without ids says nothing here.
pub fn parse_b3(text: &str) -> Option<B3> {
    let (trace, rest) = text.split_once('-')?;
    let Some((span, rest)) = rest.split_once('-') else {
        return ids(trace, rest, "", false);
    };
    let (state, parent) = match rest.split_once('-') {
        Some((state, parent)) => (state, Some(parent)),
        None => (rest, None),
    };
    if state.is_empty() {
        return None;
    }
    if let Some(parent) = parent {
        decode_hex(&mut [0; 8], parent.as_bytes())?;
    }
    ids(trace, span, if state == "d" { "1" } else { state }, false)
}

/// Reads the headers `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled` and `X-B3-Flags`; an empty text stands for one that is not there. Flags 1
/// is debug and wins.
pub fn parse_b3_multi(trace: &str, span: &str, sampled: &str, flags: &str) -> Option<B3> {
    ids(trace, span, sampled, flags == "1")
}

fn ids(trace: &str, span: &str, sampled: &str, debug: bool) -> Option<B3> {
    let (sampled, deferred) = match sampled {
        _ if debug => (true, false),
        "1" | "true" => (true, false),
        "0" | "false" => (false, false),
        "" => (false, true),
        _ => return None,
    };
    let mut b3 = B3 { sampled, deferred, ..B3::default() };
    match trace.len() {
        32 => decode_hex(&mut b3.trace_id.0, trace.as_bytes())?,
        _ => decode_hex(&mut b3.trace_id.0[8..], trace.as_bytes())?,
    }
    decode_hex(&mut b3.span_id.0, span.as_bytes())?;
    (b3.trace_id.is_valid() && b3.span_id.is_valid()).then_some(b3)
}
