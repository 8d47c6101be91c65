//! Ratios as exact fractions.

use std::fmt;

use super::threshold::{DIGITS, Threshold};

/// A share of traces as an exact fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Below 10^18, so that the arithmetic fits.
    pub numerator: u64,
    /// Below 10^19 and not 0.
    pub denominator: u64,
}

/// Says why a text is no ratio, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRatioError(String);

impl fmt::Display for ParseRatioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseRatioError {}

/// Bounds each number of a ratio: 18 digits are below 2^60.
const MAX_DIGITS: usize = 18;

impl Ratio {
    /// Reads a ratio as people write it: `1/10`, `10%`, `0.1` or `1`. It is an error when the text is none of these, over 1, or below 2^-56
    /// and not 0.
    pub fn parse(text: &str) -> Result<Ratio, ParseRatioError> {
        let shown: String = text.chars().take(40).collect();
        let Some(ratio) = parse(text) else {
            return Err(ParseRatioError(format!("parse ratio: {shown:?} is none; write 1/10, 10% or 0.1 with at most 18 digits")));
        };
        if ratio.numerator > ratio.denominator {
            return Err(ParseRatioError(format!("parse ratio: {shown:?} is over 1; write a share between 0 and 1")));
        }
        if ratio.numerator > 0 && (u128::from(ratio.numerator) << 56) < u128::from(ratio.denominator) {
            return Err(ParseRatioError(format!("parse ratio: {shown:?} is below 2^-56; write 0 to keep nothing")));
        }
        Ok(ratio)
    }

    /// Converts the ratio by the algorithm of the OpenTelemetry specification with a precision of four digits: the share is rounded to 56
    /// bits, and its complement to four significant digits after the whole digits of zero in the share. Zero is [`Threshold::NEVER`].
    pub fn threshold(self) -> Threshold {
        self.precise(4)
    }

    /// The same with another precision, 1 to 14 digits.
    pub fn precise(self, precision: usize) -> Threshold {
        let (n, d) = (u128::from(self.numerator), u128::from(self.denominator));
        if n == 0 || d == 0 {
            return Threshold::NEVER;
        }
        if n >= d {
            return Threshold(0);
        }
        // The share is n/d = (n·2^57/2d)·2^-56; adding d to the dividend rounds half up. Only a limiter asks for less than 2^-56; the
        // smallest share stands for it.
        let scaled = (((n << 57) + d) / (2 * d)).max(1) as u64;
        let mut t = (1u64 << 56) - scaled;
        // How often the share can be doubled and stays below 1.
        let (mut doubled, mut zeros) = (n * 2, 0);
        while doubled < d {
            doubled *= 2;
            zeros += 1;
        }
        let shift = 4 * (DIGITS - DIGITS.min(precision + zeros / 4));
        if shift > 0 {
            t = ((t + (1 << (shift - 1))) >> shift) << shift;
        }
        Threshold(t)
    }
}

fn parse(text: &str) -> Option<Ratio> {
    if let Some((n, d)) = text.split_once('/') {
        let (numerator, denominator) = (integer(n)?, integer(d)?);
        return (denominator > 0).then_some(Ratio { numerator, denominator });
    }
    // Two digits fewer with %, so that the hundredfold denominator still fits.
    let (text, mut denominator, most) = match text.strip_suffix('%') {
        Some(text) => (text, 100, MAX_DIGITS - 2),
        None => (text, 1, MAX_DIGITS),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    if whole.len() + fraction.len() > most {
        return None;
    }
    let mut numerator = integer(whole)?;
    for c in fraction.bytes() {
        if !c.is_ascii_digit() {
            return None;
        }
        numerator = numerator * 10 + u64::from(c - b'0');
        denominator *= 10;
    }
    Some(Ratio { numerator, denominator })
}

fn integer(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_DIGITS || !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
