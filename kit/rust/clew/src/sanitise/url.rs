//! URLs and their queries.

use std::borrow::Cow;

/// Stands for a value that was taken out.
const REDACTED: &str = "REDACTED";

/// The names of query parameters that hold credentials, in lower case.
const SECRETS: [&str; 13] = [
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "token",
    "access_token",
    "api_key",
    "key",
    "password",
    "secret",
];

/// Bounds what is compared: each character of the longest name may be written with three.
const LONGEST_SECRET: usize = 3 * "x-amz-security-token".len();

/// Returns `text` without user info and without the values of secret parameters of the query and the fragment. It works on any text, and
/// returns `text` itself when there is nothing to take out.
pub fn url(text: &str) -> Cow<'_, str> {
    let (from, to) = user_info(text);
    let tail = text[to..].find(['?', '#']).map_or(text.len(), |i| to + i + 1);
    let query = query(&text[tail..]);
    if from == to && matches!(query, Cow::Borrowed(_)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}{}{query}", &text[..from], &text[to..tail]))
}

/// The borders of the user info with its `@`, two equal ones when there is none.
fn user_info(text: &str) -> (usize, usize) {
    let Some(at) = text.find("//") else {
        return (0, 0);
    };
    let scheme = &text[..at];
    if at != 0 && (!scheme.ends_with(':') || scheme.contains(['/', '?', '#'])) {
        return (0, 0);
    }
    let from = at + 2;
    let end = text[from..].find(['/', '\\', '?', '#']).map_or(text.len(), |i| from + i);
    text[from..end].rfind('@').map_or((0, 0), |i| (from, from + i + 1))
}

/// Returns a query, without its `?`, with the values of secret parameters replaced. A fragment behind it is treated alike.
pub fn query(text: &str) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let (mut at, mut done) = (0, 0);
    loop {
        let end = text[at..].find(['&', ';', '#', '?']).map_or(text.len(), |i| at + i);
        if let Some((name, value)) = text[at..end].split_once('=') {
            if !value.is_empty() && value != REDACTED && is_secret(name) {
                let out = out.get_or_insert_with(|| String::with_capacity(text.len() + REDACTED.len()));
                out.push_str(&text[done..at + name.len() + 1]);
                out.push_str(REDACTED);
                done = end;
            }
        }
        if end == text.len() {
            break;
        }
        at = end + 1;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[done..]);
            Cow::Owned(out)
        }
    }
}

/// Whether a parameter's name, which may be percent-encoded, is one of those that hold credentials. Case does not count.
fn is_secret(name: &str) -> bool {
    if name.len() > LONGEST_SECRET {
        return false;
    }
    let name = name.as_bytes();
    let mut plain = [0u8; LONGEST_SECRET];
    let (mut at, mut length) = (0, 0);
    while at < name.len() {
        let digit = |i: usize| name.get(at + i).and_then(|c| char::from(*c).to_digit(16));
        let (c, width) = match (name[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
            (c, ..) => (c, 1),
        };
        plain[length] = c.to_ascii_lowercase();
        length += 1;
        at += width;
    }
    SECRETS.iter().any(|s| s.as_bytes() == &plain[..length])
}
