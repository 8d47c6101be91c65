//! The header `baggage`.

use super::trim;
use crate::Member;
use crate::context::{MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS};

/// Reads the lines of the header. A malformed member is skipped; a key that comes again replaces the value where the key first stood. The
/// first member that would make 65, or more than 8,192 bytes with the commas between, ends the reading: the second number counts it and all
/// that follow.
pub fn parse_baggage(lines: &[&str]) -> (Vec<Member>, u64) {
    let mut members: Vec<Member> = Vec::new();
    let (mut dropped, mut size, mut full) = (0, 0, false);
    for part in lines.iter().flat_map(|l| l.split(',')) {
        let part = trim(part);
        if part.is_empty() {
            continue;
        }
        let cost = part.len() + usize::from(size > 0);
        if full || size + cost > MAX_BAGGAGE_BYTES {
            full = true;
            dropped += 1;
            continue;
        }
        let Some(member) = parse_member(part) else {
            continue;
        };
        if let Some(known) = members.iter_mut().find(|m| m.key == member.key) {
            *known = member;
        } else if members.len() == MAX_BAGGAGE_MEMBERS {
            full = true;
            dropped += 1;
            continue;
        } else {
            members.push(member);
        }
        size += cost;
    }
    (members, dropped)
}

fn parse_member(text: &str) -> Option<Member> {
    let (text, properties) = match text.split_once(';') {
        Some((text, properties)) => (text, trim(properties)),
        None => (text, ""),
    };
    if !properties.bytes().all(|c| is_octet(c) || matches!(c, b';' | b' ' | b'\t')) {
        return None;
    }
    let (key, value) = text.split_once('=')?;
    let key = trim(key);
    if !is_token(key) {
        return None;
    }
    Some(Member { key: key.to_owned(), value: decode(trim(value))?, properties: properties.to_owned() })
}

/// A token of RFC 9110, as keys of baggage are.
pub fn is_token(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// What a value may hold as it is: printable ASCII without space, quote, comma, semicolon and backslash.
fn is_octet(c: u8) -> bool {
    matches!(c, b'!'..=b'~') && !matches!(c, b'"' | b',' | b';' | b'\\')
}

/// Undoes percent-encoding. Bytes that are not UTF-8 after it become U+FFFD, each its own, as W3C Baggage asks for.
fn decode(text: &str) -> Option<String> {
    let s = text.as_bytes();
    if !s.iter().copied().all(is_octet) {
        return None;
    }
    let mut bytes = Vec::with_capacity(s.len());
    let mut at = 0;
    while at < s.len() {
        if s[at] == b'%' {
            let digit = |i: usize| s.get(at + i).and_then(|c| char::from(*c).to_digit(16));
            bytes.push((digit(1)? << 4 | digit(2)?) as u8);
            at += 3;
        } else {
            bytes.push(s[at]);
            at += 1;
        }
    }
    Some(utf8(bytes))
}

/// The bytes as text, with U+FFFD for each byte that is no part of a character. The standard library's lossy conversion has one for a whole
/// broken sequence, the Go kit's language one for each byte; both kits must say the same.
fn utf8(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(e) => e.into_bytes(),
    };
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|_| out.push('\u{fffd}'));
    }
    out
}

/// Adds the members that a filter lets through as one line of the header. A member whose key is no token, or that would go over the limits,
/// is left out; once one is over the limits, so are all that follow. Returns how many were left out.
pub fn append_baggage<'a>(to: &mut String, members: impl IntoIterator<Item = &'a Member>, allow: &dyn Fn(&str) -> bool) -> u64 {
    let (start, mut count, mut dropped, mut full) = (to.len(), 0, 0, false);
    for member in members {
        if !allow(&member.key) {
            continue;
        }
        full = full || count == MAX_BAGGAGE_MEMBERS;
        if full || !is_token(&member.key) {
            dropped += 1;
            continue;
        }
        let before = to.len();
        if before > start {
            to.push(',');
        }
        to.push_str(&member.key);
        to.push('=');
        append_value(to, &member.value);
        if !member.properties.is_empty() {
            to.push(';');
            to.push_str(&member.properties);
        }
        if to.len() - start > MAX_BAGGAGE_BYTES {
            to.truncate(before);
            full = true;
            dropped += 1;
            continue;
        }
        count += 1;
    }
    dropped
}

fn append_value(to: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for c in value.bytes() {
        if is_octet(c) && c != b'%' {
            to.push(char::from(c));
        } else {
            to.extend(['%', char::from(HEX[usize::from(c >> 4)]), char::from(HEX[usize::from(c & 15)])]);
        }
    }
}
