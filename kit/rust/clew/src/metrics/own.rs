//! What the kit counts about itself: section 6 of the contract. It is not redacted, because its words are the kit's.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::collect::Emitter;
use super::engine::{Desc, Kind};
use super::labels::Labels;
use crate::selfmetrics::{BOUNDS, Counters, Reason, Signal};
use crate::{Component, Value};

const STARTED: Desc = Desc::new("otel.sdk.span.started", "{span}", Kind::Counter);
const LIVE: Desc = Desc::new("otel.sdk.span.live", "{span}", Kind::UpDown);
const QUEUE_SIZE: Desc = Desc::new("otel.sdk.processor.span.queue.size", "By", Kind::UpDown);
const QUEUE_CAPACITY: Desc = Desc::new("otel.sdk.processor.span.queue.capacity", "By", Kind::UpDown);
const EXPORTED: Desc = Desc::new("otel.sdk.exporter.span.exported", "{span}", Kind::Counter);
const INFLIGHT: Desc = Desc::new("otel.sdk.exporter.span.inflight", "{span}", Kind::UpDown);
const DURATION: Desc = Desc::new("otel.sdk.exporter.operation.duration", "s", Kind::Histogram).float();
const DROPPED: Desc = Desc::new("clew.kit.dropped", "{record}", Kind::Counter);
const DROPPED_SIZE: Desc = Desc::new("clew.kit.dropped.size", "By", Kind::Counter);
const BREAKER: Desc = Desc::new("clew.kit.breaker.state", "", Kind::Gauge);
const POLICY_INFO: Desc = Desc::new("clew.kit.policy.info", "", Kind::Gauge);
const LEVEL: Desc = Desc::new("clew.kit.level", "", Kind::Gauge);

/// A counter without labels and where it stands.
type Plain = (Desc, fn(&Counters) -> &AtomicI64);

const PLAIN: [Plain; 12] = [
    (Desc::new("clew.kit.policy.refused", "{document}", Kind::Counter), |c| &c.policy_refused),
    (Desc::new("clew.kit.policy.skipped", "{rule}", Kind::Counter), |c| &c.policy_skipped),
    (Desc::new("clew.kit.span.leaked", "{span}", Kind::Counter), |c| &c.span_leaked),
    (Desc::new("clew.kit.span.late", "{span}", Kind::Counter), |c| &c.span_late),
    (Desc::new("clew.kit.context.lost", "{span}", Kind::Counter), |c| &c.context_lost),
    (Desc::new("clew.kit.span.limited", "{attribute}", Kind::Counter), |c| &c.span_limited),
    (Desc::new("clew.kit.config.refused", "{value}", Kind::Counter), |c| &c.config_refused),
    (Desc::new("clew.kit.log.suppressed", "{line}", Kind::Counter), |c| &c.log_suppressed),
    (Desc::new("clew.kit.log.lost", "{line}", Kind::Counter), |c| &c.log_lost),
    (Desc::new("clew.kit.metric.overflow", "{measurement}", Kind::Counter), |c| &c.metric_overflow),
    (Desc::new("clew.kit.metric.invalid", "{measurement}", Kind::Counter), |c| &c.metric_invalid),
    (Desc::new("clew.kit.baggage.dropped", "{member}", Kind::Counter), |c| &c.baggage_dropped),
];

