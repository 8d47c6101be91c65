//! What the environment says about sending, by OpenTelemetry's words.

use std::time::Duration;

use super::config::{Compression, Config, MAX_BATCH_RECORDS, Target, TlsFiles};
use super::http::Address;
use crate::selfmetrics::Signal;

const MIN_QUEUE_BYTES: u64 = 1 << 20;
const MAX_QUEUE_BYTES: u64 = 1 << 30;

impl Config {
    /// Sets what the environment says. A value that cannot be used leaves the default
    /// and gives one line, which never holds a header's value, since those are secrets.
    pub fn from_env(&mut self, get: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let mut env = Environment { get, problems: Vec::new() };
        if let Some(bytes) = env.number("CLEW_QUEUE_BYTES", MIN_QUEUE_BYTES, MAX_QUEUE_BYTES) {
            self.queue_bytes = bytes as usize;
        }
        if !env.value("OTEL_BSP_MAX_QUEUE_SIZE").is_empty() {
            env.wrong("OTEL_BSP_MAX_QUEUE_SIZE", "the queue is bounded in bytes; use CLEW_QUEUE_BYTES");
        }
        for signal in Signal::ALL {
            env.target(signal, &mut self.signals[signal as usize]);
        }
        env.problems
    }
}

/// The headers of the questions for policies, and a line for each that cannot be used. Those of the exporter are not for them: its collector may be
/// another's.
pub(crate) fn policy_headers(get: &dyn Fn(&str) -> Option<String>) -> (Vec<(String, String)>, Vec<String>) {
    const NAME: &str = "CLEW_POLICY_HEADERS";
    let mut env = Environment { get, problems: Vec::new() };
    let list = env.value(NAME);
    (env.headers(NAME, &list), env.problems)
}

struct Environment<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Environment<'_> {
    fn value(&self, name: &str) -> String {
        (self.get)(name).unwrap_or_default().trim().to_owned()
    }

    fn wrong(&mut self, name: &str, why: &str) {
        let line = format!("{name}: {why}");
        if !self.problems.contains(&line) {
            self.problems.push(line);
        }
    }

    /// A setting of one signal, else of all, with the name that it has.
    fn of(&self, signal: Signal, setting: &str) -> (String, String) {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{setting}", signal.name().to_ascii_uppercase());
        let value = self.value(&own);
        if !value.is_empty() {
            return (own, value);
        }
        let common = format!("OTEL_EXPORTER_OTLP_{setting}");
        let value = self.value(&common);
        (common, value)
    }

    fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let text = self.value(name);
        if text.is_empty() {
            return None;
        }
        let n = text.parse().ok().filter(|n| (least..=most).contains(n));
        if n.is_none() {
            self.wrong(name, &format!("write a whole number from {least} to {most}; the default holds"));
        }
        n
    }

    fn target(&mut self, signal: Signal, target: &mut Target) {
        self.exporter(signal, target);
        let (name, protocol) = self.of(signal, "PROTOCOL");
        match protocol.as_str() {
            "" | "http/protobuf" => {}
            "grpc" => {
                target.off = true;
                self.wrong(&name, "the Rust kit does not speak gRPC and sends nothing; write http/protobuf and send to port 4318");
            }
            _ => self.wrong(&name, "write http/protobuf; that is spoken"),
        }
        self.endpoint(signal, target);
        let (name, headers) = self.of(signal, "HEADERS");
        target.headers = self.headers(&name, &headers);
        let (name, _) = self.of(signal, "TIMEOUT");
        if let Some(ms) = self.number(&name, 1, 60_000) {
            target.timeout = Duration::from_millis(ms);
        }
        let (name, compression) = self.of(signal, "COMPRESSION");
        match compression.as_str() {
            "" => {}
            "gzip" if cfg!(feature = "gzip") => target.compression = Compression::Gzip,
            "gzip" => self.wrong(&name, "gzip needs the feature `gzip` of the crate clew"),
            "none" => target.compression = Compression::None,
            _ => self.wrong(&name, "write gzip or none"),
        }
        match signal {
            Signal::Traces => self.batch("OTEL_BSP", target),
            Signal::Logs => self.batch("OTEL_BLRP", target),
            Signal::Metrics => {}
        }
        target.tls = TlsFiles {
            roots: self.of(signal, "CERTIFICATE").1,
            certificate: self.of(signal, "CLIENT_CERTIFICATE").1,
            key: self.of(signal, "CLIENT_KEY").1,
        };
    }

    fn exporter(&mut self, signal: Signal, target: &mut Target) {
        let name = format!("OTEL_{}_EXPORTER", signal.name().to_ascii_uppercase());
        let value = self.value(&name);
        for one in value.split(',').map(str::trim) {
            match one {
                "" | "otlp" => {}
                "none" => target.off = value == "none",
                _ => self.wrong(&name, "write otlp or none"),
            }
        }
    }

    fn batch(&mut self, prefix: &str, target: &mut Target) {
        if let Some(ms) = self.number(&format!("{prefix}_SCHEDULE_DELAY"), 10, 60_000) {
            target.delay = Duration::from_millis(ms);
            target.steady = target.delay;
        }
        if let Some(n) = self.number(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"), 1, 1 << 20) {
            target.batch_records = (n as usize).min(MAX_BATCH_RECORDS);
        }
    }

    /// A signal's own address is taken as it is, the common one gets the signal's path.
    fn endpoint(&mut self, signal: Signal, target: &mut Target) {
        let (name, mut value) = self.of(signal, "ENDPOINT");
        if value.is_empty() {
            return;
        }
        if !value.contains("://") {
            self.wrong(&name, "it has no scheme; http:// is taken");
            value.insert_str(0, "http://");
        }
        if Address::parse(&value).is_err() {
            self.wrong(&name, "write an address such as http://127.0.0.1:4318; the variable counts as absent");
            return;
        }
        let end = value.find(['?', '#']).unwrap_or(value.len());
        let (place, query) = value.split_at(end);
        let common = name == "OTEL_EXPORTER_OTLP_ENDPOINT";
        let has_path = place.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        target.url = match (common, has_path) {
            (true, _) => {
                let base = place.strip_suffix('/').unwrap_or(place);
                format!("{base}/v1/{}{query}", signal.name())
            }
            (false, false) => format!("{place}/{query}"),
            (false, true) => value,
        };
    }

    /// Reads a list such as `api-key=abc,other=%20x`.
    fn headers(&mut self, name: &str, list: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for member in list.split(',').map(str::trim).filter(|m| !m.is_empty()) {
            let header = member.split_once('=').and_then(|(key, value)| {
                let value = decode(value.trim())?;
                valid_header(key.trim(), &value).then(|| (key.trim().to_owned(), value))
            });
            match header {
                Some(header) => all.push(header),
                None => {
                    self.wrong(name, "write name=value,name=value with percent-encoded values");
                }
            }
        }
        all
    }
}

fn valid_header(name: &str, value: &str) -> bool {
    let own = ["content-length", "transfer-encoding", "connection", "content-type", "content-encoding"];
    !name.is_empty()
        && name.bytes().all(super::http::is_token)
        && value.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
        // These are the request's own; another value would break it.
        && !own.iter().any(|o| o.eq_ignore_ascii_case(name))
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b == b'%' {
            let hex = tail.get(..2).filter(|h| h.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(b);
        }
    }
    String::from_utf8(bytes).ok()
}
