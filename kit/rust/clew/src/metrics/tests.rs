//! The engine under load and at its limits, and what all tests of metrics share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::collect::{Point, Sink};
use super::dump::dump;
use super::engine::{Desc, Engine, Kind, MAX_INSTRUMENTS, MAX_SERIES, MAX_TOTAL_SERIES};
use super::labels::Labels;
use super::observe::CALLBACK_TIME;
use super::otlp::Otlp;
use crate::policy::{Document, Snapshot};
use crate::selfmetrics::{BOUNDS, Counters};
use crate::{Component, Level, SpanId, TraceId, Value};

thread_local!(static REDACTION: RefCell<Option<Arc<Snapshot>>> = const { RefCell::new(None) });

/// Makes the redactions of a policy document those that hold for the engines of this thread.
pub fn redact(redactions: &serde_json::Value) {
    let document = Document::parse(format!(r#"{{"version":"1","redact":{redactions}}}"#).as_bytes()).unwrap();
    assert_eq!(document.skipped, 0, "{redactions}");
    REDACTION.set(Some(Arc::new(Snapshot::compile(&document, None, None))).filter(|p| p.redacts()));
}

/// An engine of the test's own and its clock.
pub fn engine_with(now: u64, gate: fn(Component, Level) -> bool) -> (&'static Engine, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(now));
    let theirs = clock.clone();
    let counters: &'static Counters = Box::leak(Box::new(Counters::new()));
    let engine = Engine::new(Box::new(move || theirs.load(Relaxed)), gate, || REDACTION.with_borrow(Clone::clone), counters);
    (Box::leak(Box::new(engine)), clock)
}

/// The same, always on.
pub fn engine(now: u64) -> (&'static Engine, Arc<AtomicU64>) {
    engine_with(now, |_, _| true)
}

/// Values by name and labels: of a histogram count and sum.
#[derive(Default)]
struct Values(HashMap<String, (u64, f64)>);

impl Sink for Values {
    fn point(&mut self, desc: &Desc, p: &Point<'_>) {
        let labels: Vec<String> = p.labels.iter().flat_map(|l: &&Labels| l.list.iter()).map(|l| format!("{}={}", l.key, l.text)).collect();
        let value = match desc.kind {
            Kind::Histogram => (p.counts.iter().sum(), f64::from_bits(p.bits)),
            _ if desc.float => (0, f64::from_bits(p.bits)),
            _ => (p.bits, 0.0),
        };
        self.0.insert(format!("{} {}", desc.name, labels.join(" ")), value);
    }
}

fn collect(engine: &Engine) -> HashMap<String, (u64, f64)> {
    let mut values = Values::default();
    engine.collect(&mut values, true, Instant::now() + Duration::from_secs(60));
    values.0
}

fn ids() -> Option<(TraceId, SpanId)> {
    Some((TraceId([1; 16]), SpanId([2; 8])))
}

fn histogram(name: &'static str, bounds: &[f64]) -> Desc {
    Desc { bounds: bounds.to_vec(), ..Desc::new(name, "s", Kind::Histogram).float() }
}

#[test]
fn recorders_and_collections_together_lose_nothing() {
    let (engine, _) = engine(1000);
    let counter = engine.instrument(Desc::new("c", "", Kind::Counter));
    let durations = engine.instrument(histogram("h", &[1.0, 2.0, 3.0]));
    const THREADS: usize = 6;
    const ROUNDS: usize = 2000;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let recorders: Vec<_> = (0..THREADS)
            .map(|t| {
                let (counter, durations) = (&counter, &durations);
                scope.spawn(move || {
                    for i in 0..ROUNDS {
                        let labels = [("n", Value::Int(((i + t) % 50) as i64))];
                        counter.series(&labels).add(1);
                        durations.series(&labels).record((i % 5) as f64, ids);
                    }
                })
            })
            .collect();
        let done = &done;
        scope.spawn(move || {
            let mut last = HashMap::new();
            while !done.load(Relaxed) {
                for (key, (n, _)) in collect(engine) {
                    let before = last.insert(key.clone(), n).unwrap_or(0);
                    assert!(n >= before, "{key} went from {before} to {n}");
                }
            }
        });
        recorders.into_iter().for_each(|r| r.join().unwrap());
        done.store(true, Relaxed);
    });
    let (mut total, mut count, mut sum) = (0, 0, 0.0);
    for (key, (n, s)) in collect(engine) {
        if key.starts_with('c') { total += n } else { (count, sum) = (count + n, sum + s) }
    }
    let want = (THREADS * ROUNDS) as u64;
    assert_eq!((total, count, sum), (want, want, 2.0 * want as f64));
    assert_eq!(engine.counters.metric_overflow.load(Relaxed), 0);
}

