//! Reads the OTLP records that the kit encodes, so that what is shown is the very bytes that go out and no second bookkeeping beside them.
//! Bytes that are cut or malformed give `None`: nothing here indexes without looking.

use super::{Event, Link, Status, Value};

/// A field of a protobuf message: its number and what stands there.
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Walks the fields of one message. Ends at the first malformed one; [`Fields::whole`] tells the two ends apart.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    broken: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Fields { rest: bytes, broken: false }
    }

    pub(crate) fn whole(&self) -> bool {
        !self.broken
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for (position, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * position as u32).min(63);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[position + 1..];
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        if count > self.rest.len() {
            return None;
        }
        let (head, tail) = self.rest.split_at(count);
        self.rest = tail;
        Some(head)
    }

    fn field(&mut self) -> Option<(u32, Field<'a>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((number, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.broken {
            return None;
        }
        let field = self.field();
        self.broken = field.is_none();
        field
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn status(bytes: &[u8]) -> Option<Status> {
    let mut fields = Fields::new(bytes);
    let (mut code, mut message) = (0, String::new());
    for (number, field) in &mut fields {
        match (number, field) {
            (2, Field::Bytes(bytes)) => message = text(bytes),
            (3, Field::Varint(number)) => code = number,
            _ => {}
        }
    }
    fields.whole().then_some(match code {
        1 => Status::Ok,
        2 => Status::Error(message),
        _ => Status::Unset,
    })
}

pub(crate) fn event(bytes: &[u8]) -> Option<Event> {
    let mut event = Event::default();
    let mut fields = Fields::new(bytes);
    for (number, field) in &mut fields {
        match (number, field) {
            (1, Field::Fixed64(time)) => event.time = time,
            (2, Field::Bytes(name)) => event.name = text(name),
            (3, Field::Bytes(pair)) => event.attributes.push(key_value(pair)?),
            _ => {}
        }
    }
    fields.whole().then_some(event)
}

pub(crate) fn link(bytes: &[u8]) -> Option<Link> {
    let mut link = Link::default();
    let mut fields = Fields::new(bytes);
    for (number, field) in &mut fields {
        match (number, field) {
            (1, Field::Bytes(id)) => link.trace = id.try_into().ok()?,
            (2, Field::Bytes(id)) => link.span = id.try_into().ok()?,
            (4, Field::Bytes(pair)) => link.attributes.push(key_value(pair)?),
            _ => {}
        }
    }
    fields.whole().then_some(link)
}

pub(crate) fn key_value(bytes: &[u8]) -> Option<(String, Value)> {
    let mut fields = Fields::new(bytes);
    let (mut key, mut value) = (String::new(), Value::Null);
    for (number, field) in &mut fields {
        match (number, field) {
            (1, Field::Bytes(bytes)) => key = text(bytes),
            (2, Field::Bytes(bytes)) => value = any_value(bytes, 0)?,
            _ => {}
        }
    }
    fields.whole().then_some((key, value))
}

/// Arrays of arrays are bounded: the kit writes none, but a mistake of its own must not overflow the stack.
const MAX_DEPTH: usize = 8;

fn any_value(bytes: &[u8], depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut fields = Fields::new(bytes);
    let mut value = Value::Null;
    for (number, field) in &mut fields {
        match (number, field) {
            (1, Field::Bytes(bytes)) => value = Value::Text(text(bytes)),
            (2, Field::Varint(bit)) => value = Value::Bool(bit != 0),
            (3, Field::Varint(bits)) => value = Value::Int(bits as i64),
            (4, Field::Fixed64(bits)) => value = Value::Float(f64::from_bits(bits)),
            (5, Field::Bytes(array)) => {
                let mut elements = Vec::new();
                let mut inner = Fields::new(array);
                for (number, field) in &mut inner {
                    if let (1, Field::Bytes(element)) = (number, field) {
                        elements.push(any_value(element, depth + 1)?);
                    }
                }
                if !inner.whole() {
                    return None;
                }
                value = Value::Array(elements);
            }
            (7, Field::Bytes(bytes)) => value = Value::Bytes(bytes.to_vec()),
            _ => {}
        }
    }
    fields.whole().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_arrays_are_refused_at_the_limit() {
        let nested = |depth: usize| {
            let mut value = vec![0x18, 1];
            for _ in 0..depth {
                let mut array = vec![0x0a, value.len() as u8];
                array.extend(&value);
                let mut outer = vec![0x2a, array.len() as u8];
                outer.extend(array);
                value = outer;
            }
            any_value(&value, 0)
        };
        assert!(nested(MAX_DEPTH).is_some());
        assert!(nested(MAX_DEPTH + 1).is_none());
    }
}
