// Package sanitise takes out of texts what must not be in telemetry: user names,
// passwords and signatures of URLs, and literals of SQL. What it cannot read for
// certain it takes out. The Rust kit has the same code;
// kit/contract/sanitise.json is run by both.
package sanitise
