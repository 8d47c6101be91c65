//! Decisions of the exporter, section 5.

use std::time::{Duration, UNIX_EPOCH};

use clew::export::{Config, compare};
use serde_json::{Value, json};

use crate::Result;
use crate::fields::{Fields, unhex};

fn ms(f: &Fields<'_>, name: &str) -> Result<Duration> {
    u64::try_from(f.int(name)?).map(Duration::from_millis).map_err(|e| e.to_string())
}

/// Says what an answer to an export means. The body's bytes are given as hex, of any length.
pub(crate) fn answer(f: &Fields<'_>) -> Result<Value> {
    let body = f.parsed("body", unhex)?;
    let now = UNIX_EPOCH + Duration::from_secs(f.int("now")?.unsigned_abs());
    let got = compare::answer(f.int("status")? as u16, f.text("retry_after")?, &body, now);
    let asked = got.asked.as_nanos() as u64;
    Ok(json!({"outcome": got.outcome, "asked_ns": asked, "rejected": got.rejected, "text": got.text}))
}

/// Tells when attempts are made, whose answers the case gives.
pub(crate) fn pace(f: &Fields<'_>) -> Result<Value> {
    let mut attempts = Vec::new();
    f.each("attempts", |f| {
        attempts.push((ms(f, "took")?, ms(f, "asked")?, f.text("answer")?.to_owned()));
        Ok(())
    })?;
    let attempts: Vec<_> = attempts.iter().map(|(took, asked, answer)| compare::Attempt { took: *took, asked: *asked, answer }).collect();
    let paced = compare::pace(f.int("random")? as f64 / 1000.0, ms(f, "timeout")?, &attempts);
    let one = |p: compare::Paced| json!([p.starts.as_nanos() as u64, p.allowed.as_nanos() as u64, p.during, p.verdict, p.after]);
    Ok(json!({"attempts": paced.into_iter().map(one).collect::<Vec<_>>()}))
}

/// Reads the headers that an environment names for exports.
pub(crate) fn headers(f: &Fields<'_>) -> Result<Value> {
    let text = f.text("text")?;
    let mut config = Config::default();
    let problems = config.from_env(&|name| (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| text.to_owned()));
    let headers: Vec<_> = config.signals[0].headers.iter().map(|(n, v)| json!([n, v])).collect();
    Ok(json!({"headers": headers, "problems": problems}))
}
