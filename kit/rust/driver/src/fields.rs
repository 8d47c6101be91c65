//! Reads cases and writes answers.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use crate::Result;

/// The fields of a case. It notes which were read.
pub(crate) struct Fields<'a> {
    values: &'a Map<String, Value>,
    read: RefCell<HashSet<String>>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(value: &'a Value) -> Result<Fields<'a>> {
        let values = value.as_object().ok_or("a case is no object")?;
        Ok(Fields { values, read: RefCell::default() })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn get<T>(&self, name: &str, absent: T, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T> {
        self.read.borrow_mut().insert(name.to_owned());
        match self.values.get(name) {
            None => Ok(absent),
            Some(value) => read(value).ok_or_else(|| format!("field {name:?} is not of its kind")),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str> {
        self.get(name, "", Value::as_str)
    }

    pub(crate) fn bool(&self, name: &str) -> Result<bool> {
        self.get(name, false, Value::as_bool)
    }

    pub(crate) fn int(&self, name: &str) -> Result<i64> {
        self.get(name, 0, Value::as_i64)
    }

    /// A field of any kind.
    pub(crate) fn value(&self, name: &str) -> Result<&'a Value> {
        self.get(name, &Value::Null, Some)
    }

    /// A field that must be one of a closed list.
    pub(crate) fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        parse(self.text(name)?).ok_or_else(|| format!("field {name:?} is not of its kind"))
    }

    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value]> {
        self.get(name, &[][..], |v| v.as_array().map(Vec::as_slice))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>> {
        self.list(name)?.iter().map(|v| v.as_str().ok_or_else(|| format!("field {name:?} is not of its kind"))).collect()
    }

    /// A field of hex digits, of exactly so many bytes.
    pub(crate) fn hex<const N: usize>(&self, name: &str) -> Result<[u8; N]> {
        let bytes = unhex(self.text(name)?).and_then(|b| b.try_into().ok());
        bytes.ok_or_else(|| format!("field {name:?} is not of its kind"))
    }

    /// Calls `f` with every object of a list.
    pub(crate) fn each(&self, name: &str, mut f: impl FnMut(&Fields<'a>) -> Result<()>) -> Result<()> {
        for value in self.list(name)? {
            let part = Fields::new(value)?;
            f(&part)?;
            part.done()?;
        }
        Ok(())
    }

    /// A field of an object of texts; anything else is absent.
    pub(crate) fn within(&self, name: &str) -> Result<impl Fn(&str) -> String + 'a> {
        let part = self.get(name, None, |v| v.as_object().map(Some))?;
        Ok(move |key: &str| part.and_then(|p| p.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    pub(crate) fn done(&self) -> Result<()> {
        match self.values.keys().find(|k| !self.read.borrow().contains(*k)) {
            Some(unknown) => Err(format!("field {unknown:?} is not known")),
            None => Ok(()),
        }
    }
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Writes a value in one way only: keys sorted, ASCII, no spaces.
pub fn render(value: &Value) -> String {
    let mut out = String::new();
    push(&mut out, value);
    out
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_text(out, text),
        Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push(out, value);
            }
            out.push(']');
        }
        Value::Object(values) => {
            let mut keys: Vec<_> = values.iter().collect();
            keys.sort_by_key(|(k, _)| *k);
            out.push('{');
            for (i, (key, value)) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_text(out, key);
                out.push(':');
                push(out, value);
            }
            out.push('}');
        }
        // null, booleans and whole numbers have one form.
        _ => out.push_str(&value.to_string()),
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
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
