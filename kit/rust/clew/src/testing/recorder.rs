//! The recorder of one test.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use super::{Span, decode, tree};
use crate::watch;

/// How long [`Recorder::wait`] waits at most.
const LIMIT: Duration = Duration::from_secs(10);

/// What belongs to one test. Dropping it checks for leaks: the test fails when a span was never finished, outlived its parent, or lost
/// its context, unless [`Recorder::allow_leaks`] was called or the test panics already.
#[derive(Debug)]
pub struct Recorder {
    group: watch::GroupId,
    leaks: bool,
}

impl Recorder {
    /// Starts the kit for tests, once for the process (service `test`, every trace kept, nothing sent), and a recorder for this test.
    /// This thread's traces belong to it until it is dropped.
    #[must_use]
    pub fn start() -> Recorder {
        crate::start::for_tests("test");
        watch::set_mode(watch::Mode::Full);
        let group = watch::open();
        watch::mark(group, false).stay();
        Recorder { group, leaks: false }
    }

    /// Runs a future as the test's own work. Roots that start outside of it while a request is served are then known to have lost their
    /// context, as behind a bare `tokio::spawn`.
    pub fn run<F: Future>(&self, future: F) -> Run<F> {
        Run { mark: watch::mark(self.group, true), future: Box::pin(future) }
    }

    /// A function that makes the traces of a thread belong to this test: for `tokio::runtime::Builder::on_thread_start`.
    pub fn marker(&self) -> Marker {
        let mark = watch::mark(self.group, false);
        Box::new(move || mark.stay())
    }

    /// Waits until at least one span has ended and no span and no task of this test is open; at most 10 s. It blocks its thread: in a
    /// current-thread runtime use [`Recorder::complete`].
    ///
    /// # Errors
    /// Says how many are open, and draws what there is.
    pub fn wait(&self) -> Result<(), String> {
        self.wait_for(1)
    }

    /// Like [`Recorder::wait`], for at least `ended` spans: for work that the kit cannot know of before it starts a span.
    ///
    /// # Errors
    /// Says how many are open, and draws what there is.
    pub fn wait_for(&self, ended: usize) -> Result<(), String> {
        watch::wait(self.group, ended, LIMIT).map_err(|why| format!("{why}\n{}", self.tree(&[])))
    }

    /// Like [`Recorder::wait_for`] without blocking the runtime.
    ///
    /// # Errors
    /// Says how many are open, and draws what there is.
    pub async fn complete(&self, ended: usize) -> Result<(), String> {
        let group = self.group;
        let answer: Arc<Mutex<Answer>> = Arc::default();
        let shared = answer.clone();
        std::thread::spawn(move || {
            let result = watch::wait(group, ended, LIMIT);
            let waker = {
                let mut answer = shared.lock().unwrap_or_else(PoisonError::into_inner);
                answer.0 = Some(result);
                answer.1.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        let result = std::future::poll_fn(move |cx| {
            let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            match answer.0.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    answer.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        result.map_err(|why| format!("{why}\n{}", self.tree(&[])))
    }

    /// What was recorded, open spans included, by start and then by name.
    pub fn spans(&self) -> Vec<Span> {
        let result = watch::result(self.group);
        let mut spans: Vec<Span> = result
            .records
            .iter()
            .map(|(service, record)| decode::record(record, service).expect("the kit wrote a span that cannot be read"))
            .collect();
        spans.extend(result.open.into_iter().map(|open| Span {
            trace: open.trace,
            id: open.id,
            parent: open.parent,
            kind: open.kind,
            name: open.name,
            service: "test".to_owned(),
            start: open.start,
            ..Span::default()
        }));
        spans.sort_by(|a, b| (a.start, &a.name, a.end, a.id).cmp(&(b.start, &b.name, b.end, b.id)));
        spans
    }

    /// Draws what was recorded, with the attributes named in `shown`.
    pub fn tree(&self, shown: &[&str]) -> String {
        tree::draw(&self.spans(), shown)
    }

    /// Compares the drawing with a file; paths are relative to the package's folder. With `CLEW_UPDATE=1` the file is written, and its folder
    /// made.
    ///
    /// # Panics
    /// When they differ, with both texts, and when a file is to be written while spans are open.
    #[track_caller]
    pub fn golden(&self, path: impl AsRef<Path>, shown: &[&str]) {
        let (path, got) = (path.as_ref(), self.tree(shown));
        if std::env::var_os("CLEW_UPDATE").is_some_and(|value| value == "1") {
            let open = watch::result(self.group).open.len();
            assert!(open == 0, "write golden {}: {open} spans are open; wait or complete first\n got:\n{got}", path.display());
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            if let Err(error) = folder.and_then(|()| std::fs::write(path, &got)) {
                panic!("write golden {}: {error}", path.display());
            }
            return;
        }
        match std::fs::read_to_string(path) {
            Ok(want) if want == got => {}
            Ok(want) => panic!(
                "compare with golden {}: the trees differ; CLEW_UPDATE=1 writes the new one\n got:\n{got}\nwant:\n{want}",
                path.display()
            ),
            Err(error) => panic!("read golden {}: {error}; CLEW_UPDATE=1 writes it\n got:\n{got}", path.display()),
        }
    }

    /// What is wrong with the lives of this test's spans: open ones, children that outlive their parents, contexts that were lost. Each
    /// line names file and line.
    pub fn leaks(&self) -> Vec<String> {
        let result = watch::result(self.group);
        let mut open = result.open;
        open.sort_by_key(|span| span.start);
        let mut leaks: Vec<String> =
            open.iter().map(|span| format!("span {:?} ({}) was never finished", span.name, watch::place(span.site))).collect();
        leaks.extend(result.findings.iter().map(ToString::to_string));
        if result.dropped > 0 {
            leaks.push(format!("{} spans are over the {} that a test may have", result.dropped, watch::MAX_RECORDS));
        }
        leaks
    }

    /// Turns off the check for leaks at the end of this test.
    pub fn allow_leaks(&mut self) {
        self.leaks = true;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let leaks = if self.leaks || std::thread::panicking() { Vec::new() } else { self.leaks() };
        watch::unmark(self.group);
        watch::close(self.group);
        assert!(leaks.is_empty(), "the test leaves leaks behind:\n{}", leaks.join("\n"));
    }
}

/// What a waiting thread has found, and whom to wake then.
type Answer = (Option<Result<(), String>>, Option<Waker>);

/// What [`Recorder::marker`] returns.
pub type Marker = Box<dyn Fn() + Send + Sync>;

/// A future that is a test's own work.
pub struct Run<F> {
    mark: watch::Carry,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Run<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let (mark, future) = (self.mark, &mut self.future);
        mark.enter(|| future.as_mut().poll(cx))
    }
}
