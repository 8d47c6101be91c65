//! Instrumentation scopes by number.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Scopes that are kept apart, since some libraries make their name or version from data.
const MAX_SCOPES: usize = 1024;
/// Bounds each text of a scope, in bytes.
const MAX_TEXT: usize = 256;

/// What stands before and behind the records in a `ScopeSpans`: field 1, the
/// `InstrumentationScope`, and field 3, the schema.
#[derive(Debug)]
pub(super) struct Scope {
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
}

#[derive(Clone, Default)]
struct Table {
    numbers: HashMap<(String, String, String), u32>,
    encoded: Vec<Arc<Scope>>,
}

pub(super) struct Scopes(RwLock<Table>);

impl Scopes {
    pub fn new() -> Scopes {
        let scopes = Scopes(RwLock::default());
        scopes.number("clew", "", "");
        scopes
    }

    /// For the child of a fork, where another thread may have held the lock for ever.
    pub fn copy(&self) -> Scopes {
        match self.0.try_read() {
            Ok(table) => Scopes(RwLock::new(table.clone())),
            Err(_) => Scopes::new(),
        }
    }

    pub fn number(&self, name: &str, version: &str, schema_url: &str) -> u32 {
        let key = (clip(name).to_owned(), clip(version).to_owned(), clip(schema_url).to_owned());
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = table.numbers.get(&key) {
            return number;
        }
        drop(table);
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = table.numbers.get(&key) {
            return number;
        }
        if table.encoded.len() >= MAX_SCOPES {
            return 0;
        }
        let mut inner = Vec::new();
        append_text(&mut inner, 1, &key.0);
        append_text(&mut inner, 2, &key.1);
        let mut scope = Scope { head: Vec::new(), tail: Vec::new() };
        append_bytes(&mut scope.head, 1, &inner);
        append_text(&mut scope.tail, 3, &key.2);
        let number = table.encoded.len() as u32;
        table.encoded.push(Arc::new(scope));
        table.numbers.insert(key, number);
        number
    }

    /// The scopes from number `from` on.
    pub fn since(&self, from: usize) -> Vec<Arc<Scope>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.encoded.get(from..).unwrap_or_default().to_vec()
    }
}

fn clip(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub(super) fn append_varint(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

pub(super) fn varint_len(n: usize) -> usize {
    (n.max(1).ilog2() / 7 + 1) as usize
}

/// Appends a field of wire type 2.
pub(super) fn append_bytes(to: &mut Vec<u8>, field: u64, value: &[u8]) {
    append_varint(to, field << 3 | 2);
    append_varint(to, value.len() as u64);
    to.extend_from_slice(value);
}

/// Appends a text field, nothing for the empty text.
pub(super) fn append_text(to: &mut Vec<u8>, field: u64, value: &str) {
    if !value.is_empty() {
        append_bytes(to, field, value.as_bytes());
    }
}
