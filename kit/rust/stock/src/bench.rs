//! The kit against tracing-opentelemetry with the OpenTelemetry SDK, in one run: `bench [--json] [--check]`.
//!
//! Each side runs in a process of its own, three times in turn, because a process has one global subscriber; the best of the three counts. Times
//! are CPU of the calling thread, so threads that send are left out on both sides: the kit's numbers include encoding to OTLP, stock's do not.
//! `--check` fails when the kit is over its budget.

mod kit;
mod measure;
mod stock;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use measure::Cost;

#[global_allocator]
static ALLOCATOR: measure::Counting = measure::Counting;

/// A case, with the kit's budget in nanoseconds and allocations.
const CASES: [(&str, f64, f64); 11] = [
    ("root", 700.0, 2.0),
    ("child", 700.0, 2.0),
    ("child, 5 fields", 700.0, 2.0),
    ("child, 5 attributes, own API", 700.0, 2.0),
    ("unsampled root", 700.0, 2.0),
    ("unsampled child", 40.0, 0.0),
    ("unsampled child, 5 fields", 40.0, 0.0),
    ("unsampled child beside a registry", 150.0, 2.0),
    ("poll, sampled", 85.0, 0.0),
    ("poll, unsampled", 10.0, 0.0),
    ("off, own API", 3.0, 0.0),
];
const ROUNDS: usize = 3;

type Costs = BTreeMap<String, Cost>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    if let Some(side) = arguments.iter().find_map(|a| a.strip_prefix("--side=")) {
        let mut print = |name: &str, cost: Cost| println!("{name}\t{}\t{}", cost.ns, cost.allocations);
        match side {
            "kit-sampled" => kit::sampled(&mut print),
            "kit-unsampled" => kit::unsampled(&mut print),
            "kit-layer" => kit::beside(&mut print),
            "stock-sampled" => stock::sampled(&mut print),
            _ => stock::unsampled(&mut print),
        }
        return ExitCode::SUCCESS;
    }
    let (mut kit, mut stock) = (Costs::new(), Costs::new());
    for _ in 0..ROUNDS {
        for side in ["kit-sampled", "stock-sampled", "kit-unsampled", "stock-unsampled", "kit-layer"] {
            let into = if side.starts_with("kit") { &mut kit } else { &mut stock };
            if let Err(error) = run(side, into) {
                eprintln!("bench {side}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if has("--json") {
        json(&kit, &stock)
    } else {
        table(&kit, &stock)
    }
    let over: Vec<&str> = CASES
        .iter()
        .filter(|(name, ns, allocations)| kit.get(*name).is_none_or(|c| c.ns > *ns || c.allocations > *allocations))
        .map(|(name, ..)| *name)
        .collect();
    if has("--check") && !over.is_empty() {
        eprintln!("over budget: {}", over.join("; "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs one side and keeps its best costs.
fn run(side: &str, into: &mut Costs) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new(program).arg(format!("--side={side}")).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut parts = line.split('\t');
        let (Some(name), Some(Ok(ns)), Some(Ok(allocations))) = (parts.next(), parts.next().map(str::parse), parts.next().map(str::parse))
        else {
            continue;
        };
        let best = into.entry(name.to_owned()).or_insert(Cost { ns, allocations });
        *best = Cost { ns: best.ns.min(ns), allocations: best.allocations.min(allocations) };
    }
    Ok(())
}

fn table(kit: &Costs, stock: &Costs) {
    println!("{:36} {:>10} {:>7} {:>10} {:>7} {:>7} {:>8}", "case", "kit ns", "allocs", "stock ns", "allocs", "ratio", "budget");
    for (name, budget, _) in CASES {
        let show = |cost: Option<&Cost>| match cost {
            Some(cost) => format!("{:>10.1} {:>7.1}", cost.ns, cost.allocations),
            None => format!("{:>10} {:>7}", "-", "-"),
        };
        let (ours, theirs) = (kit.get(name), stock.get(name));
        let ratio = match (ours, theirs) {
            (Some(ours), Some(theirs)) => format!("{:.1}", theirs.ns / ours.ns),
            _ => "-".to_owned(),
        };
        println!("{name:36} {} {} {ratio:>7} {budget:>8}", show(ours), show(theirs));
    }
}

fn json(kit: &Costs, stock: &Costs) {
    let side = |costs: &Costs, name: &str| match costs.get(name) {
        Some(cost) => format!("{{\"ns\":{:.1},\"allocations\":{:.2}}}", cost.ns, cost.allocations),
        None => "null".to_owned(),
    };
    let cases: Vec<String> = CASES
        .iter()
        .map(|(name, ns, allocations)| {
            format!(
                "{{\"case\":\"{name}\",\"kit\":{},\"stock\":{},\"budget\":{{\"ns\":{ns},\"allocations\":{allocations}}}}}",
                side(kit, name),
                side(stock, name)
            )
        })
        .collect();
    println!("[{}]", cases.join(",\n "));
}
