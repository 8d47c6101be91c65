//! Reads documents.

use super::json::{Fault, Reader};
use super::{Action, Document, LogLevel, MAX_BYTES, MAX_RULES, Redaction, Rule, Sampling};
use crate::sampling::Threshold;
use crate::{Component, Level};

const LEVELS: &str = "off, edges, standard, detailed";
const LOG_LEVELS: &str = "trace, debug, info, warn, error";

impl Document {
    /// Reads a document. It is an error, and nothing of it counts, when it is no JSON object, longer or deeper than the limits, or when a known
    /// key has a value of the wrong kind. Keys that are not known are skipped.
    pub fn parse(document: &[u8]) -> Result<Document, Fault> {
        if document.len() > MAX_BYTES {
            return Err(Fault::new(format!("over {MAX_BYTES} bytes; shorten it")));
        }
        let text = std::str::from_utf8(document).map_err(|_| Fault::new("not UTF-8; send one JSON object"))?;
        let mut reader = Reader::new(text);
        let mut out = Document::default();
        out.read(&mut reader)?;
        reader.end()?;
        Ok(out)
    }

    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        const KEYS: [&str; 10] = [
            "version",
            "ttl_seconds",
            "level",
            "components",
            "log_level",
            "log_lines_per_second",
            "sampling",
            "redact",
            "propagate_to",
            "baggage_keys",
        ];
        r.object(&KEYS, &mut |r, key| {
            match key.map(|k| KEYS[k]) {
                Some("version") => self.version = r.text()?,
                Some("ttl_seconds") => self.ttl_seconds = r.integer()?,
                Some("level") => self.level = Some(word(r, Level::parse, LEVELS)?),
                Some("components") => {
                    let names = Component::ALL.map(Component::name);
                    r.object(&names, &mut |r, c| match c {
                        Some(c) => word(r, Level::parse, LEVELS).map(|l| self.components[c] = Some(l)),
                        None => r.skip(),
                    })?;
                }
                Some("log_level") => self.log_level = Some(word(r, LogLevel::parse, LOG_LEVELS)?),
                Some("log_lines_per_second") => self.log_lines_per_second = Some(r.integer()?),
                Some("sampling") => self.sampling.read(r, &mut self.skipped)?,
                Some("redact") => r.array(MAX_RULES, &mut |r| {
                    match redaction(r)? {
                        Some(redaction) => self.redact.push(redaction),
                        None => self.skipped += 1,
                    }
                    Ok(())
                })?,
                Some("propagate_to") => self.propagate_to = Some(list(r)?),
                Some("baggage_keys") => self.baggage_keys = Some(list(r)?),
                _ => r.skip()?,
            }
            Ok(())
        })
    }
}

/// Reads a text out of a closed list.
fn word<T>(r: &mut Reader<'_>, parse: fn(&str) -> Option<T>, words: &str) -> Result<T, Fault> {
    parse(&r.text()?).ok_or_else(|| Fault::new(format!("not a known word; write {words}")))
}

fn list(r: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
    let mut out = Vec::new();
    r.array(MAX_RULES, &mut |r| {
        out.push(r.text()?);
        Ok(())
    })?;
    Ok(out)
}

fn threshold(r: &mut Reader<'_>) -> Result<Threshold, Fault> {
    let text = r.text()?;
    if text == "never" {
        return Ok(Threshold::NEVER);
    }
    Threshold::parse(&text).ok_or_else(|| Fault::new("not a threshold; write 1 to 14 lower-case hex digits or never"))
}

impl Sampling {
    fn read(&mut self, r: &mut Reader<'_>, skipped: &mut u64) -> Result<(), Fault> {
        const KEYS: [&str; 4] = ["th", "per_second", "summary_on_error", "rules"];
        r.object(&KEYS, &mut |r, key| {
            match key.map(|k| KEYS[k]) {
                Some("th") => self.threshold = Some(threshold(r)?),
                Some("per_second") => self.per_second = Some(r.integer()?),
                Some("summary_on_error") => self.summary_on_error = Some(r.bool()?),
                Some("rules") => {
                    let rules = self.rules.get_or_insert_default();
                    r.array(MAX_RULES, &mut |r| {
                        match rule(r)? {
                            Some(rule) => rules.push(rule),
                            None => *skipped += 1,
                        }
                        Ok(())
                    })?;
                }
                _ => r.skip()?,
            }
            Ok(())
        })
    }
}

/// Reads a rule. One that matches by what is not known here is left out: to match by the rest alone would take roots that were not meant.
fn rule(r: &mut Reader<'_>) -> Result<Option<Rule>, Fault> {
    const KEYS: [&str; 4] = ["name", "match", "th", "per_second"];
    const MATCH: [&str; 4] = ["route", "name", "method", "kind"];
    let mut rule = Rule::default();
    let mut known = true;
    r.object(&KEYS, &mut |r, key| {
        match key.map(|k| KEYS[k]) {
            Some("name") => rule.name = r.text()?,
            Some("match") => r.object(&MATCH, &mut |r, key| {
                match key {
                    Some(k) => rule.matches[k] = Some(r.text()?),
                    None => {
                        known = false;
                        r.skip()?;
                    }
                }
                Ok(())
            })?,
            Some("th") => rule.threshold = Some(threshold(r)?),
            Some("per_second") => rule.per_second = Some(r.integer()?),
            _ => r.skip()?,
        }
        Ok(())
    })?;
    Ok(known.then_some(rule))
}

/// Reads a redaction and leaves out one that says nothing understood.
fn redaction(r: &mut Reader<'_>) -> Result<Option<Redaction>, Fault> {
    const KEYS: [&str; 3] = ["key", "action", "length"];
    let (mut key, mut action, mut length) = (String::new(), String::new(), None);
    r.object(&KEYS, &mut |r, k| {
        match k.map(|k| KEYS[k]) {
            Some("key") => key = r.text()?,
            Some("action") => action = r.text()?,
            Some("length") => length = Some(r.integer()?),
            _ => r.skip()?,
        }
        Ok(())
    })?;
    let action = match (action.as_str(), length) {
        ("drop", _) => Action::Drop,
        ("mask", _) => Action::Mask,
        ("truncate", Some(length)) => Action::Truncate(length as usize),
        _ => return Ok(None),
    };
    Ok((!key.is_empty()).then_some(Redaction { key, action }))
}
