//! Texts, numbers and instants as a line has them: RFC 8785 and RFC 3339. Bytes of the Go kit's `internal/logline/json.go`.

use std::io::Write;

/// Ends every text that was cut, and is counted in its limit.
pub const CUT_MARK: &str = "…";

/// What is kept of a text that may have `limit` bytes, and whether anything is missing.
#[inline]
pub fn cut(text: &str, limit: usize) -> (&str, bool) {
    if text.len() <= limit { (text, false) } else { (crate::wire::cut(text, limit - CUT_MARK.len()), true) }
}

/// Appends a text in quotes, with the mark when it was cut.
pub fn quoted(out: &mut Vec<u8>, text: &str, missing: bool) {
    out.push(b'"');
    escaped(out, text);
    if missing {
        out.extend_from_slice(CUT_MARK.as_bytes());
    }
    out.push(b'"');
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends what stands between the quotes.
pub fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..i]);
        start = i + 1;
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[start..]);
}

/// Appends bytes as lower-case hex digits.
pub fn hex(out: &mut Vec<u8>, id: &[u8]) {
    for byte in id {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Appends a number as ECMAScript writes it; what JSON has no number for is a text.
pub fn float(out: &mut Vec<u8>, f: f64) {
    if f.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
        return;
    }
    if f.is_infinite() {
        out.extend_from_slice(if f > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        return;
    }
    if f == 0.0 {
        // Minus zero is written as zero.
        out.push(b'0');
        return;
    }
    // Writing to a vector cannot fail.
    let start = out.len();
    if (1e-6..1e21).contains(&f.abs()) {
        let _ = write!(out, "{f}");
        to_even(out, start, f);
        return;
    }
    let _ = write!(out, "{f:e}");
    to_even(out, start, f);
    if let Some(e) = out[start..].iter().position(|&b| b == b'e') {
        if out[start + e + 1] != b'-' {
            out.insert(start + e + 1, b'+');
        }
    }
}

/// Of two shortest texts that are equally near to the number, RFC 8785 wants the one with the even last digit; the standard library takes
/// the larger. It happens with 15 digits or more only: fewer name each number apart.
fn to_even(out: &mut [u8], start: usize, f: f64) {
    let end = out[start..].iter().position(|&b| b == b'e').map_or(out.len(), |e| start + e);
    // Zeros at the end of a large integer stand for digits that do not matter.
    let Some(at) = out[start..end].iter().rposition(|b| (b'1'..=b'9').contains(b)).map(|at| start + at) else { return };
    let digits = out[start..=at].iter().filter(|b| b.is_ascii_digit()).skip_while(|&&b| b == b'0').count();
    if digits < 15 || out[at] & 1 == 0 {
        return;
    }
    // The number itself: a tie is a 5 behind the digits, and then nothing.
    let exact = format!("{:.*e}", digits + 30, f.abs());
    let mut exact = exact.bytes().filter(|&b| b != b'.').take_while(|&b| b != b'e').skip(digits - 1);
    let (below, next) = (exact.next(), exact.next());
    if next == Some(b'5') && exact.all(|b| b == b'0') {
        out[at] = below.filter(|b| b & 1 == 0).unwrap_or(out[at] + 1);
    }
}

/// Appends an unsigned integer.
pub fn unsigned(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a signed integer.
pub fn signed(out: &mut Vec<u8>, n: i64) {
    if n < 0 {
        out.push(b'-');
    }
    unsigned(out, n.unsigned_abs());
}

/// Appends an instant, nanoseconds since 1970, as RFC 3339 in UTC with nine digits.
pub fn instant(out: &mut Vec<u8>, unix_nanos: i64) {
    let (seconds, nanos) = (unix_nanos.div_euclid(1_000_000_000), unix_nanos.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    for (value, width, behind) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
        (nanos, 9, b'Z'),
    ] {
        let end = out.len() + width;
        out.resize(end, b'0');
        let mut rest = value;
        for place in out[end - width..].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.push(behind);
    }
}

/// Days since 1970-01-01 as a date. It counts in years that begin on the first of March, so that the day of a leap year is the last of its
/// year, and in eras of 400 years, which all have the same number of days.
fn civil(days: i64) -> (i64, i64, i64) {
    const PER_ERA: i64 = 146_097;
    // From 0000-03-01.
    let days = days + 719_468;
    let (era, in_era) = (days.div_euclid(PER_ERA), days.rem_euclid(PER_ERA));
    let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / (PER_ERA - 1)) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // 153 days are five months from March on: 31, 30, 31, 30, 31.
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if from_march < 10 { (year, from_march + 3, day) } else { (year + 1, from_march - 9, day) }
}

/// Appends bytes as Base64 with its padding.
pub fn base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let six = bits >> (18 - 6 * place) & 63;
            out.push(if place <= three.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
}
