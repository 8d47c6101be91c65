//! The words of gRPC, and where its status stands.

use ::http::{HeaderMap, header};

/// The names of the statuses, by their number.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) const CANCELLED: u16 = 1;
pub(super) const UNKNOWN: u16 = 2;
const PERMISSION_DENIED: u16 = 7;
pub(super) const UNIMPLEMENTED: u16 = 12;
pub(super) const INTERNAL: u16 = 13;
pub(super) const UNAVAILABLE: u16 = 14;
const UNAUTHENTICATED: u16 = 16;

/// The longest method that is remembered, and the longest label.
const LONGEST_METHOD: usize = 256;

/// An answer with this status shows that there is such a method. Who only says to be gRPC, or is turned away before anybody looks for the
/// method, may say any text.
pub(super) fn served(method: &str, status: Option<u16>) -> bool {
    method.len() <= LONGEST_METHOD && status.is_some_and(|status| !matches!(status, UNIMPLEMENTED | UNAUTHENTICATED | PERMISSION_DENIED))
}

/// The request is gRPC; gRPC-web is not, as its status stands in the body.
pub(super) fn is(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

/// `package.Service/Method` of a path.
pub(super) fn method(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// The status in headers or trailers; what is no number of gRPC counts as UNKNOWN.
pub(super) fn status(headers: &HeaderMap) -> Option<u16> {
    let text = headers.get("grpc-status")?.to_str().unwrap_or("");
    Some(text.parse().ok().filter(|number| usize::from(*number) < NAMES.len()).unwrap_or(UNKNOWN))
}

/// What was said about a status that is not OK, percent-decoded. Bytes that are no text are left out.
pub(super) fn message(headers: &HeaderMap) -> Option<String> {
    let raw = headers.get("grpc-message")?.as_bytes();
    let mut bytes = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let digits = raw.get(at + 1..at + 3).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn name(status: u16) -> &'static str {
    NAMES.get(usize::from(status)).copied().unwrap_or("UNKNOWN")
}

/// What a server answers for: a caller's own mistake is no error of the server.
pub(super) fn server_error(status: u16) -> bool {
    matches!(status, UNKNOWN | 4 | UNIMPLEMENTED | INTERNAL | UNAVAILABLE | 15)
}

/// The status that stands for an answer of HTTP without one, as the protocol's mapping says.
pub(super) fn of_http(status: u16) -> u16 {
    match status {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header's value"));
        headers
    }

    #[test]
    fn grpc_is_told_from_its_relatives() {
        for (value, want) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(is(&headers("content-type", value)), want, "{value}");
        }
    }

    #[test]
    fn messages_are_percent_decoded() {
        for (value, want) in [
            ("no%20such%20order", "no such order"),
            ("50% of %zz", "50% of %zz"),
            ("%e2%82%ac%", "€%"),
            ("%ff", "\u{fffd}"),
            ("50%+5", "50%+5"),
        ] {
            assert_eq!(message(&headers("grpc-message", value)).as_deref(), Some(want));
        }
    }

    #[test]
    fn a_status_that_is_no_number_of_grpc_is_unknown() {
        assert_eq!(status(&HeaderMap::new()), None);
        assert_eq!(status(&headers("grpc-status", "5")), Some(5));
        assert_eq!(status(&headers("grpc-status", "16")), Some(16));
        assert_eq!(status(&headers("grpc-status", "17")), Some(UNKNOWN));
        assert_eq!(status(&headers("grpc-status", "-1")), Some(UNKNOWN));
    }
}
