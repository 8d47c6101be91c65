//! rdkafka: a PRODUCER span for each record that is sent, a CONSUMER span, the root of a trace that links to the producer, for each that is
//! processed. The context travels in the record's headers.
//!
//! ```no_run
//! # #[cfg(feature = "rdkafka")] {
//! # async fn example(producer: rdkafka::producer::FutureProducer, message: rdkafka::message::OwnedMessage) {
//! use rdkafka::producer::FutureRecord;
//!
//! let record = FutureRecord::to("orders").key("7").payload("placed");
//! let sent = clew::rdkafka::send(&producer, record, std::time::Duration::from_secs(5)).await;
//!
//! let done = clew::rdkafka::process(&message, "mail", async { Ok::<_, std::io::Error>(()) }).await;
//! # } }
//! ```

use std::fmt;
use std::future::Future;
use std::time::Duration;

use ::rdkafka::error::KafkaError;
use ::rdkafka::message::{Header, Headers as _, Message, OwnedHeaders, OwnedMessage, ToBytes};
use ::rdkafka::producer::future_producer::Delivery;
use ::rdkafka::producer::{FutureProducer, FutureRecord};

use crate::Carrier;
use crate::messaging::{Broker, run};

static KAFKA: Broker = Broker::new("kafka");

impl Carrier for OwnedHeaders {
    fn get(&self, key: &str, each: &mut dyn FnMut(&str)) {
        for header in self.iter().filter(|header| header.key.eq_ignore_ascii_case(key)) {
            if let Some(Ok(text)) = header.value.map(std::str::from_utf8) {
                each(text);
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        // Headers of Kafka cannot be replaced one by one: those that stay are written anew.
        let kept = self.iter().filter(|header| !header.key.eq_ignore_ascii_case(key));
        let mut headers = kept.fold(OwnedHeaders::new(), |headers, header| headers.insert(header));
        headers = headers.insert(Header { key, value: Some(value) });
        *self = headers;
    }
}

/// Sends a record with the current context in its headers, and waits for its delivery as `FutureProducer::send` does.
///
/// # Errors
/// As `FutureProducer::send`.
pub async fn send<K, P>(
    producer: &FutureProducer,
    mut record: FutureRecord<'_, K, P>,
    queue_timeout: Duration,
) -> Result<Delivery, (KafkaError, OwnedMessage)>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    let mut headers = record.headers.take().unwrap_or_default();
    let mut call = KAFKA.send(record.topic, &mut headers);
    if let Some(payload) = record.payload {
        call.span.set("messaging.message.body.size", payload.to_bytes().len());
    }
    record.headers = Some(headers);
    let sent = call.span.clone().instrument(producer.send(record, queue_timeout)).await;
    match &sent {
        Ok(delivery) => {
            call.span.set("messaging.destination.partition.id", &*delivery.partition.to_string());
            call.span.set("messaging.kafka.offset", delivery.offset);
            call.end();
        }
        Err((error, _)) => call.fail(error),
    }
    sent
}

/// Processes a record in a CONSUMER span. `group` is the consumer group. An error marks the span as failed; a panic is recorded and goes on.
///
/// # Errors
/// What `work` returns.
#[track_caller]
pub fn process<M, T, E, W>(message: &M, group: &str, work: W) -> impl Future<Output = Result<T, E>> + use<M, T, E, W>
where
    M: Message,
    E: fmt::Display,
    W: Future<Output = Result<T, E>>,
{
    let call = KAFKA.process(message.topic(), group, &headers(message));
    call.span.set("messaging.message.body.size", message.payload().map_or(0, <[u8]>::len));
    call.span.set("messaging.destination.partition.id", &*message.partition().to_string());
    call.span.set("messaging.kafka.offset", message.offset());
    run(call, work)
}

/// Processes records that were fetched together: one CONSUMER span that links to every producer, at most 128.
///
/// # Errors
/// What `work` returns.
#[track_caller]
pub fn process_batch<M, T, E, W>(topic: &str, messages: &[M], group: &str, work: W) -> impl Future<Output = Result<T, E>> + use<M, T, E, W>
where
    M: Message,
    E: fmt::Display,
    W: Future<Output = Result<T, E>>,
{
    let headers: Vec<OwnedHeaders> = messages.iter().map(headers).collect();
    run(KAFKA.process_batch(topic, group, headers.iter().map(|headers| Some(headers as &dyn Carrier))), work)
}

/// The headers of a record, without those that have no text.
fn headers<M: Message>(message: &M) -> OwnedHeaders {
    let Some(headers) = message.headers() else { return OwnedHeaders::new() };
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.count()), |kept, header| kept.insert(header))
}
