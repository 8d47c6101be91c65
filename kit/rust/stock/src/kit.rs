//! The kit's side: as a service has it, with an exporter that sends to a collector on the loopback.

use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use clew::span::{self, Parent};
use clew::{Component, Config, Kind, Level};
use tracing::Instrument;
use tracing_subscriber::prelude::*;

use crate::measure::{Cost, cost};

/// A collector that says yes to everything.
fn collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection));
        }
    });
    format!("http://{address}")
}

fn answer(mut connection: std::net::TcpStream) {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") else {
            match connection.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(n) => seen.extend_from_slice(&buffer[..n]),
            }
            continue;
        };
        let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|l| l.strip_prefix("content-length:")).and_then(|v| v.trim().parse().ok());
        let end = head + 4 + length.unwrap_or(0);
        while seen.len() < end {
            match connection.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(n) => seen.extend_from_slice(&buffer[..n]),
            }
        }
        seen.drain(..end);
        if connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn start(change: impl FnOnce(Config) -> Config) -> clew::Guard {
    clew::start(change(Config::new("bench", "1").endpoint(&collector()).without_lines()))
}

/// Is pending for ever, so that every poll is one of the instrumentation around it.
async fn pending() {
    std::future::pending::<()>().await;
}

fn poll(future: impl Future<Output = ()>) -> Cost {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    cost(|| matches!(future.as_mut().poll(&mut context), Poll::Pending))
}

fn own(parent: Parent<'_>) -> span::Span {
    span::start(Component::App, Level::Standard, Kind::Internal, "reserve", parent)
}

pub fn sampled(print: &mut dyn FnMut(&str, Cost)) {
    let _kit = start(|config| config);
    print("root", cost(|| tracing::info_span!(parent: None, "root").entered()));
    let root = tracing::info_span!("root").entered();
    print("child", cost(|| tracing::info_span!("child").entered()));
    print("child, 5 fields", cost(crate::stock::five_fields));
    print(
        "child, 5 attributes, own API",
        cost(|| {
            let span = own(Parent::Current);
            span.set("shop.items", 3);
            span.set("shop.channel", "web");
            span.set("shop.total", 12.5);
            span.set("shop.express", true);
            span.set("shop.customer", "c-1029384756");
            span.in_scope(|| ());
            span.finish();
        }),
    );
    drop(root);
    print("poll, sampled", poll(pending().instrument(tracing::info_span!("task"))));
}

pub fn unsampled(print: &mut dyn FnMut(&str, Cost)) {
    let _kit = start(|config| config.sample("0").level(Component::Sql, Level::Off));
    print("unsampled root", cost(|| tracing::info_span!(parent: None, "root").entered()));
    let root = tracing::info_span!("root").entered();
    print("unsampled child", cost(|| tracing::info_span!("child").entered()));
    print("unsampled child, 5 fields", cost(crate::stock::five_fields));
    print("poll, unsampled", poll(pending().instrument(tracing::info_span!("task"))));
    print("off, own API", cost(|| span::start(Component::Sql, Level::Standard, Kind::Client, "SELECT orders", Parent::Current)));
    drop(root);
}

pub fn beside(print: &mut dyn FnMut(&str, Cost)) {
    tracing_subscriber::registry().with(clew::layer()).init();
    let _kit = start(|config| config.sample("0").without_subscriber());
    let root = tracing::info_span!("root").entered();
    print("unsampled child beside a registry", cost(|| tracing::info_span!("child").entered()));
    drop(root);
}
