//! Headers as a carrier of context.

use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::Carrier;

/// The names of the headers of context, made once: a name that is not of HTTP's own is copied otherwise, and hashed and checked each time.
static NAMES: [HeaderName; 5] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("b3"),
    HeaderName::from_static("x-b3-traceid"),
];

/// There is something to extract.
pub(super) fn carries(headers: &HeaderMap) -> bool {
    let [parent, _, baggage, b3, b3_trace] = &NAMES;
    [parent, baggage, b3, b3_trace].iter().any(|name| headers.contains_key(*name))
}

impl Carrier for HeaderMap {
    fn get(&self, key: &str, each: &mut dyn FnMut(&str)) {
        let values = match NAMES.iter().find(|name| name.as_str() == key) {
            Some(name) => self.get_all(name),
            None => self.get_all(key),
        };
        for value in values {
            if let Ok(text) = value.to_str() {
                each(text);
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        // The kit writes names and values that are allowed; a member of baggage that is not was percent-encoded.
        let known = NAMES.iter().find(|name| name.as_str() == key).cloned();
        let name = known.map_or_else(|| HeaderName::try_from(key), Ok);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.insert(name, value);
        }
    }
}
