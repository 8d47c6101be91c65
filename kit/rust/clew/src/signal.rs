//! The signal to stop, for those who ask for it: the kit handles none by itself.

/// Waits for SIGTERM or SIGINT (Ctrl-C where there are no signals). Give it to a server's graceful shutdown; drop the kit's guard after that.
/// Needs a tokio runtime with I/O enabled; without one it never completes.
///
/// ```no_run
/// # async fn serve() {
/// clew::signal().await;
/// # }
/// ```
pub async fn signal() {
    if tokio::runtime::Handle::try_current().is_err() {
        return std::future::pending().await;
    }
    wait().await;
}

#[cfg(unix)]
async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};

    // A handler that cannot be installed is one that never fires.
    let mut terminate = signal(SignalKind::terminate()).ok();
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    std::future::poll_fn(|cx| {
        let mut ready = false;
        for one in [&mut terminate, &mut interrupt].into_iter().flatten() {
            ready |= one.poll_recv(cx).is_ready();
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[cfg(not(unix))]
async fn wait() {
    let _ = tokio::signal::ctrl_c().await;
}
