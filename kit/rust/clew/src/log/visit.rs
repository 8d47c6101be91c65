//! Takes the fields of `tracing` events and of the `log` crate's records.

use std::error::Error;
use std::fmt;

use tracing_core::field::{Field, Visit};

use super::line::{Line, MAX_MESSAGE, format_into};

/// The field of `tracing` that holds the message.
const MESSAGE: &str = "message";

/// An error and what it stems from. A chain may have no end: the line stops asking when it is full. A cause that panics is none.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = crate::panics::contained(|| error.source()).unwrap_or_default();
        Some(error)
    })
}

fn is_error_key(key: &str) -> bool {
    key == "error" || key == "err"
}

/// Sets the fields of an event on a line.
pub struct Fields<'a>(pub &'a mut Line);

impl Fields<'_> {
    fn display(&mut self, key: &str, value: fmt::Arguments<'_>) {
        match key {
            MESSAGE => format_into(&mut self.0.message, MAX_MESSAGE, value),
            _ if is_error_key(key) => self.0.error(key, [value]),
            _ => self.0.display(key, value),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => self.0.message.push_str(crate::wire::cut(value, MAX_MESSAGE + 4)),
            key if is_error_key(key) => self.0.error(key, [value]),
            key => self.0.text(key, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.display(field.name(), format_args!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        match field.name() {
            key if is_error_key(key) => self.0.error(key, chain(value)),
            key => self.display(key, format_args!("{value}")),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.bool(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.int(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.uint(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.digits(field.name(), format_args!("{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.digits(field.name(), format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.float(field.name(), value);
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.0.bytes(field.name(), value);
    }
}

/// Takes the message only.
pub struct Message<'a>(pub &'a mut String);

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.0.push_str(crate::wire::cut(value, MAX_MESSAGE + 4));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            format_into(self.0, MAX_MESSAGE, format_args!("{value:?}"));
        }
    }
}
