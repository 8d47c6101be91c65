//! The fields of `tracing` spans: those with a meaning of their own, and the rest as attributes.

use std::cell::Cell;
use std::fmt;

use tracing_core::field::{Field, Visit};
use tracing_core::{Metadata, span};

use crate::engine::Engine;
use crate::span::Bounded;
use crate::span::handle::Handle;
use crate::span::record::{Record, Status};
use crate::span::store;
use crate::{Kind, Value};

/// A text buffer larger than this is not kept for the thread's next field.
const KEPT_BYTES: usize = 8 << 10;

thread_local!(static TEXT: Cell<String> = const { Cell::new(String::new()) });

/// Formats into a buffer of the thread, as far as it is kept.
pub fn with_text<R>(value: &dyn fmt::Debug, limit: usize, f: impl FnOnce(&str) -> R) -> R {
    let mut out = Bounded { text: TEXT.try_with(Cell::take).unwrap_or_default(), limit };
    out.text.clear();
    out.format(format_args!("{value:?}"));
    let result = f(&out.text);
    if out.text.capacity() <= KEPT_BYTES {
        let _ = TEXT.try_with(|text| text.set(out.text));
    }
    result
}

/// Writes fields into a span. It is locked for each field anew: `Debug` and `Display` of the host's values run in between, and they may log, start
/// spans or write to the very span.
pub struct Fields<'a> {
    pub handle: Handle,
    pub engine: &'a Engine,
    /// The span is not recorded: only what a summary needs is taken.
    pub summary_only: bool,
}

impl Fields<'_> {
    /// Gives the record to `f`, unless the span has ended.
    #[inline]
    pub fn record(&self, f: impl FnOnce(&mut Record)) {
        store::with(self.handle, |record| {
            if !record.finished {
                f(record);
            }
        });
    }

    #[inline]
    fn put(&mut self, field: &Field, value: Value<'_>) {
        let (name, engine) = (field.name(), self.engine);
        // All fields with a meaning begin with these letters.
        if matches!(name.as_bytes().first(), Some(b'o' | b'e')) && self.special(name, value) {
            return;
        }
        if !self.summary_only {
            self.record(|record| record.set(&engine.limits, engine, name, value));
        }
    }

    /// The names that tracing-opentelemetry gave a meaning, and `error`.
    fn special(&mut self, name: &str, value: Value<'_>) -> bool {
        let limits = &self.engine.limits;
        match (name, value) {
            ("otel.name", Value::Str(text)) => self.record(|r| r.set_name(limits, text)),
            ("otel.kind", Value::Str(text)) => self.record(|r| r.kind = Kind::parse(text).unwrap_or(r.kind)),
            ("otel.status_code", Value::Str(text)) if text.eq_ignore_ascii_case("ok") => {
                self.record(|r| r.set_status(limits, Status::Ok, ""));
            }
            ("otel.status_code", Value::Str(text)) if text.eq_ignore_ascii_case("error") => self.fail(),
            ("otel.status_description" | "otel.status_message", Value::Str(text)) => {
                // The code may come later.
                self.record(|r| r.describe(limits, text));
            }
            ("error", Value::Bool(true)) => self.fail(),
            ("error", Value::Str(text)) => self.record(|r| r.set_status(limits, Status::Error, text)),
            ("otel.status_code" | "error", _) => {}
            _ => return false,
        }
        true
    }

    /// Fails with the description that there may be already.
    fn fail(&mut self) {
        let limits = &self.engine.limits;
        self.record(|record| {
            let message = std::mem::take(&mut record.message);
            record.set_status(limits, Status::Error, &message);
        });
    }
}

/// Turns the calls of a visitor into one with a [`Value`].
macro_rules! visit {
    () => {
        #[inline]
        fn record_str(&mut self, field: &Field, value: &str) {
            self.put(field, Value::Str(value));
        }
        #[inline]
        fn record_i64(&mut self, field: &Field, value: i64) {
            self.put(field, Value::Int(value));
        }
        #[inline]
        fn record_u64(&mut self, field: &Field, value: u64) {
            match i64::try_from(value) {
                Ok(value) => self.put(field, Value::Int(value)),
                // OTLP has no unsigned numbers; the digits lose nothing.
                Err(_) => self.put(field, Value::Str(&value.to_string())),
            }
        }
        fn record_i128(&mut self, field: &Field, value: i128) {
            match i64::try_from(value) {
                Ok(value) => self.put(field, Value::Int(value)),
                Err(_) => self.put(field, Value::Str(&value.to_string())),
            }
        }
        fn record_u128(&mut self, field: &Field, value: u128) {
            match i64::try_from(value) {
                Ok(value) => self.put(field, Value::Int(value)),
                Err(_) => self.put(field, Value::Str(&value.to_string())),
            }
        }
        #[inline]
        fn record_f64(&mut self, field: &Field, value: f64) {
            self.put(field, Value::Float(value));
        }
        #[inline]
        fn record_bool(&mut self, field: &Field, value: bool) {
            self.put(field, Value::Bool(value));
        }
        fn record_bytes(&mut self, field: &Field, value: &[u8]) {
            self.put(field, Value::Bytes(value));
        }
    };
}

impl Visit for Fields<'_> {
    visit!();

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let text = crate::span::bounded(value, self.engine.limits.value_bytes);
        self.put(field, Value::Str(&text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        with_text(value, self.engine.limits.value_bytes, |text| self.put(field, Value::Str(text)));
    }
}

/// What sampling rules want to know before the span exists.
#[derive(Default)]
pub struct Ahead {
    pub name: Option<String>,
    pub kind: Kind,
}

impl Ahead {
    /// Looks for `otel.name` and `otel.kind`, if the callsite has such fields at all.
    #[inline]
    pub fn of(metadata: &Metadata<'_>, attributes: &span::Attributes<'_>) -> Ahead {
        let mut ahead = Ahead::default();
        if metadata.fields().iter().any(|field| field.name().starts_with("otel.")) {
            attributes.record(&mut ahead);
        }
        ahead
    }
}

impl Visit for Ahead {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel.name" => self.name = Some(crate::wire::cut(value, 256).to_owned()),
            "otel.kind" => self.kind = Kind::parse(value).unwrap_or_default(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name().starts_with("otel.") {
            let text = crate::span::bounded(&format_args!("{value:?}"), 256);
            self.record_str(field, &text);
        }
    }
}

/// The text of the field `error` of an event.
#[derive(Default)]
pub struct ErrorText(pub Option<String>);

impl Visit for ErrorText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "error" {
            self.0 = Some(crate::span::bounded(&format_args!("{value:?}"), 4096));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "error" {
            self.0 = Some(crate::wire::cut(value, 4096).to_owned());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if field.name() == "error" {
            self.0 = Some(crate::span::bounded(value, 4096));
        }
    }
}
