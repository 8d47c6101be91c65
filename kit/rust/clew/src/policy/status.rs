//! What a kit says about itself with each question, the header `Clew-Kit`.

use std::fmt::Write;

use crate::{Component, Level};

/// The content of the header.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// `go` or `rust`.
    pub language: String,
    /// Of the kit.
    pub version: String,
    /// The service's name.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// The version of the document that holds.
    pub applied: String,
    /// In the order of [`Component::ALL`].
    pub levels: [Level; 7],
    /// Reasons with how many records were lost for them, in a fixed order.
    pub dropped: Vec<(String, u64)>,
}

/// Bytes of the header.
const MAX_STATUS: usize = 4096;
/// Bytes of each text; five of them, escaped, always fit.
const MAX_TEXT: usize = 128;

impl Status {
    /// The header: JSON in ASCII of at most 4,096 bytes. When it would be longer, the losses are left out, then the levels.
    pub fn render(&self) -> String {
        let full = self.parts(true, true);
        if full.len() <= MAX_STATUS {
            return full;
        }
        let shorter = self.parts(true, false);
        if shorter.len() <= MAX_STATUS { shorter } else { self.parts(false, false) }
    }

    fn parts(&self, levels: bool, dropped: bool) -> String {
        let mut out = String::with_capacity(512);
        let texts = [&self.language, &self.version, &self.service, &self.instance, &self.applied];
        for (i, (name, text)) in ["language", "version", "service", "instance", "applied"].into_iter().zip(texts).enumerate() {
            let _ = write!(out, "{}\"{name}\":", if i == 0 { '{' } else { ',' });
            push_text(&mut out, text);
        }
        if levels {
            out.push_str(",\"levels\":");
            for (c, level) in Component::ALL.into_iter().zip(self.levels) {
                let _ = write!(out, "{}\"{}\":\"{}\"", if c == Component::Http { '{' } else { ',' }, c.name(), level.name());
            }
            out.push('}');
        }
        if dropped && !self.dropped.is_empty() {
            out.push_str(",\"dropped\":");
            for (i, (reason, count)) in self.dropped.iter().enumerate() {
                out.push(if i == 0 { '{' } else { ',' });
                push_text(&mut out, reason);
                let _ = write!(out, ":{count}");
            }
            out.push('}');
        }
        out.push('}');
        out
    }
}

/// Adds a JSON string of ASCII, as headers want it, cut to 128 bytes before it is escaped.
fn push_text(out: &mut String, text: &str) {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.push('"');
    for c in text[..end].chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// The address of the document of a service: `base` is that of `/api/kit/policy`.
pub fn request_url(base: &str, service: &str) -> String {
    let mut out = String::from(base);
    out.push_str(if base.contains('?') { "&service=" } else { "?service=" });
    for c in service.bytes() {
        match c {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(c)),
            _ => {
                let _ = write!(out, "%{c:02X}");
            }
        }
    }
    out.push_str("&wait=30s");
    out
}
