//! One event under the limits of the contract, section 7.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use super::text;
use crate::policy::{Action, Snapshot};

/// Bytes of a message.
pub const MAX_MESSAGE: usize = 8192;
/// Bytes of a value, an element, an error.
pub const MAX_VALUE: usize = 4096;
/// Bytes of a key, the service, the thread, the code.
pub const MAX_KEY: usize = 256;
/// Attributes of an event.
pub const MAX_ATTRIBUTES: usize = 64;
/// Elements of an array.
pub const MAX_ELEMENTS: usize = 128;
/// Messages of an error's chain.
pub const MAX_ERRORS: usize = 8;

/// The severity of an event; the numbers are those of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Severity {
    Trace = 1,
    Debug = 5,
    #[default]
    Info = 9,
    Warn = 13,
    Error = 17,
}

impl Severity {
    /// The level as a line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Trace => "TRACE",
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        }
    }
}

/// What a line says beside its attributes and errors. What is empty or zero is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// Nanoseconds since 1970.
    pub time: Option<i64>,
    pub severity: Severity,
    pub message: &'a str,
    /// The OTLP event name; a line does not have it.
    pub name: &'a str,
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub flags: u8,
    pub service: &'a str,
    pub task: u64,
    pub thread: &'a str,
    pub code: &'a str,
    pub more: u64,
    /// Nanoseconds since 1970, of the record only.
    pub observed: i64,
}

/// A text in the line's arena.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub at: Range<usize>,
    /// It is to end with the mark.
    pub cut: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Text(Text),
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// An integer over 64 bits.
    Digits(Text),
    Float(f64),
    Instant(i64),
    /// Elements of the line.
    List(Range<usize>),
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub key: Text,
    pub loss: u64,
    pub value: Value,
}

/// Stands where a value was masked.
const MASKED: &str = "***";

/// What the policy says about a key.
type Rule = Option<Action>;

/// Collects one event. Its memory is used again after [`Line::reset`].
#[derive(Default)]
pub struct Line {
    /// Stands before every key: the names of the open groups, each with its dot.
    pub prefix: String,
    /// Says what is redacted; `None` redacts nothing.
    pub policy: Option<Arc<Snapshot>>,
    pub(super) arena: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) elements: Vec<Value>,
    pub(super) errors: Vec<Text>,
    error_loss: u64,
    pub(super) loss: u64,
    /// Room for what is made of the line.
    pub(super) buffer: Vec<u8>,
    /// The message, for callers that must format it.
    pub(super) message: String,
}

/// How much memory an empty line may keep, in bytes of each of its buffers.
const KEEP: usize = 64 << 10;

impl Line {
    /// Empties the line.
    pub fn reset(&mut self) {
        self.prefix.clear();
        self.policy = None;
        self.arena.clear();
        self.attributes.clear();
        self.elements.clear();
        self.errors.clear();
        (self.error_loss, self.loss) = (0, 0);
        self.buffer.clear();
        self.message.clear();
        self.arena.shrink_to(KEEP);
        self.buffer.shrink_to(KEEP);
        self.message.shrink_to(KEEP);
        self.elements.shrink_to(4 * MAX_ELEMENTS);
    }

    fn rule(&self, key: &str) -> Rule {
        self.policy.as_ref()?.redact(key)
    }

    /// Where the value of the key is to be put, with its rule; `None` when the attribute is left out.
    fn slot(&mut self, key: &str) -> Option<(usize, Rule)> {
        let joined;
        let key = if self.prefix.is_empty() {
            key
        } else {
            joined = format!("{}{key}", self.prefix);
            &joined
        };
        // The rules see the whole key, also where the line shows a cut one.
        let rule = self.rule(key);
        if rule == Some(Action::Drop) {
            return None;
        }
        let (key, cut) = text::cut(key, MAX_KEY);
        let arena = &self.arena;
        if let Some(i) = self.attributes.iter().position(|a| a.key.cut == cut && &arena[a.key.at.clone()] == key) {
            self.attributes[i].loss = 0;
            return Some((i, rule));
        }
        if self.attributes.len() == MAX_ATTRIBUTES {
            self.loss += 1;
            return None;
        }
        let key = Text { at: self.keep(key), cut };
        self.attributes.push(Attribute { key, loss: 0, value: Value::Null });
        Some((self.attributes.len() - 1, rule))
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.arena.len();
        self.arena.push_str(text);
        start..self.arena.len()
    }

