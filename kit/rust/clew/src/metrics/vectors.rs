//! Runs `kit/contract/metrics.json`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::dump::dump;
use super::engine::{DEFAULT_BOUNDS, Desc, Engine, Instrument, Kind};
use super::otlp::Otlp;
use super::series::Series;
use super::text::Text;
use super::{Label, tests};
use crate::{Component, Level, SpanId, TraceId, Value};

thread_local!(static LEVELS: RefCell<Option<HashMap<String, Level>>> = const { RefCell::new(None) });

fn gate(component: Component, need: Level) -> bool {
    LEVELS.with_borrow(|levels| levels.as_ref().is_none_or(|l| l[component.name()] >= need && l["metrics"] >= need))
}

/// A case under way.
struct Run {
    engine: &'static Engine,
    clock: Arc<AtomicU64>,
    instruments: HashMap<String, Arc<Instrument>>,
    series: HashMap<String, Arc<Series>>,
    observed: Arc<Mutex<HashMap<String, Json>>>,
}

#[test]
fn the_vectors_of_metrics_hold() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/metrics.json");
    let file: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in file["cases"].as_array().unwrap() {
        LEVELS.set(None);
        tests::redact(&Json::Array(Vec::new()));
        let (engine, clock) = tests::engine_with(1000, gate);
        let mut run = Run { engine, clock, instruments: HashMap::new(), series: HashMap::new(), observed: Arc::default() };
        for (i, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            run.step(step, &format!("{}, step {i} {step}", case["name"]));
        }
    }
}

fn leak(json: &Json) -> &'static str {
    Box::leak(json.as_str().unwrap_or_default().to_owned().into_boxed_str())
}

fn number(json: &Json) -> f64 {
    match json.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => json.as_f64().unwrap(),
    }
}

