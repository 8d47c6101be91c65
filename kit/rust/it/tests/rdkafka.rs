//! rdkafka against the brokers that librdkafka brings for tests, in this process and over loopback.

use std::time::Duration;

use clew::span::{self, Parent};
use clew::testing::{Recorder, Span, Value};
use clew::{Carrier, Component, Context, Kind, Level};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

const SHOWN: [&str; 10] = [
    "messaging.system.name",
    "messaging.destination.name",
    "messaging.destination.partition.id",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.consumer.group.name",
    "messaging.kafka.offset",
    "messaging.message.body.size",
    "messaging.batch.message_count",
    "error.type",
];

struct Kafka {
    producer: FutureProducer,
    consumer: StreamConsumer,
    // Dropped last: the clients talk to it.
    cluster: MockCluster<'static, DefaultProducerContext>,
}

fn kafka(topic: &str) -> Kafka {
    let cluster = MockCluster::new(1).expect("a broker");
    cluster.create_topic(topic, 1, 1).expect("a topic");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    let producer = config.create().expect("a producer");
    config.set("group.id", "mail");
    let consumer: StreamConsumer = config.create().expect("a consumer");
    assign(&consumer, &[topic]);
    Kafka { producer, consumer, cluster }
}

/// Reads the topics from their beginning. Joining a group would take seconds, and is nothing of the kit's.
fn assign(consumer: &StreamConsumer, topics: &[&str]) {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        all.add_partition_offset(topic, 0, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&all).expect("assigned");
}

impl Kafka {
    async fn send(&self, record: FutureRecord<'_, str, str>) {
        clew::rdkafka::send(&self.producer, record, Duration::from_secs(10)).await.expect("delivered");
    }

    async fn receive(&self) -> OwnedMessage {
        let message = tokio::time::timeout(Duration::from_secs(20), self.consumer.recv()).await.expect("a message in time");
        message.expect("a message").detach()
    }
}

fn request(name: &str) -> clew::Span {
    span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Current)
}

/// The values of a header on the wire.
fn header(message: &OwnedMessage, key: &str) -> Vec<String> {
    let headers = message.headers().expect("headers");
    let values = headers.iter().filter(|header| header.key == key).map(|header| header.value.expect("a value"));
    values.map(|value| String::from_utf8(value.to_vec()).expect("a text")).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name}"))
}

#[tokio::test]
async fn a_record_is_two_traces_with_a_link() {
    let kafka = kafka("orders");
    let recorder = Recorder::start();
    let request = request("request");
    request
        .clone()
        .instrument(async {
            // What the program has in the headers stays; a context that is handed on is replaced.
            let stale = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-01";
            let headers = OwnedHeaders::new()
                .insert(Header { key: "tenant", value: Some("blue") })
                .insert(Header { key: "traceparent", value: Some(stale) });
            kafka.send(FutureRecord::to("orders").key("7").payload("placed").headers(headers)).await;
        })
        .await;
    request.finish();
    let message = kafka.receive().await;
    assert_eq!((message.key(), message.payload()), (Some(&b"7"[..]), Some(&b"placed"[..])));
    assert_eq!(header(&message, "tenant"), ["blue"]);
    let spans = recorder.spans();
    let sent = named(&spans, "send orders");
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(header(&message, "traceparent"), [format!("00-{}-{}-03", hex(&sent.trace), hex(&sent.id))]);

    let work = async {
        assert!(span::current_is_sampled());
        Err::<(), _>("no such customer")
    };
    clew::rdkafka::process(&message, "mail", work).await.expect_err("an error");
    assert_eq!(
        recorder.tree(&SHOWN),
        "trace 1\n\
         └─ INTERNAL request (test)\n   \
            └─ PRODUCER send orders messaging.destination.name=orders messaging.destination.partition.id=0 \
         messaging.kafka.offset=0 messaging.message.body.size=6 messaging.operation.name=send messaging.operation.type=send \
         messaging.system.name=kafka\n\
         trace 2\n\
         └─ CONSUMER process orders (test) error.type=&str messaging.consumer.group.name=mail \
         messaging.destination.name=orders messaging.destination.partition.id=0 messaging.kafka.offset=0 \
         messaging.message.body.size=6 messaging.operation.name=process messaging.operation.type=process messaging.system.name=kafka \
         ERROR \"no such customer\"\n   \
            └─ link trace 1 \"send orders\"\n"
    );
}

