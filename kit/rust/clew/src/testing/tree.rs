//! Draws recorded spans as the contract's section 9 says, in the same bytes as the Go kit.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Span, Status, Value};

/// Draws `spans`, with the attributes named in `shown` on spans, events and links. Empty for no spans.
pub(crate) fn draw(spans: &[Span], shown: &[&str]) -> String {
    let mut shown = shown.to_vec();
    shown.sort_unstable();
    shown.dedup();
    let forest = Forest::plant(spans, shown);
    let mut out = String::new();
    for (number, roots) in forest.traces.iter().enumerate() {
        let _ = writeln!(out, "trace {}", number + 1);
        forest.tree(roots, &mut out);
    }
    out
}

struct Forest<'a> {
    spans: &'a [Span],
    shown: Vec<&'a str>,
    /// Roots of each trace, in the order in which both are drawn.
    traces: Vec<Vec<usize>>,
    /// In the order in which they are drawn; every span stands under one other or is a root.
    children: Vec<Vec<usize>>,
    /// Where a trace stands in `traces`.
    numbers: HashMap<[u8; 16], usize>,
    places: HashMap<([u8; 16], [u8; 8]), usize>,
}

impl<'a> Forest<'a> {
    fn plant(spans: &'a [Span], shown: Vec<&'a str>) -> Self {
        let places: HashMap<_, _> = spans.iter().enumerate().map(|(at, span)| ((span.trace, span.id), at)).collect();
        let mut order: Vec<usize> = (0..spans.len()).collect();
        let key = |at: usize| {
            let span: &Span = &spans[at];
            (span.start, &span.name, span.end, span.id, span.trace)
        };
        order.sort_by(|&a, &b| key(a).cmp(&key(b)));
        let mut children = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for &at in &order {
            let parent = spans[at].parent.and_then(|id| places.get(&(spans[at].trace, id)));
            match parent {
                Some(&parent) => children[parent].push(at),
                None => roots.push(at),
            }
        }
        // Spans whose parents form a circle hang under the earliest of them. No recursion: a chain of spans may be deeper than a stack.
        let mut placed = vec![false; spans.len()];
        let planted = roots.len();
        for (turn, &at) in roots.clone().iter().chain(&order).enumerate() {
            if placed[at] {
                continue;
            }
            if turn >= planted {
                roots.push(at);
            }
            let mut open = vec![at];
            placed[at] = true;
            while let Some(here) = open.pop() {
                children[here].retain(|&child| !placed[child]);
                for &child in &children[here] {
                    placed[child] = true;
                    open.push(child);
                }
            }
        }
        roots.sort_by(|&a, &b| key(a).cmp(&key(b)));
        let mut traces: Vec<Vec<usize>> = Vec::new();
        let mut numbers = HashMap::new();
        for root in roots {
            let number = *numbers.entry(spans[root].trace).or_insert_with(|| {
                traces.push(Vec::new());
                traces.len() - 1
            });
            traces[number].push(root);
        }
        Forest { spans, shown, traces, children, numbers, places }
    }

    fn tree(&self, roots: &[usize], out: &mut String) {
        // What is still to be drawn, next one last: the span, the one above it, its indentation, and whether it is the last there.
        let mut open: Vec<(usize, Option<usize>, String, bool)> = Vec::new();
        let last = |position: usize, length: usize| position + 1 == length;
        for (position, &root) in roots.iter().enumerate().rev() {
            open.push((root, None, String::new(), last(position, roots.len())));
        }
        while let Some((at, above, indent, is_last)) = open.pop() {
            let _ = writeln!(out, "{indent}{}{}", branch(is_last), self.line(&self.spans[at], above));
            let indent = format!("{indent}{}", if is_last { "   " } else { "│  " });
            let leaves = self.leaves(&self.spans[at]);
            let below = &self.children[at];
            for (position, leaf) in leaves.iter().enumerate() {
                let _ = writeln!(out, "{indent}{}{leaf}", branch(last(position, leaves.len() + below.len())));
            }
            for (position, &child) in below.iter().enumerate().rev() {
                open.push((child, Some(at), indent.clone(), last(position, below.len())));
            }
        }
    }

    /// Links, then events by their time.
    fn leaves(&self, span: &Span) -> Vec<String> {
        let mut leaves = Vec::with_capacity(span.links.len() + span.events.len());
        for link in &span.links {
            let mut text = match self.places.get(&(link.trace, link.span)) {
                Some(&to) => {
                    format!("link trace {} {}", self.numbers[&link.trace] + 1, quote(&self.spans[to].name))
                }
                None => "link (missing)".to_owned(),
            };
            self.attributes(&link.attributes, &mut text);
            leaves.push(text);
        }
        let mut events: Vec<_> = span.events.iter().collect();
        events.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
        for event in events {
            let mut text = format!("event {}", plain(&event.name));
            self.attributes(&event.attributes, &mut text);
            leaves.push(text);
        }
        leaves
    }

    fn line(&self, span: &Span, above: Option<usize>) -> String {
        let mut line = format!("{} {}", span.kind_name(), plain(&span.name));
        if !span.service.is_empty() && above.is_none_or(|above| self.spans[above].service != span.service) {
            let _ = write!(line, " ({})", span.service);
        }
        if above.is_none() && span.parent.is_some() {
            line.push_str(" (parent missing)");
        }
        if span.end == 0 {
            line.push_str(" (open)");
        }
        self.attributes(&span.attributes, &mut line);
        match &span.status {
            Status::Unset => {}
            Status::Ok => line.push_str(" OK"),
            Status::Error(message) if message.is_empty() => line.push_str(" ERROR"),
            Status::Error(message) => {
                let _ = write!(line, " ERROR {}", quote(message));
            }
        }
        line
    }

    fn attributes(&self, attributes: &[(String, Value)], out: &mut String) {
        for key in &self.shown {
            if let Some((_, value)) = attributes.iter().rev().find(|(name, _)| name == key) {
                let _ = write!(out, " {key}={}", outer(value));
            }
        }
    }
}

fn branch(last: bool) -> &'static str {
    if last { "└─ " } else { "├─ " }
}

/// A name stands as it is, unless a line break or another control would break the drawing.
fn plain(name: &str) -> String {
    if name.bytes().any(|byte| byte < 0x20 || byte == 0x7f) { quote(name) } else { name.to_owned() }
}

fn outer(value: &Value) -> String {
    match value {
        Value::Text(text) if bare(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bare(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| matches!(byte, 0..=0x20 | b'"' | b'=' | 0x7f))
}

/// A JSON string as RFC 8785 writes it.
pub(super) fn quote(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    crate::log::text::quoted(&mut out, text, false);
    String::from_utf8_lossy(&out).into_owned()
}

/// A number as RFC 8785 writes it; what JSON cannot have is a word.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let mut out = Vec::new();
    crate::log::text::float(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}
