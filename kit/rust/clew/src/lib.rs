//! Traces, metrics and logs for Rust services.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod component;
mod context;
mod value;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod span;

pub use component::{Component, Kind, Level};
pub use context::{Carrier, Context, Member, RANDOM, SAMPLED, SpanContext, SpanId, TraceId};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use span::Span;
pub use value::Value;

pub use tracing;
