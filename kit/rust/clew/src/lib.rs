//! Traces, metrics and logs for Rust services.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod component;
mod context;
mod value;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod span;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod export;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod fork;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod selfmetrics;

// Decisions without state. Hidden: the contract's tests and fuzzer use them, services do not.
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod policy;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod propagation;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod sampling;

pub use component::{Component, Kind, Level};
pub use context::{Carrier, Context, Member, RANDOM, SAMPLED, SpanContext, SpanId, TraceId};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use span::Span;
pub use value::Value;

pub use tracing;
