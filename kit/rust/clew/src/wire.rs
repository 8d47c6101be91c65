//! The protobuf wire format, written by hand: append-only, into buffers of the caller. Only what OTLP needs.

use crate::Value;

/// Wire types of protobuf.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// Appends a varint.
#[inline]
pub fn varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// The length of a varint.
#[inline]
pub const fn varint_len(v: u64) -> usize {
    // Seven bits a byte, at least one byte.
    ((64 - (v | 1).leading_zeros()) as usize).div_ceil(7)
}

#[inline]
fn tag(out: &mut Vec<u8>, field: u32, wire: u32) {
    varint(out, u64::from(field << 3 | wire));
}

/// A number; zero is written too, because in `AnyValue` it says which type it is.
#[inline]
pub fn number(out: &mut Vec<u8>, field: u32, v: u64) {
    tag(out, field, VARINT);
    varint(out, v);
}

/// Eight bytes, little endian.
#[inline]
pub fn fixed64(out: &mut Vec<u8>, field: u32, v: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&v.to_le_bytes());
}

/// Four bytes, little endian.
#[inline]
pub fn fixed32(out: &mut Vec<u8>, field: u32, v: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&v.to_le_bytes());
}

/// Bytes or text.
#[inline]
pub fn bytes(out: &mut Vec<u8>, field: u32, v: &[u8]) {
    header(out, field, v.len());
    out.extend_from_slice(v);
}

/// The tag and length of a field whose `len` bytes the caller appends.
#[inline]
pub fn header(out: &mut Vec<u8>, field: u32, len: usize) {
    tag(out, field, BYTES);
    varint(out, len as u64);
}

/// A message whose length is known only when it is written. The length gets the room that its value needs: most are below 128 bytes, and
/// longer ones are moved.
#[inline]
pub fn message(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, BYTES);
    let at = out.len();
    out.push(0);
    body(out);
    let len = out.len() - at - 1;
    if len < 0x80 {
        out[at] = len as u8;
        return;
    }
    let room = varint_len(len as u64);
    let end = out.len();
    out.resize(end + room - 1, 0);
    out.copy_within(at + 1..end, at + room);
    let mut rest = len as u64;
    for byte in &mut out[at..at + room] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[at + room - 1] &= 0x7f;
}

/// The fields of `AnyValue`.
const STRING_VALUE: u32 = 1;
const BOOL_VALUE: u32 = 2;
const INT_VALUE: u32 = 3;
const DOUBLE_VALUE: u32 = 4;
const ARRAY_VALUE: u32 = 5;
const BYTES_VALUE: u32 = 7;

/// The content of an `AnyValue`, with texts cut to `limit` bytes. Arrays are cut to `elements`.
#[inline]
pub fn any_value(out: &mut Vec<u8>, value: Value<'_>, limit: usize, elements: usize) {
    match value {
        Value::Str(v) => bytes(out, STRING_VALUE, cut(v, limit).as_bytes()),
        Value::Bool(v) => number(out, BOOL_VALUE, v.into()),
        Value::Int(v) => number(out, INT_VALUE, v as u64),
        Value::Float(v) => fixed64(out, DOUBLE_VALUE, v.to_bits()),
        Value::Bytes(v) => bytes(out, BYTES_VALUE, &v[..v.len().min(limit)]),
        Value::Strs(v) => array(out, v, elements, |out, v| bytes(out, STRING_VALUE, cut(v, limit).as_bytes())),
        Value::Bools(v) => array(out, v, elements, |out, v| number(out, BOOL_VALUE, (*v).into())),
        Value::Ints(v) => array(out, v, elements, |out, v| number(out, INT_VALUE, *v as u64)),
        Value::Floats(v) => array(out, v, elements, |out, v| fixed64(out, DOUBLE_VALUE, v.to_bits())),
    }
}

fn array<T>(out: &mut Vec<u8>, values: &[T], elements: usize, one: impl Fn(&mut Vec<u8>, &T)) {
    message(out, ARRAY_VALUE, |out| {
        for value in values.iter().take(elements) {
            message(out, 1, |out| one(out, value));
        }
    });
}

/// A `KeyValue` as `field` of the message around it.
#[inline]
pub fn key_value(out: &mut Vec<u8>, field: u32, key: &str, value: Value<'_>, limit: usize, elements: usize) {
    message(out, field, |out| {
        bytes(out, 1, key.as_bytes());
        message(out, 2, |out| any_value(out, value, limit, elements));
    });
}

/// The longest start of `text` with at most `limit` bytes that ends on a character's border.
#[inline]
pub fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_the_length_that_is_foretold() {
        for shift in 0..64 {
            for v in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                varint(&mut out, v);
                assert_eq!(out.len(), varint_len(v), "{v}");
            }
        }
    }

    #[test]
    fn messages_of_every_length_are_the_same_as_bytes_of_that_length() {
        for len in [0, 1, 127, 128, 129, 16_383, 16_384, 3_000_000] {
            let body = vec![7_u8; len];
            let (mut plain, mut nested) = (vec![1], vec![1]);
            bytes(&mut plain, 5, &body);
            message(&mut nested, 5, |out| out.extend_from_slice(&body));
            assert!(plain == nested, "length {len}");
        }
    }

    #[test]
    fn text_is_cut_on_a_characters_border() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("añb", 4), "añb");
        assert_eq!(cut("ñ", 1), "");
    }
}
