/** The Instrumentation Score as the page sorts and draws it. */
import { plural } from "./format.ts";

export interface Rule {
  id: string;
  passed: boolean;
  weight: number;
  checked: number;
  failed: number;
}
export interface Point {
  day: string;
  score: number;
}

const BANDS: Record<string, string> = { excellent: "excellent", good: "good", needs_improvement: "needs work", poor: "poor" };

/** A band of the specification in a word. */
export function bandWord(band: string): string {
  return BANDS[band] ?? band;
}

/** Up to two digits after the point, as they are: 92, 88.4. */
export function formatScore(score: number): string {
  return String(Math.round(score * 100) / 100);
}

/** Rules that fail first, those that weigh most before the others; then those that hold, and last those that had nothing to look at. */
export function worstRules<R extends Rule>(rules: readonly R[]): R[] {
  const rank = (r: Rule) => (!r.passed ? 0 : r.checked > 0 ? 1 : 2);
  return rules.toSorted((a, b) => rank(a) - rank(b) || b.weight - a.weight || (a.id < b.id ? -1 : 1));
}

const DAY_MS = 86_400_000;

/** Days since 1970 of a day such as 2026-03-01. */
function dayNumber(day: string): number {
  return Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
}

/** The days that a line of a history shows, at the most. */
export const HISTORY_DAYS = 90;

/**
 * The line of a history in a box, as an SVG path from the newest day back: x by day, y by
 * score from 0 at the bottom to 100. A day without a score breaks the line: nothing was
 * judged then. A day that stands alone is a dot, drawn as a short line.
 */
export function historyPath(history: readonly Point[], width: number, height: number, days = HISTORY_DAYS): string {
  if (history.length === 0) return "";
  const last = dayNumber(history[history.length - 1]!.day);
  const first = Math.max(dayNumber(history[0]!.day), last - days + 1);
  const step = last === first ? 0 : width / (last - first);
  let out = "";
  let before = Number.NaN;
  for (const p of history) {
    const day = dayNumber(p.day);
    if (day < first) continue;
    const at = `${round(last === first ? width : (day - first) * step)} ${round(height - (p.score / 100) * height)}`;
    out += day - before === 1 ? `L${at}` : `M${at}h-2h2`;
    before = day;
  }
  return out;
}
const round = (n: number) => Math.round(n * 10) / 10;

/** What changed since a week ago or, when there is no score of that long ago, since the first one. */
export function change(history: readonly Point[]): { by: number; since: string } | undefined {
  const now = history[history.length - 1];
  if (!now) return undefined;
  const week = history.findLast((p) => dayNumber(now.day) - dayNumber(p.day) >= 7) ?? history[0]!;
  return week === now ? undefined : { by: Math.round((now.score - week.score) * 100) / 100, since: week.day };
}

export interface LookedAt {
  spans: number;
  traces: number;
  tooLong: number;
  more: boolean;
}

/** What the scores leave out, as sentences; empty when nothing. */
export function limitsSentence(a: { lookedAt: LookedAt; leftOut: number; historyOverflow: number }): string {
  const out: string[] = [];
  if (a.lookedAt.more) out.push(`Scores are of ${plural(a.lookedAt.traces, "trace")} from all over the window, not of all its traces.`);
  if (a.lookedAt.tooLong > 0) out.push(`${plural(a.lookedAt.tooLong, "trace")} of more than 10,000 spans ${a.lookedAt.tooLong === 1 ? "was" : "were"} passed over.`);
  if (a.leftOut > 0) out.push(`${plural(a.leftOut, "span")} of services beyond the first 2,000 ${a.leftOut === 1 ? "is" : "are"} left out.`);
  if (a.historyOverflow > 0) out.push(`${plural(a.historyOverflow, "service")} had no room in the history.`);
  return out.join(" ");
}
