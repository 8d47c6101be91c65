//! The labels of a series, with their encoding.

use std::borrow::Cow;

use super::Label;
use super::engine::{Kind, Redaction};
use crate::policy::{Action, Snapshot};
use crate::{Value, wire};

/// The number of labels of a series.
pub const MAX_LABELS: usize = 32;
/// The length of a label's key or text, cut on a character's border.
pub const MAX_LABEL_BYTES: usize = 256;

/// Fields of `NumberDataPoint` and `HistogramDataPoint` (opentelemetry/proto/metrics/v1/metrics.proto).
const NUMBER_ATTRIBUTES: u32 = 7;
const HISTOGRAM_ATTRIBUTES: u32 = 9;

/// Labels sorted by key.
#[derive(Clone, Default)]
pub struct Labels {
    /// The attributes field of a point, as often as there are labels. It tells two sets apart: sorted, typed and with lengths.
    pub otlp: Vec<u8>,
    pub list: Vec<Kept>,
    /// Words of the kit's own from closed lists, which are not redacted.
    own: bool,
}

/// A label as it is shown to people and redacted.
#[derive(Clone)]
pub struct Kept {
    pub key: Box<str>,
    pub text: Box<str>,
    form: Form,
    /// Where its encoding ends.
    end: usize,
}

/// What truncating has to tell apart.
#[derive(Clone)]
enum Form {
    Text,
    Texts(Box<[Box<str>]>),
    Other,
}

