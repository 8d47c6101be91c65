//! Spans as a test sees them, read from the bytes that would have gone out.

use super::Span;
use crate::view::decode::{Field, Fields, event, key_value, link, status, text};

/// Reads a span record as `Exporter::add` takes it: field 2 of ScopeSpans with its tag and length.
pub(crate) fn record(bytes: &[u8], service: &str) -> Option<Span> {
    match Fields::new(bytes).next()? {
        (2, Field::Bytes(message)) => span(message, service),
        _ => None,
    }
}

fn span(bytes: &[u8], service: &str) -> Option<Span> {
    let mut span = Span { service: service.to_owned(), ..Span::default() };
    let mut fields = Fields::new(bytes);
    for (number, field) in &mut fields {
        match (number, field) {
            (1, Field::Bytes(id)) => span.trace = id.try_into().ok()?,
            (2, Field::Bytes(id)) => span.id = id.try_into().ok()?,
            (3, Field::Bytes(state)) => span.trace_state = text(state),
            (4, Field::Bytes(id)) if !id.is_empty() => span.parent = Some(id.try_into().ok()?),
            (5, Field::Bytes(name)) => span.name = text(name),
            (6, Field::Varint(kind)) => span.kind = u8::try_from(kind).ok()?,
            (7, Field::Fixed64(time)) => span.start = time,
            (8, Field::Fixed64(time)) => span.end = time,
            (9, Field::Bytes(pair)) => span.attributes.push(key_value(pair)?),
            (11, Field::Bytes(message)) => span.events.push(event(message)?),
            (13, Field::Bytes(message)) => span.links.push(link(message)?),
            (15, Field::Bytes(message)) => span.status = status(message)?,
            (16, Field::Fixed32(flags)) => span.flags = flags,
            _ => {}
        }
    }
    fields.whole().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Status, Value};

    /// One span with every field that is read, written by hand as the protobuf rules say.
    fn sample() -> Vec<u8> {
        let mut span = Vec::new();
        span.extend([0x0a, 16]);
        span.extend([7u8; 16]);
        span.extend([0x12, 8]);
        span.extend([9u8; 8]);
        span.extend([0x22, 8]);
        span.extend([3u8; 8]);
        span.extend([0x2a, 4]);
        span.extend(b"work");
        span.extend([0x30, 2]);
        span.push(0x39);
        span.extend(5u64.to_le_bytes());
        span.push(0x41);
        span.extend(9u64.to_le_bytes());
        span.extend([0x4a, 7, 0x0a, 1, b'n', 0x12, 2, 0x18, 3]);
        span.extend([0x5a, 4, 0x12, 2, b'o', b'k']);
        span.extend([0x6a, 18, 0x0a, 16]);
        span.extend([7u8; 16]);
        span.extend([0x7a, 6, 0x12, 2, b'n', b'o', 0x18, 2]);
        span.extend([0x85, 0x01]);
        span.extend(1u32.to_le_bytes());
        let mut record = vec![0x12, span.len() as u8];
        record.extend(span);
        record
    }

    #[test]
    fn a_record_is_read_whole() {
        let span = record(&sample(), "orders").expect("the sample is well formed");
        assert_eq!(span.trace, [7; 16]);
        assert_eq!(span.parent, Some([3; 8]));
        assert_eq!((span.kind, span.start, span.end, span.flags), (2, 5, 9, 1));
        assert_eq!(span.attributes, [("n".to_owned(), Value::Int(3))]);
        assert_eq!(span.events[0].name, "ok");
        assert_eq!(span.links[0].trace, [7; 16]);
        assert_eq!(span.status, Status::Error("no".to_owned()));
    }

    #[test]
    fn a_cut_record_is_refused_at_every_length() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(record(&whole[..length], "").is_none(), "{length} bytes were read as a span");
        }
    }

    #[test]
    fn random_bytes_are_read_without_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut bytes = sample();
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (state >> 33) as usize % bytes.len();
            bytes[place] = (state >> 17) as u8;
            let _ = record(&bytes, "");
            if round % 8 == 0 {
                bytes = sample();
            }
        }
    }
}
