//! What a panic says, for the spans that it ends; and a flush, because the process may be about to go.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
#[cfg(any(feature = "tokio", feature = "http", feature = "nats", feature = "rdkafka"))]
use std::panic::resume_unwind;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::engine::ENGINE;
use crate::span::limits::LIMITS;
use crate::span::{bounded, end};
use crate::start;
use crate::wire::cut;

/// Bytes of a message that are kept.
const LONGEST: usize = 1024;
/// Bytes of a stack that are read; the frames of the panic itself, which are left out, are among them.
const LONGEST_STACK: usize = 64 << 10;

/// The last panic of a thread.
struct Last {
    /// `None`: there is none that may still be under way.
    message: Option<String>,
    stack: Stack,
}

/// Addresses become names only for a span that tells them: that takes milliseconds, and far longer the first time in a process.
enum Stack {
    Unknown,
    Addresses(Box<Backtrace>),
    Text(Arc<str>),
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last::NONE) };
    /// There is a last panic.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

impl Last {
    const NONE: Last = Last { message: None, stack: Stack::Unknown };

    /// The text of the stack. At most 10 a second are read; the other panics have none. No lock may be held, because it can take long.
    fn stack(&mut self) -> Option<Arc<str>> {
        static READ: AtomicU64 = AtomicU64::new(0);
        if let Stack::Addresses(stack) = &self.stack {
            self.stack = if end::ten_a_second(&READ, end::second()) {
                Stack::Text(cut(without_ends(&bounded(stack, LONGEST_STACK)), LIMITS.value_bytes).into())
            } else {
                Stack::Unknown
            };
        }
        match &self.stack {
            Stack::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// The message and the stack of the panic that this thread is unwinding from.
///
/// What unwinds cannot be asked, so it is the thread's last panic since the kit last saw the thread without one. `resume_unwind` makes no
/// panic: when code that the kit does not see catches one panic and resumes another before it does anything with a span or an event, a span
/// that ends then tells the one that was caught.
pub fn under_way() -> (String, Option<Arc<str>>) {
    let mut last = take();
    let stack = last.stack();
    let message = last.message.clone().unwrap_or_else(|| NOT_KNOWN.to_owned());
    put(last);
    (message, stack)
}

/// Where a thread is not unwinding, its last panic was caught: a span that ends by a later one must not tell it.
#[inline]
pub fn forget() {
    if KNOWN.get() {
        forget_caught();
    }
}

#[cold]
fn forget_caught() {
    if !std::thread::panicking() {
        take();
    }
}

/// The thread's last panic; there is none then. While the thread's locals are being destroyed there is none either.
fn take() -> Last {
    KNOWN.set(false);
    LAST.try_with(|last| last.try_borrow_mut().ok().map(|mut last| std::mem::replace(&mut *last, Last::NONE)))
        .ok()
        .flatten()
        .unwrap_or(Last::NONE)
}

fn put(new: Last) {
    KNOWN.set(new.message.is_some());
    let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = new).is_ok());
}

/// The frames between what makes a panic and what starts a thread, which are the same in each.
fn without_ends(stack: &str) -> &str {
    let mut kept = stack;
    if let Some(at) = kept.find("__rust_end_short_backtrace") {
        // To the frame after it; a line that belongs to a frame does not begin with a number.
        let ends = kept[at..].match_indices('\n').map(|(line, _)| at + line + 1);
        let next = ends.clone().find(|end| kept[*end..].trim_start().starts_with(|c: char| c.is_ascii_digit()));
        kept = next.map_or("", |next| &kept[next..]);
    }
    if let Some(at) = kept.find("__rust_begin_short_backtrace") {
        kept = kept[..at].rsplit_once('\n').map_or("", |(before, _)| before);
    }
    if kept.is_empty() { stack } else { kept }
}

/// What is said of a panic with something else than a text.
const NO_TEXT: &str = "not a text";
/// What is said of a panic of which this thread knows nothing: `resume_unwind` does not say what it throws.
const NOT_KNOWN: &str = "not known";

/// What was thrown, when it is a text, as it is unless somebody throws by hand.
pub fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Runs foreign code whose panic ends here. A panic that this thread is unwinding from already stays its last one.
pub fn contained<R>(run: impl FnOnce() -> R) -> std::thread::Result<R> {
    forget();
    let outer = take();
    let result = catch_unwind(AssertUnwindSafe(run));
    put(outer);
    result
}

/// A panic that was caught and goes on with [`Thrown::resume`].
#[cfg(any(feature = "tokio", feature = "http", feature = "nats", feature = "rdkafka"))]
pub struct Thrown {
    payload: Box<dyn Any + Send>,
    last: Last,
}

#[cfg(any(feature = "tokio", feature = "http", feature = "nats", feature = "rdkafka"))]
impl Thrown {
    /// What the panic says.
    pub fn text(&self) -> &str {
        text(&*self.payload).unwrap_or(NO_TEXT)
    }

    /// Where it happened; see [`under_way`].
    pub fn stack(&mut self) -> Option<Arc<str>> {
        self.last.stack()
    }

    /// Goes on unwinding, so that spans further out tell the same.
    pub fn resume(self) -> ! {
        put(self.last);
        resume_unwind(self.payload)
    }
}

/// Runs code whose panic is told and goes on.
#[cfg(any(feature = "tokio", feature = "http", feature = "nats", feature = "rdkafka"))]
pub fn caught<R>(run: impl FnOnce() -> R) -> Result<R, Thrown> {
    forget();
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = cut(text(&*payload).unwrap_or(NO_TEXT), LONGEST);
        let mut last = take();
        if last.message.as_deref() != Some(text) {
            // It was handed over from another thread, which knows its stack.
            last = Last { message: Some(text.to_owned()), stack: Stack::Unknown };
        }
        Thrown { payload, last }
    })
}

/// Puts a hook before the one that is there.
pub fn install() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        remember(info);
        // On the main thread and with panic=abort nothing else will send what was recorded, but waiting here could hold a lock that the
        // workers need. The guard waits, where there is unwinding.
        start::request_flush();
        before(info);
    }));
}

fn remember(info: &PanicHookInfo<'_>) {
    let text = cut(text(info.payload()).unwrap_or(NO_TEXT), LONGEST);
    let runs = ENGINE.with(|engine| engine.is_some());
    let stack = if runs { Stack::Addresses(Box::new(Backtrace::force_capture())) } else { Stack::Unknown };
    put(Last { message: Some(text.to_owned()), stack });
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str = "   0: std::backtrace::Backtrace::force_capture\n             at /rustc/1.rs:7:1\n\
                         \x20  1: std::sys::backtrace::__rust_end_short_backtrace\n             at /rustc/2.rs:7:1\n\
                         \x20  2: shop::place\n             at ./src/main.rs:3:5\n\
                         \x20  3: shop::main\n\
                         \x20  4: std::sys::backtrace::__rust_begin_short_backtrace\n   5: main\n";

    #[test]
    fn a_stack_begins_at_the_panic_and_ends_at_the_threads_work() {
        assert_eq!(without_ends(STACK), "   2: shop::place\n             at ./src/main.rs:3:5\n   3: shop::main");
    }

    #[test]
    fn a_stack_without_names_stays_whole() {
        for stack in
            ["", "   0: <unknown>\n   1: <unknown>\n", "   0: __rust_end_short_backtrace\n", "   0: __rust_begin_short_backtrace\n"]
        {
            assert_eq!(without_ends(stack), stack);
        }
    }
}