impl Labels {
    /// Encodes labels for the points of instruments of a kind, and says how many were cut or left out. Of the same key the last counts; an
    /// empty key is left out silently.
    pub fn new(kind: Kind, labels: &[Label<'_>]) -> (Labels, i64) {
        let mut sorted: Vec<Label<'_>> = Vec::with_capacity(labels.len().min(MAX_LABELS));
        for (i, label) in labels.iter().enumerate() {
            if !label.0.is_empty() && !labels[i + 1..].iter().any(|later| later.0 == label.0) {
                sorted.push(*label);
            }
        }
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        let mut wrong = 0;
        let mut made = Labels::default();
        for (i, (key, value)) in sorted.into_iter().enumerate() {
            if i >= MAX_LABELS {
                wrong += 1;
                continue;
            }
            let short = wire::cut(key, MAX_LABEL_BYTES);
            let text = text_of(value);
            let cut = wire::cut(&text, MAX_LABEL_BYTES);
            let array = matches!(value, Value::Strs(_) | Value::Bools(_) | Value::Ints(_) | Value::Floats(_) | Value::Bytes(_));
            let mut limited = value;
            if short.len() < key.len() || cut.len() < text.len() {
                wrong += 1;
            }
            if cut.len() < text.len() && (array || matches!(value, Value::Str(_))) {
                // An array that is too long becomes its text: a label is compared, not read.
                limited = Value::Str(cut);
            }
            made.add(kind, short, limited, cut);
        }
        made.otlp.shrink_to_fit();
        made.list.shrink_to_fit();
        (made, wrong)
    }

    /// Labels of what the kit counts about itself.
    pub fn own(kind: Kind, labels: &[Label<'_>]) -> Labels {
        Labels { own: true, ..Labels::new(kind, labels).0 }
    }

    fn add(&mut self, kind: Kind, key: &str, value: Value<'_>, text: &str) {
        let field = if kind == Kind::Histogram { HISTOGRAM_ATTRIBUTES } else { NUMBER_ATTRIBUTES };
        wire::key_value(&mut self.otlp, field, key, value, MAX_LABEL_BYTES, usize::MAX);
        let form = match value {
            Value::Str(_) => Form::Text,
            Value::Strs(v) => Form::Texts(v.iter().map(|s| Box::from(*s)).collect()),
            _ => Form::Other,
        };
        self.list.push(Kept { key: key.into(), text: text.into(), form, end: self.otlp.len() });
    }

    /// The policy has a redaction for any of the labels.
    pub fn redacted(&self, policy: &Snapshot) -> bool {
        !self.own && self.list.iter().any(|label| policy.redact(&label.key).is_some())
    }

    /// They leave in another form under `now` than under `before`.
    pub fn changed(&self, kind: Kind, before: &Redaction, now: &Redaction) -> bool {
        let under = |policy: &Redaction| {
            let redacted = policy.as_deref().and_then(|policy| self.redact(kind, policy));
            redacted.map_or_else(|| self.otlp.clone(), |labels| labels.otlp)
        };
        under(before) != under(now)
    }

    /// The labels as they may leave; `None` as they are.
    pub fn redact(&self, kind: Kind, policy: &Snapshot) -> Option<Labels> {
        if !self.redacted(policy) {
            return None;
        }
        let mut made = Labels::default();
        let mut from = 0;
        for label in &self.list {
            let encoded = &self.otlp[from..label.end];
            from = label.end;
            match (policy.redact(&label.key), &label.form) {
                (None, _) => {
                    made.otlp.extend_from_slice(encoded);
                    made.list.push(Kept { end: made.otlp.len(), ..label.clone() });
                }
                (Some(Action::Drop), _) => {}
                (Some(Action::Truncate(length)), Form::Text) => {
                    let text = wire::cut(&label.text, length);
                    made.add(kind, &label.key, Value::Str(text), text);
                }
                (Some(Action::Truncate(length)), Form::Texts(texts)) => {
                    let texts: Vec<&str> = texts.iter().map(|t| wire::cut(t, length)).collect();
                    let value = Value::Strs(&texts);
                    made.add(kind, &label.key, value, &text_of(value));
                }
                // A number has no shorter form that hides anything, so truncating masks it too.
                (Some(Action::Mask | Action::Truncate(_)), _) => made.add(kind, &label.key, Value::Str("***"), "***"),
            }
        }
        Some(made)
    }
}

/// A value as a text: arrays as JSON has them.
fn text_of(value: Value<'_>) -> Cow<'_, str> {
    fn list<T>(items: &[T], one: impl Fn(&T) -> String) -> Cow<'static, str> {
        Cow::Owned(format!("[{}]", items.iter().map(one).collect::<Vec<_>>().join(",")))
    }
    match value {
        Value::Str(v) => Cow::Borrowed(v),
        Value::Bool(v) => Cow::Borrowed(if v { "true" } else { "false" }),
        Value::Int(v) => Cow::Owned(v.to_string()),
        Value::Float(v) => Cow::Owned(v.to_string()),
        Value::Bytes(v) => String::from_utf8_lossy(v),
        Value::Strs(v) => list(v, |s| format!("{s:?}")),
        Value::Bools(v) => list(v, bool::to_string),
        Value::Ints(v) => list(v, i64::to_string),
        Value::Floats(v) => list(v, f64::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_set_has_the_same_encoding_and_another_type_another() {
        let of = |labels: &[Label<'_>]| Labels::own(Kind::Counter, labels).otlp;
        assert_eq!(of(&[("a", 1.into()), ("b", 2.into())]), of(&[("b", 2.into()), ("a", 1.into())]));
        assert_eq!(of(&[("a", 1.into()), ("a", 2.into())]), of(&[("a", 2.into())]));
        assert_ne!(of(&[("a", "1".into())]), of(&[("a", 1.into())]));
        assert_ne!(of(&[("a", "b".into()), ("c", "".into())]), of(&[("a", "bc".into())]));
    }

    #[test]
    fn limits_cut_on_both_sides() {
        let long = "é".repeat(200);
        let (labels, wrong) = Labels::new(Kind::Counter, &[("k", long.as_str().into())]);
        assert_eq!((labels.list[0].text.len(), wrong), (256, 1));
        let fits = "x".repeat(256);
        assert_eq!(Labels::new(Kind::Counter, &[(fits.as_str(), fits.as_str().into())]).1, 0);
        let keys: Vec<String> = (0..33).map(|i| format!("k{i:02}")).collect();
        let many: Vec<Label<'_>> = keys.iter().map(|k| (k.as_str(), 1.into())).collect();
        let (labels, wrong) = Labels::new(Kind::Counter, &many);
        assert_eq!((labels.list.len(), wrong), (32, 1));
        assert_eq!(Labels::new(Kind::Counter, &many[..32]).1, 0);
    }
}
