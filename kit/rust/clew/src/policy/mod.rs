//! What may change while a service runs: levels of components, sampling, log level, redaction and the hosts that get baggage. A [`Document`]
//! says it, as JSON from Clew or from the program; a [`Snapshot`] is what follows from the program's own document, the live one and the local
//! overrides, compiled for quick questions and never changed; a [`Holder`] makes snapshots and hands each to whoever publishes it.
//!
//! ```text
//! own ──┐
//! live ─┼─ compile → Snapshot → published behind one pointer
//! local ┘
//! ```
//!
//! A document that is not understood is refused as a whole and the last one stays. The Go kit has the same code; `kit/contract/policy.json`
//! is run by both.

pub(crate) mod fetch;
mod holder;
mod index;
mod json;
mod parse;
mod poller;
mod snapshot;
mod status;

pub use holder::Holder;
pub use json::Fault;
pub use poller::{ATTEMPT_TIMEOUT, Poller, Request, Response, World};
pub use snapshot::Snapshot;
pub use status::{Status, request_url};

use crate::Level;
use crate::sampling::Threshold;

/// The least severity of lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
#[repr(u8)]
pub enum LogLevel {
    /// The finest.
    Trace = 0,
    /// For people who look for a fault.
    Debug = 1,
    /// What happens.
    #[default]
    Info = 2,
    /// Unexpected, nothing lost.
    Warn = 3,
    /// Something lost or a person needed.
    Error = 4,
}

impl LogLevel {
    const ALL: [LogLevel; 5] = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

    /// The word of a policy.
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }

    /// The level of a policy's word.
    pub fn parse(text: &str) -> Option<LogLevel> {
        LogLevel::ALL.into_iter().find(|l| l.name() == text)
    }
}

/// The longest document, in bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// How deep objects and arrays of a document may nest.
pub const MAX_DEPTH: usize = 32;
/// How many rules, and how many redactions, a document may have.
pub const MAX_RULES: usize = 10_000;
/// Bytes of version, names and patterns.
const MAX_TEXT: usize = 256;
/// The largest of every number of a document.
const MAX_INTEGER: u64 = 1_000_000_000;

/// What a policy says. What is absent is left to the document below: the program's own configuration is a document too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its version, empty for none.
    pub version: String,
    /// How long it holds after it was last confirmed; 0 for ever.
    pub ttl_seconds: u64,
    /// The level of every component that has none of its own.
    pub level: Option<Level>,
    /// Levels in the order of [`crate::Component::ALL`].
    pub components: [Option<Level>; 7],
    /// The least severity of lines on standard output.
    pub log_level: Option<LogLevel>,
    /// How many lines a template may write in a second.
    pub log_lines_per_second: Option<u64>,
    /// What is said about roots.
    pub sampling: Sampling,
    /// What happens to attributes.
    pub redact: Vec<Redaction>,
    /// The hosts and subjects that get baggage.
    pub propagate_to: Option<Vec<String>>,
    /// The keys of baggage that may leave, exact or a prefix before `*`; absent lets every key out.
    pub baggage_keys: Option<Vec<String>>,
    /// How many rules and redactions were not understood and left out.
    pub skipped: u64,
}

/// The part of a document about roots. A document with a threshold also decides about the limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 when no document says it.
    pub threshold: Option<Threshold>,
    /// Roots a second; absent does not limit.
    pub per_second: Option<u64>,
    /// True when no document says it.
    pub summary_on_error: Option<bool>,
    /// In order; the first that matches counts.
    pub rules: Option<Vec<Rule>>,
}

/// A threshold for some roots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// For people.
    pub name: String,
    /// What a root must have; absent takes anything. A last `*` makes the text before it a prefix. In the order route, name, method, kind.
    pub matches: [Option<String>; 4],
    /// Absent is that of the sampling.
    pub threshold: Option<Threshold>,
    /// Roots a second; absent does not limit.
    pub per_second: Option<u64>,
}

/// What is known of a root when it starts; empty texts for what is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The route's template.
    pub route: &'a str,
    /// The span's name.
    pub name: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// The kind of the span, in the word of a policy.
    pub kind: &'a str,
}

/// A rule about attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Redaction {
    /// Exact, or a prefix before a last `*`.
    pub key: String,
    /// What happens.
    pub action: Action,
}

/// What happens to an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes.
    Drop,
    /// Its value becomes `***`.
    Mask,
    /// Its text is cut to so many bytes, on a character's border.
    Truncate(usize),
}

impl Action {
    /// What is left of a text; `None` when the attribute goes.
    pub fn text(self, text: &str) -> Option<&str> {
        match self {
            Action::Drop => None,
            Action::Mask => Some("***"),
            Action::Truncate(length) if text.len() <= length => Some(text),
            Action::Truncate(mut length) => {
                while !text.is_char_boundary(length) {
                    length -= 1;
                }
                Some(&text[..length])
            }
        }
    }
}