fn of(labels: &[(&str, Value<'_>)]) -> Labels {
    Labels::own(Kind::Counter, labels)
}

/// Emits all of it. It is sent whatever the level is, because it says what the level is.
pub fn emit(e: &mut Emitter<'_>, c: &Counters) {
    for (result, cell) in [("RECORD_AND_SAMPLE", &c.span_sampled), ("DROP", &c.span_dropped)] {
        e.int(&STARTED, &of(&[("otel.span.sampling_result", result.into())]), cell.load());
    }
    e.int(&LIVE, &of(&[]), c.span_live.load());
    signals(e, c, &QUEUE_SIZE, |s| &s.queue_size);
    signals(e, c, &QUEUE_CAPACITY, |s| &s.queue_capacity);
    for signal in Signal::ALL {
        let cells = &c.signal[signal as usize];
        e.int(&EXPORTED, &of(&[name(signal)]), cells.exported.load(Relaxed));
        reasons(e, &EXPORTED, signal, "error.type", &cells.dropped);
    }
    signals(e, c, &INFLIGHT, |s| &s.inflight);
    let duration = Desc { bounds: BOUNDS.to_vec(), ..DURATION };
    for signal in Signal::ALL {
        for (outcome, counts) in c.signal[signal as usize].durations.snapshot() {
            let outcome = match outcome.parse::<i64>() {
                Ok(code) => ("http.response.status_code", Value::Int(code)),
                Err(_) => ("error.type", Value::Str(&outcome)),
            };
            e.distribution(&duration, &Labels::own(Kind::Histogram, &[name(signal), outcome]), &counts.counts, counts.sum);
        }
    }
    for (desc, size) in [(&DROPPED, false), (&DROPPED_SIZE, true)] {
        for signal in Signal::ALL {
            let cells = &c.signal[signal as usize];
            reasons(e, desc, signal, "reason", if size { &cells.dropped_size } else { &cells.dropped });
        }
    }
    signals(e, c, &BREAKER, |s| &s.breaker);
    let version = c.policy_version.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !version.is_empty() {
        e.int(&POLICY_INFO, &of(&[("version", version.as_str().into())]), 1);
    }
    for component in Component::ALL {
        e.int(&LEVEL, &of(&[("component", component.name().into())]), c.level[component as usize].load(Relaxed));
    }
    for (desc, cell) in &PLAIN {
        e.int(desc, &of(&[]), cell(c).load(Relaxed));
    }
}

fn name(signal: Signal) -> (&'static str, Value<'static>) {
    ("clew.signal", signal.name().into())
}

fn signals(e: &mut Emitter<'_>, c: &Counters, desc: &Desc, cell: impl Fn(&crate::selfmetrics::SignalCounters) -> &AtomicI64) {
    for signal in Signal::ALL {
        e.int(desc, &of(&[name(signal)]), cell(&c.signal[signal as usize]).load(Relaxed));
    }
}

/// Leaves out what never happened: 27 zeros say less than their absence.
fn reasons(e: &mut Emitter<'_>, desc: &Desc, signal: Signal, key: &str, cells: &[AtomicI64]) {
    for (reason, cell) in Reason::ALL.into_iter().zip(cells) {
        let n = cell.load(Relaxed);
        if n != 0 {
            e.int(desc, &of(&[name(signal), (key, reason.name().into())]), n);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::Value as Json;

    use super::*;
    use crate::metrics::dump::dump;
    use crate::metrics::otlp::Otlp;
    use crate::metrics::tests::{engine_with, redact};

    #[test]
    fn the_vector_of_self_metrics_holds() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/self.json");
        let file: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        // Off: own metrics are sent all the same.
        let (engine, _) = engine_with(1000, |_, _| false);
        redact(&file["redact"]);
        let c = engine.counters;
        for (key, value) in file["counters"].as_object().unwrap() {
            let cell = match key.as_str() {
                "span_sampled" => return_add(&c.span_sampled, value),
                "span_dropped" => return_add(&c.span_dropped, value),
                "span_live" => return_add(&c.span_live, value),
                "policy_version" => {
                    *c.policy_version.lock().unwrap() = value.as_str().unwrap().to_owned();
                    None
                }
                "level" => {
                    for (cell, level) in c.level.iter().zip(value.as_array().unwrap()) {
                        cell.store(level.as_i64().unwrap(), Relaxed);
                    }
                    None
                }
                "traces" => {
                    traces(&c.signal[0], value);
                    None
                }
                "policy_refused" => Some(&c.policy_refused),
                "policy_skipped" => Some(&c.policy_skipped),
                "span_leaked" => Some(&c.span_leaked),
                "span_late" => Some(&c.span_late),
                "context_lost" => Some(&c.context_lost),
                "span_limited" => Some(&c.span_limited),
                "config_refused" => Some(&c.config_refused),
                "log_suppressed" => Some(&c.log_suppressed),
                "log_lost" => Some(&c.log_lost),
                "metric_overflow" => Some(&c.metric_overflow),
                "metric_invalid" => Some(&c.metric_invalid),
                "baggage_dropped" => Some(&c.baggage_dropped),
                other => panic!("the vector has {other} besides"),
            };
            if let Some(cell) = cell {
                cell.store(value.as_i64().unwrap(), Relaxed);
            }
        }
        engine.produce(Box::new(|e| emit(e, c)));
        let mut lines = Vec::new();
        let mut otlp = Otlp::new(|record: &[u8]| lines.extend(dump(record)));
        engine.collect(&mut otlp, true, Instant::now());
        otlp.close();
        drop(otlp);
        let want: Vec<&str> = file["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        assert_eq!(lines, want);
    }

    fn return_add(cell: &crate::selfmetrics::Striped, value: &Json) -> Option<&'static AtomicI64> {
        cell.add(value.as_i64().unwrap());
        None
    }

    fn traces(cells: &crate::selfmetrics::SignalCounters, value: &Json) {
        let set = |cell: &AtomicI64, key: &str| cell.store(value[key].as_i64().unwrap(), Relaxed);
        set(&cells.queue_size, "queue_size");
        set(&cells.queue_capacity, "queue_capacity");
        set(&cells.exported, "exported");
        set(&cells.inflight, "inflight");
        set(&cells.breaker, "breaker");
        for dropped in value["dropped"].as_array().unwrap() {
            let reason = Reason::ALL.into_iter().find(|r| dropped[0] == r.name()).unwrap();
            cells.drop_records(reason, dropped[1].as_i64().unwrap(), dropped[2].as_i64().unwrap());
        }
        for duration in value["durations"].as_array().unwrap() {
            cells.durations.record(duration[0].as_str().unwrap(), Duration::from_secs_f64(duration[1].as_f64().unwrap()));
        }
    }
}
