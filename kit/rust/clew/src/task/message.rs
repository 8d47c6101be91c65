//! Messages of channels within the process, with the context of their sender.

use std::future::Future;

use super::spawn::Detached;
use super::{Carried, carried};
use crate::span::{self, Parent};
use crate::{Component, Context, Kind, Level, Span, watch};

/// A value with the context of its sender.
#[derive(Debug)]
pub struct Message<T> {
    value: T,
    carried: Carried,
    task: Option<watch::Task>,
}

impl<T> Message<T> {
    /// A message of the current context. `awaited`: a test waits until it was processed.
    pub(crate) fn new(value: T, awaited: bool) -> Self {
        let carried = carried();
        let task = awaited.then(|| carried.task());
        Message { value, carried, task }
    }

    /// The value, without its context.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The context of the sender.
    pub fn context(&self) -> &Context {
        self.carried.context()
    }

    /// Starts the span of processing the message: a root with a link to the sender's span, sampled alike, with the sender's baggage.
    #[track_caller]
    pub fn span(&self, name: &str) -> Span {
        let parent = Parent::Caused(self.carried.context());
        self.carried.mark().enter(|| span::start(Component::App, Level::Standard, Kind::Internal, name, parent))
    }

    /// Processes the value in a span as [`Message::span`] makes it; the span ends with the future, also when that panics or is dropped.
    #[track_caller]
    pub fn process<F, W>(self, name: &str, work: W) -> Process<F>
    where
        F: Future,
        W: FnOnce(T) -> F,
    {
        let span = self.span(name);
        let mark = self.carried.mark();
        let future = mark.enter(|| span.in_scope(|| work(self.value)));
        Detached::new(span, future, mark, self.task)
    }
}

impl<T: Clone> Clone for Message<T> {
    fn clone(&self) -> Self {
        Message { value: self.value.clone(), carried: self.carried.clone(), task: None }
    }
}

/// What [`Message::process`] returns.
pub type Process<F> = Detached<F>;
