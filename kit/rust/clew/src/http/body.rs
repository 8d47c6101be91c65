//! The body of an answer, that ends its request's span when it ends.

use std::pin::Pin;
use std::task::{Context as Cx, Poll};

use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::Call;
use crate::Context;

pin_project! {
    /// The body of an answer. The span of the request ends when this has ended, or with `client_disconnected` when it is dropped before.
    pub struct Body<B> {
        #[pin]
        inner: B,
        // Empty for requests without a span, and after the end.
        call: Option<Call>,
        // The caller's, where there is no span.
        context: Option<Context>,
        // How much is still to come by the header Content-Length: a server does not ask for what comes after that.
        left: Option<u64>,
    }
}

impl<B> Body<B> {
    pub(super) fn new(inner: B, call: Option<Call>, length: Option<u64>) -> Self {
        Body { inner, call, context: None, left: length }
    }

    /// A body without a span, in the context of the caller.
    pub(super) fn within(inner: B, context: Option<Context>) -> Self {
        Body { inner, call: None, context, left: None }
    }
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body,
    B::Error: std::fmt::Display,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(call) = this.call.as_mut() else {
            return match this.context {
                Some(context) => context.in_scope(|| this.inner.poll_frame(cx)),
                None => this.inner.poll_frame(cx),
            };
        };
        let polled = {
            let inner = this.inner.as_mut();
            crate::panics::caught(|| call.span.in_scope(|| inner.poll_frame(cx)))
        };
        let polled = match polled {
            Ok(polled) => polled,
            Err(mut thrown) => {
                call.panicked(&mut thrown);
                *this.call = None;
                thrown.resume()
            }
        };
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => {
                call.end(None);
                *this.call = None;
            }
            Poll::Ready(Some(Err(error))) => {
                call.failed(std::any::type_name::<B::Error>(), error);
                *this.call = None;
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    call.trailers(trailers);
                } else if let (Some(data), Some(left)) = (frame.data_ref(), this.left.as_mut()) {
                    *left = left.saturating_sub(bytes::Buf::remaining(data) as u64);
                    if *left == 0 {
                        call.complete();
                    }
                }
                if this.inner.is_end_stream() {
                    call.complete();
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for Body<B> {
    fn default() -> Self {
        Body::new(B::default(), None, None)
    }
}
