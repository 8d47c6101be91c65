//! Statements without their literals.

use std::borrow::Cow;

use super::summary::Words;

/// How many bytes of a statement are returned.
const MAX_STATEMENT: usize = 4096;
/// How many bytes of a statement are read; a literal may be long and the rest still fit.
const MAX_SCANNED: usize = 16_384;

/// What is said about a statement without its literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Literals are `?`, comments are gone, at most 4,096 bytes.
    pub text: Cow<'a, str>,
    /// Operations and their tables in order: `SELECT orders`.
    pub summary: String,
    /// The first operation: `SELECT`.
    pub operation: String,
    /// The table, when there is exactly one.
    pub collection: String,
}

/// Takes the literals out of a statement and says what it does. `system` is the value of `db.system.name`; it decides where the dialects differ
/// on what a literal is. For a system that is not known, whatever is a literal in any dialect counts as one, and where even that cannot be told
/// the rest of the statement is left out. The text is the statement itself when there is nothing to take out.
pub fn sql<'a>(system: &str, text: &'a str) -> Statement<'a> {
    let text = cut(text, MAX_SCANNED);
    let mut scanner =
        Scanner { text, bytes: text.as_bytes(), at: 0, dialect: Dialect::of(system), out: None, done: 0, words: Words::default() };
    scanner.scan();
    let out = match scanner.out {
        None => Cow::Borrowed(cut(text, MAX_STATEMENT)),
        Some(mut out) => {
            out.push_str(&text[scanner.done..]);
            Cow::Owned(cut(out.trim_matches([' ', '\t', '\r', '\n']), MAX_STATEMENT).to_owned())
        }
    };
    let words = scanner.words;
    Statement { text: out, summary: words.summary, operation: words.operation, collection: words.collection }
}

/// Shortens a text to a length on a character's border.
fn cut(text: &str, mut length: usize) -> &str {
    if text.len() <= length {
        return text;
    }
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    &text[..length]
}

/// Where a system differs.
#[derive(Clone, Copy, Default)]
struct Dialect {
    /// `"x"` is a name, not a text.
    double_is_name: bool,
    /// `#` begins no comment.
    hash_is_word: bool,
    /// `[x]` is a name.
    brackets: bool,
    /// `\` escapes in every text.
    backslash: bool,
    /// `\` escapes in no text but `E'…'`.
    plain: bool,
    /// `q'[…]'` may be a text.
    quote_q: bool,
}

