/**
 * What breaks the charter, as the page sorts, filters and groups it, and what follows
 * from one finding: the code that mends it and the spans that it speaks of.
 */
import { groupDigits } from "./format.ts";
import { fieldOf, quote } from "./query.ts";

export type Severity = "violation" | "improvement" | "information";
export type Language = "go" | "rust";

/** The part of a finding that this file looks at. */
export interface Found {
  rule: string;
  severity: Severity;
  service: string;
  language: string;
  team?: { name: string };
  subject: string;
  detail: string;
  go: string;
  rust: string;
  count: number;
}

export const SEVERITIES: readonly Severity[] = ["violation", "improvement", "information"];
export const FIELDS = ["severity", "service", "team", "rule"] as const;
export type Field = (typeof FIELDS)[number];
/** Stands for no team, in addresses too. */
export const NOBODY = "(none)";
/** The value that is asked for of each field; none or an empty one asks for all. */
export type Chosen = { [F in Field]?: string | undefined };

export function valueOf(f: Found, field: Field): string {
  return field === "team" ? (f.team?.name ?? NOBODY) : f[field];
}

/** What tells a finding from the others, for addresses: its parts with bars between them. */
export function idOf(f: Found): string {
  return [f.service, f.rule, f.subject, f.detail].map((part) => part.replace(/[\\|]/g, "\\$&")).join("|");
}

const rank = (f: Found) => SEVERITIES.indexOf(f.severity);
/** The order of magnitude: a count that grows by one must not move the line that is being read. */
const size = (f: Found) => Math.floor(Math.log10(Math.max(1, f.count)));

/** Sorted copy: by severity, then by the size of the count, then by name. */
export function worstFirst<F extends Found>(all: readonly F[]): F[] {
  return all.toSorted((a, b) => rank(a) - rank(b) || size(b) - size(a) || (idOf(a) < idOf(b) ? -1 : 1));
}

function fits(f: Found, chosen: Chosen, except?: Field): boolean {
  return FIELDS.every((field) => field === except || !chosen[field] || valueOf(f, field) === chosen[field]);
}

export function filterFindings<F extends Found>(all: readonly F[], chosen: Chosen): F[] {
  return all.filter((f) => fits(f, chosen));
}

export interface Tally {
  value: string;
  findings: number;
  violations: number;
}

function tally(all: readonly Found[], field: Field): Tally[] {
  const out = new Map<string, Tally>();
  for (const f of all) {
    const value = valueOf(f, field);
    const t = out.get(value) ?? { value, findings: 0, violations: 0 };
    t.findings++;
    if (f.severity === "violation") t.violations++;
    out.set(value, t);
  }
  return [...out.values()];
}

/**
 * The values of a field with how many findings each would leave, the other filters
 * standing. A chosen value is listed even when nothing fits it, so that it can be
 * taken away.
 */
export function facet(all: readonly Found[], chosen: Chosen, field: Field): Tally[] {
  const out = tally(all.filter((f) => fits(f, chosen, field)), field);
  const want = chosen[field];
  if (want && !out.some((t) => t.value === want)) out.push({ value: want, findings: 0, violations: 0 });
  if (field === "severity") return out.toSorted((a, b) => SEVERITIES.indexOf(a.value as Severity) - SEVERITIES.indexOf(b.value as Severity));
  return out.toSorted((a, b) => b.findings - a.findings || (a.value < b.value ? -1 : 1));
}

/** Counts of findings by a field's value, for marks beside services and teams. */
export function tallies(all: readonly Found[], field: Field): Map<string, Tally> {
  return new Map(tally(all, field).map((t) => [t.value, t]));
}

export interface Group<F> extends Tally {
  rows: F[];
}

/** Groups in the order of their worst finding; without a field one group of all. */
export function groupFindings<F extends Found>(sorted: readonly F[], by: Field | ""): Group<F>[] {
  if (by === "") return sorted.length === 0 ? [] : [{ value: "", rows: [...sorted], findings: sorted.length, violations: sorted.filter((f) => f.severity === "violation").length }];
  const groups = new Map<string, Group<F>>(tally(sorted, by).map((t) => [t.value, { ...t, rows: [] }]));
  for (const f of sorted) groups.get(valueOf(f, by))?.rows.push(f);
  return [...groups.values()];
}

/** A rule as people say it: misspelled attribute. */
export function ruleWords(rule: string): string {
  return rule.replaceAll("_", " ");
}

const DONE: Record<string, string> = { observe: "observed", mend: "mended", refuse: "refused", redact: "redacted" };
/** What was done about it, as one word. */
export function actionWord(action: string): string {
  return DONE[action] ?? action;
}

/** The languages that there is a mend in, the service's own first; for others Go comes first. */
export function languagesOf(f: Found): Language[] {
  const order: Language[] = f.language === "rust" ? ["rust", "go"] : ["go", "rust"];
  return order.filter((l) => f[l] !== "");
}

export interface SpanSearch {
  label: string;
  q: string;
}

/** Rules whose subject is an attribute that spans have, and those whose subject they lack. */
const HAVE = new Set(["unknown_attribute", "deprecated_attribute", "misspelled_attribute", "wrong_type", "bad_enum_value", "personal_data"]);
const LACK: Record<string, string> = { missing_required: "", missing_common: "resource" };
const KINDS = new Set(["unspecified", "internal", "server", "client", "producer", "consumer"]);

/** Questions that find the spans a finding speaks of, the narrowest first. */
export function searchesOf(f: Found): SpanSearch[] {
  const service = `${fieldOf("resource", "service.name")} = ${quote(f.service)}`;
  const own = { label: `Spans of ${f.service || "this service"}`, q: `{ ${service} }` };
  // A subject in brackets is no attribute but a part of the span, such as its name.
  if (HAVE.has(f.rule) && !f.subject.startsWith("(")) {
    const has = `${fieldOf("", f.subject)} != nil`;
    return [
      { label: `Spans of ${f.service} with it`, q: `{ ${service} && ${has} }` },
      { label: "All spans with it", q: `{ ${has} }` },
    ];
  }
  if (f.rule in LACK) return [{ label: `Spans of ${f.service} without it`, q: `{ ${service} && ${fieldOf(LACK[f.rule], f.subject)} = nil }` }];
  if (f.rule === "wrong_kind" && KINDS.has(f.detail)) return [{ label: `Spans of ${f.service} of kind ${f.detail}`, q: `{ ${service} && kind = ${f.detail} }` }];
  return [own];
}

/** An id of nothing but zeros means that there is none. */
export function traceIdOf(text: string): string {
  return /^0*$/.test(text) ? "" : text;
}

/** What the bounds kept out, as one sentence; empty when nothing was. */
export function overflowSentence(overflow: readonly { service: string; rule: string; count: number }[]): string {
  if (overflow.length === 0) return "";
  const count = overflow.reduce((n, o) => n + o.count, 0);
  const services = [...new Set(overflow.map((o) => o.service).filter((s) => s !== ""))].toSorted();
  const named = services.slice(0, 3).join(", ");
  const more = services.length > 3 ? ` and ${services.length - 3} more` : "";
  const others = overflow.some((o) => o.service === "");
  const whose = services.length === 0 ? "services that had no room themselves" : `${named}${more}${others ? " and of services that had no room themselves" : ""}`;
  return `${count === 1 ? "One observation of" : `${groupDigits(count)} observations of`} ${whose} had no room among the findings and ${count === 1 ? "is" : "are"} only counted. Mend what is listed, and the rest appears.`;
}
