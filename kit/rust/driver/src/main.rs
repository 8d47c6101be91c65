//! Answers cases of the contract on standard input, one a line, on standard output.

use std::io::{self, BufRead, BufWriter, Write};

fn main() -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    for (n, line) in io::stdin().lock().lines().enumerate() {
        let answer = driver::answer(&line?).map_err(|e| io::Error::other(format!("answer case {}: {e}", n + 1)))?;
        writeln!(out, "{answer}")?;
    }
    out.flush()
}
