//! Headers as a carrier of context.

use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::Carrier;

impl Carrier for HeaderMap {
    fn get(&self, key: &str, each: &mut dyn FnMut(&str)) {
        for value in self.get_all(key) {
            if let Ok(text) = value.to_str() {
                each(text);
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        // The kit writes names and values that are allowed; a member of baggage that is not was percent-encoded.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.insert(name, value);
        }
    }
}
