//! The header `tracestate`.

use std::borrow::Cow;

use super::trim;

/// How many members a tracestate has at most.
pub const MAX_MEMBERS: usize = 32;

/// Bounds what is looked at. 32 members of the longest key and value are 16,447 bytes; the rest is room for spaces and empty members.
const MAX_BYTES: usize = 32_768;

/// Joins the lines of the header and checks every member. It returns them joined by commas without spaces and empty members, empty when a
/// member is malformed, a key stands twice or there are more than 32. One line that is already so is returned as it is.
pub fn parse_tracestate<'a>(lines: &[&'a str]) -> Cow<'a, str> {
    let total: usize = lines.iter().map(|l| l.len() + 1).sum();
    if total > MAX_BYTES + 1 {
        return Cow::Borrowed("");
    }
    let mut members: [&str; MAX_MEMBERS] = [""; MAX_MEMBERS];
    let mut keys: [&str; MAX_MEMBERS] = [""; MAX_MEMBERS];
    let (mut count, mut length) = (0, 0);
    for part in lines.iter().flat_map(|l| l.split(',')) {
        let member = trim(part);
        if member.is_empty() {
            continue;
        }
        let Some((key, value)) = member.split_once('=') else {
            return Cow::Borrowed("");
        };
        if count == MAX_MEMBERS || !is_key(key) || !is_value(value) || keys[..count].contains(&key) {
            return Cow::Borrowed("");
        }
        (keys[count], members[count]) = (key, member);
        count += 1;
        length += member.len() + 1;
    }
    match lines {
        _ if count == 0 => Cow::Borrowed(""),
        // Nothing was taken out when the members and their commas make up the line.
        [line] if line.len() + 1 == length => Cow::Borrowed(line),
        _ => Cow::Owned(members[..count].join(",")),
    }
}

/// A key of level 2: a lower-case letter or a digit, then up to 255 of these and `_ - * / @`.
fn is_key(s: &str) -> bool {
    let ok = |(i, c): (usize, u8)| c.is_ascii_lowercase() || c.is_ascii_digit() || i > 0 && matches!(c, b'_' | b'-' | b'*' | b'/' | b'@');
    !s.is_empty() && s.len() <= 256 && s.bytes().enumerate().all(ok)
}

/// 1 to 256 printable characters without comma and equals sign. Its ends were trimmed, so the last is no space.
fn is_value(s: &str) -> bool {
    !s.is_empty() && s.len() <= 256 && s.bytes().all(|c| matches!(c, b' '..=b'~') && c != b',' && c != b'=')
}

/// The value of the member `ot` in a tracestate that [`parse_tracestate`] returned.
pub fn ot_value(state: &str) -> Option<&str> {
    state.split(',').find_map(|m| m.strip_prefix("ot="))
}

/// Puts the member `ot` with this value first in a tracestate that [`parse_tracestate`] returned; an empty value takes it out. When that makes
/// 33 members the last one goes.
pub fn replace_ot(state: &str, value: &str) -> String {
    let mut out = String::with_capacity(state.len() + value.len() + 4);
    let mut room = MAX_MEMBERS;
    if !value.is_empty() {
        out.push_str("ot=");
        out.push_str(value);
        room -= 1;
    }
    for member in state.split(',').filter(|m| !m.is_empty() && !m.starts_with("ot=")).take(room) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(member);
    }
    out
}
