/**
 * Which spans of a trace are rows: folding, and walking between spans. Works on
 * pre-order columns, so a fold is a jump by subtree size and never a walk.
 */
import { isError, spanId, type Trace } from "./skeleton.ts";

/** Folds beyond this many do not travel in a link; the rows stay folded on the page itself. */
export const MAX_LINKED_FOLDS = 48;

/** One byte a span: 1 when its children are hidden. */
export type Folds = Uint8Array;

/** Indices of the spans that are rows, in order. */
export function visibleRows(t: Trace, folds: Folds): Uint32Array {
  const out = new Uint32Array(t.count);
  let n = 0;
  for (let i = 0; i < t.count; ) {
    out[n++] = i;
    i += folds[i] === 1 ? t.size[i] : 1;
  }
  return out.subarray(0, n);
}

/** The row that shows span i: its own, or that of the fold that hides it. */
export function rowOf(rows: Uint32Array, i: number): number {
  let lo = 0;
  let hi = rows.length - 1;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (rows[mid] <= i) lo = mid;
    else hi = mid - 1;
  }
  return lo;
}

/** Opens every fold above span i. Reports whether anything changed. */
export function reveal(t: Trace, folds: Folds, i: number): boolean {
  let changed = false;
  for (let p = t.parent[i]; p >= 0; p = t.parent[p]) {
    if (folds[p] === 1) {
      folds[p] = 0;
      changed = true;
    }
  }
  return changed;
}

/** Folds every span that has children at this depth, and opens those above. */
export function foldToDepth(t: Trace, folds: Folds, depth: number): void {
  for (let i = 0; i < t.count; i++) folds[i] = t.size[i] > 1 && t.depth[i] >= depth ? 1 : 0;
}

/** Number of direct children. */
export function childCount(t: Trace, i: number): number {
  let n = 0;
  for (let c = i + 1; c < i + t.size[i]; c += t.size[c]) n++;
  return n;
}

/** Position of span i among its parent's children, from 1, and their number. */
export function siblingPlace(t: Trace, i: number): { place: number; of: number } {
  const p = t.parent[i];
  const first = p < 0 ? 0 : p + 1;
  const last = p < 0 ? t.count : p + t.size[p];
  let place = 0;
  let of = 0;
  for (let c = first; c < last; c += t.size[c]) {
    of++;
    if (c === i) place = of;
  }
  return { place, of };
}

/** Next span with status error after (or before) `from`, going round the end; −1 when there is none. */
export function nextError(t: Trace, from: number, step: 1 | -1): number {
  for (let k = 1; k <= t.count; k++) {
    const i = (((from + step * k) % t.count) + t.count) % t.count;
    if (isError(t, i)) return i;
  }
  return -1;
}

/** Span ids of the folds, for a link; at most MAX_LINKED_FOLDS, outermost first. Folds inside a fold are left out. */
export function foldsToParam(t: Trace, folds: Folds): string {
  const ids: string[] = [];
  for (let i = 0; i < t.count && ids.length < MAX_LINKED_FOLDS; ) {
    if (folds[i] === 1) ids.push(spanId(t, i));
    i += folds[i] === 1 ? t.size[i] : 1;
  }
  return ids.join(".");
}

/** Reads what foldsToParam wrote; ids that the trace lacks are ignored. */
export function foldsFromParam(t: Trace, param: string): Folds {
  const folds = new Uint8Array(t.count);
  const wanted = new Set(param.split(".").slice(0, MAX_LINKED_FOLDS));
  wanted.delete("");
  for (let i = 0; i < t.count && wanted.size > 0; i++) {
    if (t.size[i] > 1 && wanted.delete(spanId(t, i))) folds[i] = 1;
  }
  return folds;
}
