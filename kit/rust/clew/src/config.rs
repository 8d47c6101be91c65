//! What a program says about itself when it starts the kit.

use std::time::Duration;

use crate::policy::{Action, Document, Redaction};
use crate::sampling::Ratio;
use crate::{Component, Level};

/// How the kit is started; made by [`crate::service!`]. The environment wins over what is said here, so that operators have the last word.
///
/// ```no_run
/// use clew::{Component, Level};
///
/// let _kit = clew::start(
///     clew::service!().sample("1/10").level(Component::Sql, Level::Off).propagate_to(["*.shop.internal"]).mask("user.*"),
/// );
/// ```
#[must_use = "start it with clew::start"]
pub struct Config {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) own: Document,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) endpoint: String,
    pub(crate) subscriber: bool,
    pub(crate) export: bool,
    pub(crate) lines: Lines,
    pub(crate) log_bridge: bool,
    pub(crate) panic_hook: bool,
    pub(crate) stop_within: Duration,
    /// What was wrong with what was said, for standard error.
    pub(crate) refused: Vec<String>,
}

/// Where log lines go.
#[derive(Clone, Copy)]
pub(crate) enum Lines {
    Stdout,
    Stderr,
    None,
}

/// Bounds a stop that names no time of its own.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(3);

/// The most attributes of the resource that a program gives.
const RESOURCE: usize = 128;

impl Config {
    /// A service with its version; either may be empty.
    pub fn new(name: &str, version: &str) -> Config {
        Config {
            name: name.to_owned(),
            version: version.to_owned(),
            own: Document::default(),
            resource: Vec::new(),
            endpoint: String::new(),
            subscriber: true,
            export: true,
            lines: Lines::Stdout,
            log_bridge: true,
            panic_hook: true,
            stop_within: STOP_WITHIN,
            refused: Vec::new(),
        }
    }

    /// The share of traces that begin here and are kept: `1/10`, `10%`, `0.1`, `1` or `0`. Default: all. A text that is no ratio is told on
    /// standard error and keeps the default.
    pub fn sample(mut self, ratio: &str) -> Config {
        match Ratio::parse(ratio) {
            Ok(ratio) => self.own.sampling.threshold = Some(ratio.threshold()),
            Err(error) => self.refused.push(format!("sample: {error}; all traces are kept")),
        }
        self
    }

    /// At most so many traces that begin here are kept in a second, by a threshold that follows the traffic of the second before.
    pub fn sample_per_second(mut self, most: u32) -> Config {
        self.own.sampling.per_second = Some(most.into());
        self
    }

    /// How much a component tells. Default: [`Level::Standard`].
    pub fn level(mut self, component: Component, level: Level) -> Config {
        self.own.components[component as usize] = Some(level);
        self
    }

    /// Attributes that are never sent; a last `*` matches the rest of a key. Live policies add to these rules and take none away.
    pub fn redact(self, key: &str) -> Config {
        self.rule(key, Action::Drop)
    }

    /// Attributes that are sent as `***`.
    pub fn mask(self, key: &str) -> Config {
        self.rule(key, Action::Mask)
    }

    /// Attributes whose texts are cut to so many bytes.
    pub fn truncate(self, key: &str, bytes: usize) -> Config {
        self.rule(key, Action::Truncate(bytes))
    }

    fn rule(mut self, key: &str, action: Action) -> Config {
        self.own.redact.push(Redaction { key: key.to_owned(), action });
        self
    }

    /// The hosts and subjects that get baggage: `*` is all, `.example.com` a suffix, `orders.>` a tree of subjects. Default: none.
    pub fn propagate_to<S: Into<String>>(mut self, targets: impl IntoIterator<Item = S>) -> Config {
        self.own.propagate_to = Some(targets.into_iter().map(Into::into).collect());
        self
    }

    /// An attribute of the resource, such as `deployment.environment.name`. It replaces what the kit finds out by itself; a key that comes again
    /// gets the last value. At most 128, keys of 256 bytes, values of 4,096.
    pub fn resource(mut self, key: &str, value: &str) -> Config {
        if self.resource.len() < RESOURCE {
            self.resource.push((key.to_owned(), value.to_owned()));
        } else {
            self.refused.push(format!("resource: {key:?} is over the {RESOURCE} attributes of the program and left out"));
        }
        self
    }

    /// Where the collector is, such as `http://127.0.0.1:4318`, which is the default.
    pub fn endpoint(mut self, url: &str) -> Config {
        self.endpoint = url.to_owned();
        self
    }

    /// Leaves the process' `tracing` subscriber to the program, which has [`crate::layer`] among its layers.
    pub fn without_subscriber(mut self) -> Config {
        self.subscriber = false;
        self
    }

    /// Sends nothing; spans are recorded for those who look at them in the process.
    pub fn without_export(mut self) -> Config {
        self.export = false;
        self
    }

    /// Writes no log lines to standard output.
    pub fn without_lines(mut self) -> Config {
        self.lines = Lines::None;
        self
    }

    /// Writes log lines to standard error, for programs whose standard output is their result.
    pub fn lines_to_stderr(mut self) -> Config {
        self.lines = Lines::Stderr;
        self
    }

    /// Leaves the `log` crate's logger to the program.
    pub fn without_log_bridge(mut self) -> Config {
        self.log_bridge = false;
        self
    }

    /// Installs no panic hook. With it, a panic asks for a flush without waiting, and spans that it ends tell its message and
    /// its stack.
    pub fn without_panic_hook(mut self) -> Config {
        self.panic_hook = false;
        self
    }

    /// How long dropping the guard may take. Default: 3 s.
    pub fn stop_within(mut self, most: Duration) -> Config {
        self.stop_within = most;
        self
    }
}

/// A [`Config`] with the name and version of the crate it is called in.
#[macro_export]
macro_rules! service {
    () => {
        $crate::Config::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    };
}
