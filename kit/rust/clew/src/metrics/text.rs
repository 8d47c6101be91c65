//! OpenMetrics 1.0 for people and for scrapes.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::collect::{Point, Sink};
use super::engine::{Desc, Kind};
use super::labels::Labels;

/// The content type of the text.
pub const TEXT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names as Prometheus has them, families sorted by name, exemplars behind their buckets.
#[derive(Default)]
pub struct Text(BTreeMap<String, Family>);

struct Family {
    kind: &'static str,
    unit: &'static str,
    help: &'static str,
    lines: String,
}

impl Text {
    /// The whole text.
    pub fn finish(self) -> String {
        let mut out = String::new();
        for (name, family) in &self.0 {
            let _ = writeln!(out, "# TYPE {name} {}", family.kind);
            if !family.unit.is_empty() {
                let _ = writeln!(out, "# UNIT {name} {}", family.unit);
            }
            if !family.help.is_empty() {
                let _ = writeln!(out, "# HELP {name} {}", escape(family.help));
            }
            out.push_str(&family.lines);
        }
        out.push_str("# EOF\n");
        out
    }
}

impl Sink for Text {
    fn point(&mut self, desc: &Desc, p: &Point<'_>) {
        let (name, unit) = family_name(desc);
        let kind = match desc.kind {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::UpDown | Kind::Gauge => "gauge",
        };
        let family = self.0.entry(name.clone()).or_insert_with(|| Family { kind, unit, help: desc.description, lines: String::new() });
        // A page with the same family twice, or with two types, is refused as a whole.
        if family.kind != kind {
            return;
        }
        let labels = p.labels.map(label_text).unwrap_or_default();
        let out = &mut family.lines;
        let _ = match desc.kind {
            Kind::Histogram => histogram(out, &name, &labels, desc, p),
            Kind::Counter => writeln!(out, "{name}_total{} {}", braced(&labels), value(desc, p.bits)),
            Kind::UpDown | Kind::Gauge => writeln!(out, "{name}{} {}", braced(&labels), value(desc, p.bits)),
        };
    }
}

fn histogram(out: &mut String, name: &str, labels: &str, desc: &Desc, p: &Point<'_>) -> std::fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0u64;
    for (i, n) in p.counts.iter().enumerate() {
        below += n;
        let le = desc.bounds.get(i).map_or_else(|| "+Inf".to_owned(), |b| format!("{b:?}"));
        write!(out, "{name}_bucket{{{labels}{comma}le=\"{le}\"}} {below}")?;
        if let Some(ex) = p.exemplars.iter().find(|e| e.bucket == i) {
            let (seconds, millis) = (ex.time / 1_000_000_000, ex.time / 1_000_000 % 1000);
            write!(out, " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {seconds}.{millis:03}", ex.trace_id, ex.span_id, ex.value)?;
        }
        out.push('\n');
    }
    writeln!(out, "{name}_sum{} {}", braced(labels), f64::from_bits(p.bits))?;
    writeln!(out, "{name}_count{} {below}", braced(labels))
}

/// The name of a family, with its unit at the end, and the unit.
fn family_name(desc: &Desc) -> (String, &'static str) {
    let unit = match desc.unit {
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "min" => "minutes",
        "h" => "hours",
        "d" => "days",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "Cel" => "celsius",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "%" => "percent",
        "1" if desc.kind == Kind::Gauge => "ratio",
        _ => "",
    };
    let mut name = word(desc.name);
    if desc.kind == Kind::Counter && name.ends_with("_total") {
        name.truncate(name.len() - "_total".len());
    }
    if !unit.is_empty() && name != unit && !name.ends_with(&format!("_{unit}")) {
        name.push('_');
        name.push_str(unit);
    }
    (name, unit)
}

/// Replaces what may not stand in the name of a metric or label: each byte of it.
fn word(s: &str) -> String {
    s.bytes()
        .enumerate()
        .map(|(i, c)| if c.is_ascii_alphabetic() || c == b'_' || i > 0 && c.is_ascii_digit() { c as char } else { '_' })
        .collect()
}

fn label_text(labels: &Labels) -> String {
    labels.list.iter().map(|l| format!("{}=\"{}\"", word(&l.key), escape(&l.text))).collect::<Vec<_>>().join(",")
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn escape(s: &str) -> String {
    s.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn value(desc: &Desc, bits: u64) -> String {
    if desc.float { f64::from_bits(bits).to_string() } else { (bits as i64).to_string() }
}
