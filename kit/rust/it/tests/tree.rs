//! `kit/contract/tree.json`: spans and how they are drawn.

use clew::testing::{Event, Link, Span, Status, Value, draw};
use serde_json::Value as Json;

fn hex<const N: usize>(json: &Json) -> [u8; N] {
    let text = json.as_str().expect("an id is a text");
    let mut id = [0; N];
    assert_eq!(text.len(), 2 * N, "{text}");
    for (place, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).expect("two hex digits");
    }
    id
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(values) => Value::Array(values.iter().map(value).collect()),
        Json::Number(number) => match number.as_i64() {
            // A number with a point or an exponent is a float, as the vectors' README says.
            Some(whole) if !number.to_string().contains(['.', 'e', 'E']) => Value::Int(whole),
            _ => Value::Float(number.as_f64().expect("a number")),
        },
        Json::Object(_) => panic!("no attribute is an object"),
    }
}

fn attributes(json: &Json) -> Vec<(String, Value)> {
    json.as_object().into_iter().flatten().map(|(key, json)| (key.clone(), value(json))).collect()
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn span(json: &Json) -> Span {
    let message = text(&json["status"]["message"]);
    Span {
        trace: hex(&json["trace"]),
        id: hex(&json["id"]),
        parent: json["parent"].as_str().filter(|text| !text.is_empty()).map(|_| hex(&json["parent"])),
        kind: match json["kind"].as_str() {
            Some("SERVER") => 2,
            Some("CLIENT") => 3,
            Some("PRODUCER") => 4,
            Some("CONSUMER") => 5,
            _ => 1,
        },
        name: text(&json["name"]),
        service: text(&json["service"]),
        start: json["start"].as_u64().unwrap_or_default(),
        end: json["end"].as_u64().unwrap_or_default(),
        attributes: attributes(&json["attributes"]),
        events: list(&json["events"])
            .map(|event| Event {
                time: event["time"].as_u64().unwrap_or_default(),
                name: text(&event["name"]),
                attributes: attributes(&event["attributes"]),
            })
            .collect(),
        links: list(&json["links"])
            .map(|link| Link { trace: hex(&link["trace"]), span: hex(&link["span"]), attributes: attributes(&link["attributes"]) })
            .collect(),
        status: match json["status"]["code"].as_str().unwrap_or_default() {
            "OK" => Status::Ok,
            "ERROR" => Status::Error(message),
            "" | "UNSET" => Status::Unset,
            other => panic!("an unknown status {other}"),
        },
        ..Span::default()
    }
}

#[test]
fn every_tree_of_the_contract_is_drawn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/tree.json");
    let file = std::fs::read_to_string(path).expect("the contract is beside the kit");
    let file: Json = serde_json::from_str(&file).expect("the contract is JSON");
    let cases = file["cases"].as_array().expect("there are cases");
    assert!(cases.len() > 5);
    for case in cases {
        let spans: Vec<Span> = list(&case["spans"]).map(span).collect();
        let shown: Vec<&str> = list(&case["attributes"]).filter_map(Json::as_str).collect();
        assert_eq!(draw(&spans, &shown), text(&case["tree"]), "{}", case["name"]);
    }
}

#[test]
fn a_chain_deeper_than_a_stack_is_drawn() {
    let spans: Vec<Span> = (1..=20_000u64)
        .map(|number| Span {
            trace: [1; 16],
            id: number.to_be_bytes(),
            parent: (number > 1).then(|| (number - 1).to_be_bytes()),
            start: number,
            end: number,
            ..Span::default()
        })
        .collect();
    // Only the deepest lines are long; the text grows with the square of the depth.
    assert_eq!(draw(&spans[..300], &[]).lines().count(), 301);
    let circle: Vec<Span> = spans.iter().cloned().map(|span| Span { parent: Some(span.id), ..span }).collect();
    assert_eq!(draw(&circle, &[]).lines().count(), 20_001);
}
