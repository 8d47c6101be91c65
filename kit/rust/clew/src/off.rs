//! The crate without the feature `kit`, and on wasm: the same words, and nothing behind them. Everything is empty, inline and without state, so
//! that it compiles to nothing.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::{Carrier, Component, Context, Level};

/// How the kit is started; without the kit, nothing is kept of it.
#[must_use = "start it with clew::start"]
pub struct Config(());

macro_rules! ignore {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        $($(#[$doc])*
        #[inline(always)]
        pub fn $name(self $(, $argument: $type)*) -> Config {
            $(let _ = $argument;)*
            self
        })*
    };
}

impl Config {
    /// A service with its version.
    #[inline(always)]
    pub fn new(_name: &str, _version: &str) -> Config {
        Config(())
    }

    ignore! {
        /// Does nothing.
        sample(ratio: &str);
        /// Does nothing.
        sample_per_second(most: u32);
        /// Does nothing.
        level(component: Component, level: Level);
        /// Does nothing.
        redact(key: &str);
        /// Does nothing.
        mask(key: &str);
        /// Does nothing.
        truncate(key: &str, bytes: usize);
        /// Does nothing.
        resource(key: &str, value: &str);
        /// Does nothing.
        endpoint(url: &str);
        /// Does nothing.
        without_subscriber();
        /// Does nothing.
        without_export();
        /// Does nothing.
        without_lines();
        /// Does nothing.
        lines_to_stderr();
        /// Does nothing.
        without_log_bridge();
        /// Does nothing.
        without_panic_hook();
        /// Does nothing.
        stop_within(most: Duration);
    }

    /// Does nothing.
    #[inline(always)]
    pub fn propagate_to<S: Into<String>>(self, _targets: impl IntoIterator<Item = S>) -> Config {
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

/// Stops nothing.
#[must_use = "the kit stops when its guard is dropped"]
pub struct Guard(());

impl Guard {
    /// Nothing is left to send.
    #[inline(always)]
    pub fn flush(&self, _within: Duration) -> bool {
        true
    }

    /// Nothing is lost.
    ///
    /// # Errors
    /// None.
    #[inline(always)]
    pub fn stop(self, _within: Duration) -> Result<(), Lost> {
        Ok(())
    }
}

/// What a stop could not deliver; there is none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost(());

impl fmt::Display for Lost {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Lost {}

/// Starts nothing.
#[inline(always)]
pub fn start(_config: Config) -> Guard {
    Guard(())
}

/// Does nothing.
#[inline(always)]
pub fn set_level(_component: Component, _level: Level) {}

/// Does nothing.
#[inline(always)]
pub fn clear_levels() {}

/// Nothing is current.
#[inline(always)]
pub fn current() -> Context {
    Context::default()
}

/// Reads nothing.
#[inline(always)]
pub fn extract(_carrier: &(impl Carrier + ?Sized)) -> Context {
    Context::default()
}

/// Writes nothing.
#[inline(always)]
pub fn inject(_context: &Context, _host: &str, _carrier: &mut (impl Carrier + ?Sized)) {}

impl Context {
    /// Calls `f`.
    #[inline(always)]
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Gives the future back.
    #[inline(always)]
    pub fn instrument<F: Future>(&self, future: F) -> F {
        future
    }
}

/// Spans that are not there.
pub mod span {
    use std::fmt;
    use std::future::Future;

    use crate::{Component, Context, Kind, Level, SpanContext, Value};

    pub use crate::off::current;

    /// Where a new span belongs.
    #[derive(Clone, Copy, Debug, Default)]
    pub enum Parent<'a> {
        /// Under the current span.
        #[default]
        Current,
        /// Under a context.
        Of(&'a Context),
        /// A root.
        Root,
        /// A new trace with links.
        Linked(&'a [SpanContext]),
        /// A new trace with a link to what caused it, and its baggage.
        Caused(&'a Context),
        /// A new trace with a link to a caller that is not trusted.
        Public(&'a Context),
    }

    /// What sampling rules may look at beside name and kind.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Facts<'a> {
        /// The route's template.
        pub route: &'a str,
        /// The method.
        pub method: &'a str,
    }

    /// A span of no size.
    #[derive(Clone, Debug, Default)]
    pub struct Span(());

    /// Keeps nothing current.
    pub struct Scope(());

    /// Starts nothing.
    #[inline(always)]
    pub fn start(_: Component, _: Level, _: Kind, _name: &str, _: Parent<'_>) -> Span {
        Span(())
    }

    /// Starts nothing.
    #[inline(always)]
    pub fn start_with(_: Component, _: Level, _: Kind, _name: &str, _: Parent<'_>, _: Facts<'_>) -> Span {
        Span(())
    }

    /// Starts nothing.
    #[inline(always)]
    pub fn start_kept(_: Component, _: Kind, _name: &str, _: Parent<'_>) -> Span {
        Span(())
    }

    impl Span {
        /// There is none.
        #[inline(always)]
        pub fn current() -> Span {
            Span(())
        }

        /// Never.
        #[inline(always)]
        pub fn recording(&self) -> bool {
            false
        }

        /// Does nothing.
        #[inline(always)]
        pub fn set<'a>(&self, _key: &str, _value: impl Into<Value<'a>>) {}

        /// Does nothing.
        #[inline(always)]
        pub fn set_all(&self, _attributes: &[(&str, Value<'_>)]) {}

        /// Does nothing.
        #[inline(always)]
        pub fn set_name(&self, _name: &str) {}

        /// Does nothing.
        #[inline(always)]
        pub fn set_baggage(&self, _key: &str, _value: &str) {}

        /// Does nothing.
        #[inline(always)]
        pub fn event(&self, _name: &str, _attributes: &[(&str, Value<'_>)]) {}

        /// Does nothing.
        #[inline(always)]
        pub fn fail<E: fmt::Display + ?Sized>(&self, _error: &E) {}

        /// Does nothing.
        #[inline(always)]
        pub fn fail_text(&self, _message: &str) {}

        /// Does nothing.
        #[inline(always)]
        pub fn ok(&self) {}

        /// Does nothing.
        #[inline(always)]
        pub fn link(&self, _to: &SpanContext, _attributes: &[(&str, Value<'_>)]) {}

        /// Does nothing.
        #[inline(always)]
        pub fn finish(&self) {}

        /// Nothing.
        #[inline(always)]
        pub fn context(&self) -> Context {
            Context::default()
        }

        /// Nothing.
        #[inline(always)]
        pub fn span_context(&self) -> SpanContext {
            SpanContext::default()
        }

        /// Calls `f`.
        #[inline(always)]
        pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
            f()
        }

        /// Does nothing.
        #[inline(always)]
        pub fn enter(&self) -> Scope {
            Scope(())
        }

        /// Gives the future back.
        #[inline(always)]
        pub fn instrument<F: Future>(self, future: F) -> F {
            future
        }
    }
}
