//! Takes out of texts what must not be in telemetry: user names, passwords and signatures of URLs, and literals of SQL. What it cannot read
//! for certain it takes out. The Go kit has the same code; `kit/contract/sanitise.json` is run by both.

mod sql;
mod summary;
mod url;

pub use sql::{Statement, sql};
pub use url::{query, url};
