//! Addresses of the form `http://user:password@host:port/path?query`.

use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub secure: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// The value of a header `Authorization` made from user and password.
    pub authorization: Option<String>,
}

impl Address {
    /// Reads an address; an error is one line for a person.
    pub fn parse(text: &str) -> Result<Address, String> {
        let wrong = |why: &str| Err(format!("parse address {}: {why}", without_secrets(text)));
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong("it has no scheme; write http:// or https:// before it");
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return wrong("the scheme must be http or https"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => place.split_once(':').unwrap_or((place, "")),
        };
        let port = match port {
            "" => Ok(if secure { 443 } else { 80 }),
            digits => digits.parse(),
        };
        let Ok(port) = port else { return wrong("the port must be a number up to 65535") };
        let odd = |b: u8| b <= b' ' || b == 0x7f;
        if host.is_empty() || host.bytes().any(odd) {
            return wrong("it names no host");
        }
        if target.bytes().any(odd) {
            return wrong("its path has blanks; write %20");
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Address { secure, host: host.to_owned(), port, target, authorization: user.map(basic) })
    }

    /// Host and port as a header `Host` has them: the port only when it is not the
    /// scheme's own.
    pub fn authority(&self) -> String {
        if self.port == if self.secure { 443 } else { 80 } {
            return self.bracketed();
        }
        self.host_port()
    }

    /// Host and port, always both.
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// An address without user, password, query and fragment.
pub(crate) fn without_secrets(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (scheme, rest) = text[..end].split_once("://").unwrap_or(("", &text[..end]));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{place}{path}")
}

/// The value of a header for basic authentication with a percent-encoded `user:password`.
pub(super) fn basic(user: &str) -> String {
    let mut plain = Vec::new();
    let mut rest = user.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        let decoded =
            (b == b'%').then(|| std::str::from_utf8(tail.get(..2)?).ok()).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if decoded.is_some() {
            rest = &tail[2..];
        }
        plain.push(decoded.unwrap_or(b));
    }
    if !plain.contains(&b':') {
        plain.push(b':');
    }
    format!("Basic {}", base64(&plain))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_as_they_are_meant() {
        let a = Address::parse("http://127.0.0.1:4318/v1/traces").unwrap();
        assert_eq!((a.host.as_str(), a.port, a.target.as_str()), ("127.0.0.1", 4318, "/v1/traces"));
        assert!(a.is_loopback() && !a.secure);
        let a = Address::parse("HTTPS://u%40x:p@[::1]?a=b#c").unwrap();
        assert_eq!((a.host.as_str(), a.port, a.target.as_str()), ("::1", 443, "/?a=b"));
        assert_eq!(a.authority(), "[::1]");
        assert_eq!(a.host_port(), "[::1]:443");
        assert_eq!(a.authorization.as_deref(), Some("Basic dUB4OnA="));
        for wrong in ["", "x", "ftp://x", "http://", "http://x:y", "http://x:70000/", "http://a/b c", "http://a\n"] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(error.starts_with("parse address "), "{wrong:?}: {error}");
        }
        assert_eq!(without_secrets("https://u:p@h:1/a?token=b"), "https://h:1/a");
    }

    #[test]
    fn base64_pads() {
        let all = ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
