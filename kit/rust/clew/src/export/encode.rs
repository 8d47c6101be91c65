//! Makes request bodies out of blocks.

use std::sync::Arc;

use super::queue::Block;
use super::scope::{Scope, Scopes, append_bytes, append_text, append_varint, varint_len};

/// Its buffers are used again.
pub(super) struct Encoder {
    /// Field 1 of `ResourceSpans` with its tag.
    resource: Vec<u8>,
    /// Field 3 of `ResourceSpans` with its tag.
    schema: Vec<u8>,
    scopes: Vec<Arc<Scope>>,
    /// By scope: the bytes of its records.
    sizes: Vec<usize>,
    /// By scope: where its next record goes.
    at: Vec<usize>,
    /// The scopes of the batch, in order of first appearance.
    order: Vec<usize>,
    body: Vec<u8>,
}

impl Encoder {
    pub fn new(resource: &[u8], schema_url: &str) -> Encoder {
        let mut encoder = Encoder {
            resource: Vec::new(),
            schema: Vec::new(),
            scopes: Vec::new(),
            sizes: Vec::new(),
            at: Vec::new(),
            order: Vec::new(),
            body: Vec::new(),
        };
        append_bytes(&mut encoder.resource, 1, resource);
        append_text(&mut encoder.schema, 3, schema_url);
        encoder
    }

    /// Writes an `Export…ServiceRequest` with one `ResourceSpans` and one `ScopeSpans`
    /// for each scope. The three signals have the same envelope.
    pub fn encode(&mut self, blocks: &[Block], scopes: &Scopes) {
        self.scopes.extend(scopes.since(self.scopes.len()));
        let count = self.scopes.len();
        // After a fork a number may be unknown; its records go to the first scope.
        let known = |n: u32| if (n as usize) < count { n as usize } else { 0 };
        self.order.clear();
        self.sizes.clear();
        self.sizes.resize(count, 0);
        self.at.resize(count, 0);
        for (scope, record) in blocks.iter().flat_map(Block::iter) {
            let n = known(scope);
            if self.sizes[n] == 0 {
                self.order.push(n);
            }
            self.sizes[n] += record.len();
        }
        let part = |n: usize| {
            let scope = &self.scopes[n];
            scope.head.len() + self.sizes[n] + scope.tail.len()
        };
        let parts: usize = self.order.iter().map(|&n| 1 + varint_len(part(n)) + part(n)).sum();
        let inner = self.resource.len() + parts + self.schema.len();
        let out = &mut self.body;
        out.clear();
        out.push(1 << 3 | 2);
        append_varint(out, inner as u64);
        out.extend_from_slice(&self.resource);
        for &n in &self.order {
            let scope = &self.scopes[n];
            out.push(2 << 3 | 2);
            append_varint(out, part(n) as u64);
            out.extend_from_slice(&scope.head);
            self.at[n] = out.len();
            out.resize(out.len() + self.sizes[n], 0);
            out.extend_from_slice(&scope.tail);
        }
        out.extend_from_slice(&self.schema);
        for (scope, record) in blocks.iter().flat_map(Block::iter) {
            let at = &mut self.at[known(scope)];
            out[*at..*at + record.len()].copy_from_slice(record);
            *at += record.len();
        }
    }

    /// What `encode` wrote last.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
