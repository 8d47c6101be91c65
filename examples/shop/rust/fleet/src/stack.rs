//! Which instrumentation a process runs with, as SHOP_TELEMETRY says; the package
//! comment of `internal/fleet` tells what each is for.

use std::sync::OnceLock;

use crate::Failure;

/// The instrumentation of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Clew's kit.
    Kit,
    /// The OpenTelemetry SDK behind tracing-opentelemetry.
    Stock,
    /// None.
    Off,
}

/// Reads the name of a stack; an empty one is the kit.
pub fn parse(name: &str) -> Result<Stack, Failure> {
    match name {
        "" | "kit" => Ok(Stack::Kit),
        "stock" => Ok(Stack::Stock),
        "off" => Ok(Stack::Off),
        other => Err(format!("SHOP_TELEMETRY: telemetry {other:?}: use kit, stock or off").into()),
    }
}

/// Reads SHOP_TELEMETRY.
pub fn asked_for() -> Result<Stack, Failure> {
    parse(&std::env::var("SHOP_TELEMETRY").unwrap_or_default())
}

/// The stack of this process. `process::run` refuses a name that is none.
pub fn running() -> Stack {
    static RUNNING: OnceLock<Stack> = OnceLock::new();
    *RUNNING.get_or_init(|| asked_for().unwrap_or(Stack::Off))
}
