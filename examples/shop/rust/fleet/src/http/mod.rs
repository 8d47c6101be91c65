//! HTTP: axum requests as server spans, reqwest calls as client spans.

pub(crate) mod stock;

use axum::Json;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::charter::{Attribute, ShopSessionId};
use crate::stack::{Stack, running};
use crate::telemetry::{SESSION_KEY, kit};
use crate::{Failure, process};

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The session of a shopper at the edge of the fleet, where a request's baggage
/// begins: what comes from outside is replaced.
fn session_of(request: &Request) -> String {
    header(request, "x-session-id").unwrap_or("anonymous").to_owned()
}

async fn kit_inner(request: Request, next: Next) -> Response {
    kit::note_session();
    next.run(request).await
}

async fn kit_edge(request: Request, next: Next) -> Response {
    let session = session_of(&request);
    let span = clew::Span::current();
    if span.recording() {
        ShopSessionId::new(&session).on(&span);
        span.set_baggage(SESSION_KEY, &session);
        return next.run(request).await;
    }
    kit::with_session(&session).instrument(next.run(request)).await
}

/// Serves a router until the process is told to stop.
pub async fn serve(member: &str, router: axum::Router) -> Result<(), Failure> {
    let router = match running() {
        Stack::Kit => router.layer((clew::http(), from_fn(kit_inner))),
        Stack::Stock => router.layer(from_fn(stock::inner_span)),
        Stack::Off => router,
    };
    listen(member, router).await
}

/// Serves the router of the fleet's edge: sessions begin here.
pub async fn serve_edge(member: &str, router: axum::Router) -> Result<(), Failure> {
    let router = match running() {
        Stack::Kit => router.layer((clew::http(), from_fn(kit_edge))),
        Stack::Stock => router.layer(from_fn(stock::edge_span)),
        Stack::Off => router,
    };
    listen(member, router).await
}

async fn listen(member: &str, router: axum::Router) -> Result<(), Failure> {
    let listener = process::listen(member).await?;
    process::ready();
    axum::serve(listener, router).with_graceful_shutdown(process::stopped()).await?;
    Ok(())
}

/// Begins a client that says who it is.
pub fn client(member: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder().user_agent(format!("shop-{member}/{}", env!("CARGO_PKG_VERSION")))
}

/// What another member answered.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// An answer that is an error, in the words of the whole fleet.
pub fn refusal(status: StatusCode, text: impl std::fmt::Display) -> Answer {
    Answer { status, body: json!({ "error": text.to_string() }) }
}

/// Sends one request as a client span and reads its JSON answer. A member that
/// cannot be reached, or that does not answer in JSON, is a 502. `resend` counts
/// the attempts before this one.
pub async fn call(request: reqwest::RequestBuilder, resend: i64) -> Answer {
    let (client, request) = request.build_split();
    let request = match request {
        Ok(request) => request,
        Err(error) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, error),
    };
    let answer = match running() {
        Stack::Kit => {
            if resend > 0 {
                let attempt = [("http.request.resend_count", resend.into())];
                clew::Span::current().event("retry", &attempt);
            }
            read(clew::reqwest::execute(&client, request)).await
        }
        Stack::Stock => stock::call(&client, request, resend).await,
        Stack::Off => read(client.execute(request)).await,
    };
    answer.unwrap_or_else(|error| refusal(StatusCode::BAD_GATEWAY, error))
}

async fn read(
    response: impl Future<Output = reqwest::Result<reqwest::Response>>,
) -> reqwest::Result<Answer> {
    let response = response.await?;
    let status = response.status();
    Ok(Answer { status, body: response.json().await? })
}
