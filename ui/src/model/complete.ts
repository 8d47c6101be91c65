/** What may be typed at the cursor of a query: fields, values, operators or stages. */
import { tokens, type Token } from "./query.ts";

export const INTRINSICS = [
  "name", "status", "kind", "duration", "statusMessage", "trace:duration", "trace:rootName", "trace:rootService", "trace:id",
  "span:id", "span:parentID", "event:name", "event:timeSinceStart", "link:traceID", "link:spanID", "instrumentation:name", "instrumentation:version",
  "parent:name", "parent:duration", "parent:status", "parent:kind", "parent:id", "nestedSetLeft", "nestedSetRight", "nestedSetParent",
];
const STAGES = ["count() > ", "avg(duration) > ", "max(duration) > ", "by(resource.service.name)", "select()"];
const WORDS: Record<string, string[]> = {
  status: ["error", "ok", "unset"],
  kind: ["server", "client", "internal", "producer", "consumer"],
};
WORDS["span:status"] = WORDS["parent:status"] = WORDS["status"];
WORDS["span:kind"] = WORDS["parent:kind"] = WORDS["kind"];
const COMPARISONS = new Set(["=", "!=", ">", ">=", "<", "<=", "=~", "!~"]);

/** What to offer: a text range to replace, and either fixed words or a field whose values the server knows. */
export type Completion = { from: number; to: number; prefix: string } & (
  | { kind: "field" }
  | { kind: "words"; words: string[] }
  | { kind: "value"; field: string; quoted: boolean }
);

/** Looks at the text before the cursor. Undefined: nothing useful can be offered. */
export function completionAt(text: string, cursor: number): Completion | undefined {
  const all = tokens(text);
  const before = all.filter((t) => t.at < cursor && t.type !== "space");
  const here = all.find((t) => t.at < cursor && cursor <= t.at + t.text.length && t.type !== "space");
  const typing = here !== undefined && (here.type === "word" || here.type === "field" || here.type === "string" || here.type === "number");
  const done: Token[] = typing ? before.slice(0, -1) : before;
  const last = done.at(-1);
  const from = typing ? here.at : cursor;
  const to = typing ? here.at + here.text.length : cursor;
  const prefix = typing ? text.slice(from, cursor) : "";
  const depth = done.reduce((n, t) => n + (t.text === "{" ? 1 : t.text === "}" ? -1 : 0), 0);

  if (last !== undefined && COMPARISONS.has(last.text) && depth > 0) {
    const field = done.at(-2);
    if (field === undefined || (field.type !== "field" && field.type !== "word")) return undefined;
    const words = WORDS[field.text];
    if (words) return { from, to, prefix, kind: "words", words };
    if (/duration|timeSinceStart/i.test(field.text)) return { from, to, prefix, kind: "words", words: ["1ms", "10ms", "100ms", "1s", "10s"] };
    return { from, to, prefix: prefix.replace(/^["`]|["`]$/g, ""), kind: "value", field: field.text, quoted: true };
  }
  if (depth === 0) {
    if (last === undefined) return { from, to, prefix, kind: "words", words: ["{ "] };
    if (last.text === "|") return { from, to, prefix, kind: "words", words: STAGES };
    if (last.text === "}") return typing ? undefined : { from, to, prefix, kind: "words", words: [" && { ", " >> { ", " | "] };
    return undefined;
  }
  if (last === undefined || last.text === "{" || last.text === "(" || last.text === "&&" || last.text === "||" || last.text === "!") {
    return { from, to, prefix, kind: "field" };
  }
  const third = done.at(-2);
  if (last.type === "field" || (last.type === "word" && third?.text !== "=" && !(third !== undefined && COMPARISONS.has(third.text)))) {
    return typing ? undefined : { from, to, prefix, kind: "words", words: WORDS[last.text] ? ["= ", "!= "] : ["= ", "!= ", "=~ ", "> ", "< ", ">= ", "<= "] };
  }
  if (third !== undefined && COMPARISONS.has(third.text) && !typing) return { from, to, prefix, kind: "words", words: ["&& ", "|| ", "}"] };
  return undefined;
}

/** Words that continue the prefix first, then those that contain it; at most `limit`. */
export function rank(words: readonly string[], prefix: string, limit: number): string[] {
  const p = prefix.toLowerCase();
  const starts = words.filter((w) => w.toLowerCase().startsWith(p));
  const contains = words.filter((w) => !w.toLowerCase().startsWith(p) && w.toLowerCase().includes(p));
  return [...starts, ...contains].slice(0, limit);
}
