//! What an answer over HTTP means.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::http::{Failure, Response};
use super::pacer::{Answer, MAX_ASKED, Outcome};

/// Bounds a collector's explanation, in bytes.
const MAX_TEXT: usize = 256;

impl Answer {
    pub(super) fn failed(failure: &Failure) -> Answer {
        Answer { outcome: Outcome::Retry, asked: Duration::ZERO, rejected: 0, word: failure.kind.to_owned(), text: failure.text.clone() }
    }

    pub(super) fn of(response: &Response, now: SystemTime) -> Answer {
        judge(response.status, response.header("retry-after"), &response.body, now)
    }
}

pub(super) fn judge(status: u16, retry_after: &str, body: &[u8], now: SystemTime) -> Answer {
    let mut answer =
        Answer { outcome: Outcome::Refused, asked: Duration::ZERO, rejected: 0, word: status.to_string(), text: format!("HTTP {status}") };
    match status {
        200..=299 => {
            answer.outcome = Outcome::Delivered;
            (answer.rejected, answer.text) = partial_success(body);
        }
        408 | 429 | 502 | 503 | 504 => {
            answer.outcome = Outcome::Retry;
            answer.asked = parse_retry_after(retry_after, now);
        }
        413 => answer.outcome = Outcome::TooLarge,
        404 => {
            answer.outcome = Outcome::NotServed;
            answer.text += ": it does not take this signal, which is dropped; tried every 60 s";
        }
        _ => {}
    }
    answer
}

/// Seconds or a date of RFC 9110; zero for anything else and for dates that are over.
pub(super) fn parse_retry_after(text: &str, now: SystemTime) -> Duration {
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() {
        return Duration::ZERO;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Duration::from_secs(seconds.min(MAX_ASKED.as_secs()));
    }
    let Some(date) = parse_date(text) else { return Duration::ZERO };
    date.duration_since(now).unwrap_or_default().min(MAX_ASKED)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The three forms of a date in HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`,
/// `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
fn parse_date(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split([' ', '-']).filter(|w| !w.is_empty()).collect();
    let (day, month, year, clock) = match *words.as_slice() {
        [_, day, month, year, clock, "GMT"] if text.contains(", ") => (day, month, year, clock),
        [_, month, day, clock, year] => (day, month, year, clock),
        _ => return None,
    };
    let number = |w: &str| -> Option<u64> {
        if w.is_empty() || w.len() > 4 || !w.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        w.parse().ok()
    };
    let (day, mut year) = (number(day)?, number(year)?);
    if words.get(3).is_some_and(|w| w.len() == 2) && words.len() == 6 {
        year += if year >= 69 { 1900 } else { 2000 };
    }
    let month = MONTHS.iter().position(|m| *m == month)? as u64 + 1;
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 || year < 1970 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day == 0 || day > most {
        return None;
    }
    // Days since 1970 by the count of days in 400 years, with years that start in March.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    UNIX_EPOCH.checked_add(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

/// Reads field 1 of an `Export…ServiceResponse`: how many records were rejected, and
/// why. A body that is no such message says nothing.
pub(super) fn partial_success(body: &[u8]) -> (i64, String) {
    let mut rejected = 0;
    let mut text = String::new();
    let whole = fields(body, |field, _, data| {
        if field != 1 {
            return true;
        }
        fields(data, |field, n, data| {
            match field {
                1 => rejected = n as i64,
                2 => text = read_text(data),
                _ => {}
            }
            true
        })
    });
    if whole && rejected >= 0 { (rejected, text) } else { (0, String::new()) }
}

/// Cuts a text on a character's border; what is no UTF-8 says nothing.
fn read_text(data: &[u8]) -> String {
    let text = std::str::from_utf8(data).unwrap_or_default();
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Calls `each` for every field of a protobuf message until it is false; gives false
/// then, and when the message is malformed. Numbers come second, bytes third.
fn fields(mut message: &[u8], mut each: impl FnMut(u64, u64, &[u8]) -> bool) -> bool {
    while !message.is_empty() {
        let Some(tag) = read_varint(&mut message) else { return false };
        if tag >> 3 == 0 {
            return false;
        }
        let (mut n, mut data): (u64, &[u8]) = (0, &[]);
        let skip = match tag & 7 {
            0 => {
                let Some(value) = read_varint(&mut message) else { return false };
                n = value;
                0
            }
            1 => 8,
            2 => {
                let Some(length) = read_varint(&mut message) else { return false };
                let Some(bytes) = usize::try_from(length).ok().and_then(|l| message.get(..l)) else {
                    return false;
                };
                data = bytes;
                bytes.len()
            }
            5 => 4,
            _ => return false,
        };
        let Some(rest) = message.get(skip..) else { return false };
        message = rest;
        if !each(tag >> 3, n, data) {
            return false;
        }
    }
    true
}

fn read_varint(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..).step_by(7).take(10) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}
