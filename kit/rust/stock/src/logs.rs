//! Log lines of the kit beside those of `tracing-subscriber`'s JSON formatter, in one run: `logs [--check] > /dev/null`. Times are CPU of the
//! calling thread, the best of 15 chunks. The table goes to standard error, since standard output takes the kit's lines. The stock
//! formatter writes to nowhere in the third column and to standard output in the fourth, and writes no trace ids.

mod measure;

use std::process::ExitCode;

use clew::Config;
use clew::tracing::{debug, info, info_span, subscriber};
use measure::{Cost, cost};

#[global_allocator]
static ALLOCATOR: measure::Counting = measure::Counting;

fn place() {
    info!(sku = "a-17", items = 3, price = 12.5, "placed");
}

fn place_off() {
    debug!(sku = "a-17", items = 3, price = 12.5, "placed");
}

fn main() -> ExitCode {
    let kit = clew::start(Config::new("bench", "1").without_export().sample("1"));
    clew::apply_policy(br#"{"version":"1","log_lines_per_second":1000000000}"#).expect("the policy of the benchmark");
    let ours: Vec<Cost> = {
        let _span = info_span!("reserve").entered();
        vec![cost(place), cost(place_off)]
    };
    // What was lost does not matter here.
    let _ = kit.stop(std::time::Duration::from_secs(3));
    let stock = |to_stdout: bool| -> Vec<Cost> {
        let json = tracing_subscriber::fmt().json().with_max_level(clew::tracing::Level::INFO);
        let measured = || {
            let _span = info_span!("reserve").entered();
            vec![cost(place), cost(place_off)]
        };
        if to_stdout {
            subscriber::with_default(json.with_file(true).with_line_number(true).finish(), measured)
        } else {
            subscriber::with_default(json.with_file(true).with_line_number(true).with_writer(std::io::sink).finish(), measured)
        }
    };
    let (nowhere, stdout) = (stock(false), stock(true));
    let mut over = false;
    for (i, (name, ns, allocations)) in [("line, 3 fields, in a span", 900.0, 1.0), ("level off", 10.0, 0.0)].into_iter().enumerate() {
        let show = |c: &Cost| format!("{:>8.1} ns {:>4.1}", c.ns, c.allocations);
        eprintln!("{name:28} {} | {} | {} | {:>5.1}", show(&ours[i]), show(&nowhere[i]), show(&stdout[i]), nowhere[i].ns / ours[i].ns);
        over |= ours[i].ns > ns || ours[i].allocations > allocations;
    }
    if over && std::env::args().any(|a| a == "--check") {
        eprintln!("a budget is not held");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
