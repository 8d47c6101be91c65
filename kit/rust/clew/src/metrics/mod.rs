//! Counters, gauges and histograms, with exemplars.
//!
//! An instrument is made once and bound to a set of labels once; recording through the bound one costs a few atomic operations, takes no
//! lock and allocates nothing. Instruments may be statics:
//!
//! ```
//! use std::sync::LazyLock;
//! use clew::metrics::{self, BoundCounter};
//!
//! static PLACED: LazyLock<BoundCounter> =
//!     LazyLock::new(|| metrics::counter("shop.orders.placed", "{order}").with(&[("shop.channel", "web".into())]));
//!
//! PLACED.add(1);
//! ```
//!
//! Values add up from the start of the process and are sent every 15 s (`OTEL_METRIC_EXPORT_INTERVAL`). Nothing is recorded before
//! `clew::start` and while the level of the instrument's component, or that of [`Component::Metrics`](crate::Component::Metrics), is below what it needs. At most 2,000
//! label sets of an instrument are kept apart, the rest are added up under `otel.metric.overflow=true`. Redactions of the policy hold for labels
//! whenever they are read; sets that become the same are sent as one. A value that is not finite is not
//! taken and counted as `clew.kit.metric.invalid`.

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod bound;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod collect;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod distribution;
#[cfg(all(test, feature = "kit", not(target_family = "wasm")))]
mod dump;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub(crate) mod engine;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod labels;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod observe;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod otlp;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod own;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod process;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod reader;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod redact;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod series;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod standard;
#[cfg(all(test, feature = "kit", not(target_family = "wasm")))]
mod tests;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod text;
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
mod tokio;
#[cfg(all(test, feature = "kit", not(target_family = "wasm")))]
mod vectors;

#[cfg(not(all(feature = "kit", not(target_family = "wasm"))))]
#[path = "off.rs"]
mod bound;
#[cfg(not(all(feature = "kit", not(target_family = "wasm"))))]
pub use bound::{TEXT_TYPE, text};

pub use bound::{
    BoundCounter, BoundFloatCounter, BoundGauge, BoundHistogram, BoundUpDown, Counter, FloatCounter, Gauge, Histogram, Observing, Options,
    UpDown, counter, counter_fn, duration, float_counter, gauge, gauge_fn, histogram, up_down,
};
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub use tokio::{Watched, watch_runtime};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub(crate) use {reader::Reader, standard::standard};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use {standard::text, text::TEXT_TYPE};

/// A label: a key and a value with few different values.
pub type Label<'a> = (&'a str, crate::Value<'a>);
