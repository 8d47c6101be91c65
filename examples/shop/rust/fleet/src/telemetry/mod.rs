//! Telemetry of a service: what every stack can do, for the services' own code.
//! Spans are those of `tracing` whatever the stack.

pub mod kit;
pub mod meters;
pub mod stock;

use tracing::Span;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use crate::Failure;
use crate::charter::{Attribute, ShopSessionId};
use crate::stack::{Stack, running};

/// The baggage member that the gateway sets for each request and that later
/// services put on their spans, under the same name.
pub const SESSION_KEY: &str = ShopSessionId::KEY;

/// Running telemetry.
pub enum Telemetry {
    Kit(clew::Guard),
    Stock(stock::Provider),
    Off,
}

impl Telemetry {
    /// Sends what is left. It blocks its thread.
    pub fn flush(self) {
        let lost = match self {
            Telemetry::Kit(guard) => guard.stop(kit::FLUSH_WITHIN).err().map(|e| e.to_string()),
            Telemetry::Stock(provider) => provider.stop().err().map(|e| e.to_string()),
            Telemetry::Off => None,
        };
        if let Some(error) = lost {
            eprintln!("the last spans are lost: {error}");
        }
    }
}

/// Starts telemetry for a service; to be called inside a tokio runtime, which
/// the stock gRPC exporter uses.
pub fn start(service: &'static str) -> Result<Telemetry, Failure> {
    match running() {
        Stack::Kit => Ok(Telemetry::Kit(kit::start(service))),
        Stack::Stock => stock::start(service).map(Telemetry::Stock),
        Stack::Off => {
            tracing::subscriber::set_global_default(Registry::default().with(stock::lines()))?;
            Ok(Telemetry::Off)
        }
    }
}

/// Records an error on a span: an exception event, its class, an error status.
pub fn fail(span: &Span, class: &'static str, message: impl std::fmt::Display) {
    match running() {
        Stack::Kit => span.in_scope(|| {
            let span = clew::Span::current();
            span.set("error.type", class);
            span.fail(&message);
        }),
        Stack::Stock => stock::fail(span, class, message),
        Stack::Off => {}
    }
}

/// Returns the session in the baggage of the current context.
pub fn session() -> Option<String> {
    match running() {
        Stack::Kit => kit::session(),
        Stack::Stock => stock::session(&stock::current()),
        Stack::Off => None,
    }
}

/// Puts an attribute of the charter on the current span, whatever the stack.
pub fn note(attribute: impl Attribute) {
    match running() {
        Stack::Kit => attribute.on(&clew::Span::current()),
        Stack::Stock => stock::note(&Span::current(), &attribute),
        Stack::Off => {}
    }
}
