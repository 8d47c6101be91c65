//! Cases of `policy.json`.

use std::time::{Duration, SystemTime};

use clew::policy::{self, Action, Document, Facts, Holder, LogLevel, Status};
use clew::{Component, Level};
use serde_json::{Value, json};

use crate::fields::{Fields, unhex};
use crate::{Object, Result};

/// Takes a holder through steps and asks the snapshot at the end. A step is one of `apply` (a document's text) or `apply_hex` (its bytes),
/// `renew`, `expire`, `level` (with `component`), `log_level`, `clear`; `at` is its time in seconds.
pub(crate) fn policy(f: &Fields<'_>) -> Result<Value> {
    let own = if f.has("own") { Document::parse(f.text("own")?.as_bytes()).map_err(|e| e.to_string())? } else { Document::default() };
    let holder = Holder::new(own, Box::new(|_| {}));
    let mut problems = Vec::new();
    f.each("steps", |f| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(f.int("at")? as u64);
        let mut apply = |document: &[u8]| problems.push(holder.apply(document, at).err().map(|e| e.to_string()));
        if f.has("apply") {
            apply(f.text("apply")?.as_bytes());
        } else if f.has("apply_hex") {
            apply(&f.parsed("apply_hex", unhex)?);
        } else if f.bool("renew")? {
            holder.renew(at);
        } else if f.bool("expire")? {
            holder.expire(at);
        } else if f.has("level") {
            holder.set_level(f.parsed("component", Component::parse)?, f.parsed("level", Level::parse)?);
        } else if f.has("log_level") {
            holder.set_log_level(f.parsed("log_level", LogLevel::parse)?);
        } else if f.bool("clear")? {
            holder.clear_local();
        }
        Ok(())
    })?;
    let s = holder.load();
    let levels: Object = Component::ALL.into_iter().map(|c| (c.name().to_owned(), s.level(c).name().into())).collect();
    let mut roots = Vec::new();
    f.each("roots", |f| {
        let facts = Facts { route: f.text("route")?, method: f.text("method")?, kind: f.text("kind")?, name: f.text("name")? };
        roots.push(s.sampler(&facts, f.int("second")?).threshold().to_string());
        Ok(())
    })?;
    let redact: Vec<_> = f.texts("keys")?.into_iter().map(|k| s.redact(k).map(action)).collect();
    let targets: Vec<_> = f.texts("targets")?.into_iter().map(|t| s.propagate_to(t)).collect();
    let baggage: Vec<_> = f.texts("baggage")?.into_iter().map(|k| s.baggage_key(k)).collect();
    Ok(json!({
        "problems": problems, "refused": holder.refused(), "skipped": holder.skipped(), "version": s.version(), "levels": levels,
        "log_level": s.log_level().name(), "log_lines_per_second": s.log_lines_per_second(), "summary_on_error": s.summary_on_error(),
        "roots": roots, "redact": redact, "targets": targets, "baggage": baggage,
    }))
}

fn action(action: Action) -> String {
    match action {
        Action::Drop => "drop".to_owned(),
        Action::Mask => "mask".to_owned(),
        Action::Truncate(length) => format!("truncate {length}"),
    }
}

/// Applies an action to a text.
pub(crate) fn redact(f: &Fields<'_>) -> Result<Value> {
    let length = f.int("length")? as usize;
    let action = match f.text("action")? {
        "drop" => Action::Drop,
        "mask" => Action::Mask,
        "truncate" => Action::Truncate(length),
        other => return Err(format!("action {other:?} is not known")),
    };
    Ok(json!({"text": action.text(f.text("text")?)}))
}

pub(crate) fn status(f: &Fields<'_>) -> Result<Value> {
    let text = |name| f.text(name).map(str::to_owned);
    let mut status = Status {
        language: text("language")?,
        version: text("version")?,
        service: text("service")?,
        instance: text("instance")?,
        applied: text("applied")?,
        levels: [Level::Off; 7],
        dropped: Vec::new(),
    };
    for (i, name) in f.texts("levels")?.into_iter().enumerate() {
        *status.levels.get_mut(i).ok_or("too many levels")? = Level::parse(name).ok_or("a level that is not known")?;
    }
    f.each("dropped", |f| {
        status.dropped.push((f.text("reason")?.to_owned(), f.int("count")? as u64));
        Ok(())
    })?;
    Ok(json!({"header": status.render()}))
}

pub(crate) fn request_url(f: &Fields<'_>) -> Result<Value> {
    Ok(json!({"url": policy::request_url(f.text("base")?, f.text("service")?)}))
}