fn bytes<const N: usize>(json: &Json) -> [u8; N] {
    let hex = json.as_str().unwrap();
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

impl Run {
    fn step(&mut self, step: &Json, what: &str) {
        let key = |name: &str| step.get(name);
        let has = |name: &str| step.get(name).is_some();
        if has("make") || has("observe") {
            self.make(step);
        } else if let Some(name) = key("bind") {
            let series = bind(&self.instruments[step["to"].as_str().unwrap()], step);
            self.series.insert(name.as_str().unwrap().to_owned(), series);
        } else if let Some(name) = key("record") {
            self.record(name.as_str().unwrap(), step);
        } else if let Some(name) = key("fill") {
            let label = step["label"].as_str().unwrap();
            for i in 0..step["count"].as_i64().unwrap() {
                self.instruments[name.as_str().unwrap()].series(&[(label, Value::Int(i))]).add(1);
            }
        } else if has("is") {
            self.observed.lock().unwrap().insert(step["value"].as_str().unwrap().to_owned(), step["is"].clone());
        } else if let Some(time) = key("time") {
            self.clock.store(time.as_u64().unwrap(), Relaxed);
        } else if let Some(levels) = key("levels") {
            let parse = |(k, v): (&String, &Json)| (k.clone(), Level::parse(v.as_str().unwrap()).unwrap());
            LEVELS.set(Some(levels.as_object().unwrap().iter().map(parse).collect()));
        } else if let Some(redactions) = key("redact") {
            tests::redact(redactions);
        } else if let Some(want) = key("collect") {
            assert_eq!(self.collect(), texts(want), "{what}");
        } else if let Some(want) = key("collect_count") {
            let points = self.collect().iter().filter(|l| l.starts_with("  ")).count();
            assert_eq!(points as u64, want.as_u64().unwrap(), "{what}");
        } else if let Some(want) = key("collect_last") {
            assert_eq!(self.collect().last().unwrap(), want.as_str().unwrap(), "{what}");
        } else if let Some(want) = key("text") {
            let mut text = Text::default();
            self.engine.collect(&mut text, false, Instant::now() + Duration::from_secs(60));
            assert_eq!(text.finish().lines().collect::<Vec<_>>(), texts(want), "{what}");
        } else if let Some(want) = key("counters") {
            let counters = self.engine.counters;
            assert_eq!(counters.metric_overflow.load(Relaxed), want["overflow"].as_i64().unwrap(), "overflow: {what}");
            assert_eq!(counters.metric_invalid.load(Relaxed), want["invalid"].as_i64().unwrap(), "invalid: {what}");
        } else {
            panic!("an empty step: {what}");
        }
    }

    fn make(&mut self, step: &Json) {
        let observe = step.get("observe");
        let (kind, float) = match step["kind"].as_str().unwrap() {
            "counter" => (Kind::Counter, observe.is_some()),
            "float_counter" => (Kind::Counter, true),
            "up_down" => (Kind::UpDown, false),
            "gauge" => (Kind::Gauge, true),
            "histogram" => (Kind::Histogram, true),
            other => panic!("kind {other}"),
        };
        let bounds = match (kind, step.get("bounds")) {
            (Kind::Histogram, Some(bounds)) => bounds.as_array().unwrap().iter().map(number).collect(),
            (Kind::Histogram, None) => DEFAULT_BOUNDS.to_vec(),
            _ => Vec::new(),
        };
        let instrument = self.engine.instrument(Desc {
            description: leak(&step["description"]),
            float,
            observable: observe.is_some(),
            bounds,
            component: step["component"].as_str().map_or(Component::Metrics, |c| Component::parse(c).unwrap()),
            need: step["need"].as_str().map_or(Level::Off, |l| Level::parse(l).unwrap()),
            ..Desc::new(leak(&step["name"]), leak(&step["unit"]), kind)
        });
        let Some(observe) = observe else {
            self.instruments.insert(step["make"].as_str().unwrap().to_owned(), instrument);
            return;
        };
        let name = observe.as_str().unwrap().to_owned();
        self.observed.lock().unwrap().insert(name.clone(), step["value"].clone());
        let (series, observed) = (bind(&instrument, step), self.observed.clone());
        self.engine.on_collect(Box::new(move || {
            let value = observed.lock().unwrap()[&name].clone();
            if value == "panic" {
                // Without the message of a panic on the test's output.
                std::panic::resume_unwind(Box::new("by the vector"));
            }
            series.observe(number(&value));
        }));
    }

    fn record(&self, name: &str, step: &Json) {
        let (series, value) = (&self.series[name], &step["value"]);
        let desc = &series.instrument.desc;
        match desc.kind {
            Kind::Counter | Kind::UpDown if !desc.float => series.add(value.as_i64().unwrap()),
            Kind::Counter | Kind::UpDown => series.add_float(number(value)),
            Kind::Gauge => series.set(number(value)),
            Kind::Histogram => series.record(number(value), || {
                let span = step.get("span")?;
                let ids = (TraceId(bytes(&span["trace"])), SpanId(bytes(&span["span"])));
                span["sampled"].as_bool().unwrap().then_some(ids)
            }),
        }
    }

    fn collect(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut otlp = Otlp::new(|record: &[u8]| lines.extend(dump(record)));
        self.engine.collect(&mut otlp, true, Instant::now() + Duration::from_secs(60));
        otlp.close();
        drop(otlp);
        lines
    }
}

/// The series of the labels of a step.
fn bind(instrument: &Arc<Instrument>, step: &Json) -> Arc<Series> {
    let list: &[Json] = step.get("labels").map_or(&[], |l| l.as_array().unwrap());
    let arrays: Vec<Vec<&str>> = list.iter().map(|l| if l[1].is_array() { texts(&l[1]) } else { Vec::new() }).collect();
    let labels: Vec<Label<'_>> =
        list.iter().zip(&arrays).map(|(label, array)| (label[0].as_str().unwrap(), value(&label[1], array))).collect();
    instrument.series(&labels)
}

fn value<'a>(json: &'a Json, array: &'a [&'a str]) -> Value<'a> {
    match json {
        Json::Array(_) => Value::Strs(array),
        Json::String(v) => Value::Str(v),
        Json::Bool(v) => Value::Bool(*v),
        v => Value::Int(v.as_i64().unwrap()),
    }
}

fn texts(json: &Json) -> Vec<&str> {
    json.as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect()
}
