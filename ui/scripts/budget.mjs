// Fails the build when the page outgrows its budget. Sizes are gzip, except fonts,
// which are compressed already, and the total, which is what the binary carries.
// "shell" is what the entry page loads before any route: its script and what that
// script imports statically. "trace" is what opening a trace adds.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist", import.meta.url).pathname;
const files = new Map();
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (entry.isFile()) {
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(dist.length + 1), readFileSync(path));
  }
}

/** Scripts reached from these by static imports, themselves included. */
function closure(roots) {
  const seen = new Set();
  const queue = [...roots];
  while (queue.length > 0) {
    const name = queue.pop();
    if (seen.has(name) || !files.has(name)) continue;
    seen.add(name);
    for (const m of files.get(name).toString().matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) queue.push(`assets/${m[1]}`);
  }
  return seen;
}
const gzip = (names) => [...names].reduce((sum, n) => sum + gzipSync(files.get(n), { level: 9 }).length, 0);
const withExt = (ext) => [...files.keys()].filter((n) => n.endsWith(ext));

const entry = [...files.get("index.html").toString().matchAll(/(?:src|href)="\/([^"]+\.js)"/g)].map((m) => m[1]);
const shell = closure(entry);
const trace = [...closure(withExt(".js").filter((n) => /\/TracePage-/.test(n)))].filter((n) => !shell.has(n));
if (shell.size === 0 || trace.length === 0) throw new Error("budget: the shell or the trace chunk was not found; its name has changed");

const rows = [
  ["shell script", gzip(shell), 150],
  ["trace view on top", gzip(trace), 40],
  ["styles", gzip(withExt(".css")), 25],
  ["fonts", withExt(".woff2").reduce((sum, n) => sum + files.get(n).length, 0), 95],
  ["in the binary", [...files.values()].reduce((sum, b) => sum + b.length, 0), 3072],
];
let over = 0;
for (const [what, bytes, limit] of rows) {
  const kb = bytes / 1000;
  if (kb > limit) over++;
  console.log(`${what.padEnd(18)} ${kb.toFixed(1).padStart(8)} KB of ${limit} KB${kb > limit ? "  OVER" : ""}`);
}
if (over > 0) process.exit(1);
