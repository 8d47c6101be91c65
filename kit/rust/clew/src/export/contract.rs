//! The parts of `kit/contract/exporter.json` that need no collector.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::answer::{judge, parse_retry_after};
use super::config::{Compression, Config, Target};
use super::pacer::{Answer, Outcome, Pacer, Verdict};

/// Monday, 23 November 2026, the instant that the contract's dates are read at.
const NOW: (&str, u64) = ("2026-11-23T00:00:00Z", 1_795_392_000);

pub(super) fn read() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/exporter.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(super) fn cases<'a>(contract: &'a Value, name: &str) -> &'a [Value] {
    let cases = contract[name].as_array().unwrap();
    assert!(!cases.is_empty(), "{name} is empty");
    cases
}

fn ms(of: &Value) -> Duration {
    Duration::from_millis(of.as_u64().unwrap_or(0))
}

fn outcome_of(name: &Value) -> Outcome {
    match name.as_str().unwrap() {
        "delivered" => Outcome::Delivered,
        "retry" => Outcome::Retry,
        "refused" => Outcome::Refused,
        "too_large" => Outcome::TooLarge,
        "not_served" => Outcome::NotServed,
        other => panic!("unknown outcome {other}"),
    }
}

fn verdict_of(name: &Value) -> Verdict {
    match name.as_str().unwrap() {
        "delivered" => Verdict::Delivered,
        "again" => Verdict::Again,
        "give_up" => Verdict::GiveUp,
        "dropped" => Verdict::Dropped,
        other => panic!("unknown verdict {other}"),
    }
}

#[test]
fn the_pacer_keeps_the_contract() {
    let contract = read();
    for case in cases(&contract, "pacer") {
        let timeout = case["timeout_ms"].as_u64().map_or(Duration::from_secs(5), Duration::from_millis);
        let mut pacer = Pacer::default();
        let mut now = Duration::ZERO;
        for (b, attempts) in case["batches"].as_array().unwrap().iter().enumerate() {
            pacer.begin(now);
            for (a, want) in attempts.as_array().unwrap().iter().enumerate() {
                let place = format!("{} batch {b} attempt {a}", case["name"]);
                now = now.max(pacer.ready);
                assert_eq!(now, ms(&want["starts_ms"]), "{place}");
                let allowed = want["allowed_ms"].as_u64().map_or(Duration::from_secs(5), Duration::from_millis);
                assert_eq!(pacer.start(now, timeout), allowed, "{place}");
                assert_eq!(pacer.breaker(), want["breaker_during"].as_i64().unwrap_or(0), "{place}");
                now += ms(&want["took_ms"]);
                let answer = Answer {
                    outcome: outcome_of(&want["answer"]),
                    asked: ms(&want["asked_ms"]),
                    rejected: 0,
                    word: String::new(),
                    text: String::new(),
                };
                let verdict = pacer.finish(now, &answer, case["random"].as_f64().unwrap());
                assert_eq!(verdict, verdict_of(&want["verdict"]), "{place}");
                assert_eq!(pacer.breaker(), want["breaker_after"].as_i64().unwrap_or(0), "{place}");
            }
        }
    }
}

#[test]
fn answers_mean_what_the_contract_says() {
    let contract = read();
    assert_eq!(contract["retry_after"]["now"], NOW.0);
    let now = UNIX_EPOCH + Duration::from_secs(NOW.1);
    for case in cases(&contract["retry_after"], "cases") {
        let text = case["text"].as_str().unwrap();
        assert_eq!(parse_retry_after(text, now), ms(&case["asked_ms"]), "{text:?}");
    }
    for case in cases(&contract, "answers") {
        let body = unhex(case["body_hex"].as_str().unwrap_or_default());
        let status = case["status"].as_u64().unwrap() as u16;
        let got = judge(status, case["retry_after"].as_str().unwrap_or_default(), &body, now);
        assert_eq!(got.outcome, outcome_of(&case["outcome"]), "{case}");
        assert_eq!(got.asked, ms(&case["asked_ms"]), "{case}");
        assert_eq!(got.rejected, case["rejected"].as_i64().unwrap_or(0), "{case}");
        if let Some(text) = case["text"].as_str() {
            assert_eq!(got.text, text, "{case}");
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

#[test]
fn the_environment_is_read_as_the_contract_says() {
    let contract = read();
    for case in cases(&contract, "environment") {
        let mut config = Config::default();
        let get = |name: &str| case["env"][name].as_str().map(str::to_owned);
        let problems = config.from_env(&get);
        let name = &case["name"];
        assert_eq!(problems.len() as u64, case["problems"].as_u64().unwrap_or(0), "{name}: {problems:?}");
        if let Some(bytes) = case["queue_bytes"].as_u64() {
            assert_eq!(config.queue_bytes as u64, bytes, "{name}");
        }
        for (signal, target) in ["traces", "metrics", "logs"].iter().zip(&config.signals) {
            check_target(&format!("{name} {signal}"), target, &case[*signal]);
        }
    }
}

fn check_target(place: &str, got: &Target, want: &Value) {
    if let Some(url) = want["url"].as_str() {
        assert_eq!(got.url, url, "{place}");
    }
    for (key, got) in [("timeout_ms", got.timeout), ("delay_ms", got.delay), ("steady_ms", got.steady)] {
        if !want[key].is_null() {
            assert_eq!(got, ms(&want[key]), "{place} {key}");
        }
    }
    if let Some(records) = want["batch_records"].as_u64() {
        assert_eq!(got.batch_records as u64, records, "{place}");
    }
    if let Some(compression) = want["compression"].as_str() {
        let word = match got.compression {
            Compression::Auto => "auto",
            Compression::Gzip => "gzip",
            Compression::None => "none",
        };
        assert_eq!(word, compression, "{place}");
    }
    if let Some(off) = want["off"].as_bool() {
        assert_eq!(got.off, off, "{place}");
    }
    if let Some(headers) = want["headers"].as_array() {
        let want: Vec<(String, String)> =
            headers.iter().map(|h| (h[0].as_str().unwrap().to_owned(), h[1].as_str().unwrap().to_owned())).collect();
        assert_eq!(got.headers, want, "{place}");
    }
}

#[test]
fn grpc_is_refused_in_one_line_that_names_the_port() {
    let mut config = Config::default();
    let get = |name: &str| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "grpc".to_owned());
    let problems = config.from_env(&get);
    assert!(problems.len() == 1 && problems[0].contains("4318"), "{problems:?}");
    assert!(config.signals.iter().all(|s| s.off));
}
