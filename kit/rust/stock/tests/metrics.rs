//! What the kit sends of metrics, read by the generated types of OpenTelemetry: random records go through the whole kit to a collector on the
//! loopback and are compared with sums kept beside it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use clew::{Component, Config, Value, metrics};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint, number_data_point};
use prost::Message;

/// A collector that hands over the bodies of metrics.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
    let address = listener.local_addr().expect("an address");
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let send = send.clone();
            std::thread::spawn(move || answer(connection, &send));
        }
    });
    (format!("http://{address}"), receive)
}

fn answer(mut connection: TcpStream, send: &Sender<Vec<u8>>) -> std::io::Result<()> {
    let mut input = BufReader::new(connection.try_clone()?);
    loop {
        let (mut length, mut wanted, mut line) = (0, false, String::new());
        while line != "\r\n" {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            wanted |= lower.starts_with("post /v1/metrics ");
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        if wanted && send.send(body).is_err() {
            return Ok(());
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// A small generator, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

const BOUNDS: [f64; 4] = [-1.0, 0.0, 0.5, 100.0];

/// What should come of an instrument and a label set: a number, or the counts of a histogram with its sum in halves.
#[derive(Debug, PartialEq)]
enum Want {
    Int(i64),
    Double(f64),
    Buckets([u64; 5], i64),
}

fn text(labels: &[KeyValue]) -> String {
    let one = |kv: &KeyValue| {
        let value = match kv.value.as_ref().and_then(|v| v.value.as_ref()) {
            Some(any_value::Value::StringValue(v)) => format!("{v:?}"),
            Some(any_value::Value::IntValue(v)) => v.to_string(),
            Some(any_value::Value::BoolValue(v)) => v.to_string(),
            other => panic!("value {other:?}"),
        };
        format!("{}={value}", kv.key)
    };
    labels.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn random_records_are_read_by_the_generated_types() {
    let (address, bodies) = collector();
    let kit = clew::start(Config::new("metrics-test", "1").endpoint(&address).without_lines().without_panic_hook());
    let mut random = Random(7);
    let mut want: BTreeMap<String, Want> = BTreeMap::new();
    for _ in 0..4000 {
        let n = random.below(5);
        let name = format!("test.m{n}");
        let letter = ["a", "é", "\"q\"", ""][random.below(4) as usize];
        let number = random.below(3) as i64;
        let all: [metrics::Label<'_>; 3] =
            [("shop.text", letter.into()), ("shop.flag", Value::Bool(number == 1)), ("shop.number", Value::Int(number - 1))];
        let labels = &all[..random.below(4) as usize];
        let mut shown: Vec<String> = Vec::new();
        for (key, value) in labels {
            shown.push(match value {
                Value::Str(v) => format!("{key}={v:?}"),
                Value::Bool(v) => format!("{key}={v}"),
                Value::Int(v) => format!("{key}={v}"),
                other => panic!("{other:?}"),
            });
        }
        shown.sort();
        let key = format!("{name} {}", shown.join(" "));
        let halves = random.below(400) as i64 - 100;
        let value = halves as f64 / 2.0;
        let entry = want.entry(key);
        match n {
            0 => {
                metrics::counter("test.m0", "{item}").with(labels).add(halves.unsigned_abs());
                let Want::Int(sum) = entry.or_insert(Want::Int(0)) else { unreachable!() };
                *sum += halves.abs();
            }
            1 => {
                metrics::up_down("test.m1", "").with(labels).add(halves);
                let Want::Int(sum) = entry.or_insert(Want::Int(0)) else { unreachable!() };
                *sum += halves;
            }
            2 => {
                metrics::gauge("test.m2", "1").with(labels).set(value);
                *entry.or_insert(Want::Double(0.0)) = Want::Double(value);
            }
            3 => {
                metrics::float_counter("test.m3", "s").with(labels).add(value.abs());
                let Want::Double(sum) = entry.or_insert(Want::Double(0.0)) else { unreachable!() };
                *sum += value.abs();
            }
            _ => {
                let instrument = metrics::Options::new().bounds(&BOUNDS).description("Halves.").histogram("test.m4", "s");
                let _span = clew::tracing::info_span!("work").entered();
                instrument.with(labels).record(value);
                let Want::Buckets(counts, sum) = entry.or_insert(Want::Buckets([0; 5], 0)) else { unreachable!() };
                counts[BOUNDS.partition_point(|b| *b < value)] += 1;
                *sum += halves;
            }
        }
    }
    clew::set_level(Component::Metrics, clew::Level::Standard);
    kit.stop(Duration::from_secs(20)).expect("nothing is lost");

    let (mut got, mut exemplars, mut own) = (BTreeMap::new(), 0, 0);
    while let Ok(body) = bodies.try_recv() {
        let request = ExportMetricsServiceRequest::decode(body.as_slice()).expect("a request");
        let scopes = request.resource_metrics.into_iter().flat_map(|r| r.scope_metrics);
        for metric in scopes.flat_map(|s| s.metrics) {
            if metric.name.starts_with("test.") {
                read(metric, &mut got, &mut exemplars);
            } else {
                own += 1;
            }
        }
    }
    assert_eq!(got, want);
    assert!(exemplars > 0, "no exemplar was sent");
    assert!(own > 20, "{own} metrics of process and kit");
}

fn read(metric: Metric, got: &mut BTreeMap<String, Want>, exemplars: &mut usize) {
    let cumulative = AggregationTemporality::Cumulative as i32;
    let name = metric.name;
    let mut number = |p: NumberDataPoint, sum: bool| {
        assert!(p.time_unix_nano > 0 && sum == (p.start_time_unix_nano > 0) && p.start_time_unix_nano <= p.time_unix_nano);
        let value = match p.value.expect("a value") {
            number_data_point::Value::AsInt(n) => Want::Int(n),
            number_data_point::Value::AsDouble(v) => Want::Double(v),
        };
        got.insert(format!("{name} {}", text(&p.attributes)), value);
    };
    match metric.data.expect("data") {
        Data::Sum(sum) => {
            assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (cumulative, name != "test.m1"));
            sum.data_points.into_iter().for_each(|p| number(p, true));
        }
        Data::Gauge(gauge) => gauge.data_points.into_iter().for_each(|p| number(p, false)),
        Data::Histogram(histogram) => {
            assert_eq!(
                (histogram.aggregation_temporality, metric.description.as_str(), metric.unit.as_str()),
                (cumulative, "Halves.", "s")
            );
            for p in histogram.data_points {
                *exemplars += check_exemplars(&p);
                let halves = p.sum.expect("a sum") * 2.0;
                assert_eq!(p.count, p.bucket_counts.iter().sum::<u64>());
                assert_eq!(p.explicit_bounds, BOUNDS);
                let counts = p.bucket_counts.as_slice().try_into().expect("five buckets");
                got.insert(format!("{name} {}", text(&p.attributes)), Want::Buckets(counts, halves as i64));
            }
        }
        other => panic!("data {other:?}"),
    }
}

/// How many exemplars a point has; each is of a bucket of its own.
fn check_exemplars(p: &HistogramDataPoint) -> usize {
    let mut buckets = Vec::new();
    for exemplar in &p.exemplars {
        assert!(exemplar.filtered_attributes.is_empty());
        assert_eq!((exemplar.trace_id.len(), exemplar.span_id.len()), (16, 8));
        let Some(opentelemetry_proto::tonic::metrics::v1::exemplar::Value::AsDouble(v)) = exemplar.value else {
            panic!("value {:?}", exemplar.value)
        };
        let bucket = BOUNDS.partition_point(|b| *b < v);
        assert!(!buckets.contains(&bucket) && p.bucket_counts[bucket] > 0);
        buckets.push(bucket);
    }
    buckets.len()
}
