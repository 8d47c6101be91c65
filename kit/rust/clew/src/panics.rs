//! What a panic says, for the spans that it ends; and a flush, because the process may be about to go.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
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
    message: String,
    stack: Stack,
}

/// Addresses become names only for a span that tells them: that takes milliseconds, and far longer the first time in a process.
enum Stack {
    Unknown,
    Addresses(Box<Backtrace>),
    Text(Arc<str>),
}

impl Last {
    const NONE: Last = Last { message: String::new(), stack: Stack::Unknown };
}

thread_local!(static LAST: RefCell<Last> = const { RefCell::new(Last::NONE) });

/// The message of the panic that this thread is unwinding from; empty when it is not known.
pub fn message() -> String {
    with_last(|last| last.message.clone()).unwrap_or_default()
}

/// The stack of this thread's last panic, when that said `message`: a panic that was handed over from another thread has none here. At most
/// 10 a second are read; the other panics have none. No lock may be held, because it can take long.
pub fn stack(message: &str) -> Option<Arc<str>> {
    static READ: AtomicU64 = AtomicU64::new(0);
    let found = with_last(|last| {
        if last.message != cut(message, LONGEST) {
            return Stack::Unknown;
        }
        match &last.stack {
            Stack::Text(text) => Stack::Text(text.clone()),
            _ => std::mem::replace(&mut last.stack, Stack::Unknown),
        }
    })?;
    match found {
        Stack::Unknown => None,
        Stack::Text(text) => Some(text),
        Stack::Addresses(stack) => {
            if !end::ten_a_second(&READ, end::second()) {
                return None;
            }
            let text: Arc<str> = cut(without_ends(&bounded(&stack, LONGEST_STACK)), LIMITS.value_bytes).into();
            with_last(|last| last.stack = Stack::Text(text.clone()));
            Some(text)
        }
    }
}

/// Gives the thread's last panic to `f`, which must not run foreign code. `None` while the thread's locals are being destroyed.
fn with_last<R>(f: impl FnOnce(&mut Last) -> R) -> Option<R> {
    LAST.try_with(|last| last.try_borrow_mut().ok().map(|mut last| f(&mut last))).ok().flatten()
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
pub const NO_TEXT: &str = "not a text";

/// What was thrown, when it is a text, as it is unless somebody throws by hand.
pub fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Runs foreign code whose panic ends here. A panic that this thread is unwinding from already stays its last one.
pub fn contained<R>(run: impl FnOnce() -> R) -> std::thread::Result<R> {
    let outer = if std::thread::panicking() { with_last(|last| std::mem::replace(last, Last::NONE)) } else { None };
    let result = catch_unwind(AssertUnwindSafe(run));
    if let Some(outer) = outer {
        with_last(|last| *last = outer);
    }
    result
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
    let text = text(info.payload());
    let runs = ENGINE.with(|engine| engine.is_some());
    let stack = if runs { Stack::Addresses(Box::new(Backtrace::force_capture())) } else { Stack::Unknown };
    with_last(|last| {
        last.message.clear();
        last.message.push_str(cut(text.unwrap_or(NO_TEXT), LONGEST));
        last.stack = stack;
    });
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
