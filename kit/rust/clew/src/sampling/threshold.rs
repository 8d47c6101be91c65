//! Thresholds and randomness as numbers and as text.

use std::fmt;

use crate::TraceId;

/// How many hex digits a threshold has when none is left out.
pub(super) const DIGITS: usize = 14;

/// The T of a stage, 0 (all are kept) to [`Threshold::NEVER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Threshold(pub u64);

impl Threshold {
    /// The threshold that no trace reaches.
    pub const NEVER: Threshold = Threshold(1 << 56);

    /// Reads the text of `th`: 1 to 14 lower-case hex digits, the first of which is the most significant.
    pub fn parse(text: &str) -> Option<Threshold> {
        if text.is_empty() || text.len() > DIGITS {
            return None;
        }
        lower_hex(text).map(|v| Threshold(v << (4 * (DIGITS - text.len()))))
    }
}

/// The text of `th`: the digits without trailing zeros, `0` for zero. Of [`Threshold::NEVER`], which `th` cannot say, it is the word
/// `never`, as policies write it.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self >= Threshold::NEVER {
            return f.write_str("never");
        }
        if self.0 == 0 {
            return f.write_str("0");
        }
        let zeros = self.0.trailing_zeros() as usize / 4;
        write!(f, "{:0width$x}", self.0 >> (4 * zeros), width = DIGITS - zeros)
    }
}

/// Reads the text of `rv`: exactly 14 lower-case hex digits.
pub fn parse_randomness(text: &str) -> Option<u64> {
    if text.len() == DIGITS { lower_hex(text) } else { None }
}

fn lower_hex(text: &str) -> Option<u64> {
    text.bytes().try_fold(0u64, |v, c| match c {
        b'0'..=b'9' => Some(v << 4 | u64::from(c - b'0')),
        b'a'..=b'f' => Some(v << 4 | u64::from(c - b'a' + 10)),
        _ => None,
    })
}

/// The R of a trace whose tracestate has no `rv`: the last 7 bytes of its id.
pub fn randomness(trace: TraceId) -> u64 {
    let id = u128::from_be_bytes(trace.0);
    (id & ((1 << 56) - 1)) as u64
}
