//! Cases of `sampling.json`.

use std::sync::Arc;

use clew::TraceId;
use clew::propagation::parse_tracestate;
use clew::sampling::{Limiter, Ratio, Sampler, Threshold, cause_randomness, child, forced};
use serde_json::{Value, json};

use crate::Result;
use crate::fields::Fields;

/// Converts a ratio, by default with the precision of the contract.
pub(crate) fn threshold(f: &Fields<'_>) -> Result<Value> {
    let precision = if f.has("precision") { f.int("precision")? } else { 4 };
    Ok(match Ratio::parse(f.text("ratio")?) {
        Ok(ratio) => json!({"th": ratio.precise(precision as usize).to_string()}),
        Err(_) => json!({"error": true}),
    })
}

fn threshold_of(text: &str) -> Option<Threshold> {
    if text == "never" { Some(Threshold::NEVER) } else { Threshold::parse(text) }
}

/// Makes one decision. `how` is root, linked (trace and state are those of the cause), deferred, child or forced.
pub(crate) fn decide(f: &Fields<'_>) -> Result<Value> {
    let trace = TraceId(f.hex("trace")?);
    let lines = f.texts("state")?;
    let state = parse_tracestate(&lines);
    let state: Option<Arc<str>> = (!state.is_empty()).then(|| Arc::from(&*state));
    let flags = f.int("flags")? as u8;
    let sampler = || Ok::<_, String>(Sampler::new(f.parsed("th", threshold_of)?));
    let decision = match f.text("how")? {
        "root" => sampler()?.root(trace),
        "linked" => sampler()?.linked(cause_randomness(trace, state.as_ref())),
        "deferred" => sampler()?.deferred(trace),
        "child" => child(trace, flags, state.as_ref()),
        "forced" => forced(flags & clew::RANDOM != 0, state.as_ref()),
        how => return Err(format!("how {how:?} is not known")),
    };
    let level = if f.has("level") { f.int("level")? } else { 2 };
    Ok(json!({
        "sampled": decision.sampled,
        "flags": decision.flags(level as u8),
        "state": decision.state.as_deref().unwrap_or_default(),
    }))
}

/// Counts roots: each of `seconds` is a second and how many roots it has; the answer is the threshold that decided about the last of them.
pub(crate) fn limiter(f: &Fields<'_>) -> Result<Value> {
    let limiter = Limiter::new(Sampler::new(f.parsed("th", threshold_of)?), f.int("per_second")? as u64);
    let mut out = Vec::new();
    f.each("seconds", |f| {
        let second = f.int("second")?;
        let last = (0..f.int("roots")?).map(|_| limiter.sampler(second)).last();
        out.push(last.ok_or("a second without roots")?.threshold().to_string());
        Ok(())
    })?;
    Ok(json!({ "th": out }))
}
