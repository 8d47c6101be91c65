//! Stock OpenTelemetry: `tracing` spans through tracing-opentelemetry and its SDK.
//!
//! Endpoint, headers, time-outs, protocol, sampler and batch sizes come from the
//! standard `OTEL_` variables. What the service says for people goes to standard
//! error as JSON lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{dynamic_filter_fn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::SESSION_KEY;
use crate::Failure;
use crate::charter::Attribute;

/// Seconds between two complaints of the telemetry about itself: while no
/// endpoint listens, the exporter complains once per batch.
const COMPLAINT_EVERY_S: u64 = 60;

/// What is running.
pub struct Provider {
    traces: SdkTracerProvider,
    metrics: Option<SdkMeterProvider>,
}

impl Provider {
    /// Sends what is left. It blocks its thread.
    pub fn stop(self) -> opentelemetry_sdk::error::OTelSdkResult {
        let metrics = self.metrics.map_or(Ok(()), |metrics| metrics.shutdown());
        self.traces.shutdown().and(metrics)
    }
}

/// Says whether metrics are made too: otlp. Unset they are not, because Clew takes none
/// and the SDK complains of that each interval; `shop overhead` sets it, because the kit
/// makes metrics.
const METRICS_VARIABLE: &str = "OTEL_METRICS_EXPORTER";

/// Starts the SDK for a service.
pub fn start(service: &'static str) -> Result<Provider, Failure> {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(span_exporter()?)
        .with_resource(resource(service))
        .build();
    global::set_text_map_propagator(propagator());
    global::set_tracer_provider(provider.clone());
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(service))
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(filter_fn(|about| is_ours(about) && *about.level() <= Level::INFO));
    let subscriber = Registry::default().with(spans).with(lines());
    tracing::subscriber::set_global_default(subscriber)?;
    let metrics = metrics(service)?;
    Ok(Provider { traces: provider, metrics })
}

/// Sets the global meter provider when metrics are asked for.
fn metrics(service: &'static str) -> Result<Option<SdkMeterProvider>, Failure> {
    if std::env::var(METRICS_VARIABLE).as_deref() != Ok("otlp") {
        return Ok(None);
    }
    let builder = MetricExporter::builder();
    let exporter = match protocol("METRICS")? {
        Protocol::Grpc => builder.with_tonic().build(),
        Protocol::Http => builder.with_http().build(),
    };
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.map_err(not_made)?)
        .with_resource(resource(service))
        .build();
    global::set_meter_provider(provider.clone());
    Ok(Some(provider))
}

fn span_exporter() -> Result<SpanExporter, Failure> {
    let builder = SpanExporter::builder();
    let exporter = match protocol("TRACES")? {
        Protocol::Grpc => builder.with_tonic().build(),
        Protocol::Http => builder.with_http().build(),
    };
    exporter.map_err(not_made)
}

fn not_made(error: impl std::fmt::Display) -> Failure {
    format!("make the OTLP exporter: {error}").into()
}

enum Protocol {
    Grpc,
    Http,
}

/// What a signal is sent by.
fn protocol(signal: &str) -> Result<Protocol, Failure> {
    let name = std::env::var(format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"))
        .or_else(|_| std::env::var("OTEL_EXPORTER_OTLP_PROTOCOL"))
        .unwrap_or_default();
    match name.as_str() {
        "" | "grpc" => Ok(Protocol::Grpc),
        "http/protobuf" => Ok(Protocol::Http),
        other => {
            Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other:?}; use grpc or http/protobuf")
                .into())
        }
    }
}

/// `OTEL_RESOURCE_ATTRIBUTES` wins over the shop's own words, except for the
/// service's name: one environment is given to the whole fleet.
fn resource(service: &'static str) -> Resource {
    let detected = Resource::builder().build();
    let instance = RandomIdGenerator::default().new_trace_id().to_string();
    let own = [
        KeyValue::new("service.namespace", "shop"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", as_uuid(&instance)),
        KeyValue::new("deployment.environment.name", "example"),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    Resource::builder_empty()
        .with_attributes(own)
        .with_attributes(detected.iter().map(|(k, v)| KeyValue::new(k.clone(), v.clone())))
        .with_attribute(KeyValue::new("service.name", service))
        .build()
}

/// Writes 32 hexadecimal digits in the five groups of a UUID.
fn as_uuid(digits: &str) -> String {
    format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}

fn propagator() -> impl TextMapPropagator + Send + Sync + 'static {
    TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ])
}

/// The libraries' own spans and events are not the shop's: hyper's and tonic's
/// would make traces about exporting traces.
fn is_ours(about: &Metadata<'_>) -> bool {
    const OURS: [&str; 7] =
        ["fleet", "gateway", "search", "pricing", "payment", "account", "notification"];
    let root = about.target().split("::").next().unwrap_or_default();
    OURS.contains(&root)
}

/// Lines for people: the shop's own from INFO on, warnings of others, and the
/// telemetry's complaints about itself once a minute.
pub fn lines<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    static LAST_COMPLAINT: AtomicU64 = AtomicU64::new(0);
    // Not filter_fn, whose answer is kept for ever.
    let filter = dynamic_filter_fn(|about, _| {
        if about.is_span() {
            return false;
        }
        if is_ours(about) {
            return *about.level() <= Level::INFO;
        }
        if *about.level() > Level::WARN {
            return false;
        }
        if !about.target().starts_with("opentelemetry") {
            return true;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let last = LAST_COMPLAINT.load(Ordering::Relaxed);
        now >= last + COMPLAINT_EVERY_S
            && LAST_COMPLAINT
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    });
    tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).with_filter(filter)
}

/// Records an error on a span: an exception event, its class, an error status.
pub fn fail(span: &Span, class: &'static str, message: impl std::fmt::Display) {
    let text = message.to_string();
    span.set_attribute("error.type", class);
    span.add_event(
        "exception",
        vec![
            KeyValue::new("exception.type", class),
            KeyValue::new("exception.message", text.clone()),
        ],
    );
    span.set_status(Status::error(text));
}

/// Copies the session from the baggage to a span.
pub fn note_session(span: &Span) {
    if let Some(session) = session(&span.context()) {
        span.set_attribute(SESSION_KEY, session);
    }
}

/// Returns the session in a context's baggage.
pub fn session(context: &Context) -> Option<String> {
    context.baggage().get(SESSION_KEY).map(ToString::to_string)
}

/// Returns the context of the current span: its trace and its baggage.
pub fn current() -> Context {
    Span::current().context()
}

/// Returns a context with the session in its baggage, in place of any other.
pub fn with_session(context: &Context, session: String) -> Context {
    context.with_baggage([KeyValue::new(SESSION_KEY, session)])
}

/// Puts an attribute of the charter on a span. Those of the shop are texts and whole numbers.
pub fn note(span: &Span, attribute: &impl Attribute) {
    let key = attribute.key().into_owned();
    match attribute.value() {
        clew::Value::Int(value) => span.set_attribute(key, value),
        clew::Value::Str(value) => span.set_attribute(key, value.to_owned()),
        other => {
            tracing::warn!(key, value = ?other, "attribute has a type that the shop does not use")
        }
    }
}

/// Makes the remote context the parent of a span that has not begun yet.
pub fn adopt(span: &Span, parent: Context) {
    if let Err(error) = span.set_parent(parent) {
        tracing::warn!(%error, "span has lost its parent");
    }
}