    /// A value that is no text under the rule: a number has no shorter form that hides anything, so truncating masks it too.
    fn plain(&mut self, rule: &Rule, value: Value) -> Value {
        if rule.is_some() { self.masked() } else { value }
    }

    fn masked(&mut self) -> Value {
        Value::Text(Text { at: self.keep(MASKED), cut: false })
    }

    /// The text of the arena from `start` on, under the rule and the limit, and 1 when the limit cut it.
    fn bounded(&mut self, rule: &Rule, start: usize) -> (Text, u64) {
        match rule {
            None => {}
            Some(Action::Truncate(length)) => {
                let kept = crate::wire::cut(&self.arena[start..], *length).len();
                self.arena.truncate(start + kept);
            }
            Some(Action::Mask | Action::Drop) => {
                self.arena.truncate(start);
                self.arena.push_str(MASKED);
            }
        }
        let (kept, cut) = text::cut(&self.arena[start..], MAX_VALUE);
        let end = start + kept.len();
        self.arena.truncate(end);
        (Text { at: start..end, cut }, u64::from(cut))
    }

    fn set(&mut self, key: &str, value: Value) {
        if let Some((i, rule)) = self.slot(key) {
            let value = self.plain(&rule, value);
            self.attributes[i].value = value;
        }
    }

    /// Sets a text that `write` appends to the arena.
    fn set_with(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        if let Some((i, rule)) = self.slot(key) {
            let start = self.arena.len();
            write(&mut self.arena);
            let (text, loss) = self.bounded(&rule, start);
            self.attributes[i].value = Value::Text(text);
            self.attributes[i].loss = loss;
        }
    }

