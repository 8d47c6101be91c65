//! The examples of section 7 of the contract, `kit/contract/logs.json`.

#[path = "support/logcase.rs"]
mod logcase;

use std::collections::HashMap;

use clew::log::site::{More, Sites};
use serde_json::{Value, json};

fn contract() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/logs.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn known(value: &Value, keys: &[&str]) {
    for key in value.as_object().unwrap().keys() {
        assert!(keys.contains(&key.as_str()), "unknown field {key} in {}", value["name"]);
    }
}

#[test]
fn every_line_and_record_of_the_contract_is_written_so() {
    let contract = contract();
    known(&contract, &["lines", "rates"]);
    let lines = contract["lines"].as_array().unwrap();
    assert!(lines.len() >= 250, "{} lines", lines.len());
    let mut wrong = Vec::new();
    for case in lines {
        known(case, &["name", "event", "redact", "line", "record"]);
        let (line, record) = logcase::write(case).unwrap();
        let want = logcase::text(&case["line"]);
        if line != want {
            wrong.push(format!("{}:\n got  {line} want {want}", case["name"]));
        }
        if case.get("record").is_some_and(|want| *want != record) {
            wrong.push(format!("{}:\n got  {record}\n want {}", case["name"], case["record"]));
        }
        let parsed: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["schema"], "clew/1");
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_sequence_of_the_contract_is_limited_so() {
    let contract = contract();
    let rates = contract["rates"].as_array().unwrap();
    assert!(rates.len() >= 15, "{} rates", rates.len());
    for case in rates {
        known(case, &["name", "per_second", "steps", "written"]);
        let sites = Sites::default();
        let mut keys = HashMap::new();
        let mut written = Vec::new();
        let number = |v: &Value| v.as_str().map_or(0, |text| text.parse::<i64>().unwrap());
        let told = |m: &More| {
            assert_eq!(m.code, format!("code of {}", m.message));
            json!([m.time.to_string(), m.severity.name(), m.message, m.count])
        };
        for step in case["steps"].as_array().unwrap() {
            known(step, &["site", "time", "times", "apart", "level", "message", "tick", "stop"]);
            if step.get("stop").is_some() || step.get("tick").is_some() {
                let now = step.get("tick").map(number);
                sites.due(now, |m| written.push(told(&m)));
                continue;
            }
            let next = keys.len() as u64 + 1;
            let key = *keys.entry(step["site"].as_str().unwrap()).or_insert(next);
            let severity = logcase::severity(&step["level"]).unwrap();
            let message = step["message"].as_str().unwrap();
            for i in 0..step["times"].as_i64().unwrap() {
                let time = number(&step["time"]) + i * number(&step["apart"]);
                let site = sites.at(key, String::new);
                let admission = site.admit(time, severity, case["per_second"].as_u64().unwrap());
                if let Some(more) = admission.due {
                    written.push(told(&more));
                }
                if admission.admitted {
                    written.push(json!([time.to_string(), severity.name(), message, 0]));
                } else {
                    site.deny(severity, message, &format!("code of {message}"));
                }
            }
        }
        assert_eq!(Value::from(written), case["written"], "{}", case["name"]);
    }
}
