/** Finding spans inside a trace by service, name or span id. */
import { KINDS, spanId, STATUSES, type Trace } from "./skeleton.ts";

/**
 * Indices of the spans that match, in order. Words are joined by "and" and ignore
 * case; each word must be part of the service, the name, the kind or the status, or
 * start the span id. Words are tested against the dictionaries first, so the scan
 * over the spans compares small numbers only.
 */
export function findSpans(t: Trace, text: string): Uint32Array {
  const words = text.toLowerCase().split(/\s+/).filter((w) => w !== "").slice(0, 16);
  if (words.length === 0) return new Uint32Array(0);
  const tests = words.map((word) => ({
    word,
    service: t.services.map((s) => s.toLowerCase().includes(word)),
    name: t.names.map((s) => s.toLowerCase().includes(word)),
    kind: KINDS.map((k) => k === word),
    status: STATUSES.map((s) => s === word),
    id: /^[0-9a-f]{4,16}$/.test(word),
  }));
  const out = new Uint32Array(t.count);
  let n = 0;
  for (let i = 0; i < t.count; i++) {
    const hit = tests.every(
      (w) =>
        w.name[t.name[i]] || w.service[t.service[i]] || w.kind[t.flags[i] & 7] || w.status[(t.flags[i] >> 3) & 3] || (w.id && spanId(t, i).startsWith(w.word)),
    );
    if (hit) out[n++] = i;
  }
  return out.slice(0, n);
}

/** Position in `hits` of the next hit after (or before) span `from`, going round the end; −1 when there is none. */
export function nextHit(hits: Uint32Array, from: number, step: 1 | -1): number {
  if (hits.length === 0) return -1;
  if (step === 1) {
    const k = hits.findIndex((h) => h > from);
    return k < 0 ? 0 : k;
  }
  const k = hits.findLastIndex((h) => h < from);
  return k < 0 ? hits.length - 1 : k;
}
