//! The gateway is the shop's front door: it speaks HTTP to shoppers, starts the
//! baggage of a request with the shopper's session (fleet's edge middleware does
//! it, from the header X-Session-Id), and forwards to storefront.
//! A GET that fails on the other side is tried again.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fleet::http::{Answer, refusal};
use fleet::{Failure, fault, http, process};

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
        .with_state(Arc::new(door));
    http::serve_edge("gateway", router).await
}
