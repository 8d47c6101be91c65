//! Runs the vectors of the contract.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Runs a file. It has a least number of cases, so that none is emptied by mistake.
fn run(name: &str, least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract").join(name);
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let file = file.as_object().unwrap();
    // The bounds are those of clew's tests.
    assert!(file.keys().filter(|k| *k != "bounds").eq(["cases"]), "{name} has another part than cases");
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= least, "{name} has {} cases, want at least {least}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let mut case = case.as_object().unwrap().clone();
        let label = case.remove("name").unwrap();
        let want = driver::render(&case.remove("want").unwrap());
        match driver::answer_to(&Value::Object(case)) {
            Ok(got) if driver::render(&got) == want => {}
            Ok(got) => wrong.push(format!("{label}:\n got {}\nwant {want}", driver::render(&got))),
            Err(e) => wrong.push(format!("{label}: {e}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sampling_decides_as_the_contract_says() {
    run("sampling.json", 250);
}

#[test]
fn headers_are_read_and_written_as_the_contract_says() {
    run("propagation.json", 150);
}

#[test]
fn policies_are_understood_as_the_contract_says() {
    run("policy.json", 150);
}

#[test]
fn resources_are_described_as_the_contract_says() {
    run("resource.json", 40);
}

#[test]
fn texts_are_sanitised_as_the_contract_says() {
    run("sanitise.json", 120);
}

#[test]
fn cases_with_mistakes_are_refused() {
    for case in [
        r#"{"op":"url","text":"a","txt":"b"}"#,
        r#"{"op":"limiter","th":"0","seconds":[{"second":0,"roots":1,"root":2}]}"#,
        r#"{"op":"urls","text":"a"}"#,
        "{}",
        r#"{"op":"url","text":1}"#,
        "{",
        r#"{"op":"url"} {}"#,
        r#"{"op":"decide","how":"child","trace":"00"}"#,
    ] {
        assert!(driver::answer(case).is_err(), "{case} was answered");
    }
}
