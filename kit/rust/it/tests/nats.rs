//! async-nats against a real nats-server, core and JetStream.

mod support;

use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull, stream};
use clew::nats::ClientExt;
use clew::span::{self, Parent};
use clew::testing::Recorder;
use clew::{Component, Kind, Level};
use futures_util::StreamExt;

const SHOWN: [&str; 8] = [
    "messaging.system.name",
    "messaging.destination.name",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.consumer.group.name",
    "messaging.message.body.size",
    "messaging.batch.message_count",
    "error.type",
];

async fn connect() -> Option<(support::Server, async_nats::Client)> {
    let server = support::serve("nats-server", |port, folder| {
        ["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd", folder].map(str::to_owned).into()
    })?;
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.expect("connected");
    Some((server, client))
}

fn request() -> clew::Span {
    span::start(Component::App, Level::Standard, Kind::Internal, "request", Parent::Current)
}

#[tokio::test]
async fn a_message_is_two_traces_with_a_link() {
    let Some((_server, client)) = connect().await else { return };
    let recorder = Recorder::start();
    let mut orders = client.queue_subscribe("orders.*", "mail".to_owned()).await.expect("subscribed");
    client.flush().await.expect("flushed");
    let request = request();
    request.clone().instrument(client.clew().publish("orders.placed", "order 7".into())).await.expect("published");
    request.finish();
    let message = orders.next().await.expect("a message");
    clew::nats::process_as("orders.*", &message, "mail", async { Err::<(), _>("no such customer") }).await.expect_err("an error");
    assert_eq!(
        recorder.tree(&SHOWN),
        "trace 1\n\
         └─ INTERNAL request (test)\n   \
            └─ PRODUCER send orders.placed messaging.destination.name=orders.placed messaging.message.body.size=7 \
         messaging.operation.name=send messaging.operation.type=send messaging.system.name=nats\n\
         trace 2\n\
         └─ CONSUMER process orders.* (test) error.type=&str messaging.consumer.group.name=mail \
         messaging.destination.name=orders.* messaging.message.body.size=7 messaging.operation.name=process \
         messaging.operation.type=process messaging.system.name=nats ERROR \"no such customer\"\n   \
            └─ link trace 1 \"send orders.placed\"\n"
    );
}

#[tokio::test]
async fn a_request_lasts_until_its_reply_and_inboxes_have_one_name() {
    let Some((_server, client)) = connect().await else { return };
    let recorder = Recorder::start();
    let mut quotes = client.subscribe("quotes").await.expect("subscribed");
    client.flush().await.expect("flushed");
    let answering = clew::spawn({
        let client = client.clone();
        async move {
            let message = quotes.next().await.expect("a message");
            let reply = message.reply.clone().expect("somebody waits");
            let work = async { client.clew().publish(&reply, "9.99".into()).await };
            clew::nats::process(&message, "", work).await.expect("answered");
        }
    });
    let reply = client.clew().request("quotes", "7".into()).await.expect("a reply");
    assert_eq!(&reply.payload[..], b"9.99");
    answering.await.expect("joined");
    recorder.complete(3).await.expect("three spans");
    assert_eq!(
        recorder.tree(&[]),
        "trace 1\n└─ PRODUCER send quotes (test)\ntrace 2\n└─ CONSUMER process quotes (test)\n   \
         ├─ link trace 1 \"send quotes\"\n   └─ PRODUCER send _INBOX\n"
    );
}

#[tokio::test]
async fn jetstream_publishes_and_fetches_with_links_to_every_producer() {
    let Some((_server, client)) = connect().await else { return };
    let recorder = Recorder::start();
    let jetstream = jetstream::new(client);
    let config = stream::Config { name: "SHOP".to_owned(), subjects: vec!["orders.>".to_owned()], ..Default::default() };
    let stream = jetstream.create_stream(config).await.expect("a stream");
    for order in ["1", "2"] {
        let sent = jetstream.clew().publish("orders.placed", order.into()).await.expect("sent");
        sent.await.expect("acknowledged");
    }
    let config = pull::Config { durable_name: Some("mail".to_owned()), ..Default::default() };
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let batch = consumer.fetch().max_messages(2).expires(Duration::from_secs(5)).messages().await.expect("a batch");
    let messages: Vec<_> = batch.map(|message| message.expect("a message")).collect().await;
    let inner: Vec<&async_nats::Message> = messages.iter().map(|message| &message.message).collect();
    let work = async {
        for message in &messages {
            message.ack().await?;
        }
        Ok::<_, async_nats::Error>(())
    };
    clew::nats::process_batch("orders.placed", &inner, "mail", work).await.expect("processed");
    assert_eq!(
        recorder.tree(&["messaging.batch.message_count", "messaging.consumer.group.name"]),
        "trace 1\n└─ PRODUCER send orders.placed (test)\n\
         trace 2\n└─ PRODUCER send orders.placed (test)\n\
         trace 3\n└─ CONSUMER process orders.placed (test) messaging.batch.message_count=2 messaging.consumer.group.name=mail\n   \
         ├─ link trace 1 \"send orders.placed\"\n   └─ link trace 2 \"send orders.placed\"\n"
    );
}
