//! What the kit sends, read by the generated types of OpenTelemetry: random spans go through the whole kit to a collector on the loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use clew::span::{self, Parent};
use clew::{Component, Config, Context, Kind, Level, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A collector that hands over the bodies for one path.
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

fn answer(mut connection: TcpStream, send: &Sender<Vec<u8>>) -> Option<()> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut more = |seen: &mut Vec<u8>, connection: &mut TcpStream| match connection.read(&mut buffer) {
        Ok(0) | Err(_) => None,
        Ok(n) => {
            seen.extend_from_slice(&buffer[..n]);
            Some(())
        }
    };
    loop {
        let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") else {
            more(&mut seen, &mut connection)?;
            continue;
        };
        let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|l| l.strip_prefix("content-length:")).and_then(|v| v.trim().parse().ok());
        let end = head + 4 + length.unwrap_or(0);
        while seen.len() < end {
            more(&mut seen, &mut connection)?;
        }
        if text.starts_with("post /v1/traces") {
            assert!(!text.contains("content-encoding"), "the loopback needs no compression");
            send.send(seen[head + 4..end].to_vec()).ok()?;
        }
        seen.drain(..end);
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

/// A small generator, the same in every run of a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn text(&mut self, most: u64) -> String {
        let len = self.below(most + 1);
        (0..len).map(|_| ['a', 'Z', '0', ' ', '"', 'é', '漢', '🍏', '\u{0}', '\n'][self.below(10) as usize]).collect()
    }
}

/// A value that owns what it holds, with what the collector has to read.
enum Owned {
    Text(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Bools(Vec<bool>),
}

impl Owned {
    fn random(random: &mut Random) -> Owned {
        let n = random.below(6);
        match random.below(9) {
            // Now and then over the limit of 4,096 bytes.
            0 if random.below(20) == 0 => Owned::Text(random.text(3000)),
            0 => Owned::Text(random.text(40)),
            1 => Owned::Bool(random.below(2) == 1),
            2 => Owned::Int(random.next() as i64 >> random.below(64)),
            3 => Owned::Float(f64::from_bits(random.next())),
            4 => Owned::Bytes((0..random.below(300)).map(|b| b as u8).collect()),
            5 => Owned::Texts((0..n).map(|_| random.text(20)).collect()),
            6 => Owned::Ints((0..n * 30).map(|_| random.next() as i64).collect()),
            7 => Owned::Floats((0..n).map(|_| f64::from_bits(random.next())).collect()),
            _ => Owned::Bools((0..n * 30).map(|_| random.below(2) == 1).collect()),
        }
    }

