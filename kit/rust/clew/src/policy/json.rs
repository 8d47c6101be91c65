//! Takes a JSON text apart from front to back. It builds no tree, so a document costs what is kept of it, and it reads the known keys of
//! objects only. It is stricter than JSON where two readers could differ: a lone surrogate is no JSON, and a known key that stands twice is a
//! fault.

use std::fmt;

use super::{MAX_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_TEXT};

/// What is wrong with a document, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `sampling.rules[3].th`; empty for the document.
    place: String,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parse policy: ")?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Fault {
        Fault { place: String::new(), what: what.into() }
    }

    /// Puts the name of the part around the place of a fault.
    fn within(mut self, part: &str) -> Fault {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{part}{dot}{}", self.place);
        self
    }
}

/// A text and how far it was read.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

type Read<T> = Result<T, Fault>;

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader { text: text.as_bytes(), at: 0, depth: 0 }
    }

    /// Reads the end of the text.
    pub(super) fn end(&mut self) -> Read<()> {
        self.peek();
        if self.at == self.text.len() { Ok(()) } else { Err(self.not_json()) }
    }

    fn not_json(&self) -> Fault {
        Fault::new(format!("not JSON at byte {}; send one JSON object", self.at))
    }

    /// Skips white space and returns the next byte, 0 at the end.
    fn peek(&mut self) -> u8 {
        while let Some(c) = self.text.get(self.at) {
            if !matches!(c, b' ' | b'\t' | b'\n' | b'\r') {
                return *c;
            }
            self.at += 1;
        }
        0
    }

    /// The next byte, 0 at the end.
    fn here(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// Checks the first byte of a value. Another value than the wanted one is a fault of the document, and anything else is no JSON.
    fn wants(&mut self, first: u8, what: &str) -> Read<()> {
        match self.peek() {
            c if c == first => Ok(()),
            c if starts_value(c) => Err(Fault::new(what)),
            _ => Err(self.not_json()),
        }
    }

    fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(format!("deeper than {MAX_DEPTH} at byte {}; make it flatter", self.at)));
        }
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Reads an object. `value` is called for each value, with the number of its key in `names` or `None`, and reads it.
    pub(super) fn object(&mut self, names: &[&str], value: &mut dyn FnMut(&mut Self, Option<usize>) -> Read<()>) -> Read<()> {
        self.wants(b'{', "not an object; write {…}")?;
        self.enter()?;
        let mut seen = 0u32;
        let mut first = true;
        loop {
            match self.peek() {
                b'}' if first => break,
                b'"' => {}
                _ => return Err(self.not_json()),
            }
            first = false;
            let key = self.string()?;
            if self.peek() != b':' {
                return Err(self.not_json());
            }
            self.at += 1;
            let number = names.iter().position(|n| *n == key);
            match number {
                Some(n) if seen & 1 << n != 0 => return Err(Fault::new("stands twice; keep one").within(&key)),
                Some(n) => {
                    seen |= 1 << n;
                    value(self, number).map_err(|f| f.within(&key))?;
                }
                None => value(self, None)?,
            }
            match self.peek() {
                b'}' => break,
                b',' => self.at += 1,
                _ => return Err(self.not_json()),
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads an array of at most so many elements.
    pub(super) fn array(&mut self, most: usize, element: &mut dyn FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.wants(b'[', "not an array; write […]")?;
        self.enter()?;
        for n in 0.. {
            if n == 0 && self.peek() == b']' {
                break;
            }
            if n == most {
                return Err(Fault::new(format!("more than {most}; leave some out")));
            }
            element(self).map_err(|f| f.within(&format!("[{n}]")))?;
            match self.peek() {
                b']' => break,
                b',' => self.at += 1,
                _ => return Err(self.not_json()),
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads any value and forgets it.
    pub(super) fn skip(&mut self) -> Read<()> {
        match self.peek() {
            b'{' => self.object(&[], &mut |r, _| r.skip()),
            b'[' => self.array(MAX_BYTES, &mut |r| r.skip()),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            _ => Err(self.not_json()),
        }
    }

    fn word(&mut self, word: &str) -> Read<()> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(self.not_json());
        }
        self.at += word.len();
        Ok(())
    }

    pub(super) fn bool(&mut self) -> Read<bool> {
        match self.peek() {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            c if starts_value(c) => Err(Fault::new("not a boolean; write true or false")),
            _ => Err(self.not_json()),
        }
    }

    /// Reads a string of at most 256 bytes.
    pub(super) fn text(&mut self) -> Read<String> {
        self.wants(b'"', "not a text; write \"…\"")?;
        let text = self.string()?;
        if text.len() > MAX_TEXT {
            return Err(Fault::new(format!("over {MAX_TEXT} bytes; shorten it")));
        }
        Ok(text)
    }

    /// Reads a number without sign, fraction and exponent up to [`MAX_INTEGER`].
    pub(super) fn integer(&mut self) -> Read<u64> {
        let refused = || Fault::new(format!("not an integer; write one from 0 to {MAX_INTEGER}"));
        match self.peek() {
            b'-' | b'0'..=b'9' => {}
            c if starts_value(c) => return Err(refused()),
            _ => return Err(self.not_json()),
        }
        let from = self.at;
        let whole = self.number()?;
        // The digits are ASCII; a number too long for u64 is over the limit too.
        let value = std::str::from_utf8(&self.text[from..self.at]).ok().and_then(|t| t.parse().ok());
        value.filter(|v| whole && *v <= MAX_INTEGER).ok_or_else(refused)
    }

    /// Reads a number; true says that it is digits alone.
    fn number(&mut self) -> Read<bool> {
        let mut whole = true;
        if self.here() == b'-' {
            whole = false;
            self.at += 1;
        }
        if self.here() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.here() == b'.' {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if self.here() | 0x20 == b'e' {
            whole = false;
            self.at += 1;
            if matches!(self.here(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(whole)
    }

    /// Reads one digit or more.
    fn digits(&mut self) -> Read<()> {
        let from = self.at;
        while self.here().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(self.not_json()) }
    }

    /// Reads a string; the next byte is its quote.
    fn string(&mut self) -> Read<String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.here() {
                b'"' => {
                    self.at += 1;
                    // The text is UTF-8 and the pieces are cut at ASCII bytes.
                    return String::from_utf8(bytes).map_err(|_| self.not_json());
                }
                b'\\' => self.escape(&mut bytes)?,
                // Also the end of the text.
                0..b' ' => return Err(self.not_json()),
                c => {
                    bytes.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Read<()> {
        let plain = match self.text.get(self.at + 1) {
            Some(c @ (b'"' | b'\\' | b'/')) => *c,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            _ => {
                let mut units = [0; 2];
                units[0] = self.unit(self.at).ok_or_else(|| self.not_json())?;
                let used = if (0xd800..0xe000).contains(&units[0]) {
                    units[1] = self.unit(self.at + 6).ok_or_else(|| self.not_json())?;
                    2
                } else {
                    1
                };
                let decoded: Option<String> = char::decode_utf16(units[..used].iter().copied()).collect::<Result<_, _>>().ok();
                bytes.extend_from_slice(decoded.ok_or_else(|| self.not_json())?.as_bytes());
                self.at += 6 * used;
                return Ok(());
            }
        };
        bytes.push(plain);
        self.at += 2;
        Ok(())
    }

    /// Reads the `\uXXXX` that starts at a place.
    fn unit(&self, at: usize) -> Option<u16> {
        let text = self.text.get(at..at + 6)?;
        if !text.starts_with(b"\\u") {
            return None;
        }
        text[2..].iter().try_fold(0u16, |v, c| Some(v << 4 | char::from(*c).to_digit(16)? as u16))
    }
}

fn starts_value(c: u8) -> bool {
    matches!(c, b'{' | b'[' | b'"' | b'-' | b't' | b'f' | b'n' | b'0'..=b'9')
}
