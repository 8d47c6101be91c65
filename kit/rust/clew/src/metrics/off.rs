//! The same words as `bound.rs` without the kit: nothing is kept, and all of it compiles to nothing.

use std::time::Duration;

use super::Label;
use crate::{Component, Level, SpanContext};

/// What there is to say of an instrument beside name and unit.
#[derive(Clone, Debug, Default)]
pub struct Options;

macro_rules! families {
    ($($make:ident: $family:ident => $bound:ident;)*) => {$(
        /// Without the kit nothing is kept.
        #[derive(Clone)]
        pub struct $family;

        /// Without the kit nothing is kept.
        #[derive(Clone)]
        pub struct $bound;

        impl $family {
            /// Binds the instrument to labels.
            #[inline(always)]
            pub fn with(&self, _: &[Label<'_>]) -> $bound {
                $bound
            }
        }

        impl Options {
            /// See the function of this name.
            #[inline(always)]
            pub fn $make(self, _: &'static str, _: &'static str) -> $family {
                $family
            }
        }

        /// Without the kit nothing is kept.
        #[inline(always)]
        pub fn $make(_: &'static str, _: &'static str) -> $family {
            $family
        }
    )*};
}

families! {
    counter: Counter => BoundCounter;
    float_counter: FloatCounter => BoundFloatCounter;
    up_down: UpDown => BoundUpDown;
    gauge: Gauge => BoundGauge;
    histogram: Histogram => BoundHistogram;
}

/// Without the kit nothing is kept.
#[inline(always)]
pub fn duration(_: &'static str, _: Component) -> Histogram {
    Histogram
}

/// The content type of [`text`].
pub const TEXT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An empty page.
#[inline(always)]
pub fn text() -> String {
    "# EOF\n".to_owned()
}

/// Without the kit nothing is asked.
#[must_use = "dropping it ends the instrument"]
pub struct Observing;

impl Observing {
    /// Keeps the instrument for the rest of the process.
    #[inline(always)]
    pub fn forever(self) {}
}

macro_rules! observed {
    ($($make:ident)*) => {$(
        /// Without the kit nothing is asked.
        #[inline(always)]
        pub fn $make(_: &'static str, _: &'static str, _: &[Label<'_>], _: impl FnMut() -> f64 + Send + 'static) -> Observing {
            Observing
        }

        impl Options {
            /// See the function of this name.
            #[inline(always)]
            pub fn $make(
                self,
                _: &'static str,
                _: &'static str,
                _: &[Label<'_>],
                _: impl FnMut() -> f64 + Send + 'static,
            ) -> Observing {
                Observing
            }
        }
    )*};
}

observed! { gauge_fn counter_fn }

impl Options {
    /// Says nothing.
    #[inline(always)]
    pub fn new() -> Options {
        Options
    }

    /// Without the kit nothing is kept.
    #[must_use]
    #[inline(always)]
    pub fn description(self, _: &'static str) -> Options {
        self
    }

    /// Without the kit nothing is kept.
    #[must_use]
    #[inline(always)]
    pub fn bounds(self, _: &[f64]) -> Options {
        self
    }

    /// Without the kit nothing is kept.
    #[must_use]
    #[inline(always)]
    pub fn needs(self, _: Component, _: Level) -> Options {
        self
    }
}

impl BoundCounter {
    /// Does nothing.
    #[inline(always)]
    pub fn add(&self, _: u64) {}
}

impl BoundFloatCounter {
    /// Does nothing.
    #[inline(always)]
    pub fn add(&self, _: f64) {}
}

impl BoundUpDown {
    /// Does nothing.
    #[inline(always)]
    pub fn add(&self, _: i64) {}

    /// Never.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        false
    }

    /// Does nothing.
    #[inline(always)]
    pub fn always(&self, _: i64) {}
}

impl BoundGauge {
    /// Does nothing.
    #[inline(always)]
    pub fn set(&self, _: f64) {}
}

impl BoundHistogram {
    /// Does nothing.
    #[inline(always)]
    pub fn record(&self, _: f64) {}

    /// Does nothing.
    #[inline(always)]
    pub fn record_in(&self, _: f64, _: &SpanContext) {}

    /// Does nothing.
    #[inline(always)]
    pub fn record_duration(&self, _: Duration) {}

    /// Never.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        false
    }
}