    /// Sets a text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.set_with(key, |arena| arena.push_str(head(value)));
    }

    /// Sets the text of a value. A panic in its formatting becomes the text.
    pub fn display(&mut self, key: &str, value: fmt::Arguments<'_>) {
        self.set_with(key, |arena| format_into(arena, MAX_VALUE, value));
    }

    /// Sets a boolean.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.set(key, Value::Bool(value));
    }

    /// Sets an integer.
    pub fn int(&mut self, key: &str, value: i64) {
        self.set(key, Value::Int(value));
    }

    /// Sets an integer that is not negative.
    pub fn uint(&mut self, key: &str, value: u64) {
        self.set(key, Value::Uint(value));
    }

    /// Sets an integer of any size, given by its digits.
    pub fn digits(&mut self, key: &str, value: fmt::Arguments<'_>) {
        if let Some((i, rule)) = self.slot(key) {
            let start = self.arena.len();
            let _ = self.arena.write_fmt(value);
            let value = Value::Digits(Text { at: start..self.arena.len(), cut: false });
            let value = self.plain(&rule, value);
            self.attributes[i].value = value;
        }
    }

    /// Sets a number.
    pub fn float(&mut self, key: &str, value: f64) {
        self.set(key, Value::Float(value));
    }

    /// Sets a time span of so many nanoseconds; it is written in seconds.
    pub fn duration(&mut self, key: &str, nanos: i64) {
        self.float(key, seconds(nanos));
    }

    /// Sets a moment, nanoseconds since 1970.
    pub fn instant(&mut self, key: &str, unix_nanos: i64) {
        self.set(key, Value::Instant(unix_nanos));
    }

    /// Sets that there is no value.
    pub fn null(&mut self, key: &str) {
        self.set(key, Value::Null);
    }

    /// Sets bytes; they are written as Base64.
    pub fn bytes(&mut self, key: &str, value: &[u8]) {
        self.set_with(key, |arena| text::base64(arena, enough(value)));
    }

    /// Sets an array, whose elements `each` adds to the [`Elements`] it is given.
    pub fn list(&mut self, key: &str, each: impl FnOnce(&mut Elements<'_>)) {
        let Some((i, rule)) = self.slot(key) else { return };
        if rule == Some(Action::Mask) {
            let masked = self.masked();
            self.attributes[i].value = masked;
            return;
        }
        let first = self.elements.len();
        let mut elements = Elements { line: self, first, rule, loss: 0, over: false };
        each(&mut elements);
        let loss = elements.loss;
        self.attributes[i].value = Value::List(first..self.elements.len());
        self.attributes[i].loss = loss;
    }

    /// Sets the error of the event: the messages of `chain`, outermost first. The last error set counts.
    pub fn error<M: fmt::Display>(&mut self, key: &str, chain: impl IntoIterator<Item = M>) {
        self.errors.clear();
        self.error_loss = 0;
        let rule = self.rule(key);
        if rule == Some(Action::Drop) {
            return;
        }
        for message in chain {
            if self.errors.len() == MAX_ERRORS {
                self.error_loss += 1;
                return;
            }
            let start = self.arena.len();
            format_into(&mut self.arena, MAX_VALUE, format_args!("{message}"));
            let (text, loss) = self.bounded(&rule, start);
            self.errors.push(text);
            self.error_loss += loss;
        }
    }

    pub(super) fn str(&self, text: &Text) -> &str {
        &self.arena[text.at.clone()]
    }

    /// What the line says as truncated, but for its own members.
    fn truncated(&self) -> u64 {
        let attributes: u64 = self.attributes.iter().map(|a| a.loss + u64::from(a.key.cut)).sum();
        self.loss + self.error_loss + attributes
    }

    /// Appends the event as one JSON object and a newline.
    pub fn append_line(&self, out: &mut Vec<u8>, event: &Event<'_>) {
        let mut truncated = self.truncated();
        out.extend_from_slice(b"{\"schema\":\"clew/1\"");
        if let Some(time) = event.time {
            out.extend_from_slice(b",\"time\":\"");
            text::instant(out, time);
            out.push(b'"');
        }
        out.extend_from_slice(b",\"level\":\"");
        out.extend_from_slice(event.severity.name().as_bytes());
        out.push(b'"');
        member(out, b",\"message\":", event.message, MAX_MESSAGE, &mut truncated);
        if event.trace_id != [0; 16] {
            out.extend_from_slice(b",\"trace_id\":\"");
            text::hex(out, &event.trace_id);
            if event.span_id != [0; 8] {
                out.extend_from_slice(b"\",\"span_id\":\"");
                text::hex(out, &event.span_id);
            }
            let sampled: &[u8] = if event.flags & crate::SAMPLED != 0 { b"\",\"sampled\":true" } else { b"\",\"sampled\":false" };
            out.extend_from_slice(sampled);
        }
        member(out, b",\"service\":", event.service, MAX_KEY, &mut truncated);
        if event.task != 0 {
            out.extend_from_slice(b",\"task\":\"");
            text::unsigned(out, event.task);
            out.push(b'"');
        }
        member(out, b",\"thread\":", event.thread, MAX_KEY, &mut truncated);
        member(out, b",\"code\":", event.code, MAX_KEY, &mut truncated);
        for (i, error) in self.errors.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b",\"error\":[" } else { b"," });
            text::quoted(out, self.str(error), error.cut);
        }
        if !self.errors.is_empty() {
            out.push(b']');
        }
        if event.more != 0 {
            out.extend_from_slice(b",\"more\":");
            text::unsigned(out, event.more);
        }
        if truncated != 0 {
            out.extend_from_slice(b",\"truncated\":");
            text::unsigned(out, truncated);
        }
        for (i, attribute) in self.attributes.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b",\"attributes\":{" } else { b"," });
            text::quoted(out, self.str(&attribute.key), attribute.key.cut);
            out.push(b':');
            self.append_value(out, &attribute.value);
        }
        out.extend_from_slice(if self.attributes.is_empty() { b"}\n" } else { b"}}\n" });
    }

    fn append_value(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Text(t) => text::quoted(out, self.str(t), t.cut),
            Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Int(n) => text::signed(out, *n),
            Value::Uint(n) => text::unsigned(out, *n),
            Value::Digits(t) => out.extend_from_slice(self.str(t).as_bytes()),
            Value::Float(f) => text::float(out, *f),
            Value::Instant(t) => {
                out.push(b'"');
                text::instant(out, *t);
                out.push(b'"');
            }
            Value::List(elements) => {
                out.push(b'[');
                for (i, element) in self.elements[elements.clone()].iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.append_value(out, element);
                }
                out.push(b']');
            }
        }
    }
}

