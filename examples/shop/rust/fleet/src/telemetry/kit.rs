//! Clew's kit: endpoint, sampler and the rest come from the standard `OTEL_`
//! variables; CLEW_ENDPOINT is where the policy is asked for.

use std::sync::Arc;
use std::time::Duration;

use clew::{Context, Member};

use super::SESSION_KEY;

/// How long the last spans may take.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Starts the kit.
pub fn start(service: &str) -> clew::Guard {
    let config = clew::Config::new(service, env!("CARGO_PKG_VERSION"))
        .resource("service.namespace", "shop")
        .resource("deployment.environment.name", "example")
        .propagate_to(["*"])
        .lines_to_stderr();
    clew::start(config)
}

/// Returns the session in the baggage.
pub fn session() -> Option<String> {
    let baggage = clew::current().baggage?;
    baggage.iter().find(|member| member.key == SESSION_KEY).map(|member| member.value.clone())
}

/// Copies the session from the baggage to the current span.
pub fn note_session() {
    if let Some(session) = session() {
        clew::Span::current().set(SESSION_KEY, session.as_str());
    }
}

/// The current context with the session in its baggage, in place of any other.
pub fn with_session(session: String) -> Context {
    let member =
        Member { key: SESSION_KEY.to_owned(), value: session, properties: String::new() };
    Context { baggage: Some(Arc::from([member])), ..clew::current() }
}
