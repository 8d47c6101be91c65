/**
 * The text of a query, as far as the page must understand it: colours, and adding
 * or removing one condition. The server alone decides what a query means; text that
 * this file cannot read is left as it is.
 */

export type TokenType = "brace" | "string" | "number" | "word" | "field" | "operator" | "space" | "other";
export interface Token {
  type: TokenType;
  text: string;
  at: number;
}

const RULES: [TokenType, RegExp][] = [
  ["space", /\s+/y],
  ["string", /"(?:[^"\\]|\\.)*"?|`[^`]*`?/y],
  ["number", /\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d)?\b/y],
  ["operator", /&&|\|\||>>|<<|!>>|!<<|=~|!~|!=|>=|<=|&>>|&<<|[=><!~+\-*/%^|]/y],
  ["brace", /[{}()]/y],
  ["field", /(?:(?:span|resource|event|link|instrumentation|parent)\.|\.)(?:"(?:[^"\\]|\\.)*"?|[\p{L}\p{N}_.\-/]+)?|(?:trace|span|parent|event|link|instrumentation):[A-Za-z]*/uy],
  ["word", /[\p{L}_][\p{L}\p{N}_]*/uy],
];

/** Splits a query into tokens; every character is in exactly one. */
export function tokens(text: string): Token[] {
  const out: Token[] = [];
  for (let at = 0; at < text.length; ) {
    let found: Token | undefined;
    for (const [type, rule] of RULES) {
      rule.lastIndex = at;
      const m = rule.exec(text);
      if (m) {
        found = { type, text: m[0], at };
        break;
      }
    }
    found ??= { type: "other", text: text[at], at };
    out.push(found);
    at += found.text.length;
  }
  return out;
}

/** A string literal of the query language. */
export function quote(value: string): string {
  return `"${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t")}"`;
}

/** An attribute as a field: span.http.route, or span."odd name". */
export function fieldOf(scope: string, key: string): string {
  return /^[\p{L}_][\p{L}\p{N}_.\-/]*$/u.test(key) ? `${scope}.${key}` : `${scope}.${quote(key)}`;
}

const WORD_FIELDS = new Set(["status", "kind", "span:status", "span:kind"]);

/** A value as a literal: bare for status and kind and for numbers and booleans, else quoted. */
export function literal(field: string, value: string, type = "string"): string {
  if (WORD_FIELDS.has(field)) return value;
  return type === "string" || type === "bytes" ? quote(value) : value;
}

interface Filter {
  /** Offsets of the braces of the last top-level spanset of the first stage. */
  open: number;
  close: number;
  /** Conditions joined by && inside it, as written. */
  conditions: string[];
  /** An || stands beside the && at the top: the conditions are one. */
  mixed: boolean;
}

/** The spanset that facets edit, or undefined when the text has none that is closed. */
function lastFilter(text: string): Filter | undefined {
  let depth = 0;
  let round = 0;
  let open = -1;
  let from = 0;
  let conditions: string[] = [];
  let mixed = false;
  let result: Filter | undefined;
  for (const t of tokens(text)) {
    if (t.text === "|" && depth === 0 && round === 0) break;
    if (t.text === "{") {
      depth++;
      [open, from, conditions, mixed] = [t.at, t.at + 1, [], false];
    } else if (t.text === "}") {
      depth--;
      if (open < 0 || depth !== 0) return undefined;
      conditions.push(text.slice(from, t.at).trim());
      result = { open, close: t.at, conditions: conditions.filter((c) => c !== ""), mixed };
    } else if (t.text === "(") round++;
    else if (t.text === ")") round--;
    else if (depth === 1 && t.type === "operator" && innerRound(text, open, t.at) === 0) {
      if (t.text === "||") mixed = true;
      if (t.text === "&&") {
        conditions.push(text.slice(from, t.at).trim());
        from = t.at + 2;
      }
    }
  }
  if (result?.mixed) result.conditions = [`(${text.slice(result.open + 1, result.close).trim()})`];
  return result;
}

/** Round brackets open between two offsets. */
function innerRound(text: string, from: number, to: number): number {
  let n = 0;
  for (const t of tokens(text.slice(from, to))) n += t.text === "(" ? 1 : t.text === ")" ? -1 : 0;
  return n;
}

/** `field = a`, or `(field = a || field = b)`: the values, or undefined when it is another condition. */
function valuesOf(condition: string, field: string): string[] | undefined {
  const inner = /^\((.*)\)$/s.exec(condition)?.[1] ?? condition;
  const list: Token[] = tokens(inner).filter((t) => t.type !== "space");
  const values: string[] = [];
  for (let k = 0; k < list.length; k += 4) {
    if (list[k].text !== field || list[k + 1]?.text !== "=" || list[k + 2] === undefined) return undefined;
    values.push(list[k + 2].text);
    if (k + 3 < list.length && list[k + 3].text !== "||") return undefined;
  }
  return values.length > 0 ? values : undefined;
}

/** Literals that the query already asks of a field by facets. */
export function facetValues(query: string, field: string): string[] {
  return lastFilter(query)?.conditions.flatMap((c) => valuesOf(c, field) ?? []) ?? [];
}

function withConditions(query: string, f: Filter, conditions: string[]): string {
  const body = conditions.length === 0 ? "{}" : `{ ${conditions.join(" && ")} }`;
  return query.slice(0, f.open) + body + query.slice(f.close + 1);
}

/** Adds a value to a field's facet, or takes it away when it is there. Several values of a field are joined by "or". */
export function toggleFacet(query: string, field: string, value: string): string {
  const q = query.trim() === "" ? "{}" : query;
  const f = lastFilter(q);
  if (f === undefined) return q;
  const at = f.conditions.findIndex((c) => valuesOf(c, field) !== undefined);
  const had = at < 0 ? [] : (valuesOf(f.conditions[at], field) ?? []);
  const now = had.includes(value) ? had.filter((v) => v !== value) : [...had, value];
  const clause = now.map((v) => `${field} = ${v}`).join(" || ");
  const conditions = [...f.conditions];
  const made = now.length === 0 ? [] : [now.length === 1 ? clause : `(${clause})`];
  conditions.splice(at < 0 ? conditions.length : at, at < 0 ? 0 : 1, ...made);
  return withConditions(q, f, conditions);
}

/** The query without a field's facet: what the counts beside its other values are of. */
export function withoutFacet(query: string, field: string): string {
  const f = lastFilter(query);
  return f === undefined ? query : withConditions(query, f, f.conditions.filter((c) => valuesOf(c, field) === undefined));
}

/** Adds a condition as written, unless it is there. */
export function addCondition(query: string, condition: string): string {
  const q = query.trim() === "" ? "{}" : query;
  const f = lastFilter(q);
  if (f === undefined || f.conditions.includes(condition)) return q;
  return withConditions(q, f, [...f.conditions, condition]);
}

/** The spansets of a query without its pipeline, for the histogram; "{}" when empty. */
export function filterOf(query: string): string {
  let depth = 0;
  for (const t of tokens(query)) {
    if (t.text === "{" || t.text === "(") depth++;
    else if (t.text === "}" || t.text === ")") depth--;
    else if (t.text === "|" && depth === 0) return query.slice(0, t.at).trim() || "{}";
  }
  return query.trim() || "{}";
}

/** Whether the query selects everything. */
export function isEmptyQuery(query: string): boolean {
  return query.replace(/[\s{}]/g, "") === "" || query.replace(/\s/g, "") === "{true}";
}
