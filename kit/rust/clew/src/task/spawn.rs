//! Tasks of tokio that carry context.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Cx, Poll};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::{CarriedFuture, carried, record_panic};
use crate::span::{self, Parent};
use crate::{Component, Kind, Level, Span, log, panics, watch};

/// Like `tokio::spawn`, with the current context: spans of the task are children of the current span.
///
/// The task should end before the current span is finished; for what may take longer there is [`detach`].
///
/// # Panics
/// Outside of a tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(carried().instrument(future))
}

/// Like `tokio::task::spawn_blocking`, with the current context.
///
/// # Panics
/// Outside of a tokio runtime, as `tokio::task::spawn_blocking` does.
#[track_caller]
pub fn blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let carried = carried();
    let task = carried.task();
    tokio::task::spawn_blocking(move || {
        let _task = task;
        let _entered = log::task::enter(log::task::next());
        carried.run(work)
    })
}

/// Starts work that may outlive the request: a root span `name` of its own, linked to the current span and sampled alike, with the
/// request's baggage. It goes on when the request is cancelled. A panic is recorded on the span and then handed to the `JoinHandle`.
///
/// # Panics
/// Outside of a tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn detach<F>(name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let cause = crate::current();
    let span = span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Caused(&cause));
    tokio::spawn(Detached::new(span, future, watch::carry(), None))
}

/// Runs `work` every `period`, the first time after one period: each run in a root span `name`, which an error marks as failed. Runs that
/// were missed because one took too long are left out. It ends when the returned handle is aborted.
///
/// # Panics
/// When `period` is zero, or outside of a tokio runtime with its timer enabled.
#[track_caller]
pub fn every<W, F, E>(period: Duration, name: &'static str, mut work: W) -> JoinHandle<()>
where
    W: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display,
{
    let mark = watch::carry();
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    tokio::spawn(async move {
        loop {
            ticks.tick().await;
            let span = mark.enter(|| span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Root));
            let run = mark.enter(|| span.in_scope(&mut work));
            let failed = span.clone();
            let run = async move {
                if let Err(error) = run.await {
                    failed.fail(&error);
                }
            };
            Detached::new(span, run, mark, None).await;
        }
    })
}

/// A future that runs in a span of its own and finishes it: at its end, at its panic, and when it is dropped before its end.
pub struct Detached<F> {
    /// Empty after its end.
    future: Option<Pin<Box<F>>>,
    mark: watch::Carry,
    // Marks the log lines of the future.
    id: u64,
    span: Span,
    // Dropped last, so that a test has seen the span.
    _task: Option<watch::Task>,
}

impl<F: Future> Detached<F> {
    pub(super) fn new(span: Span, future: F, mark: watch::Carry, task: Option<watch::Task>) -> Self {
        Detached { future: Some(Box::pin(future)), mark, id: log::task::next(), span, _task: task }
    }
}

impl<F: Future> Future for Detached<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let (mark, span) = (this.mark, &this.span);
        // It is done, and was polled again.
        let Some(future) = &mut this.future else { return Poll::Pending };
        let _entered = log::task::enter(this.id);
        match panics::caught(|| mark.enter(|| span.in_scope(|| future.as_mut().poll(cx)))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(ready) => {
                this.end();
                ready
            }
            Err(mut thrown) => {
                record_panic(span, &mut thrown);
                this.end();
                thrown.resume()
            }
        }
    }
}

impl<F> Detached<F> {
    /// Ends what the future holds in the span, and then the span. After its end this does nothing.
    fn end(&mut self) {
        let _entered = log::task::enter(self.id);
        let future = self.future.take();
        self.mark.enter(|| self.span.in_scope(|| drop(future)));
        self.span.finish();
    }
}

impl<F> Drop for Detached<F> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Tasks of a `JoinSet` that carry the current context.
pub trait JoinSetExt<T> {
    /// Like `JoinSet::spawn`, with the current context.
    fn spawn_carried<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static;

    /// Like `JoinSet::spawn_blocking`, with the current context.
    fn spawn_blocking_carried<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static;
}

impl<T: Send + 'static> JoinSetExt<T> for JoinSet<T> {
    #[track_caller]
    fn spawn_carried<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        let future: CarriedFuture<F> = carried().instrument(future);
        self.spawn(future)
    }

    #[track_caller]
    fn spawn_blocking_carried<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let carried = carried();
        let task = carried.task();
        self.spawn_blocking(move || {
            let _task = task;
            let _entered = log::task::enter(log::task::next());
            carried.run(work)
        })
    }
}
