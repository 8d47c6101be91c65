//! The event as a `LogRecord` of OTLP. Bytes of the Go kit's `internal/logline/record.go`.

use std::borrow::Cow;

use super::line::{Event, Line, MAX_KEY, MAX_MESSAGE, Text, Value};
use super::text;
use crate::wire;

/// The field of `ScopeLogs`.
const RECORDS: u32 = 2;

// The fields of `LogRecord`.
const TIME: u32 = 1;
const SEVERITY: u32 = 2;
const LEVEL: u32 = 3;
const BODY: u32 = 5;
const ATTRIBUTES: u32 = 6;
const DROPPED: u32 = 7;
const FLAGS: u32 = 8;
const TRACE: u32 = 9;
const SPAN: u32 = 10;
const OBSERVED: u32 = 11;
const NAME: u32 = 12;

// The fields of `KeyValue`, `AnyValue` and `ArrayValue`.
const KEY: u32 = 1;
const VALUE: u32 = 2;
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
const VALUES: u32 = 1;

impl Line {
    /// Appends the event as an element of `ScopeLogs`: its tag, its length, the `LogRecord`. It has the limits and redactions of the line.
    /// What the line has beside its attributes is said in the words of the semantic conventions; the service is the resource's.
    pub fn append_record(&self, out: &mut Vec<u8>, event: &Event<'_>) {
        wire::message(out, RECORDS, |out| {
            if let Some(time) = event.time {
                wire::fixed64(out, TIME, time as u64);
            }
            wire::number(out, SEVERITY, event.severity as u64);
            wire::bytes(out, LEVEL, event.severity.name().as_bytes());
            if !event.message.is_empty() {
                let (kept, cut) = text::cut(event.message, MAX_MESSAGE);
                wire::message(out, BODY, |out| wire::bytes(out, STRING, whole(kept, cut).as_bytes()));
            }
            for attribute in &self.attributes {
                key_value(out, &self.whole(&attribute.key), |out| self.any(out, &attribute.value));
            }
            if let Some(first) = self.errors.first() {
                string(out, "exception.message", &self.whole(first));
            }
            if self.errors.len() > 1 {
                key_value(out, "clew.error.chain", |out| {
                    wire::message(out, ARRAY, |out| {
                        for error in &self.errors {
                            wire::message(out, VALUES, |out| wire::bytes(out, STRING, self.whole(error).as_bytes()));
                        }
                    });
                });
            }
            if let Some((file, line)) = event.code.split_once(':') {
                let (kept, cut) = text::cut(file, MAX_KEY);
                string(out, "code.file.path", &whole(kept, cut));
                int(out, "code.line.number", number(line));
            }
            if !event.thread.is_empty() {
                let (kept, cut) = text::cut(event.thread, MAX_KEY);
                string(out, "thread.name", &whole(kept, cut));
            }
            if event.task != 0 {
                int(out, "clew.task.id", event.task);
            }
            if event.more != 0 {
                int(out, "clew.log.more", event.more);
            }
            if self.loss != 0 {
                wire::number(out, DROPPED, self.loss);
            }
            if event.trace_id != [0; 16] {
                wire::fixed32(out, FLAGS, event.flags.into());
                wire::bytes(out, TRACE, &event.trace_id);
                if event.span_id != [0; 8] {
                    wire::bytes(out, SPAN, &event.span_id);
                }
            }
            wire::fixed64(out, OBSERVED, event.observed as u64);
            if !event.name.is_empty() {
                wire::bytes(out, NAME, wire::cut(event.name, MAX_KEY).as_bytes());
            }
        });
    }

    fn whole(&self, t: &Text) -> Cow<'_, str> {
        whole(self.str(t), t.cut)
    }

    /// What stands in an `AnyValue`; nothing for null.
    fn any(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Null => {}
            Value::Text(t) => wire::bytes(out, STRING, self.whole(t).as_bytes()),
            Value::Bool(b) => wire::number(out, BOOL, u64::from(*b)),
            Value::Int(n) => wire::number(out, INT, *n as u64),
            // OTLP has signed integers only; a larger one is its digits.
            Value::Uint(n) => match i64::try_from(*n) {
                Ok(n) => wire::number(out, INT, n as u64),
                Err(_) => wire::bytes(out, STRING, n.to_string().as_bytes()),
            },
            Value::Digits(t) => wire::bytes(out, STRING, self.str(t).as_bytes()),
            // One form of NaN, so that records of all languages are the same bytes.
            Value::Float(f) => wire::fixed64(out, DOUBLE, if f.is_nan() { 0x7ff8 << 48 } else { f.to_bits() }),
            Value::Instant(t) => {
                let mut instant = Vec::with_capacity(30);
                text::instant(&mut instant, *t);
                wire::bytes(out, STRING, &instant);
            }
            Value::List(elements) => wire::message(out, ARRAY, |out| {
                for element in &self.elements[elements.clone()] {
                    wire::message(out, VALUES, |out| self.any(out, element));
                }
            }),
        }
    }
}

fn key_value(out: &mut Vec<u8>, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    wire::message(out, ATTRIBUTES, |out| {
        wire::bytes(out, KEY, key.as_bytes());
        wire::message(out, VALUE, value);
    });
}

fn string(out: &mut Vec<u8>, key: &str, value: &str) {
    key_value(out, key, |out| wire::bytes(out, STRING, value.as_bytes()));
}

fn int(out: &mut Vec<u8>, key: &str, value: u64) {
    key_value(out, key, |out| wire::number(out, INT, value));
}

/// A text with its mark.
fn whole(kept: &str, cut: bool) -> Cow<'_, str> {
    if cut { Cow::Owned(format!("{kept}{}", text::CUT_MARK)) } else { Cow::Borrowed(kept) }
}

/// The value of a text of digits.
fn number(digits: &str) -> u64 {
    let mut n = 0;
    for digit in digits.bytes().take_while(u8::is_ascii_digit) {
        if n >= 1 << 31 {
            break;
        }
        n = n * 10 + u64::from(digit - b'0');
    }
    n
}