#[tokio::test]
async fn a_batch_links_to_every_producer() {
    let kafka = kafka("batches");
    let recorder = Recorder::start();
    for (name, value) in [("first", "a"), ("second", "bb")] {
        let request = request(name);
        request.clone().instrument(kafka.send(FutureRecord::to("batches").key("k").payload(value))).await;
        request.finish();
    }
    let messages = [kafka.receive().await, kafka.receive().await];
    clew::rdkafka::process_batch("batches", &messages, "mail", async { Ok::<_, String>(()) }).await.expect("processed");
    let spans = recorder.spans();
    let batch = named(&spans, "process batches");
    assert_eq!(batch.attribute("messaging.batch.message_count"), Some(&Value::Int(2)));
    let sent: Vec<_> = spans.iter().filter(|span| span.name == "send batches").map(|span| (span.trace, span.id)).collect();
    assert_eq!(batch.links.iter().map(|link| (link.trace, link.span)).collect::<Vec<_>>(), sent);
}

#[tokio::test]
async fn baggage_goes_to_topics_that_may_have_it_and_on_to_the_consumer() {
    let kafka = kafka("audit");
    kafka.cluster.create_topic("elsewhere", 1, 1).expect("a topic");
    assign(&kafka.consumer, &["audit", "elsewhere"]);
    let _recorder = Recorder::start();
    clew::apply_policy(br#"{"propagate_to":["audit"]}"#).expect("a policy");
    let user = Context::default().with_baggage("user", "7");
    user.instrument(async {
        kafka.send(FutureRecord::to("audit").key("k").payload("a")).await;
    })
    .await;
    let message = kafka.receive().await;
    assert_eq!(header(&message, "baggage"), ["user=7"]);
    let seen = clew::rdkafka::process(&message, "mail", async { Ok::<_, String>(clew::current().baggage("user").map(str::to_owned)) });
    assert_eq!(seen.await.expect("processed").as_deref(), Some("7"));
    user.instrument(async {
        kafka.send(FutureRecord::to("elsewhere").key("k").payload("b")).await;
    })
    .await;
    let message = kafka.receive().await;
    assert_eq!((message.topic(), header(&message, "baggage")), ("elsewhere", Vec::new()));
}

#[test]
fn a_record_that_cannot_be_sent_fails_its_span() {
    // The brokers are gone, and nothing waits longer than this for them.
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", "127.0.0.1:1")
        .set("message.timeout.ms", "200")
        .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
        .create()
        .expect("a producer");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let recorder = Recorder::start();
    let record = FutureRecord::to("orders").key("k").payload("lost");
    runtime.block_on(async { clew::rdkafka::send(&producer, record, Duration::from_secs(1)).await }).expect_err("no broker");
    let spans = recorder.spans();
    let sent = named(&spans, "send orders");
    assert!(matches!(&sent.status, clew::testing::Status::Error(text) if text.contains("timed out")), "{sent:?}");
    assert!(sent.attribute("error.type").is_some());
}

#[test]
fn headers_are_replaced_and_never_repeated() {
    let mut headers = OwnedHeaders::new()
        .insert(Header { key: "a", value: Some("1") })
        .insert(Header { key: "Traceparent", value: Some("old") })
        .insert(Header::<&str> { key: "empty", value: None });
    Carrier::set(&mut headers, "traceparent", "new");
    Carrier::set(&mut headers, "traceparent", "newer");
    let all: Vec<_> = headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect();
    let want = [("a", Some("1")), ("empty", None), ("traceparent", Some("newer"))];
    assert_eq!(all, want.map(|(key, value)| (key.to_owned(), value.map(|value: &str| value.as_bytes().to_vec()))));
}
