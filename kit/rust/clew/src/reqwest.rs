//! reqwest: a CLIENT span and a duration for each request, the context in its headers.
//!
//! ```no_run
//! # #[cfg(feature = "reqwest")] {
//! # async fn example(client: reqwest::Client) -> Result<(), reqwest::Error> {
//! use clew::reqwest::RequestBuilderExt;
//!
//! let answer = client.get("http://payments/quote").clew().await?;
//! # Ok(()) } }
//! ```
//!
//! The span ends when the answer's body has been read or is dropped. Redirects that reqwest follows are part of the one span, and it sends
//! them the headers of the first request. Baggage would so reach hosts that must not have it: [`clew`](RequestBuilderExt::clew) writes it only
//! when `propagate_to` is `*`. A client with `reqwest::redirect::Policy::none()` has
//! [`clew_direct`](RequestBuilderExt::clew_direct), which writes it for the hosts in `propagate_to`.

use std::future::Future;

use ::reqwest::{Body, Client, Error, Request, RequestBuilder, Response, ResponseBuilderExt};

use crate::http::Traced;

/// Sending with a span.
pub trait RequestBuilderExt {
    /// Like `send`, in a CLIENT span and with the context in the request's headers; with baggage when every host may have it.
    fn clew(self) -> impl Future<Output = Result<Response, Error>> + Send;

    /// Like [`RequestBuilderExt::clew`], for a client that follows no redirects: with baggage when the request's host may have it.
    fn clew_direct(self) -> impl Future<Output = Result<Response, Error>> + Send;
}

impl RequestBuilderExt for RequestBuilder {
    fn clew(self) -> impl Future<Output = Result<Response, Error>> + Send {
        let (client, request) = self.build_split();
        async move { execute(&client, request?).await }
    }

    fn clew_direct(self) -> impl Future<Output = Result<Response, Error>> + Send {
        let (client, request) = self.build_split();
        async move { execute_direct(&client, request?).await }
    }
}

/// Like `Client::execute`, in a CLIENT span and with the context in the request's headers; with baggage when every host may have it.
///
/// # Errors
/// As `Client::execute`.
pub async fn execute(client: &Client, request: Request) -> Result<Response, Error> {
    traced(client, request, true).await
}

/// Like [`execute`], for a client that follows no redirects: with baggage when the request's host may have it.
///
/// # Errors
/// As `Client::execute`.
pub async fn execute_direct(client: &Client, request: Request) -> Result<Response, Error> {
    traced(client, request, false).await
}

async fn traced(client: &Client, mut request: Request, follows: bool) -> Result<Response, Error> {
    let method = request.method().clone();
    // Out of the request while its address is read.
    let mut headers = std::mem::take(request.headers_mut());
    let started = {
        // A URI's text ends before the fragment, which is not sent.
        let address = request.url().as_str().split('#').next().unwrap_or_default();
        Traced::start(&method, &address.parse().unwrap_or_default(), address, &mut headers, follows)
    };
    *request.headers_mut() = headers;
    let Some(mut call) = started else {
        return client.execute(request).await;
    };
    match call.span().clone().instrument(client.execute(request)).await {
        Ok(response) => {
            let url = response.url().clone();
            let (parts, body) = ::http::Response::<Body>::from(response).into_parts();
            let mut built = ::http::Response::builder().url(url).status(parts.status).version(parts.version);
            if let Some(extensions) = built.extensions_mut() {
                extensions.extend(parts.extensions);
            }
            if let Some(headers) = built.headers_mut() {
                *headers = parts.headers;
            }
            // It fails for a status or a header that is not valid; these come from a response.
            let response = built.body(()).map(|response| response.into_parts().0);
            Ok(match response {
                Ok(parts) => Response::from(call.answered(&method, ::http::Response::from_parts(parts, body)).map(Body::wrap)),
                Err(_) => unreachable!("status, version and headers are those of a response"),
            })
        }
        Err(error) => {
            let class = if error.is_timeout() { "timeout" } else { "reqwest::Error" };
            call.failed(class, &text(&error));
            Err(error)
        }
    }
}

/// The error's text ends with the URL, secrets and all.
fn text(error: &Error) -> String {
    let text = error.to_string();
    match error.url() {
        Some(url) => text.replace(url.as_str(), &crate::sanitise::url(url.as_str())),
        None => text,
    }
}
