//! Messages over NATS JetStream; the package comment of `internal/bus` draws
//! how producers and consumers are traced.

mod stock;

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, AckKind, Context as JetStream};
use async_nats::{ConnectOptions, HeaderMap};
use clew::nats::ClientExt;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use crate::stack::{Stack, running};
use crate::telemetry::kit;
use crate::{Failure, process};

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
        let mut headers = HeaderMap::new();
        // The stream drops a second message of the same id.
        headers.insert("Nats-Msg-Id", id.as_str());
        let stored = async {
            let stored = match running() {
                Stack::Kit => {
                    self.stream.clew().publish_with_headers(subject, headers, body.into()).await?
                }
                Stack::Stock => {
                    return stock::send(&self.stream, subject, &id, headers, body).await;
                }
                Stack::Off => {
                    self.stream.publish_with_headers(subject, headers, body.into()).await?
                }
            };
            stored.await.map_err(Failure::from)
        };
        match stored.await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("send {subject}: {error}").into()),
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
    let outcome = match running() {
        Stack::Kit => {
            let work = async {
                kit::note_session();
                handle(order).await
            };
            clew::nats::process(&message.message, group, work).await
        }
        Stack::Stock => stock::process(group, subject, message, order, handle).await,
        Stack::Off => handle(order).await,
    };
    let Err(failure) = outcome else {
        settle(message, AckKind::Ack).await;
        return;
    };
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
