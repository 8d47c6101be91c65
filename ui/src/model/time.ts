/** Time ranges as the address bar carries them, and instants as people read them. */

/** A range as written: relative ("now-1h") or absolute (RFC 3339 or Unix ms). */
export interface RangeText {
  from: string;
  to: string;
}
/** The same, resolved: Unix milliseconds. */
export interface RangeMs {
  from: number;
  to: number;
}

export const DEFAULT_RANGE: RangeText = { from: "now-1h", to: "now" };
/** Zone of shown times: "utc", or "" for the browser's own. */
export type Zone = "" | "utc";

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };

/** Unix milliseconds of an instant as written, or undefined when it is none. Numbers are s, ms or ns by their size. */
export function parseInstant(text: string, nowMs: number): number | undefined {
  const s = text.trim();
  if (s === "now") return nowMs;
  const rel = /^now\s*-\s*(\d{1,6})\s*([smhdw])$/.exec(s);
  if (rel) return nowMs - Number(rel[1]) * UNITS[rel[2]];
  if (/^\d{1,19}$/.test(s)) {
    const n = Number(s);
    return n < 1e11 ? n * 1e3 : n < 1e14 ? n : n / 1e6;
  }
  if (!/^\d{4}-\d\d-\d\d/.test(s)) return undefined;
  const t = Date.parse(s.replace(/^(\d{4}-\d\d-\d\d) /, "$1T"));
  return Number.isNaN(t) ? undefined : t;
}

/** Resolves a range, or says in a sentence what is wrong with it. */
export function resolveRange(r: RangeText, nowMs: number): RangeMs | string {
  const from = parseInstant(r.from, nowMs);
  const to = parseInstant(r.to, nowMs);
  if (from === undefined) return `"${r.from}" is not a time; write now-1h or 2026-01-31T14:00:00Z`;
  if (to === undefined) return `"${r.to}" is not a time; write now or 2026-01-31T14:00:00Z`;
  if (from >= to) return "the range ends before it begins; swap from and to";
  return { from, to };
}

/** The range in which something like a trace is looked for: the usual one while the trace is inside it, else an hour around its start. */
export function rangeAround(startMs: number, nowMs: number): RangeText {
  const half = 30 * 60e3;
  if (startMs <= nowMs && startMs > nowMs - 2 * half) return DEFAULT_RANGE;
  return { from: toRfc3339(startMs - half), to: toRfc3339(startMs + half) };
}

export function isRelative(r: RangeText): boolean {
  return r.from.startsWith("now") && r.to.startsWith("now");
}

const RELATIVE_NAMES: Record<string, string> = { s: "second", m: "minute", h: "hour", d: "day", w: "week" };

/** "Last 15 minutes", or both ends. */
export function rangeLabel(r: RangeText, nowMs: number, zone: Zone): string {
  const rel = /^now-(\d+)([smhdw])$/.exec(r.from);
  if (rel && r.to === "now") {
    const n = Number(rel[1]);
    return n === 1 ? `Last ${RELATIVE_NAMES[rel[2]]}` : `Last ${n} ${RELATIVE_NAMES[rel[2]]}s`;
  }
  const ms = resolveRange(r, nowMs);
  if (typeof ms === "string") return "Invalid range";
  const sameDay = formatDate(ms.from, zone) === formatDate(ms.to, zone);
  const seconds = ms.to - ms.from < 600e3;
  return `${formatDate(ms.from, zone)} ${clock(ms.from, zone, seconds)} – ${sameDay ? "" : `${formatDate(ms.to, zone)} `}${clock(ms.to, zone, seconds)}`;
}

/** The zone's short name at an instant: UTC, CET, GMT+5:30. */
export function zoneName(zone: Zone, atMs: number): string {
  if (zone === "utc") return "UTC";
  const part = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(atMs).find((p) => p.type === "timeZoneName");
  return part?.value ?? "local time";
}

function parts(ms: number, zone: Zone): [number, number, number, number, number, number] {
  const d = new Date(ms);
  return zone === "utc"
    ? [d.getUTCFullYear(), d.getUTCMonth() + 1, d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()]
    : [d.getFullYear(), d.getMonth() + 1, d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds()];
}
const two = (n: number) => String(n).padStart(2, "0");

/** 2026-01-31 */
export function formatDate(ms: number, zone: Zone): string {
  const [y, m, d] = parts(ms, zone);
  return `${y}-${two(m)}-${two(d)}`;
}
/** 14:05 or 14:05:09 */
export function clock(ms: number, zone: Zone, seconds = true): string {
  const [, , , h, m, s] = parts(ms, zone);
  return `${two(h)}:${two(m)}${seconds ? `:${two(s)}` : ""}`;
}
/** 2026-01-31 14:05:09.123 from Unix nanoseconds. */
export function formatInstant(ns: bigint, zone: Zone, digits: 3 | 9 = 3): string {
  const ms = Number(ns / 1_000_000n);
  const fraction = String(ns % 1_000_000_000n).padStart(9, "0").slice(0, digits);
  return `${formatDate(ms, zone)} ${clock(ms, zone)}.${fraction}`;
}
/** RFC 3339 in UTC with milliseconds, the form used in links. */
export function toRfc3339(ms: number): string {
  return new Date(Math.round(ms)).toISOString();
}

/** "12 s ago", "5 min ago", "3 h ago", "2 d ago"; "in the future" for a clock that is ahead. */
export function ago(ms: number, nowMs: number): string {
  const s = Math.round((nowMs - ms) / 1000);
  if (s < -5) return "in the future";
  if (s < 60) return `${Math.max(0, s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}
