//! The limits of a span on both sides, and what a key set twice becomes.

use std::sync::atomic::{AtomicI64, Ordering};

use super::limits::{LIMITS, Limits};
use super::record::{Record, Status};
use crate::{SpanContext, SpanId, TraceId, Value};

static LIMITED: AtomicI64 = AtomicI64::new(0);

/// The bytes of a record as hex, so that a difference can be read.
fn hex(record: &Record) -> String {
    let mut out = Vec::new();
    record.encode(&mut out, 2);
    out.iter().map(|b| format!("{b:02x}")).collect()
}

/// How often a field's tag and length begin in the fields of the span; attributes here are small, so a tag is never within another.
fn count(record: &Record, tag: &str) -> usize {
    hex(record).matches(tag).count()
}

fn with(limits: Limits, f: impl FnOnce(&mut Record, &Limits)) -> Record {
    let mut record = Record::default();
    f(&mut record, &limits);
    record
}

#[test]
fn the_128th_attribute_is_kept_and_the_129th_is_counted() {
    for (attributes, dropped) in [(128, ""), (129, "5001"), (300, "50ac01")] {
        let record = with(LIMITS, |record, limits| {
            for i in 0..attributes {
                record.set(limits, &(), &format!("key{i:03}"), Value::Bool(true));
            }
        });
        // 4a is the field, 0c its length, 0a06 the key's: `key…`.
        assert_eq!(count(&record, "4a0c0a066b6579"), 128.min(attributes));
        // 50 is dropped_attributes_count, before the flags 850100010000.
        assert!(hex(&record).ends_with(&format!("{dropped}850100010000")), "{attributes}: {}", hex(&record));
    }
}

#[test]
fn the_128th_event_and_link_are_kept_and_the_129th_are_counted() {
    let to = SpanContext { trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]), ..SpanContext::default() };
    for (n, dropped) in [(128, ""), (129, "60017001")] {
        let record = with(LIMITS, |record, limits| {
            for _ in 0..n {
                record.event(limits, &(), 1, "e", &[]);
                record.link(limits, &(), &to, &[]);
            }
        });
        assert_eq!(count(&record, "5a0c090100000000000000120165"), 128);
        assert!(hex(&record).ends_with(&format!("{dropped}850100010000")), "{n}: {}", hex(&record));
    }
}

#[test]
fn an_event_keeps_32_attributes_and_counts_the_rest() {
    let keys: Vec<String> = (0..200).map(|i| format!("k{i:03}")).collect();
    for (n, dropped) in [(32, 0), (33, 1), (200, 168)] {
        let attributes: Vec<(&str, Value<'_>)> = keys[..n].iter().map(|k| (k.as_str(), Value::Bool(true))).collect();
        let record = with(LIMITS, |record, limits| record.event(limits, &(), 1, "e", &attributes));
        assert_eq!(count(&record, "1a0a0a046b"), 32, "{n}");
        let expected = match dropped {
            0 => "10018501".to_owned(),
            1 => "2001850100010000".to_owned(),
            n => format!("20{:02x}01850100010000", n as u8 | 0x80),
        };
        assert!(hex(&record).contains(&expected), "{n}: {}", hex(&record));
    }
}

#[test]
fn a_link_keeps_32_attributes_and_counts_the_rest() {
    let to = SpanContext { trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]), ..SpanContext::default() };
    let keys: Vec<String> = (0..33).map(|i| format!("k{i:03}")).collect();
    for (n, dropped) in [(32, ""), (33, "2801")] {
        let attributes: Vec<(&str, Value<'_>)> = keys[..n].iter().map(|k| (k.as_str(), Value::Bool(true))).collect();
        let record = with(LIMITS, |record, limits| record.link(limits, &(), &to, &attributes));
        assert_eq!(count(&record, "220a0a046b"), 32, "{n}");
        // 28 is dropped_attributes_count, before the link's flags 3500010000 and the span's.
        assert!(hex(&record).ends_with(&format!("1001{dropped}3500010000850100010000")), "{n}: {}", hex(&record));
    }
}

#[test]
fn nothing_is_cut_within_a_character() {
    // The limit falls before, into and behind the last character.
    for ahead in 250..=256 {
        let text = format!("{}{}", "n".repeat(ahead), "€".repeat(3));
        let kept = ahead + (256 - ahead) / 3 * 3;
        let record = with(LIMITS, |record, limits| {
            record.set_name(limits, &text);
            record.set(limits, &(), &text, Value::Bool(true));
            record.event(limits, &(), 1, &text, &[(text.as_str(), Value::Bool(true))]);
        });
        let cut = &text[..kept];
        assert_eq!(record.name, cut);
        let hex_of = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        // 10 is the tag of what follows a key: its value; the event's name is followed by its attribute.
        assert_eq!(count(&record, &format!("{}12021001", hex_of(cut))), 2, "{ahead}");
        assert_eq!(count(&record, &hex_of(cut)), 4, "{ahead}");
    }
    for ahead in 4092..=4096 {
        let text = format!("{}{}", "v".repeat(ahead), "€".repeat(3));
        let mut record = with(LIMITS, |record, limits| record.set(limits, &(), "k", Value::Strs(&[&text, &text])));
        assert_eq!(count(&record, "e282ac"), (4096 - ahead) / 3 * 2, "{ahead}");
        record.set_status(&LIMITS, Status::Error, &text);
        assert_eq!(record.message.len(), ahead + (4096 - ahead) / 3 * 3);
    }
}

