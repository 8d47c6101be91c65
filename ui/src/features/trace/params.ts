/** State of the trace page that lives in the address bar. */
import { known } from "../../model/params.ts";
import type { Window } from "../../model/scale.ts";

export type TraceParams = Partial<Record<"t" | "span" | "fold" | "f" | "z" | "tz", string>>;

export function validateTrace(search: Record<string, unknown>): TraceParams {
  return known(search, []);
}

/** "from-to" in whole ns from the trace's start, or nothing for the whole trace. */
export function windowToParam(w: Window, end: number): string {
  return w.from <= 0 && w.to >= end ? "" : `${Math.round(w.from)}-${Math.round(w.to)}`;
}
export function windowFromParam(z: string | undefined, end: number): Window {
  const m = /^(\d{1,16})-(\d{1,16})$/.exec(z ?? "");
  const from = Number(m?.[1] ?? 0);
  const to = Math.min(end, Number(m?.[2] ?? end));
  return m && to > from ? { from, to } : { from: 0, to: end };
}
