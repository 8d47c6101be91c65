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

/** The orders of an answer, the first when the address names none. */
export const ORDERS = [
  { id: "newest", title: "Newest", hint: "By the latest start of a matching span" },
  { id: "slowest", title: "Slowest", hint: "By the longest matching span" },
  { id: "spans", title: "Most spans", hint: "By the number of spans of the trace" },
] as const;

export function orderOf(s: SearchParams): (typeof ORDERS)[number]["id"] {
  return ORDERS.find((o) => o.id === s.order)?.id ?? ORDERS[0].id;
}