#[test]
fn texts_keys_names_and_arrays_are_cut_at_their_limits() {
    for (bytes, kept) in [(4096, 4096), (4097, 4096)] {
        let text = "x".repeat(bytes);
        let record = with(LIMITS, |record, limits| record.set(limits, &(), "k", Value::Str(&text)));
        assert_eq!(count(&record, "78"), kept, "{bytes}");
    }
    for (bytes, kept) in [(256, 256), (257, 256)] {
        let name = "n".repeat(bytes);
        let record = with(LIMITS, |record, limits| record.set_name(limits, &name));
        assert_eq!(record.name.len(), kept);
    }
    for (elements, kept) in [(128, 128), (129, 128)] {
        let record = with(LIMITS, |record, limits| record.set(limits, &(), "k", Value::Bools(&vec![true; elements])));
        assert_eq!(count(&record, "0a021001"), kept);
    }
}

#[test]
fn what_is_cut_or_dropped_is_counted() {
    let limits = Limits { limited: Some(&LIMITED), attributes: 1, ..LIMITS };
    let before = LIMITED.load(Ordering::Relaxed);
    let mut record = Record::default();
    record.set(&limits, &(), "a", Value::Str(&"x".repeat(4096)));
    assert_eq!(LIMITED.load(Ordering::Relaxed), before);
    record.set(&limits, &(), "a", Value::Str(&"x".repeat(4097)));
    record.set(&limits, &(), "b", Value::Int(1));
    record.set(&limits, &(), &"a".repeat(257), Value::Int(1));
    // Cut; dropped; the last one cut and then dropped.
    assert_eq!(LIMITED.load(Ordering::Relaxed), before + 4);
}

#[test]
fn a_span_always_fits_into_a_batch() {
    let text = "x".repeat(4000);
    let texts = vec![text.as_str(); 128];
    let record = with(LIMITS, |record, limits| {
        record.set(limits, &(), "array", Value::Strs(&texts));
        for i in 0..128 {
            record.set(limits, &(), &format!("k{i}"), Value::Str(&text));
            record.event(limits, &(), 1, "e", &[("text", Value::Str(&text))]);
        }
        record.set(limits, &(), "k0", Value::Strs(&texts));
    });
    let mut out = Vec::new();
    record.encode(&mut out, 2);
    assert!(out.len() < 460 << 10, "{} bytes", out.len());
    assert!(out.len() > 400 << 10, "{} bytes", out.len());
}

#[test]
fn a_key_set_again_keeps_its_place_with_the_last_value() {
    let once =
        |values: &[(&str, Value<'_>)]| hex(&with(LIMITS, |record, limits| values.iter().for_each(|(k, v)| record.set(limits, &(), k, *v))));
    let long = "y".repeat(300);
    for last in [Value::Str("a much longer text than before"), Value::Bool(false), Value::Str(&long), Value::Str("")] {
        assert_eq!(
            once(&[("a", Value::Int(1)), ("b", Value::Str("middle")), ("c", Value::Float(1.5)), ("b", last), ("c", Value::Int(9))]),
            once(&[("a", Value::Int(1)), ("b", last), ("c", Value::Int(9))]),
        );
    }
}

#[test]
fn ok_is_final_and_nothing_is_set_back() {
    let mut record = Record::default();
    record.set_status(&LIMITS, Status::Error, "first");
    record.set_status(&LIMITS, Status::Unset, "ignored");
    assert_eq!((record.status, record.message.as_str()), (Status::Error, "first"));
    record.set_status(&LIMITS, Status::Error, "last");
    assert_eq!(record.message, "last");
    record.set_status(&LIMITS, Status::Ok, "");
    record.set_status(&LIMITS, Status::Error, "too late");
    assert_eq!((record.status, record.message.as_str()), (Status::Ok, ""));
}

#[test]
fn a_place_that_is_used_again_remembers_nothing() {
    let mut record = Record::default();
    let fresh = hex(&record);
    record.set(&LIMITS, &(), "a", Value::Str(&"x".repeat(8000)));
    record.event(&LIMITS, &(), 1, "e", &[]);
    record.set_status(&LIMITS, Status::Error, "failed");
    record.set_name(&LIMITS, "name");
    record.finished = true;
    record.reset();
    assert_eq!(hex(&record), fresh);
    assert!(!record.finished);
}
