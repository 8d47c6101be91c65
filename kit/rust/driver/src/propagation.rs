//! Cases of `propagation.json`.

use clew::Member;
use clew::policy::{Document, Snapshot};
use clew::propagation::{
    B3, Targets, append_baggage, append_traceparent, ot_value, parse_b3, parse_b3_multi, parse_baggage, parse_traceparent, parse_tracestate,
};
use serde_json::{Value, json};

use crate::Result;
use crate::fields::{Fields, hex};

pub(crate) fn traceparent(f: &Fields<'_>) -> Result<Value> {
    let Some(p) = parse_traceparent(f.text("header")?) else {
        return Ok(json!({"valid": false}));
    };
    let mut written = String::new();
    append_traceparent(&mut written, p.trace_id, p.span_id, p.flags);
    Ok(json!({"trace": hex(&p.trace_id.0), "span": hex(&p.span_id.0), "flags": p.flags, "written": written}))
}

pub(crate) fn tracestate(f: &Fields<'_>) -> Result<Value> {
    let lines = f.texts("lines")?;
    let state = parse_tracestate(&lines);
    Ok(json!({"state": state, "ot": ot_value(&state)}))
}

pub(crate) fn replace_ot(f: &Fields<'_>) -> Result<Value> {
    let lines = f.texts("lines")?;
    Ok(json!({"state": clew::propagation::replace_ot(&parse_tracestate(&lines), f.text("value")?)}))
}

/// The snapshot of the keys that may leave, all when the case names none.
fn keys(f: &Fields<'_>) -> Result<Snapshot> {
    let mut document = Document::default();
    if f.has("keys") {
        document.baggage_keys = Some(f.texts("keys")?.into_iter().map(str::to_owned).collect());
    }
    Ok(Snapshot::compile(&document, None, None))
}

/// Reads the header and writes it again.
pub(crate) fn baggage(f: &Fields<'_>) -> Result<Value> {
    let (members, dropped) = parse_baggage(&f.texts("lines")?);
    let snapshot = keys(f)?;
    let mut written = String::new();
    let left = append_baggage(&mut written, &members, &|k| snapshot.baggage_key(k));
    let members: Vec<_> = members.iter().map(|m| json!({"key": m.key, "value": m.value, "properties": m.properties})).collect();
    Ok(json!({"members": members, "dropped": dropped, "written": written, "left": left}))
}

pub(crate) fn baggage_write(f: &Fields<'_>) -> Result<Value> {
    let mut members = Vec::new();
    f.each("members", |f| {
        let text = |name| f.text(name).map(str::to_owned);
        members.push(Member { key: text("key")?, value: text("value")?, properties: text("properties")? });
        Ok(())
    })?;
    let snapshot = keys(f)?;
    let mut written = String::new();
    let left = append_baggage(&mut written, &members, &|k| snapshot.baggage_key(k));
    Ok(json!({"written": written, "left": left}))
}

pub(crate) fn b3(f: &Fields<'_>) -> Result<Value> {
    Ok(b3_answer(parse_b3(f.text("header")?)))
}

pub(crate) fn b3_multi(f: &Fields<'_>) -> Result<Value> {
    Ok(b3_answer(parse_b3_multi(f.text("trace")?, f.text("span")?, f.text("sampled")?, f.text("flags")?)))
}

fn b3_answer(b3: Option<B3>) -> Value {
    match b3 {
        None => json!({"valid": false}),
        Some(b) => json!({"trace": hex(&b.trace_id.0), "span": hex(&b.span_id.0), "sampled": b.sampled, "deferred": b.deferred}),
    }
}

pub(crate) fn targets(f: &Fields<'_>) -> Result<Value> {
    let targets = Targets::new(&f.texts("patterns")?);
    let matches: Vec<_> = f.texts("targets")?.into_iter().map(|t| targets.matches(t)).collect();
    Ok(json!({"match": matches}))
}
