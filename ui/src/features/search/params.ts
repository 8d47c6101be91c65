/** State of the search page that lives in the address bar. */
import { known } from "../../model/params.ts";
import { DEFAULT_RANGE, type RangeText } from "../../model/time.ts";

export type SearchParams = Partial<Record<"q" | "from" | "to" | "order" | "sel" | "live" | "tz", string>>;

export function validateSearch(search: Record<string, unknown>): SearchParams {
  return known(search, []);
}

export function rangeOf(s: { from?: string; to?: string }): RangeText {
  return { from: s.from || DEFAULT_RANGE.from, to: s.to || DEFAULT_RANGE.to };
}
export function orderOf(s: SearchParams): "newest" | "slowest" {
  return s.order === "slowest" ? "slowest" : "newest";
}