#[test]
fn series_in_all_are_limited() {
    let (engine, _) = engine(0);
    let mut made = 0;
    'all: for i in 0.. {
        let name: &'static str = Box::leak(format!("c{i}").into_boxed_str());
        let instrument = engine.instrument(Desc::new(name, "", Kind::Counter));
        for n in 0..MAX_SERIES {
            instrument.series(&[("n", n.into())]).add(1);
            made += 1;
            if engine.counters.metric_overflow.load(Relaxed) > 0 {
                break 'all;
            }
        }
    }
    assert_eq!(made, MAX_TOTAL_SERIES + 1);
}

#[test]
fn instruments_are_limited() {
    let (engine, _) = engine(0);
    for i in 0..MAX_INSTRUMENTS {
        engine.instrument(Desc::new(Box::leak(format!("c{i}").into_boxed_str()), "", Kind::Counter));
    }
    assert_eq!(engine.counters.metric_overflow.load(Relaxed), 0);
    engine.instrument(Desc::new("more", "", Kind::Counter)).series(&[]).add(1);
    assert_eq!(engine.counters.metric_overflow.load(Relaxed), 1);
    assert!(collect(engine).is_empty());
    engine.instrument(Desc::new("C7", "", Kind::Counter)).series(&[]).add(1);
    assert_eq!(collect(engine).len(), 1);
}

#[test]
fn a_callback_that_hangs_holds_a_collection_up_once() {
    let (engine, _) = engine(0);
    let hung = engine.instrument(Desc { observable: true, ..Desc::new("hung", "", Kind::Gauge).float() }).series(&[]);
    let other = engine.instrument(Desc { observable: true, ..Desc::new("other", "", Kind::Gauge).float() }).series(&[]);
    let (release, released) = channel::<()>();
    let (calls, called) = channel::<()>();
    engine.on_collect(Box::new(move || {
        calls.send(()).unwrap();
        released.recv().unwrap();
        hung.observe(1.0);
    }));
    engine.on_collect(Box::new(move || other.observe(2.0)));
    let began = Instant::now();
    assert_eq!(collect(engine), HashMap::from([("other ".to_owned(), (0, 2.0))]));
    assert!(began.elapsed() >= CALLBACK_TIME);
    let began = Instant::now();
    assert_eq!(collect(engine).len(), 1);
    assert!(began.elapsed() < CALLBACK_TIME, "it was waited for again");
    assert_eq!((called.try_iter().count(), engine.counters.metric_invalid.load(Relaxed)), (1, 2));
    // Once it returned it is called again; what it does then is in time.
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while collect(engine).len() < 2 {
        assert!(Instant::now() < deadline, "it was never called again");
        std::thread::yield_now();
    }
}

#[test]
fn a_callback_is_gone_when_its_owner_is() {
    let (engine, _) = engine(0);
    let (calls, called) = channel();
    let callback = engine.on_collect(Box::new(move || calls.send(()).unwrap())).unwrap();
    collect(engine);
    callback.remove();
    collect(engine);
    assert_eq!(called.try_iter().count(), 1);
}

#[test]
fn many_series_are_several_records() {
    let (engine, _) = engine(0);
    let instrument = engine.instrument(histogram("h", &BOUNDS));
    let text = "x".repeat(200);
    for n in 0..MAX_SERIES {
        instrument.series(&[("label", text.as_str().into()), ("n", n.into())]);
    }
    let (mut points, mut records, mut largest) = (0, 0, 0);
    let mut otlp = Otlp::new(|record: &[u8]| {
        points += dump(record).len() - 1;
        records += 1;
        largest = largest.max(record.len());
    });
    engine.collect(&mut otlp, true, Instant::now());
    otlp.close();
    drop(otlp);
    assert_eq!(points, MAX_SERIES);
    assert!(largest <= 66 << 10 && records > 10, "{records} records of at most {largest} bytes");
}
