//! Messages over NATS JetStream; the package comment of `internal/bus` draws
//! how producers and consumers are traced.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, AckKind, Context as JetStream};
use async_nats::{ConnectOptions, HeaderMap};
use futures_util::StreamExt;
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, global};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, Span, error, info_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Failure, process, telemetry};

/// Consumed by notification.
pub const SHIPMENT_CREATED: &str = "shipments.created";
/// Sent by notification.
pub const NOTIFICATION_SENT: &str = "notifications.sent";

const STREAM: &str = "SHOP";
const MAX_DELIVERIES: i64 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the messages are about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    pub customer: String,
    pub session: String,
    /// The order's total in euro cents.
    pub cents: i64,
}

/// A connection to the fleet's stream. It reconnects by itself.
#[derive(Clone)]
pub struct Bus {
    stream: JetStream,
}

impl Bus {
    /// Connects to the bus.
    pub async fn open(service: &str) -> Result<Bus, Failure> {
        let address = process::address("bus")?;
        let client = ConnectOptions::new()
            .name(service)
            .connect(format!("nats://{address}"))
            .await
            .map_err(|e| format!("connect to the bus at {address}: {e}"))?;
        Ok(Bus { stream: jetstream::new(client) })
    }

    /// Publishes an order as a producer span and waits until it is stored.
    pub async fn send(&self, subject: &'static str, order: &Order) -> Result<(), Failure> {
        let body = serde_json::to_vec(order)?;
        let id = format!("{}/{subject}", order.id);
        let span = span_of(subject, "send", "producer", &id);
        span.set_attribute("messaging.message.body.size", i64::try_from(body.len())?);
        let mut headers = HeaderMap::new();
        // The stream drops a second message of the same id.
        headers.insert("Nats-Msg-Id", id.as_str());
        let context = span.context();
        global::get_text_map_propagator(|p| p.inject_context(&context, &mut Writer(&mut headers)));
        let stored = async {
            let stored = self.stream.publish_with_headers(subject, headers, body.into()).await?;
            stored.await.map_err(Failure::from)
        };
        match stored.instrument(span.clone()).await {
            Ok(_) => Ok(()),
            Err(error) => {
                telemetry::fail(&span, "PublishError", &error);
                Err(format!("send {subject}: {error}").into())
            }
        }
    }

    /// Hands each message of a subject to `handle`, one at a time, until the
    /// returned future is dropped. Each is a consumer span in a trace of its own
    /// that links to the producer's. `group` names the durable consumer.
    pub async fn consume<F>(
        &self,
        group: &str,
        subject: &'static str,
        handle: F,
    ) -> Result<(), Failure>
    where
        F: AsyncFn(Order) -> Result<(), Failure>,
    {
        let wanted = pull::Config {
            durable_name: Some(group.to_owned()),
            filter_subject: subject.to_owned(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(10),
            max_deliver: MAX_DELIVERIES,
            ..Default::default()
        };
        let consumer = self
            .stream
            .get_stream(STREAM)
            .await?
            .get_or_create_consumer(group, wanted)
            .await
            .map_err(|e| format!("make the consumer {group} of {subject}: {e}"))?;
        let mut messages = consumer.messages().await?;
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) => process_message(group, subject, &message, &handle).await,
                Err(error) => {
                    warn!(subject, %error, "bus is away");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
        Err(format!("the stream of {subject} has ended").into())
    }
}

async fn process_message<F>(
    group: &str,
    subject: &'static str,
    message: &jetstream::Message,
    handle: &F,
) where
    F: AsyncFn(Order) -> Result<(), Failure>,
{
    let order: Order = match serde_json::from_slice(&message.payload) {
        Ok(order) => order,
        Err(error) => {
            error!(subject, %error, "message is not an order and is given up");
            settle(message, AckKind::Term).await;
            return;
        }
    };
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
    let outcome = handle(order).instrument(span.clone()).await;
    let Err(failure) = outcome else {
        settle(message, AckKind::Ack).await;
        return;
    };
    telemetry::fail(&span, "ProcessError", &failure);
    if message.info().is_ok_and(|info| info.delivered >= MAX_DELIVERIES) {
        error!(subject, %failure, "message is given up");
        settle(message, AckKind::Term).await;
    } else {
        warn!(subject, %failure, "message will be tried again");
        settle(message, AckKind::Nak(Some(RETRY_AFTER))).await;
    }
}

/// Answers the stream: done, later, or never.
async fn settle(message: &jetstream::Message, answer: AckKind) {
    if let Err(error) = message.ack_with(answer).await {
        warn!(subject = message.subject.as_str(), %error, "message may come again");
    }
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
