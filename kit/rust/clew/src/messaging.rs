//! What integrations of message brokers record with: a PRODUCER span for what is sent, a CONSUMER span for what is processed, in the words
//! of the contract.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Instant;

use crate::bound::Cache;
use crate::metrics::{self, BoundHistogram, Histogram, Label};
use crate::span::{self, Parent};
use crate::{Carrier, Component, Kind, Level, Span, SpanContext};

/// How many producers the span of a batch links to.
const MAX_LINKS: usize = 128;

static SEND: LazyLock<Histogram> = LazyLock::new(|| metrics::duration("messaging.client.operation.duration", Component::Messaging));
static PROCESS: LazyLock<Histogram> = LazyLock::new(|| metrics::duration("messaging.process.duration", Component::Messaging));

/// A broker. One for each system.
pub(crate) struct Broker {
    system: &'static str,
    durations: LazyLock<Cache<(bool, String, String, String), BoundHistogram>>,
}

impl Broker {
    /// `system` is a name of the semantic conventions: `nats`, `kafka`.
    pub(crate) const fn new(system: &'static str) -> Broker {
        Broker { system, durations: LazyLock::new(Cache::default) }
    }

    /// Starts the span of sending one message and writes its context to the message's headers. `propagate_to` is compared with the
    /// destination.
    #[track_caller]
    pub(crate) fn send(&'static self, destination: &str, headers: &mut dyn Carrier) -> MessageCall {
        let name = ["send ", destination].concat();
        let span = span::start(Component::Messaging, Level::Edges, Kind::Producer, &name, Parent::Current);
        crate::inject(&span.context(), destination, headers);
        self.call(span, true, destination, "")
    }

    /// Starts the span of processing one message: a new root that links to the producer, whose context is read from the headers. The
    /// producer's baggage goes on.
    #[track_caller]
    pub(crate) fn process(&'static self, destination: &str, group: &str, headers: &dyn Carrier) -> MessageCall {
        let name = ["process ", destination].concat();
        let cause = crate::extract(headers);
        let span = span::start(Component::Messaging, Level::Edges, Kind::Consumer, &name, Parent::Caused(&cause));
        self.call(span, false, destination, group)
    }

    /// Starts the span of processing several messages at once: a new root that links to every producer, at most 128. Baggage is not taken,
    /// for whose would it be.
    #[track_caller]
    pub(crate) fn process_batch<'a>(
        &'static self,
        destination: &str,
        group: &str,
        headers: impl ExactSizeIterator<Item = Option<&'a dyn Carrier>>,
    ) -> MessageCall {
        let name = ["process ", destination].concat();
        let count = headers.len();
        let links: Vec<SpanContext> =
            headers.flatten().map(|headers| crate::extract(headers).span).filter(SpanContext::is_valid).take(MAX_LINKS).collect();
        let parent = if links.is_empty() { Parent::Root } else { Parent::Linked(&links) };
        let span = span::start(Component::Messaging, Level::Edges, Kind::Consumer, &name, parent);
        span.set("messaging.batch.message_count", count);
        self.call(span, false, destination, group)
    }

    fn call(&'static self, span: Span, send: bool, destination: &str, group: &str) -> MessageCall {
        let operation = if send { "send" } else { "process" };
        if span.keeps() {
            span.set("messaging.system.name", self.system);
            span.set("messaging.destination.name", destination);
            span.set("messaging.operation.name", operation);
            span.set("messaging.operation.type", operation);
            if !group.is_empty() {
                span.set("messaging.consumer.group.name", group);
            }
        }
        MessageCall {
            broker: self,
            span,
            send,
            destination: destination.to_owned(),
            group: group.to_owned(),
            started: Instant::now(),
            ended: false,
        }
    }

    fn bind(&self, send: bool, destination: &str, group: &str, failed: &str) -> BoundHistogram {
        let mut labels: Vec<Label<'_>> = vec![
            ("messaging.system.name", self.system.into()),
            ("messaging.operation.name", if send { "send" } else { "process" }.into()),
            ("messaging.destination.name", destination.into()),
        ];
        for (key, value) in [("messaging.consumer.group.name", group), ("error.type", failed)] {
            if !value.is_empty() {
                labels.push((key, value.into()));
            }
        }
        (if send { &SEND } else { &PROCESS }).with(&labels)
    }
}

/// A message or a batch that is being sent or processed. Dropped before its end it counts as canceled.
pub(crate) struct MessageCall {
    broker: &'static Broker,
    pub span: Span,
    send: bool,
    destination: String,
    group: String,
    started: Instant,
    ended: bool,
}

impl MessageCall {
    /// Ends the call well.
    pub(crate) fn end(&mut self) {
        self.close("");
    }

    /// Ends the call with an error.
    pub(crate) fn fail<E: fmt::Display>(&mut self, error: &E) {
        if !self.ended {
            let class = std::any::type_name::<E>();
            self.span.set("error.type", class);
            self.span.fail(error);
            self.close(class);
        }
    }

    /// Ends the call for a panic that goes on.
    pub(crate) fn panicked(&mut self, thrown: &mut crate::panics::Thrown) {
        if !self.ended {
            crate::task::record_panic(&self.span, thrown);
            self.close("panic");
        }
    }

    fn close(&mut self, failed: &str) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let key = (self.send, self.destination.clone(), self.group.clone(), failed.to_owned());
        let duration = self.broker.durations.get(&key, || self.broker.bind(self.send, &self.destination, &self.group, failed));
        self.span.in_scope(|| duration.record(self.started.elapsed().as_secs_f64()));
        self.span.finish();
    }
}

impl Drop for MessageCall {
    fn drop(&mut self) {
        if !self.ended {
            self.span.set("error.type", "canceled");
            self.span.fail_text("dropped before its end");
            self.close("canceled");
        }
    }
}

/// Runs the work of a call in its span, and ends it: with the work's error, and with its panic, which goes on.
pub(crate) async fn run<T, E: fmt::Display>(mut call: MessageCall, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let span = call.span.clone();
    let mut work = pin!(work);
    let answer = std::future::poll_fn(|cx| match crate::panics::caught(|| span.in_scope(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(thrown) => Poll::Ready(Err(thrown)),
    })
    .await;
    match answer {
        Ok(Ok(value)) => {
            call.end();
            Ok(value)
        }
        Ok(Err(error)) => {
            call.fail(&error);
            Err(error)
        }
        Err(mut thrown) => {
            call.panicked(&mut thrown);
            thrown.resume()
        }
    }
}
