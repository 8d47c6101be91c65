//! `kit/contract/span.json`: what is left of the attributes of spans, events and links.
#![cfg(all(feature = "kit", not(target_family = "wasm")))]

use std::sync::mpsc::channel;

use clew::span::{self, Parent};
use clew::{Component, Config, Kind, Level, SpanContext, SpanId, TraceId, Value};
use serde_json::{Value as Json, json};

/// A field of a message: its number, its value when it is a varint or fixed, its bytes when it has a length.
type Field<'a> = (u64, u64, &'a [u8]);

fn varint(b: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = b.split_first().expect("a varint ends");
        *b = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

fn fields(mut b: &[u8]) -> Vec<Field<'_>> {
    let mut all = Vec::new();
    while !b.is_empty() {
        let tag = varint(&mut b);
        let (mut value, mut data) = (0, &b[..0]);
        match tag & 7 {
            0 => value = varint(&mut b),
            2 => {
                let len = varint(&mut b) as usize;
                (data, b) = b.split_at(len);
            }
            1 | 5 => {
                let (head, rest) = b.split_at(if tag & 7 == 1 { 8 } else { 4 });
                value = head.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
                b = rest;
            }
            other => panic!("wire type {other}"),
        }
        all.push((tag >> 3, value, data));
    }
    all
}

fn text(b: &[u8]) -> &str {
    std::str::from_utf8(b).expect("texts are UTF-8")
}

/// An `AnyValue` as the vectors write it.
fn plain(b: &[u8]) -> Json {
    match fields(b)[..] {
        [(1, _, data)] => text(data).into(),
        [(2, value, _)] => (value != 0).into(),
        [(3, value, _)] => (value as i64).into(),
        [(4, bits, _)] => json!({"float": f64::from_bits(bits)}),
        [(5, _, data)] => fields(data).into_iter().map(|(_, _, element)| plain(element)).collect(),
        ref other => panic!("a value of {other:?}"),
    }
}

fn attributes(message: &[u8], field: u64) -> Vec<Json> {
    let pairs = fields(message).into_iter().filter(|f| f.0 == field);
    pairs.map(|(_, _, pair)| fields(pair)).map(|pair| json!([text(pair[0].2), plain(pair[1].2)])).collect()
}

/// A text or an array with its repetitions written out.
fn long(json: &Json) -> Json {
    let of = |name: &str| Some((json[name][0].as_str()?, json[name][1].as_u64()? as usize));
    match (of("repeat"), of("array")) {
        (Some((text, times)), _) => text.repeat(times).into(),
        (_, Some((text, times))) => vec![text; times].into(),
        _ => json.clone(),
    }
}

fn pairs(json: &Json) -> Vec<(String, Json)> {
    let all = json.as_array().into_iter().flatten();
    all.map(|pair| (long(&pair[0]).as_str().expect("a key").to_owned(), long(&pair[1]))).collect()
}

fn value<'a>(json: &'a Json, array: &'a [&'a str]) -> Value<'a> {
    match json {
        Json::String(v) => Value::Str(v),
        Json::Bool(v) => Value::Bool(*v),
        Json::Array(_) => Value::Strs(array),
        Json::Object(v) => Value::Float(v["float"].as_f64().expect("a number")),
        v => Value::Int(v.as_i64().expect("a number")),
    }
}

/// Hands the pairs on as the kit takes them.
fn borrowed<R>(pairs: &[(String, Json)], take: impl FnOnce(&[(&str, Value<'_>)]) -> R) -> R {
    let texts = |json: &Json| json.as_array().into_iter().flatten().map(|t| t.as_str().expect("a text").to_owned()).collect::<Vec<_>>();
    let arrays: Vec<Vec<String>> = pairs.iter().map(|(_, value)| texts(value)).collect();
    let arrays: Vec<Vec<&str>> = arrays.iter().map(|array| array.iter().map(String::as_str).collect()).collect();
    let all: Vec<(&str, Value<'_>)> = pairs.iter().zip(&arrays).map(|((key, json), array)| (key.as_str(), value(json, array))).collect();
    take(&all)
}

fn judge(what: &str, message: &[u8], field: u64, dropped: u64, want: &Json) {
    let mut got = attributes(message, field);
    let wanted: Vec<Json> = pairs(&want["attributes"]).into_iter().map(|(key, value)| json!([key, value])).collect();
    if let Some(count) = want["count"].as_u64() {
        assert_eq!(got.len() as u64, count, "{what}");
        got.drain(..got.len() - wanted.len());
    }
    assert_eq!(got, wanted, "{what}");
    let lost = fields(message).into_iter().find(|f| f.0 == dropped).map_or(0, |f| f.1);
    assert_eq!(lost, want["dropped"].as_u64().expect("a number"), "dropped: {what}");
}

#[test]
fn the_spans_of_the_contract_are_made() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/span.json")).expect("the contract");
    let file: Json = serde_json::from_str(&file).expect("the contract is JSON");
    let cases = file["cases"].as_array().expect("cases");
    assert!(cases.len() >= 13, "{} cases", cases.len());
    let kit = clew::start(Config::new("test", "1").without_export().without_lines());
    let (sender, spans) = channel();
    let _hook = kit.on_end(move |view| sender.send((view.name.to_owned(), view.bytes().to_vec())).expect("the test waits"));
    for case in cases {
        let label = case["name"].as_str().expect("a name");
        let policy = json!({"redact": case.get("redact").cloned().unwrap_or_else(|| json!([]))});
        clew::apply_policy(policy.to_string().as_bytes()).expect("a policy");
        let name = case.get("span").map_or_else(|| json!("work"), long);
        let name = name.as_str().expect("a text");
        let mut set: Vec<(String, Json)> = pairs(&case["set"]);
        set.extend((0..case["many"].as_u64().unwrap_or(0)).map(|i| (format!("key{i}"), i.into())));
        let span = span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Root);
        borrowed(&set, |set| {
            set.iter().for_each(|(key, value)| span.set(key, *value));
            span.event("noted", set);
            span.link(&SpanContext { trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]), ..SpanContext::default() }, set);
        });
        borrowed(&pairs(&case["more"]), |more| more.iter().for_each(|(key, value)| span.set(key, *value)));
        span.finish();
        let (kept, bytes) = spans.try_recv().expect("the span");
        assert_eq!(kept, name[..name.len().min(256)], "{label}");
        judge(label, &bytes, 9, 10, case);
        for (part, field, attributes, dropped) in [("event", 11, 3, 4), ("link", 13, 4, 5)] {
            let message = fields(&bytes).into_iter().find(|f| f.0 == field).expect(part).2;
            judge(&format!("{label}: {part}"), message, attributes, dropped, case.get(part).unwrap_or(case));
        }
    }
}
