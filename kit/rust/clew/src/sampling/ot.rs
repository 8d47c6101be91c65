//! What the member `ot` of tracestate says: sub-keys with values, `th:e666;rv:…`.

use std::ops::Range;
use std::sync::Arc;

use super::threshold::{Threshold, parse_randomness, randomness};
use crate::TraceId;
use crate::propagation::ot_value;

/// The longest value of the member that counts, in bytes.
const MAX_OT: usize = 256;

/// The sub-keys that decide. A value that breaks the grammar or has a sub-key twice says nothing at all, and passes through untouched like
/// the member of a stranger.
#[derive(Default)]
pub(super) struct Ot<'a> {
    text: &'a str,
    pub(super) threshold: Option<Threshold>,
    rv: Option<u64>,
    /// Where `th` stands in the text.
    span: Range<usize>,
}

impl<'a> Ot<'a> {
    pub(super) fn parse(state: Option<&'a Arc<str>>) -> Ot<'a> {
        let Some(text) = state.and_then(|s| ot_value(s)) else {
            return Ot::default();
        };
        if text.len() > MAX_OT {
            return Ot::default();
        }
        let mut ot = Ot { text, ..Ot::default() };
        let mut at = 0;
        for part in text.split(';') {
            let Some((key, value)) = part.split_once(':') else {
                return Ot::default();
            };
            if !sub_key(key) || !sub_value(value) || text[..at].split(';').any(|p| p.split_once(':').is_some_and(|(k, _)| k == key)) {
                return Ot::default();
            }
            let end = at + part.len();
            match key {
                "th" => {
                    ot.threshold = Threshold::parse(value);
                    ot.span = at..end;
                }
                "rv" => ot.rv = parse_randomness(value),
                _ => {}
            }
            at = end + 1;
        }
        ot
    }

    pub(super) fn randomness(&self, trace: TraceId) -> u64 {
        self.rv.unwrap_or_else(|| randomness(trace))
    }

    /// The text without `th`.
    pub(super) fn without_threshold(&self) -> String {
        let (before, after) = (&self.text[..self.span.start], &self.text[self.span.end..]);
        match after.strip_prefix(';') {
            Some(after) => format!("{before}{after}"),
            None => before.strip_suffix(';').unwrap_or(before).to_owned(),
        }
    }
}

fn sub_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase()) && key.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// Letters, digits, dot, underline and minus. It may be empty.
fn sub_value(value: &str) -> bool {
    value.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}
