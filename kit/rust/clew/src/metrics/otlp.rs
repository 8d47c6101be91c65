//! Points as elements of `ScopeMetrics.metrics`.

use super::collect::{Point, Sink};
use super::engine::{Desc, Kind};
use crate::wire;

/// The size from which the points of an instrument go on in another record, so that many series never make a record that no batch can take.
const RECORD_BYTES: usize = 64 << 10;

// Fields of metrics.proto.
const SCOPE_METRICS_METRICS: u32 = 2;
const METRIC_NAME: u32 = 1;
const METRIC_DESCRIPTION: u32 = 2;
const METRIC_UNIT: u32 = 3;
const METRIC_GAUGE: u32 = 5;
const METRIC_SUM: u32 = 7;
const METRIC_HISTOGRAM: u32 = 9;
const DATA_POINTS: u32 = 1;
const TEMPORALITY: u32 = 2;
const MONOTONIC: u32 = 3;
const CUMULATIVE: u64 = 2;
const POINT_START: u32 = 2;
const POINT_TIME: u32 = 3;
const NUMBER_DOUBLE: u32 = 4;
const NUMBER_INT: u32 = 6;
const HISTOGRAM_COUNT: u32 = 4;
const HISTOGRAM_SUM: u32 = 5;
const BUCKET_COUNTS: u32 = 6;
const EXPLICIT_BOUNDS: u32 = 7;
const EXEMPLARS: u32 = 8;
const EXEMPLAR_TIME: u32 = 2;
const EXEMPLAR_DOUBLE: u32 = 3;
const EXEMPLAR_SPAN: u32 = 4;
const EXEMPLAR_TRACE: u32 = 5;

/// Hands each record, with its tag and length, to `emit`. [`Otlp::close`] ends the last.
pub struct Otlp<F> {
    emit: F,
    open: Option<Desc>,
    points: Vec<u8>,
    record: Vec<u8>,
}

impl<F: FnMut(&[u8])> Otlp<F> {
    /// Nothing is open yet.
    pub fn new(emit: F) -> Otlp<F> {
        Otlp { emit, open: None, points: Vec::new(), record: Vec::new() }
    }

    /// Emits the record under way.
    pub fn close(&mut self) {
        let Some(desc) = self.open.take() else { return };
        self.record.clear();
        let points = &self.points;
        wire::message(&mut self.record, SCOPE_METRICS_METRICS, |out| {
            wire::bytes(out, METRIC_NAME, desc.name.as_bytes());
            if !desc.description.is_empty() {
                wire::bytes(out, METRIC_DESCRIPTION, desc.description.as_bytes());
            }
            if !desc.unit.is_empty() {
                wire::bytes(out, METRIC_UNIT, desc.unit.as_bytes());
            }
            let field = match desc.kind {
                Kind::Gauge => METRIC_GAUGE,
                Kind::Histogram => METRIC_HISTOGRAM,
                Kind::Counter | Kind::UpDown => METRIC_SUM,
            };
            wire::message(out, field, |out| {
                out.extend_from_slice(points);
                if desc.kind != Kind::Gauge {
                    wire::number(out, TEMPORALITY, CUMULATIVE);
                }
                if desc.kind == Kind::Counter {
                    wire::number(out, MONOTONIC, 1);
                }
            });
        });
        self.points.clear();
        (self.emit)(&self.record);
    }
}

impl<F: FnMut(&[u8])> Sink for Otlp<F> {
    fn point(&mut self, desc: &Desc, p: &Point<'_>) {
        if !self.open.as_ref().is_some_and(|open| open.same(desc)) || self.points.len() >= RECORD_BYTES {
            self.close();
            self.open = Some(desc.clone());
        }
        wire::message(&mut self.points, DATA_POINTS, |out| {
            if let Some(labels) = p.labels {
                out.extend_from_slice(&labels.otlp);
            }
            if desc.kind != Kind::Gauge {
                wire::fixed64(out, POINT_START, p.start);
            }
            wire::fixed64(out, POINT_TIME, p.time);
            match desc.kind {
                Kind::Histogram => histogram(out, desc, p),
                _ if desc.float => wire::fixed64(out, NUMBER_DOUBLE, p.bits),
                _ => wire::fixed64(out, NUMBER_INT, p.bits),
            }
        });
    }
}

fn histogram(out: &mut Vec<u8>, desc: &Desc, p: &Point<'_>) {
    wire::fixed64(out, HISTOGRAM_COUNT, p.counts.iter().sum());
    wire::fixed64(out, HISTOGRAM_SUM, p.bits);
    words(out, BUCKET_COUNTS, p.counts.iter().copied());
    if !desc.bounds.is_empty() {
        words(out, EXPLICIT_BOUNDS, desc.bounds.iter().map(|b| b.to_bits()));
    }
    for exemplar in &p.exemplars {
        wire::message(out, EXEMPLARS, |out| {
            wire::fixed64(out, EXEMPLAR_TIME, exemplar.time);
            wire::fixed64(out, EXEMPLAR_DOUBLE, exemplar.value.to_bits());
            wire::bytes(out, EXEMPLAR_SPAN, &exemplar.span_id.0);
            wire::bytes(out, EXEMPLAR_TRACE, &exemplar.trace_id.0);
        });
    }
}

/// A packed field of eight bytes each.
fn words(out: &mut Vec<u8>, field: u32, words: impl ExactSizeIterator<Item = u64>) {
    wire::header(out, field, words.len() * 8);
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}
