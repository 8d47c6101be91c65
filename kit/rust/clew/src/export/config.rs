//! What to send where.

use std::sync::Arc;
use std::time::Duration;

use super::worker::Sender;
use crate::selfmetrics::{Counters, Signal, counters};

const DEFAULT_QUEUE_BYTES: usize = 16 << 20;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_DELAY: Duration = Duration::from_secs(1);
const DEFAULT_STEADY: Duration = Duration::from_secs(3);
/// Closes a batch; also the most that can be configured.
pub(super) const MAX_BATCH_RECORDS: usize = 2048;

/// Is told in one line what keeps a signal from being delivered.
pub type Problem = Arc<dyn Fn(&str) + Send + Sync>;

/// What to send where; start with `Config::default()` or `Config::from_env`.
#[derive(Clone)]
pub struct Config {
    /// The encoded message `Resource`, without tag and length.
    pub resource: Vec<u8>,
    /// The schema of the resource's attributes.
    pub schema_url: String,
    /// Gets everything that is counted.
    pub counters: &'static Counters,
    /// By [`Signal`].
    pub signals: [Target; 3],
    /// Bounds the memory of each signal's queue. Default 16 MiB.
    pub queue_bytes: usize,
    /// Called at most once a minute and signal, on the worker's thread.
    pub problem: Problem,
    /// Called with what may be meant so: that the collector does not take metrics or logs, once until it does.
    pub note: Problem,
    /// Takes the place of the network in tests.
    pub(super) sender: Option<MakeSender>,
}

pub(super) type MakeSender = Arc<dyn Fn(Signal) -> Box<dyn Sender> + Send + Sync>;

impl Default for Config {
    fn default() -> Self {
        Config {
            resource: Vec::new(),
            schema_url: String::new(),
            counters: counters(),
            signals: Signal::ALL.map(|s| {
                let steady = if s == Signal::Metrics { DEFAULT_DELAY } else { DEFAULT_STEADY };
                Target { steady, ..Target::new(&format!("http://127.0.0.1:4318/v1/{}", s.name())) }
            }),
            queue_bytes: DEFAULT_QUEUE_BYTES,
            problem: Arc::new(|_| {}),
            note: Arc::new(|_| {}),
            sender: None,
        }
    }
}

/// Where and how one signal is sent: protobuf over HTTP/1.1.
#[derive(Clone, Debug)]
pub struct Target {
    /// Records are not taken and nothing is started.
    pub off: bool,
    /// The whole address of the request, path included.
    pub url: String,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// Bounds an attempt: connecting, writing, reading. Default 5 s.
    pub timeout: Duration,
    /// Compression of bodies over 1 KiB.
    pub compression: Compression,
    /// Certificates for `https`.
    pub tls: TlsFiles,
    /// How long a record waits for others. Default 1 s.
    pub delay: Duration,
    /// How long it waits while batches follow each other, so that a busy program makes
    /// a third of the requests and a quiet one shows its spans at once. Default 3 s,
    /// 1 s for metrics, which have an interval of their own; not under `delay`.
    pub steady: Duration,
    /// Closes a batch. Default and most: 2,048.
    pub batch_records: usize,
}

impl Target {
    /// A target with all defaults.
    pub fn new(url: &str) -> Target {
        Target {
            off: false,
            url: url.to_owned(),
            headers: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            compression: Compression::Auto,
            tls: TlsFiles::default(),
            delay: DEFAULT_DELAY,
            steady: DEFAULT_STEADY,
            batch_records: MAX_BATCH_RECORDS,
        }
    }
}

/// Compression of request bodies; needs the feature `gzip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, but none to a loopback address.
    Auto,
    Gzip,
    None,
}

/// Paths of PEM files; empty: the system's roots, no certificate of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Roots that are trusted instead of the system's.
    pub roots: String,
    /// Our certificate chain, for servers that ask who we are.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}