    fn given<R>(&self, f: impl FnOnce(Value<'_>) -> R) -> R {
        match self {
            Owned::Text(v) => f(Value::Str(v)),
            Owned::Bool(v) => f(Value::Bool(*v)),
            Owned::Int(v) => f(Value::Int(*v)),
            Owned::Float(v) => f(Value::Float(*v)),
            Owned::Bytes(v) => f(Value::Bytes(v)),
            Owned::Texts(v) => f(Value::Strs(&v.iter().map(String::as_str).collect::<Vec<_>>())),
            Owned::Ints(v) => f(Value::Ints(v)),
            Owned::Floats(v) => f(Value::Floats(v)),
            Owned::Bools(v) => f(Value::Bools(v)),
        }
    }

    /// The value within the limits, as the generated types have it. Floats are compared by their bits.
    fn expected(&self) -> String {
        fn cut(text: &str) -> &str {
            let mut end = text.len().min(4096);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            &text[..end]
        }
        fn list(parts: impl Iterator<Item = String>) -> String {
            parts.take(128).collect::<Vec<_>>().join(",")
        }
        match self {
            Owned::Text(v) => format!("text {:?}", cut(v)),
            Owned::Bool(v) => format!("bool {v}"),
            Owned::Int(v) => format!("int {v}"),
            Owned::Float(v) => format!("float {:x}", v.to_bits()),
            Owned::Bytes(v) => format!("bytes {v:?}"),
            Owned::Texts(v) => format!("[{}]", list(v.iter().map(|v| format!("text {:?}", cut(v))))),
            Owned::Ints(v) => format!("[{}]", list(v.iter().map(|v| format!("int {v}")))),
            Owned::Floats(v) => format!("[{}]", list(v.iter().map(|v| format!("float {:x}", v.to_bits())))),
            Owned::Bools(v) => format!("[{}]", list(v.iter().map(|v| format!("bool {v}")))),
        }
    }
}

fn read(value: Option<&AnyValue>) -> String {
    use any_value::Value as V;
    match value.and_then(|v| v.value.as_ref()) {
        Some(V::StringValue(v)) => format!("text {v:?}"),
        Some(V::BoolValue(v)) => format!("bool {v}"),
        Some(V::IntValue(v)) => format!("int {v}"),
        Some(V::DoubleValue(v)) => format!("float {:x}", v.to_bits()),
        Some(V::BytesValue(v)) => format!("bytes {v:?}"),
        Some(V::ArrayValue(v)) => format!("[{}]", v.values.iter().map(|v| read(Some(v))).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}

fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|kv| (kv.key.clone(), read(kv.value.as_ref()))).collect()
}

/// What a span was made of.
struct Made {
    context: Context,
    name: String,
    kind: Kind,
    attributes: Vec<(String, Owned)>,
    dropped: usize,
    events: Vec<(String, Vec<(String, Owned)>)>,
    links: Vec<Context>,
    error: Option<String>,
}

fn put(into: &mut Vec<(String, Owned)>, key: String, value: Owned) {
    match into.iter_mut().find(|(k, _)| *k == key) {
        Some(slot) => slot.1 = value,
        None => into.push((key, value)),
    }
}

fn make(random: &mut Random, parent: &Made) -> Made {
    const KINDS: [Kind; 5] = [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer];
    let (kind, name) = (KINDS[random.below(5) as usize], random.text(60));
    let span = span::start(Component::App, Level::Standard, kind, &name, Parent::Of(&parent.context));
    let mut made = Made { context: span.context(), name, kind, attributes: vec![], dropped: 0, events: vec![], links: vec![], error: None };
    // Some keys come again, and some spans have more than 128.
    let keys = if random.below(30) == 0 { 200 } else { 1 + random.below(12) };
    for _ in 0..random.below(2 * keys + 1) {
        let (key, value) = (format!("key.{}", random.below(keys)), Owned::random(random));
        value.given(|v| span.set(&key, v));
        if made.attributes.len() == 128 && !made.attributes.iter().any(|(k, _)| *k == key) {
            made.dropped += 1;
        } else {
            put(&mut made.attributes, key, value);
        }
    }
    for _ in 0..random.below(4) {
        let name = random.text(20);
        let mut attributes = Vec::new();
        for _ in 0..random.below(4) {
            put(&mut attributes, format!("k{}", random.below(9)), Owned::Int(random.next() as i64));
        }
        let given: Vec<(&str, Value<'_>)> =
            attributes.iter().map(|(k, v)| (k.as_str(), if let Owned::Int(v) = v { Value::Int(*v) } else { Value::Bool(false) })).collect();
        span.event(&name, &given);
        made.events.push((name, attributes));
    }
    for _ in 0..random.below(3) {
        span.link(&parent.context.span, &[]);
        made.links.push(parent.context.clone());
    }
    if random.below(3) == 0 {
        let message = random.text(30);
        span.fail_text(&message);
        made.error = Some(message);
    }
    span.finish();
    made
}

fn check(made: &Made, span: &Span, parent: &Made) {
    assert_eq!(span.trace_id, made.context.span.trace_id.0);
    assert_eq!(span.span_id, made.context.span.span_id.0);
    assert_eq!(span.parent_span_id, parent.context.span.span_id.0);
    assert_eq!(span.trace_state, made.context.span.state.as_deref().unwrap_or_default());
    assert_eq!(span.name, made.name);
    assert_eq!(span.kind, made.kind as i32);
    assert_eq!(span.flags, 0x103, "sampled, random, the parent is known to be local");
    assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
    let expected = |attributes: &[(String, Owned)]| attributes.iter().map(|(k, v)| (k.clone(), v.expected())).collect::<Vec<_>>();
    assert_eq!(pairs(&span.attributes), expected(&made.attributes));
    assert_eq!(span.dropped_attributes_count as usize, made.dropped);
    assert_eq!(span.events.len(), made.events.len());
    for (event, (name, attributes)) in span.events.iter().zip(&made.events) {
        assert_eq!(&event.name, name);
        assert_eq!(pairs(&event.attributes), expected(attributes));
    }
    assert_eq!(span.links.len(), made.links.len());
    for (link, to) in span.links.iter().zip(&made.links) {
        assert_eq!((&link.trace_id[..], &link.span_id[..]), (&to.span.trace_id.0[..], &to.span.span_id.0[..]));
        assert_eq!(link.trace_state, to.span.state.as_deref().unwrap_or_default());
    }
    let status = span.status.clone().unwrap_or_default();
    assert_eq!((status.code, status.message), made.error.clone().map_or((0, String::new()), |message| (2, message)));
}

#[test]
fn the_generated_types_read_what_was_set() {
    let (endpoint, bodies) = collector();
    let kit = clew::start(Config::new("orders", "1.4.2").endpoint(&endpoint).without_lines());
    let mut random = Random(20_261_123);
    let root = span::start(Component::App, Level::Standard, Kind::Internal, "root", Parent::Root);
    let root = Made {
        context: root.context(),
        name: "root".to_owned(),
        kind: Kind::Internal,
        attributes: vec![],
        dropped: 0,
        events: vec![],
        links: vec![],
        error: None,
    };
    let made: Vec<Made> = (0..2000).map(|_| make(&mut random, &root)).collect();
    assert!(kit.flush(Duration::from_secs(20)), "the collector answers at once");
    kit.stop(Duration::from_secs(5)).expect("nothing is lost");

    let mut spans = std::collections::HashMap::new();
    while let Ok(body) = bodies.try_recv() {
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("the generated types read it");
        for resource in request.resource_spans {
            let about = pairs(&resource.resource.expect("a resource").attributes);
            assert!(about.contains(&("service.name".to_owned(), "text \"orders\"".to_owned())), "{about:?}");
            for scope in resource.scope_spans {
                assert_eq!(scope.scope.expect("a scope").name, "clew");
                spans.extend(scope.spans.into_iter().map(|span| (span.span_id.clone(), span)));
            }
        }
    }
    assert_eq!(spans.len(), made.len());
    for made in &made {
        let span = spans.get(&made.context.span.span_id.0[..]).expect("every span arrives once");
        check(made, span, &root);
    }
}
