// Checks that imports point down: base ← model ← api ← features ← app, that a
// feature never imports another, and that model/ stays free of React.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const src = new URL("../src", import.meta.url).pathname;
const order = ["base", "model", "api", "features", "app"];
const problems = [];
let files = 0;

for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
  files++;
  const path = join(entry.parentPath, entry.name);
  const here = relative(src, path).split("/");
  const text = readFileSync(path, "utf8");
  const lines = text.split("\n").length;
  if (lines > 800) problems.push(`${here.join("/")}: ${lines} lines; split it, the limit is 800`);
  for (const m of text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)) {
    if (!m[1].startsWith(".")) {
      if (here[0] === "model" && !["vitest"].includes(m[1])) problems.push(`${here.join("/")}: model/ is plain TypeScript; move what needs "${m[1]}" to a feature`);
      continue;
    }
    const there = relative(src, resolve(dirname(path), m[1])).split("/");
    if (order.indexOf(there[0]) > order.indexOf(here[0])) problems.push(`${here.join("/")}: imports ${there.join("/")}, which is above it; move the shared part down`);
    if (here[0] === "features" && there[0] === "features" && here[1] !== there[1]) problems.push(`${here.join("/")}: imports feature ${there[1]}; share through base, model or api`);
  }
}
if (files === 0) problems.push("no source file was found");
for (const p of problems) console.error(p);
if (problems.length > 0) process.exit(1);
console.log(`layers: ${files} files in order`);
