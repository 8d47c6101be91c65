//! What a panic says, for the spans that it ends; and a flush, because the process may be about to go.

use std::any::Any;
use std::cell::RefCell;
use std::panic::PanicHookInfo;

use crate::start;
use crate::wire::cut;

/// Bytes of a message that are kept.
const LONGEST: usize = 1024;

thread_local!(static LAST: RefCell<String> = const { RefCell::new(String::new()) });

/// The message of the panic that this thread is unwinding from; empty when it is not known.
pub fn message() -> String {
    LAST.try_with(|last| last.try_borrow().map(|text| text.clone()).unwrap_or_default()).unwrap_or_default()
}

/// What was thrown, when it is a text, as it is unless somebody throws by hand.
pub fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
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
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.clear();
            last.push_str(cut(text.unwrap_or("not a text"), LONGEST));
        }
    });
}
