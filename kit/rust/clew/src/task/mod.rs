//! Context over tasks, threads, pools and channels.
//!
//! `tokio::spawn` and `std::thread::spawn` forget the span and the baggage. The functions here carry both:
//!
//! (`clew::spawn`, `clew::detach`, `blocking`, `every`, `JoinSetExt` and the channels need the feature `tokio`.)
//!
//! | to start | use | the work's spans are |
//! |---|---|---|
//! | a task of this request | `clew::spawn`, `JoinSetExt` | children of the current span |
//! | blocking work of this request | `blocking` | children |
//! | a thread | [`crate::thread::spawn`] | children |
//! | work on a pool (rayon, own workers) | [`carried`], then [`Carried::run`] | children |
//! | work that may outlive the request | `clew::detach` | a new root with a link to the current span |
//! | work that comes again and again | `every` | a root each time |
//! | the other end of a channel | `clew::mpsc`, `clew::broadcast` | a new root with a link to the sender's span |
//!
//! With this `clippy.toml` a bare spawn does not pass `cargo clippy`:
//!
//! ```toml
//! disallowed-methods = [
//!     { path = "tokio::spawn", reason = "loses the span: use clew::spawn or clew::detach" },
//!     { path = "tokio::task::spawn", reason = "loses the span: use clew::spawn or clew::detach" },
//!     { path = "tokio::task::spawn_blocking", reason = "loses the span: use clew::task::blocking" },
//!     { path = "tokio::task::JoinSet::spawn", reason = "loses the span: use spawn_carried of clew::task::JoinSetExt" },
//!     { path = "std::thread::spawn", reason = "loses the span: use clew::thread::spawn" },
//! ]
//! ```
//!
//! A carried context never keeps the sender's span open: a span ends when it is finished, and a child that ends after its parent is
//! counted as late.

mod carried;
#[cfg(feature = "tokio")]
pub(crate) mod message;
#[cfg(feature = "tokio")]
mod spawn;
#[cfg(feature = "stream")]
mod stream;

pub use carried::{Carried, CarriedFuture, carried};
#[cfg(feature = "tokio")]
pub use message::{Message, Process};
#[cfg(feature = "tokio")]
pub use spawn::{Detached, JoinSetExt, blocking, detach, every, spawn};
#[cfg(feature = "stream")]
pub use stream::{InSpan, StreamExt};

/// Marks a span as failed by a panic: an `exception` event, `error.type`, and the panic's text as the status.
#[cfg(any(feature = "tokio", feature = "http", feature = "nats", feature = "rdkafka"))]
pub(crate) fn record_panic(span: &crate::Span, thrown: &mut crate::panics::Thrown) {
    let stack = if span.keeps() { thrown.stack() } else { None };
    let text = thrown.text();
    crate::span::end::exception(text, stack.as_deref(), |attributes| span.event("exception", attributes));
    span.set("error.type", "panic");
    span.fail_text(&["panic: ", text].concat());
}
