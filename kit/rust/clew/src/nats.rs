//! async-nats, core and JetStream: a PRODUCER span for each message that is published, a CONSUMER span, the root of a trace that links to the
//! producer, for each that is processed. The context travels in the message's headers.
//!
//! ```no_run
//! # #[cfg(feature = "nats")] {
//! # async fn example(client: async_nats::Client, message: async_nats::Message) -> Result<(), Box<dyn std::error::Error>> {
//! use clew::nats::ClientExt;
//!
//! client.clew().publish("orders.placed", "order 7".into()).await?;
//!
//! clew::nats::process(&message, "mail", async { Ok::<_, std::io::Error>(()) }).await?;
//! # Ok(()) } }
//! ```
//!
//! Reply subjects (`_INBOX.…`) are recorded as `_INBOX`, so that names stay few. A subscription with a wildcard records what it gets under
//! [`process_as`]'s name for the same reason.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use async_nats::client::{PublishError, RequestError};
use async_nats::jetstream::{self, context::PublishAckFuture};
use async_nats::{Client, HeaderMap, HeaderName, HeaderValue, Message};
use bytes::Bytes;

use crate::Carrier;
use crate::messaging::{Broker, MessageCall, run};

static NATS: Broker = Broker::new("nats");

impl Carrier for HeaderMap {
    fn get(&self, key: &str, each: &mut dyn FnMut(&str)) {
        // NATS keeps the case of names; other clients may write them in theirs.
        for (name, values) in self.iter() {
            if AsRef::<str>::as_ref(name).eq_ignore_ascii_case(key) {
                values.iter().for_each(|value| each(value.as_str()));
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(key), HeaderValue::from_str(value)) {
            self.insert(name, value);
        }
    }
}

/// The name of a subject in spans and labels.
fn destination(subject: &str) -> &str {
    if subject.starts_with("_INBOX.") { "_INBOX" } else { subject }
}

fn start(subject: &str, headers: &mut HeaderMap, payload: &Bytes) -> MessageCall {
    let call = NATS.send(destination(subject), headers);
    call.span.set("messaging.message.body.size", payload.len());
    if let Some(id) = headers.get(async_nats::header::NATS_MESSAGE_ID) {
        call.span.set("messaging.message.id", id.as_str());
    }
    call
}

/// Publishing with context.
pub trait ClientExt {
    /// What is published through this carries the current context.
    fn clew(&self) -> Traced<'_, Self>
    where
        Self: Sized,
    {
        Traced(self)
    }
}

impl ClientExt for Client {}
impl ClientExt for jetstream::Context {}

/// A client whose messages carry the current context. Made by [`ClientExt::clew`].
#[derive(Debug)]
pub struct Traced<'a, C>(&'a C);

impl Traced<'_, Client> {
    /// Publishes a message.
    ///
    /// # Errors
    /// As `async_nats::Client::publish`.
    pub async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), PublishError> {
        self.publish_with_headers(subject, HeaderMap::new(), payload).await
    }

    /// Publishes a message with headers of one's own.
    ///
    /// # Errors
    /// As `async_nats::Client::publish_with_headers`.
    pub async fn publish_with_headers(&self, subject: &str, mut headers: HeaderMap, payload: Bytes) -> Result<(), PublishError> {
        let call = start(subject, &mut headers, &payload);
        run(call, self.0.publish_with_headers(subject.to_owned(), headers, payload)).await
    }

    /// Publishes a message and waits for the reply; the span lasts as long.
    ///
    /// # Errors
    /// As `async_nats::Client::request_with_headers`.
    pub async fn request(&self, subject: &str, payload: Bytes) -> Result<Message, RequestError> {
        let mut headers = HeaderMap::new();
        let call = start(subject, &mut headers, &payload);
        run(call, self.0.request_with_headers(subject.to_owned(), headers, payload)).await
    }
}

impl Traced<'_, jetstream::Context> {
    /// Publishes a message to JetStream. The span ends when the message is sent; await the returned future for its acknowledgement.
    ///
    /// # Errors
    /// As `async_nats::jetstream::Context::publish`.
    pub async fn publish(&self, subject: &str, payload: Bytes) -> Result<PublishAckFuture, jetstream::context::PublishError> {
        self.publish_with_headers(subject, HeaderMap::new(), payload).await
    }

    /// Publishes a message with headers of one's own to JetStream.
    ///
    /// # Errors
    /// As `async_nats::jetstream::Context::publish_with_headers`.
    pub async fn publish_with_headers(
        &self,
        subject: &str,
        mut headers: HeaderMap,
        payload: Bytes,
    ) -> Result<PublishAckFuture, jetstream::context::PublishError> {
        let call = start(subject, &mut headers, &payload);
        run(call, self.0.publish_with_headers(subject.to_owned(), headers, payload)).await
    }
}

/// Processes a message of a subscription or a JetStream consumer (`&message.message` there) in a CONSUMER span. `group` is the queue group or
/// the consumer's name; empty for none. An error marks the span as failed; a panic is recorded and goes on. Acknowledging is the work's
/// business.
///
/// # Errors
/// What `work` returns.
#[track_caller]
pub fn process<T, E, W>(message: &Message, group: &str, work: W) -> impl Future<Output = Result<T, E>> + use<T, E, W>
where
    E: fmt::Display,
    W: Future<Output = Result<T, E>>,
{
    process_as(destination(&message.subject), message, group, work)
}

/// Like [`process`], under another name than the message's subject: that of a subscription with a wildcard.
///
/// # Errors
/// What `work` returns.
#[track_caller]
pub fn process_as<T, E, W>(name: &str, message: &Message, group: &str, work: W) -> impl Future<Output = Result<T, E>> + use<T, E, W>
where
    E: fmt::Display,
    W: Future<Output = Result<T, E>>,
{
    let none = HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&none);
    let call = NATS.process(name, group, headers);
    call.span.set("messaging.message.body.size", message.payload.len());
    if let Some(id) = headers.get(async_nats::header::NATS_MESSAGE_ID) {
        call.span.set("messaging.message.id", id.as_str());
    }
    run(call, work)
}

/// Processes messages that were fetched together: one CONSUMER span that links to every producer, at most 128.
///
/// # Errors
/// What `work` returns.
#[track_caller]
pub fn process_batch<T, E, W>(name: &str, messages: &[&Message], group: &str, work: W) -> impl Future<Output = Result<T, E>> + use<T, E, W>
where
    E: fmt::Display,
    W: Future<Output = Result<T, E>>,
{
    let headers = messages.iter().map(|message| message.headers.as_ref().map(|headers| headers as &dyn Carrier));
    let call = NATS.process_batch(name, group, headers);
    run(call, work)
}