/// Appends a member of the line that is a text, when it is not empty.
fn member(out: &mut Vec<u8>, name: &[u8], value: &str, limit: usize, truncated: &mut u64) {
    if value.is_empty() {
        return;
    }
    let (kept, cut) = text::cut(value, limit);
    *truncated += u64::from(cut);
    out.extend_from_slice(name);
    text::quoted(out, kept, cut);
}

/// Nanoseconds as seconds, divided once, so that every language rounds alike.
fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// As much of a text as can matter: a little over the limit, so that it is still seen that there was more.
fn head(text: &str) -> &str {
    crate::wire::cut(text, MAX_VALUE + 4)
}

/// As many bytes as can matter: three are four characters, and what is certainly over the limit need not be encoded to be cut.
fn enough(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_VALUE / 4 * 3 + 3)]
}

/// Appends what `value` formats to, a little over `limit` bytes at most. Foreign code runs in there: its panic becomes the text.
pub(super) fn format_into(out: &mut String, limit: usize, value: fmt::Arguments<'_>) {
    if let Some(text) = value.as_str() {
        out.push_str(crate::wire::cut(text, limit + 4));
        return;
    }
    let start = out.len();
    let mut bounded = Bounded { room: limit + 4, out };
    let formatted = crate::panics::contained(|| {
        let _ = bounded.write_fmt(value);
    });
    if let Err(panic) = formatted {
        out.truncate(start);
        let said = crate::panics::text(&*panic).unwrap_or("a value that is no text");
        out.push_str("!PANIC: ");
        out.push_str(crate::wire::cut(said, limit));
    }
}

/// Takes text as long as there is room, and then nothing, so that formatting a huge value needs no huge memory.
struct Bounded<'a> {
    room: usize,
    out: &'a mut String,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let kept = crate::wire::cut(text, self.room);
        self.out.push_str(kept);
        // Once a text did not fit, nothing behind it may.
        self.room = if kept.len() < text.len() { 0 } else { self.room - kept.len() };
        Ok(())
    }
}

/// Collects the elements of one array.
pub struct Elements<'a> {
    line: &'a mut Line,
    first: usize,
    rule: Rule,
    loss: u64,
    over: bool,
}

impl Elements<'_> {
    /// Whether the array has all the elements it may have; asking for more room counts that there were more.
    pub fn full(&mut self) -> bool {
        if self.line.elements.len() - self.first < MAX_ELEMENTS {
            return false;
        }
        if !self.over {
            self.over = true;
            self.loss += 1;
        }
        true
    }

    fn add(&mut self, value: Value) {
        if !self.full() {
            let value = self.line.plain(&self.rule, value);
            self.line.elements.push(value);
        }
    }

    fn add_with(&mut self, write: impl FnOnce(&mut String)) {
        if !self.full() {
            let start = self.line.arena.len();
            write(&mut self.line.arena);
            let (text, loss) = self.line.bounded(&self.rule, start);
            self.loss += loss;
            self.line.elements.push(Value::Text(text));
        }
    }

    /// Adds a text.
    pub fn text(&mut self, value: &str) {
        self.add_with(|arena| arena.push_str(head(value)));
    }

    /// Adds bytes, as Base64.
    pub fn bytes(&mut self, value: &[u8]) {
        self.add_with(|arena| text::base64(arena, enough(value)));
    }

    /// Adds a boolean.
    pub fn bool(&mut self, value: bool) {
        self.add(Value::Bool(value));
    }

    /// Adds an integer.
    pub fn int(&mut self, value: i64) {
        self.add(Value::Int(value));
    }

    /// Adds an integer that is not negative.
    pub fn uint(&mut self, value: u64) {
        self.add(Value::Uint(value));
    }

    /// Adds a number.
    pub fn float(&mut self, value: f64) {
        self.add(Value::Float(value));
    }

    /// Adds a time span in nanoseconds.
    pub fn duration(&mut self, nanos: i64) {
        self.float(seconds(nanos));
    }

    /// Adds a moment, nanoseconds since 1970.
    pub fn instant(&mut self, unix_nanos: i64) {
        self.add(Value::Instant(unix_nanos));
    }

    /// Adds that there is no value.
    pub fn null(&mut self) {
        self.add(Value::Null);
    }
}
