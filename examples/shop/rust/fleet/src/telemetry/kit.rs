//! Clew's kit: endpoint, sampler and the rest come from the standard `OTEL_`
//! variables; CLEW_ENDPOINT is where the policy is asked for.

use std::time::Duration;

use clew::Context;

use super::SESSION_KEY;
use crate::charter::{Attribute, ShopSessionId, redact};

/// How long the last spans may take.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Starts the kit.
pub fn start(service: &str) -> clew::Guard {
    let config = clew::Config::new(service, env!("CARGO_PKG_VERSION"))
        .resource("service.namespace", "shop")
        .resource("deployment.environment.name", "example")
        .propagate_to(["*"])
        .lines_to_stderr();
    clew::start(redact(config))
}

/// Returns the session in the baggage.
pub fn session() -> Option<String> {
    clew::current().baggage(SESSION_KEY).map(ToOwned::to_owned)
}

/// Copies the session from the baggage to the current span.
pub fn note_session() {
    if let Some(session) = session() {
        ShopSessionId::new(&session).on(&clew::Span::current());
    }
}

/// The current context with the session in its baggage.
pub fn with_session(session: &str) -> Context {
    clew::current().with_baggage(SESSION_KEY, session)
}
