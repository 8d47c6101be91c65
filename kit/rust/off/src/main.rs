//! One user program, built with and without the kit: `tests/nothing.rs` looks at what is in it.

use std::time::Duration;

use clew::metrics::counter;
use clew::span::{self, Parent};
use clew::{Component, Kind, Level};

fn main() {
    let kit = clew::start(clew::service!().sample("1/10").level(Component::Sql, Level::Off).propagate_to(["*"]).without_lines());
    let placed = counter("shop.orders.placed", "{order}").with(&[("shop.channel", "web".into())]);
    let request = span::start(Component::Http, Level::Edges, Kind::Server, "POST /orders", Parent::Root);
    let total = request.in_scope(|| {
        let place = clew::tracing::info_span!("place", items = 3).entered();
        clew::tracing::info!(order.id = 7, "placed");
        clew::Span::current().set("shop.total", 12.5);
        placed.add(1);
        let mut headers: Vec<(String, String)> = Vec::new();
        clew::inject(&clew::current(), "stock.internal", &mut headers);
        drop(place);
        headers.len()
    });
    request.finish();
    println!("headers {total}");
    println!("threads {}", threads());
    if let Err(lost) = kit.stop(Duration::from_millis(200)) {
        println!("{lost}");
    }
}

/// The threads of this process, where the system tells them.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
