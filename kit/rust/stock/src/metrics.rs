//! Instruments of the kit beside those of the OpenTelemetry SDK, in one run: `metrics [--check]`. Times are CPU of the calling thread, the
//! best of 15 chunks. The SDK cannot bind an instrument to its labels, and has no exemplars.

mod measure;

use std::process::ExitCode;
use std::time::Duration;

use clew::{Component, Config, metrics};
use measure::{Cost, cost};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

#[global_allocator]
static ALLOCATOR: measure::Counting = measure::Counting;

/// What a record through a bound instrument may cost in nanoseconds.
const BUDGET: f64 = 60.0;

fn main() -> ExitCode {
    let unsampled = Config::new("bench", "1").without_export().without_lines().sample("0");
    let sampled = Config::new("bench", "1").without_export().without_lines();
    let provider = SdkMeterProvider::builder().with_reader(ManualReader::builder().build()).build();
    let meter = provider.meter("bench");
    let stock_histogram = meter
        .f64_histogram("bench.duration")
        .with_unit("s")
        .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0])
        .build();
    let stock_counter = meter.u64_counter("bench.count").build();
    let cached = [
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("http.route", "/orders/{id}"),
        KeyValue::new("http.response.status_code", 200),
    ];
    let labels: [metrics::Label<'_>; 3] =
        [("http.request.method", "GET".into()), ("http.route", "/orders/{id}".into()), ("http.response.status_code", 200.into())];
    let histogram = metrics::duration("bench.duration", Component::Http).with(&labels);
    let counter = metrics::counter("bench.count", "{item}").with(&labels);
    let took = Duration::from_millis(30);

    let theirs = cost(|| stock_histogram.record(0.03, &cached));
    let mut over = false;
    let mut line = |name: &str, ours: Cost, theirs: Cost| {
        let ratio = theirs.ns / ours.ns;
        println!(
            "{name:36} {:>8.1} ns {:>4.1} | {:>8.1} ns {:>4.1} | {ratio:>5.1}",
            ours.ns, ours.allocations, theirs.ns, theirs.allocations
        );
        over |= ours.ns > BUDGET || ours.allocations > 0.0;
    };
    for (name, config) in [("unsampled", unsampled), ("sampled", sampled)] {
        let kit = clew::start(config);
        let span = clew::tracing::info_span!("root").entered();
        line(&format!("histogram, bound, {name}"), cost(|| histogram.record_duration(took)), theirs);
        drop(span);
        if name == "sampled" {
            line("histogram, bound, no span", cost(|| histogram.record_duration(took)), theirs);
            line("counter, bound", cost(|| counter.add(1)), cost(|| stock_counter.add(1, &cached)));
            clew::set_level(Component::Metrics, clew::Level::Off);
            line("histogram, off", cost(|| histogram.record_duration(took)), theirs);
        }
        drop(kit);
    }
    if over && std::env::args().any(|a| a == "--check") {
        eprintln!("over budget");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
