//! Draws recorded spans as the contract's section 9 says, in the same bytes as the Go kit.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::{Span, Status, Value};

/// Draws `spans`, with the attributes named in `shown`. Empty for no spans.
pub(crate) fn draw(spans: &[Span], shown: &[&str]) -> String {
    let forest = Forest::plant(spans, shown);
    let mut out = String::new();
    for (number, roots) in forest.traces.iter().enumerate() {
        let _ = writeln!(out, "trace {}", number + 1);
        for (position, &root) in roots.iter().enumerate() {
            forest.branch(root, None, "", position + 1 == roots.len(), &mut out);
        }
    }
    out
}

struct Forest<'a> {
    spans: &'a [Span],
    shown: &'a [&'a str],
    /// Roots of each trace, in the order in which both are drawn.
    traces: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    /// Where a trace stands in `traces`.
    numbers: HashMap<[u8; 16], usize>,
    places: HashMap<([u8; 16], [u8; 8]), usize>,
}

impl<'a> Forest<'a> {
    fn plant(spans: &'a [Span], shown: &'a [&'a str]) -> Self {
        let places: HashMap<_, _> = spans.iter().enumerate().map(|(at, span)| ((span.trace, span.id), at)).collect();
        let parent = |at: usize| {
            let span: &Span = &spans[at];
            span.parent.and_then(|id| places.get(&(span.trace, id)).copied())
        };
        let mut children = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for at in 0..spans.len() {
            match parent(at) {
                Some(above) if !circular(at, spans, &parent) => children[above].push(at),
                _ => roots.push(at),
            }
        }
        let order = |&at: &usize| {
            let span: &Span = &spans[at];
            (span.start, span.name.as_str(), span.end, span.id)
        };
        for siblings in &mut children {
            siblings.sort_by_key(order);
        }
        roots.sort_by_key(order);
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

    fn branch(&self, at: usize, above: Option<usize>, indent: &str, last: bool, out: &mut String) {
        let span = &self.spans[at];
        let _ = writeln!(out, "{indent}{}{}", if last { "└─ " } else { "├─ " }, self.line(span, above));
        let indent = format!("{indent}{}", if last { "   " } else { "│  " });
        let mut below = span.links.len() + span.events.len() + self.children[at].len();
        let mut leaf = |text: String, out: &mut String| {
            below -= 1;
            let _ = writeln!(out, "{indent}{}{text}", if below == 0 { "└─ " } else { "├─ " });
        };
        for link in &span.links {
            let mut text = match self.places.get(&(link.trace, link.span)) {
                Some(&to) => {
                    format!("link trace {} {}", self.numbers[&link.trace] + 1, quote(&self.spans[to].name))
                }
                None => "link (missing)".to_owned(),
            };
            self.attributes(&link.attributes, &mut text);
            leaf(text, out);
        }
        let mut events: Vec<_> = span.events.iter().collect();
        events.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
        for event in events {
            let mut text = format!("event {}", plain(&event.name));
            self.attributes(&event.attributes, &mut text);
            leaf(text, out);
        }
        let siblings = &self.children[at];
        for (position, &child) in siblings.iter().enumerate() {
            self.branch(child, Some(at), &indent, position + 1 == siblings.len(), out);
        }
    }

    fn line(&self, span: &Span, above: Option<usize>) -> String {
        let mut line = format!("{} {}", span.kind_name(), plain(&span.name));
        if above.is_none_or(|above| self.spans[above].service != span.service) {
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
        let mut chosen: Vec<_> =
            attributes.iter().filter(|(key, _)| self.shown.contains(&key.as_str())).collect();
        chosen.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, value) in chosen {
            let _ = write!(out, " {key}={}", outer(value));
        }
    }
}

/// True for the earliest span of a circle of parents: there the circle is cut, so that every span is drawn once.
fn circular(at: usize, spans: &[Span], parent: &dyn Fn(usize) -> Option<usize>) -> bool {
    let mut seen = HashSet::from([at]);
    let mut first = at;
    let mut here = parent(at);
    while let Some(next) = here {
        if next == at {
            return first == at;
        }
        if !seen.insert(next) {
            return false;
        }
        if (spans[next].start, next) < (spans[first].start, first) {
            first = next;
        }
        here = parent(next);
    }
    false
}

/// A name stands as it is, unless a line break or another control would break the drawing.
fn plain(name: &str) -> String {
    if name.chars().any(char::is_control) { quote(name) } else { name.to_owned() }
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
    crate::json::append_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}
