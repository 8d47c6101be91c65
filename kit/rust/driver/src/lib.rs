//! Answers cases of the contract: one JSON object in, one out. The Go kit has the same command, and for every case both must write the same
//! bytes; `kit/contract/fuzz` compares them. The tests here run the vectors of `kit/contract`, which are cases with the answer that is wanted.

mod decisions;
mod exports;
mod fields;
mod policies;
mod propagation;
mod texts;

#[allow(dead_code)] // Lines of rate limits are the contract test's own.
#[path = "../../clew/tests/support/logcase.rs"]
mod logcase;

pub use fields::render;

use fields::Fields;
use serde_json::{Map, Value};

/// An answer or a part of one; keys are sorted.
type Object = Map<String, Value>;

/// What went wrong with a case, for a person.
pub type Result<T> = std::result::Result<T, String>;

/// The answer to a case, in the one way in which it is written.
pub fn answer(case: &str) -> Result<String> {
    let case: Value = serde_json::from_str(case).map_err(|e| e.to_string())?;
    Ok(render(&answer_to(&case)?))
}

/// The answer to a case. A field that no operation reads is an error, so that a misspelt one does not pass as tested.
pub fn answer_to(case: &Value) -> Result<Value> {
    let fields = Fields::new(case)?;
    let name = fields.text("op")?;
    let operation = match name {
        "threshold" => decisions::threshold,
        "decide" => decisions::decide,
        "limiter" => decisions::limiter,
        "traceparent" => propagation::traceparent,
        "tracestate" => propagation::tracestate,
        "replace_ot" => propagation::replace_ot,
        "baggage" => propagation::baggage,
        "baggage_write" => propagation::baggage_write,
        "b3" => propagation::b3,
        "b3_multi" => propagation::b3_multi,
        "targets" => propagation::targets,
        "policy" => policies::policy,
        "redact" => policies::redact,
        "status" => policies::status,
        "request_url" => policies::request_url,
        "resource" => texts::resource,
        "url" => texts::url,
        "query" => texts::query,
        "sql" => texts::sql,
        "log" => texts::log,
        "export_answer" => exports::answer,
        "export_pace" => exports::pace,
        "export_headers" => exports::headers,
        _ => return Err(format!("op {name:?} is not known")),
    };
    let answer = operation(&fields)?;
    fields.done()?;
    Ok(answer)
}
