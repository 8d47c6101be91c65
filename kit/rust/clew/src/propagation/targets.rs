//! Which hosts and subjects may have our baggage.

use std::borrow::Cow;
use std::collections::HashSet;

/// How many patterns count; the rest is left out, which withholds baggage and gives none away.
const MAX_TARGETS: usize = 1024;

/// The hosts and subjects that may have our baggage. The default lets none have it.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    all: bool,
    exact: HashSet<String>,
    /// `.example.com`
    suffixes: Vec<String>,
    /// `orders.` of `orders.>`
    subjects: Vec<String>,
}

impl Targets {
    /// Compiles patterns: `*` is everything, `.example.com` every host that ends so, `orders.>` every subject below `orders`, and anything else
    /// exactly this host or subject. Letters match in either case, those of subject trees only as they are.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Targets {
        let mut targets = Targets::default();
        for pattern in patterns.iter().take(MAX_TARGETS).map(AsRef::as_ref) {
            if pattern == "*" {
                targets.all = true;
            } else if pattern.len() > 2 && pattern.ends_with(".>") {
                targets.subjects.push(pattern[..pattern.len() - 1].to_owned());
            } else if pattern.starts_with('.') {
                targets.suffixes.push(pattern.to_ascii_lowercase());
            } else if !pattern.is_empty() {
                targets.exact.insert(pattern.to_ascii_lowercase());
            }
        }
        targets
    }

    /// Whether a host, with or without its port, or a subject is a target.
    pub fn matches(&self, target: &str) -> bool {
        if self.all {
            return true;
        }
        if target.is_empty() || self.exact.is_empty() && self.suffixes.is_empty() && self.subjects.is_empty() {
            return false;
        }
        if self.subjects.iter().any(|s| target.len() > s.len() && target.starts_with(s)) {
            return true;
        }
        let host = without_port(target);
        let host = if host.bytes().any(|c| c.is_ascii_uppercase()) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) };
        self.exact.contains(&*host) || self.suffixes.iter().any(|s| host.len() > s.len() && host.ends_with(s))
    }
}

/// Cuts `:8080` and the brackets of an IPv6 address. A bare IPv6 address has more than one colon and stays.
fn without_port(s: &str) -> &str {
    if let Some(rest) = s.strip_prefix('[') {
        return rest.split_once(']').map_or(s, |(host, _)| host);
    }
    match s.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => s,
    }
}
