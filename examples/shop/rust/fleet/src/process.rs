//! The life of a process: addresses, readiness, stop.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Failure, stack, telemetry};

/// Returns `host:port` of a member of the fleet.
pub fn address(member: &str) -> Result<String, Failure> {
    let name = format!("SHOP_{}_ADDR", member.to_uppercase());
    std::env::var(&name).map_err(|_| {
        format!(
            "{name} is not set: start the fleet with `shop up`, or set it to host:port of {member}"
        )
        .into()
    })
}

/// Opens a member's own address.
pub async fn listen(member: &str) -> Result<tokio::net::TcpListener, Failure> {
    let at: SocketAddr = address(member)?.parse()?;
    tokio::net::TcpListener::bind(at)
        .await
        .map_err(|e| format!("listen for {member} on {at}: {e}").into())
}

/// Tells the launcher, if there is one, that the process can serve.
pub fn ready() {
    if launched() {
        println!("ready");
    }
}

fn launched() -> bool {
    std::env::var_os("SHOP_LAUNCHED").is_some()
}

/// Ends when the process is told to stop: by a signal, or, under the launcher,
/// by the end of its standard input.
pub async fn stopped() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        () = launcher_gone() => {}
    }
}

async fn launcher_gone() {
    if !launched() {
        return std::future::pending().await;
    }
    let mut input = tokio::io::stdin();
    let mut nothing = [0; 64];
    while let Ok(1..) = input.read(&mut nothing).await {}
}

/// Starts telemetry, runs a service to its end and flushes the last spans. An
/// error goes to standard error and becomes exit status 1.
pub fn run<F>(service: &'static str, serve: F) -> std::process::ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| {
            runtime
                .block_on(async {
                    stack::asked_for()?;
                    let telemetry = telemetry::start(service)?;
                    let outcome = serve.await;
                    // The flush blocks its thread while the exporter uses the others.
                    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
                    // Reading standard input cannot be cancelled.
                    Ok(outcome)
                })
                .and_then(|outcome: Result<(), Failure>| {
                    runtime.shutdown_background();
                    outcome
                })
        });
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{service}: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
