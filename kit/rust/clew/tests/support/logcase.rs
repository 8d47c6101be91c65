//! Makes lines and records from the cases of `kit/contract/logs.json`, for the contract's test and for the differential fuzzer. How a case is
//! written is said in `kit/contract/logs.py`.

use std::sync::Arc;
use std::time::SystemTime;

use clew::log::line::{Elements, Event, Line, Severity};
use clew::policy::{Document, Holder};
use serde_json::Value;

/// The line, and the record in hex digits, of a case.
pub fn write(case: &Value) -> Result<(String, String), String> {
    let event = &case["event"];
    let mut line = Line::default();
    if let Some(rules) = case.get("redact") {
        let holder = Holder::new(Document::default(), Box::new(|_| {}));
        let document = format!(r#"{{"version":"1","redact":{rules}}}"#);
        holder.apply(document.as_bytes(), SystemTime::now()).map_err(|fault| fault.to_string())?;
        line.policy = Some(Arc::clone(&holder.load()));
    }
    for attribute in event["attributes"].as_array().into_iter().flatten() {
        set(&mut line, attribute)?;
    }
    let (message, service, thread) = (text(&event["message"]), text(&event["service"]), text(&event["thread"]));
    let made = Event {
        time: match &event["time"] {
            Value::Null => None,
            time => Some(number(time)?),
        },
        severity: severity(&event["level"])?,
        message: &message,
        name: event["name"].as_str().unwrap_or_default(),
        trace_id: id(&event["trace_id"])?,
        span_id: id(&event["span_id"])?,
        flags: u8::try_from(event["flags"].as_u64().unwrap_or(0)).map_err(|e| e.to_string())?,
        service: &service,
        task: number_or_zero(&event["task"])?,
        thread: &thread,
        code: event["code"].as_str().unwrap_or_default(),
        more: number_or_zero(&event["more"])?,
        observed: number_or_zero(&event["observed"])?,
    };
    let (mut written, mut record) = (Vec::new(), Vec::new());
    line.append_line(&mut written, &made);
    line.append_record(&mut record, &made);
    let written = String::from_utf8(written).map_err(|e| e.to_string())?;
    Ok((written, record.iter().map(|b| format!("{b:02x}")).collect()))
}

/// The severity of a level's word.
pub fn severity(level: &Value) -> Result<Severity, String> {
    [Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error]
        .into_iter()
        .find(|s| Some(s.name()) == level.as_str())
        .ok_or_else(|| format!("level {level} is none of TRACE DEBUG INFO WARN ERROR"))
}

/// A text of a case, or a line of `logs.json`: a string, or parts under `join`, which may be repeated.
pub fn text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let parts = value["join"].as_array().into_iter().flatten();
    parts
        .map(|part| match part {
            Value::String(text) => text.clone(),
            part => part[0].as_str().unwrap_or_default().repeat(part[1].as_u64().unwrap_or(0) as usize),
        })
        .collect()
}

fn set(line: &mut Line, attribute: &Value) -> Result<(), String> {
    let (key, value) = (text(&attribute[0]), &attribute[1]);
    let is_error = line.prefix.is_empty() && (key == "error" || key == "err");
    match value {
        Value::Null => line.null(&key),
        Value::Bool(b) => line.bool(&key, *b),
        Value::Array(elements) => {
            let mut fault = Ok(());
            line.list(&key, |list| {
                for element in elements {
                    if let Err(e) = add(list, element) {
                        fault = Err(e);
                    }
                }
            });
            fault?;
        }
        Value::String(_) if is_error => line.error(&key, [text(value)]),
        Value::String(text) => line.text(&key, text),
        Value::Object(tagged) => {
            let (kind, of) = tagged.iter().next().ok_or("an object without a kind")?;
            match kind.as_str() {
                "join" if is_error => line.error(&key, [text(value)]),
                "join" => line.text(&key, &text(value)),
                "error" if is_error => line.error(&key, messages(of)),
                "error" => line.text(&key, &text(&of["text"])),
                "group" => {
                    let outer = line.prefix.clone();
                    if !key.is_empty() {
                        line.prefix = format!("{outer}{key}.");
                    }
                    for member in of.as_array().into_iter().flatten() {
                        set(line, member)?;
                    }
                    line.prefix = outer;
                }
                "int" => line.int(&key, number(of)?),
                "uint" => line.uint(&key, number(of)?),
                "float" => line.float(&key, number(of)?),
                "bits" => line.float(&key, bits(of)?),
                "duration" => line.duration(&key, number(of)?),
                "instant" => line.instant(&key, number(of)?),
                "bytes" => line.bytes(&key, &bytes(of)?),
                _ => return Err(format!("kind {kind} is unknown")),
            }
        }
        Value::Number(_) => return Err(format!("the bare number {value}: write its kind")),
    }
    Ok(())
}

fn add(list: &mut Elements<'_>, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => list.null(),
        Value::Bool(b) => list.bool(*b),
        Value::String(text) => list.text(text),
        Value::Object(tagged) => {
            let (kind, of) = tagged.iter().next().ok_or("an object without a kind")?;
            match kind.as_str() {
                "join" => list.text(&text(value)),
                "int" => list.int(number(of)?),
                "uint" => list.uint(number(of)?),
                "float" => list.float(number(of)?),
                "bits" => list.float(bits(of)?),
                "duration" => list.duration(number(of)?),
                "instant" => list.instant(number(of)?),
                "bytes" => list.bytes(&bytes(of)?),
                _ => return Err(format!("kind {kind} is unknown")),
            }
        }
        _ => return Err(format!("{value} in an array")),
    }
    Ok(())
}

/// The messages of an error, depth first. Rust's own errors have one cause; a case may have more, as Go's errors do.
fn messages(tree: &Value) -> Vec<String> {
    let causes = tree["causes"].as_array().into_iter().flatten();
    std::iter::once(text(&tree["text"])).chain(causes.flat_map(messages)).collect()
}

fn number<T: std::str::FromStr>(value: &Value) -> Result<T, String> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{value} is no number in a text"))
}

fn number_or_zero<T: std::str::FromStr + Default>(value: &Value) -> Result<T, String> {
    if value.is_null() { Ok(T::default()) } else { number(value) }
}

fn bits(value: &Value) -> Result<f64, String> {
    let bits = u64::from_str_radix(value.as_str().unwrap_or_default(), 16).map_err(|e| e.to_string())?;
    Ok(f64::from_bits(bits))
}

fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    let text = value.as_str().unwrap_or_default();
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|e| e.to_string())).collect()
}

fn id<const N: usize>(value: &Value) -> Result<[u8; N], String> {
    if value.is_null() {
        return Ok([0; N]);
    }
    bytes(value)?.try_into().map_err(|_| format!("{value} has not {N} bytes"))
}
