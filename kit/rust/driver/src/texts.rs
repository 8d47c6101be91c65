//! Cases of `resource.json` and `sanitise.json`.

use clew::resource_rules::{AttrValue, Inputs, read};
use clew::sanitise;
use serde_json::{Value, json};

use crate::fields::Fields;
use crate::{Object, Result, logcase};

/// Describes a service. Files and variables that the case does not name are not there.
pub(crate) fn resource(f: &Fields<'_>) -> Result<Value> {
    let (attrs, problem) = read(&Inputs {
        env: &f.within("env")?,
        file: &f.within("files")?,
        name: f.text("service")?,
        version: f.text("version")?,
        instance: f.text("instance")?,
        executable: f.text("executable")?,
        pid: f.int("pid")?,
        host: f.text("host")?,
        arch: f.text("arch")?,
        os: f.text("os")?,
        language: f.text("language")?,
        runtime: f.text("runtime")?,
        runtime_version: f.text("runtime_version")?,
        kit_version: f.text("kit_version")?,
    });
    let env: Vec<_> = attrs.iter().filter(|a| a.env).map(|a| a.key.clone()).collect();
    let value = |v| match v {
        AttrValue::Text(text) => Value::from(text),
        AttrValue::Int(n) => n.into(),
    };
    let attributes: Object = attrs.into_iter().map(|a| (a.key, value(a.value))).collect();
    Ok(json!({"attributes": attributes, "env": env, "problem": problem}))
}

pub(crate) fn url(f: &Fields<'_>) -> Result<Value> {
    Ok(json!({"text": sanitise::url(f.text("text")?)}))
}

pub(crate) fn query(f: &Fields<'_>) -> Result<Value> {
    Ok(json!({"text": sanitise::query(f.text("text")?)}))
}

pub(crate) fn sql(f: &Fields<'_>) -> Result<Value> {
    let s = sanitise::sql(f.text("system")?, f.text("text")?);
    Ok(json!({"text": s.text, "summary": s.summary, "operation": s.operation, "collection": s.collection}))
}

/// Writes a line and a record, as `kit/contract/logs.py` describes the case.
pub(crate) fn log(f: &Fields<'_>) -> Result<Value> {
    let (line, record) = logcase::write(f.value("case")?)?;
    Ok(json!({"line": line, "record": record}))
}
