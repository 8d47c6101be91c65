//! Messages with stock OpenTelemetry, which has no instrumentation of NATS.

use std::time::Instant;

use async_nats::HeaderMap;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{self, Context as JetStream};
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue, global};
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::Order;
use crate::Failure;
use crate::telemetry::meters::METERS;
use crate::telemetry::stock as telemetry;

/// Publishes a message as a producer span and waits until it is stored.
pub async fn send(
    stream: &JetStream,
    subject: &'static str,
    id: &str,
    mut headers: HeaderMap,
    body: Vec<u8>,
) -> Result<PublishAck, Failure> {
    let span = span_of(subject, "send", "producer", id);
    span.set_attribute("messaging.message.body.size", i64::try_from(body.len())?);
    let context = span.context();
    global::get_text_map_propagator(|p| p.inject_context(&context, &mut Writer(&mut headers)));
    let stored = async {
        let stored = stream.publish_with_headers(subject, headers, body.into()).await?;
        stored.await.map_err(Failure::from)
    };
    let began = Instant::now();
    let stored = stored.instrument(span.clone()).await;
    let mut about = about(subject, "send");
    if let Err(error) = &stored {
        about.push(KeyValue::new("error.type", "PublishError"));
        telemetry::fail(&span, "PublishError", error);
    }
    METERS.send.since(began, &about);
    stored
}

/// Runs `handle` in a consumer span of a trace of its own that links to the producer.
pub async fn process<F>(
    group: &str,
    subject: &'static str,
    message: &jetstream::Message,
    order: Order,
    handle: &F,
) -> Result<(), Failure>
where
    F: AsyncFn(Order) -> Result<(), Failure>,
{
    let empty = HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&empty);
    let cause = global::get_text_map_propagator(|p| p.extract(&Reader(headers)));
    let span = span_of(subject, "process", "consumer", &format!("{}/{subject}", order.id));
    span.set_attribute("messaging.consumer.group.name", group.to_owned());
    span.add_link(cause.span().span_context().clone());
    // A new root that keeps the baggage: only the parent is left out.
    let baggage = cause
        .baggage()
        .iter()
        .map(|(k, (v, m))| KeyValueMetadata::new(k.clone(), v.clone(), m.clone()));
    telemetry::adopt(&span, Context::new().with_baggage(baggage));
    telemetry::note_session(&span);
    let began = Instant::now();
    let outcome = handle(order).instrument(span.clone()).await;
    let mut about = about(subject, "process");
    about.push(KeyValue::new("messaging.consumer.group.name", group.to_owned()));
    if let Err(failure) = &outcome {
        about.push(KeyValue::new("error.type", "ProcessError"));
        telemetry::fail(&span, "ProcessError", failure);
    }
    METERS.process.since(began, &about);
    outcome
}

/// What a duration says of its message.
fn about(subject: &'static str, operation: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "nats"),
        KeyValue::new("messaging.destination.name", subject),
        KeyValue::new("messaging.operation.name", operation),
    ]
}

fn span_of(subject: &'static str, operation: &'static str, kind: &'static str, id: &str) -> Span {
    let span = info_span!(
        "message",
        otel.name = format!("{operation} {subject}"),
        otel.kind = kind,
        messaging.system = "nats",
        messaging.destination.name = subject,
        messaging.operation.name = operation,
        messaging.message.id = id,
    );
    // A word of Rust cannot be a field's name in the macro.
    span.set_attribute("messaging.operation.type", operation);
    span
}

struct Reader<'a>(&'a HeaderMap);

impl opentelemetry::propagation::Extractor for Reader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        // NATS keeps the case of names; other clients capitalise them.
        self.0
            .iter()
            .find(|(name, _)| name.to_string().eq_ignore_ascii_case(key))
            .and_then(|(_, values)| values.first())
            .map(async_nats::HeaderValue::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_ref()).collect()
    }
}

struct Writer<'a>(&'a mut HeaderMap);

impl opentelemetry::propagation::Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key, value);
    }
}