impl Dialect {
    fn of(system: &str) -> Dialect {
        let standard = Dialect { double_is_name: true, hash_is_word: true, plain: true, ..Dialect::default() };
        match system {
            "postgresql" | "sqlite" | "cockroachdb" => standard,
            "microsoft.sql_server" => Dialect { brackets: true, ..standard },
            "oracle.db" => Dialect { quote_q: true, ..standard },
            "mysql" | "mariadb" => Dialect { backslash: true, ..Dialect::default() },
            _ => Dialect { quote_q: true, ..Dialect::default() },
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// The text up to `done` as it will be, once something was replaced.
    out: Option<String>,
    done: usize,
    words: Words,
}

impl Scanner<'_> {
    /// Puts something in the place of the text between two places. Both are borders of characters: they stand at ASCII bytes or at the end.
    fn replace(&mut self, from: usize, to: usize, with: &str) {
        let out = self.out.get_or_insert_default();
        out.push_str(&self.text[self.done..from]);
        out.push_str(with);
        self.done = to;
    }

    /// Replaces the text from a place to here and goes on.
    fn literal(&mut self, from: usize) {
        self.replace(from, self.at, "?");
        self.words.other();
    }

    /// Leaves out everything from a place on.
    fn give_up(&mut self, from: usize) {
        self.at = self.bytes.len();
        self.literal(from);
    }

    /// The byte at an offset from here, 0 behind the end.
    fn peek(&self, offset: usize) -> u8 {
        self.bytes.get(self.at + offset).copied().unwrap_or(0)
    }

    fn more(&self) -> bool {
        self.at < self.bytes.len()
    }

    fn scan(&mut self) {
        while self.more() {
            let (c, next, from) = (self.peek(0), self.peek(1), self.at);
            match c {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'-' if next == b'-' => self.line_comment(),
                b'#' if !self.dialect.hash_is_word => self.line_comment(),
                b'/' if next == b'*' => {
                    self.comment();
                    self.replace(from, self.at, " ");
                }
                b'\'' => self.quoted(from, self.dialect.backslash),
                b'"' if !self.dialect.double_is_name => self.quoted(from, self.dialect.backslash),
                b'$' => self.dollar(),
                b'0'..=b'9' => self.number(),
                b'.' if next.is_ascii_digit() => self.number(),
                b'#' | b'"' | b'`' => self.word(),
                b'[' if self.dialect.brackets => self.word(),
                _ if word_start(c) => self.word(),
                b'?' => self.placeholder(),
                b':' if word_start(next) => self.placeholder(),
                _ => {
                    self.at += 1;
                    self.words.mark(c);
                }
            }
        }
    }

    fn line_comment(&mut self) {
        let from = self.at;
        while self.more() && self.peek(0) != b'\n' {
            self.at += 1;
        }
        self.replace(from, self.at, "");
    }

    /// Reads a comment. It may hold others; a dialect that knows none ends it earlier, but to leave out more is safe.
    fn comment(&mut self) {
        let mut depth = 0;
        while self.more() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn placeholder(&mut self) {
        self.at += 1;
        while word_part(self.peek(0)) {
            self.at += 1;
        }
        self.words.other();
    }

    /// Reads a text whose quote stands here and replaces it with what is before it from a place on, its prefix.
    fn quoted(&mut self, from: usize, backslash: bool) {
        let quote = self.peek(0);
        // Right before.
        let mut slashes = 0;
        self.at += 1;
        while self.more() {
            let c = self.peek(0);
            self.at += 1;
            if c == b'\\' {
                slashes += 1;
                continue;
            }
            let escaped = slashes % 2 == 1;
            slashes = 0;
            if c != quote || escaped && backslash {
                continue;
            }
            if escaped && !self.dialect.plain {
                // Some dialects end the text here and others do not.
                return self.give_up(from);
            }
            if self.peek(0) != quote {
                break;
            }
            self.at += 1;
        }
        self.literal(from);
    }

    /// Reads `$1`, which stays, or a text between `$tag$` and `$tag$`.
    fn dollar(&mut self) {
        let from = self.at;
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            return self.words.other();
        }
        while word_part(self.peek(0)) && self.peek(0) != b'$' {
            self.at += 1;
        }
        if self.peek(0) != b'$' {
            return self.words.other();
        }
        self.at += 1;
        let tag = &self.text[from..self.at];
        self.at = self.text[self.at..].find(tag).map_or(self.text.len(), |end| self.at + end + tag.len());
        self.literal(from);
    }

    /// Reads everything that may belong to a number.
    fn number(&mut self) {
        let from = self.at;
        let hexadecimal = self.peek(0) == b'0' && self.peek(1) | 0x20 == b'x';
        while self.more() {
            let c = self.peek(0);
            if !word_part(c) && c != b'.' {
                break;
            }
            self.at += 1;
            if c | 0x20 == b'e' && !hexadecimal && matches!(self.peek(0), b'+' | b'-') && self.peek(1).is_ascii_digit() {
                self.at += 1;
            }
        }
        self.literal(from);
    }

    /// Reads a keyword or a name with dots in it, plain or quoted, and what is a text with a prefix.
    fn word(&mut self) {
        let from = self.at;
        // One part without quotes.
        let mut plain;
        let mut first = true;
        loop {
            let c = self.peek(0);
            let closing = match c {
                b'"' if self.dialect.double_is_name => Some(b'"'),
                b'`' => Some(b'`'),
                b'[' if self.dialect.brackets => Some(b']'),
                _ => None,
            };
            let hash = |c: u8| c == b'#' && self.dialect.hash_is_word;
            if let Some(closing) = closing {
                plain = false;
                if !self.name(closing) {
                    return self.give_up(from);
                }
            } else if word_start(c) || hash(c) {
                self.at += 1;
                while word_part(self.peek(0)) || self.peek(0) == b'#' && self.dialect.hash_is_word {
                    self.at += 1;
                }
                plain = first;
            } else {
                // A dot with no name behind it.
                plain = false;
            }
            first = false;
            let next = self.peek(1);
            if self.peek(0) != b'.' || !word_start(next) && !matches!(next, b'"' | b'`' | b'[') {
                break;
            }
            self.at += 1;
        }
        let word = &self.text[from..self.at];
        if plain && self.peek(0) == b'\'' {
            match word {
                "e" | "E" => return self.quoted(from, true),
                "n" | "N" | "x" | "X" | "b" | "B" => return self.quoted(from, self.dialect.backslash),
                "q" | "Q" | "nq" | "nQ" | "Nq" | "NQ" if self.dialect.quote_q => return self.give_up(from),
                _ => {}
            }
        }
        self.words.word(word, plain, self.peek(0) == b'(');
    }

    /// Reads a quoted name up to its closing quote, if there is one; a doubled one belongs to it.
    fn name(&mut self, closing: u8) -> bool {
        self.at += 1;
        while self.more() {
            let c = self.peek(0);
            self.at += 1;
            if c == closing {
                if self.peek(0) != closing {
                    return true;
                }
                self.at += 1;
            }
        }
        false
    }
}

fn word_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || matches!(c, b'_' | b'@') || c >= 0x80
}

fn word_part(c: u8) -> bool {
    word_start(c) || c.is_ascii_digit() || c == b'$'
}
