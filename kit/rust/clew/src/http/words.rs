//! The words of the semantic conventions for HTTP, and the closed sets that labels are taken from.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use ::http::{HeaderMap, Method, Uri, Version, header};

/// The methods that may stand in names and labels.
const KNOWN: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// How many different methods a label can have: the known ones and `_OTHER`.
pub(super) const METHODS: usize = KNOWN.len() + 1;

/// A method as it may stand in names and labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verb(u8);

impl Verb {
    pub(super) fn of(method: &Method) -> Verb {
        let text = method.as_str();
        Verb(KNOWN.iter().position(|known| *known == text).unwrap_or(KNOWN.len()) as u8)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn known(self) -> bool {
        self.index() < KNOWN.len()
    }

    /// For `http.request.method`.
    pub(super) fn label(self) -> &'static str {
        KNOWN.get(self.index()).copied().unwrap_or("_OTHER")
    }

    /// For span names.
    pub(super) fn name(self) -> &'static str {
        KNOWN.get(self.index()).copied().unwrap_or("HTTP")
    }

    pub(super) fn all() -> impl Iterator<Item = Verb> {
        (0..METHODS).map(|at| Verb(at as u8))
    }
}

/// What a request asks a server for.
pub(super) fn describe(to: &mut crate::span::Writing<'_>, uri: &Uri, route: &str) {
    if !route.is_empty() {
        to.set("http.route", route);
    }
    to.set("url.path", uri.path());
    to.set("url.scheme", uri.scheme_str().unwrap_or("http"));
    if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        to.set("url.query", &*crate::sanitise::query(query));
    }
}

pub(super) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// Host and port of the authority, or of the Host header when the target has none.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> (&'a str, Option<u16>) {
    match uri.host() {
        Some(host) => (unbracket(host), uri.port_u16()),
        None => headers.get(header::HOST).and_then(|value| value.to_str().ok()).map_or(("", None), split_host),
    }
}

/// Takes a host, or host:port, apart.
pub(super) fn split_host(text: &str) -> (&str, Option<u16>) {
    let Some((host, port)) = text.rsplit_once(':') else { return (text, None) };
    if text.ends_with(']') {
        return (unbracket(text), None);
    }
    if host.contains(':') && !host.starts_with('[') {
        // An IPv6 address without brackets.
        return (text, None);
    }
    match port.parse() {
        Ok(port) => (unbracket(host), Some(port)),
        Err(_) => (text, None),
    }
}

fn unbracket(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// `METHOD route`, or the method alone.
pub(super) fn name(verb: Verb, route: &str) -> Cow<'static, str> {
    if route.is_empty() { Cow::Borrowed(verb.name()) } else { Cow::Owned(format!("{} {route}", verb.name())) }
}

/// True when `text` is one of the patterns, or begins with what stands before a last `*`.
pub(super) fn matches_any(patterns: &[Cow<'static, str>], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    })
}

/// The digits of a status.
pub(super) fn digits(status: u16, buffer: &mut [u8; 3]) -> &str {
    *buffer = [b'0' + (status / 100 % 10) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8];
    std::str::from_utf8(buffer).unwrap_or("000")
}

/// The text of an address, without an allocation.
pub(super) struct Address {
    bytes: [u8; 48],
    length: usize,
}

impl Address {
    pub(super) fn new(ip: IpAddr) -> Address {
        let mut address = Address { bytes: [0; 48], length: 0 };
        // The longest text of an address has 45 bytes.
        let _ = write!(address, "{}", ip.to_canonical());
        address
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl fmt::Write for Address {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_methods_are_named_http_and_labelled_other() {
        let verb = Verb::of(&Method::from_bytes(b"BREW").expect("a token"));
        assert_eq!((verb.known(), verb.name(), verb.label()), (false, "HTTP", "_OTHER"));
        assert_eq!(Verb::of(&Method::GET).label(), "GET");
        // Methods are compared with regard to case, as RFC 9110 says.
        assert!(!Verb::of(&Method::from_bytes(b"get").expect("a token")).known());
        assert_eq!(Verb::all().filter(|verb| verb.known()).count(), METHODS - 1);
    }

    #[test]
    fn hosts_are_taken_apart() {
        for (text, want) in [
            ("shop.example", ("shop.example", None)),
            ("shop.example:8080", ("shop.example", Some(8080))),
            ("[::1]:80", ("::1", Some(80))),
            ("[::1]", ("::1", None)),
            ("::1", ("::1", None)),
            ("shop.example:http", ("shop.example:http", None)),
            ("shop.example:65536", ("shop.example:65536", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split_host(text), want, "{text}");
        }
    }

    #[test]
    fn addresses_are_written_whole() {
        for text in ["127.0.0.1", "::1", "1111:2222:3333:4444:5555:6666:7777:8888"] {
            assert_eq!(Address::new(text.parse().expect("an address")).as_str(), text);
        }
        // A dual-stack socket shows callers of IPv4 as mapped addresses.
        assert_eq!(Address::new("::ffff:10.0.0.7".parse().expect("an address")).as_str(), "10.0.0.7");
    }

    #[test]
    fn patterns_are_exact_or_a_prefix() {
        let patterns = ["/health*".into(), "/metrics".into()];
        assert!(matches_any(&patterns, "/healthz") && matches_any(&patterns, "/metrics"));
        assert!(!matches_any(&patterns, "/metrics/x") && !matches_any(&patterns, "/heal"));
    }
}
