//! The gateway is the shop's front door: it speaks HTTP to shoppers, starts the
//! baggage of a request with the shopper's session, and forwards to storefront.
//! A GET that fails on the other side is tried again.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fleet::http::{Answer, refusal};
use fleet::{Failure, fault, http, process, telemetry};
use tracing::{Instrument, Span, info_span};

/// A shopper's body at most, in bytes.
const MAX_BODY: usize = 1 << 16;
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

struct Door {
    client: reqwest::Client,
    storefront: String,
}

async fn forward(State(door): State<Arc<Door>>, request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url = format!("http://{}{path}", door.storefront);
    let body = match axum::body::to_bytes(request.into_body(), MAX_BODY).await {
        Ok(body) => body,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error).into_response(),
    };
    door.send(&method, &url, body).await.into_response()
}

impl Door {
    async fn send(&self, method: &Method, url: &str, body: Bytes) -> Answer {
        let storm = fault::on(fault::RETRY_STORM);
        let attempts = match (method, storm) {
            (&Method::GET, true) => 4,
            (&Method::GET, false) => 2,
            _ => 1,
        };
        let mut resend = 0;
        loop {
            let request = self
                .client
                .request(method.clone(), url)
                .header("content-type", "application/json")
                .body(body.clone());
            let answer = http::call(request, resend).await;
            resend += 1;
            if !answer.status.is_server_error() || resend == attempts {
                return answer;
            }
            if !storm {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Puts the shopper's session into the baggage of all that follows. It runs
/// inside the server span, whose context it extends by a span of its own.
async fn start_session(request: Request, next: Next) -> Response {
    let session = request
        .headers()
        .get("x-session-id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("anonymous")
        .to_owned();
    telemetry::note(&Span::current(), telemetry::SESSION_KEY, session.clone());
    let span = info_span!(parent: None, "open session");
    telemetry::adopt(&span, telemetry::with_session(&telemetry::current(), session));
    next.run(request).instrument(span).await
}

fn main() -> ExitCode {
    process::run("gateway", serve())
}

async fn serve() -> Result<(), Failure> {
    let door = Door {
        client: http::client("gateway").timeout(PATIENCE).build()?,
        storefront: process::address("storefront")?,
    };
    let router = Router::new()
        .route("/products", get(forward))
        .route("/products/{sku}", get(forward))
        .route("/search", get(forward))
        .route("/cart", get(forward).post(forward))
        .route("/orders", axum::routing::post(forward))
        .route("/customers/{id}", get(forward))
        .layer(from_fn(start_session))
        .with_state(Arc::new(door));
    http::serve("gateway", router).await
}
