/** State of the service pages that lives in the address bar. */
import { known } from "../../model/params.ts";
import { DEFAULT_RANGE, type RangeText } from "../../model/time.ts";

export type ServicesParams = Partial<Record<"from" | "to" | "sort" | "f" | "tz", string>>;

export function validateServices(search: Record<string, unknown>): ServicesParams {
  return known(search, []);
}
export function rangeOf(s: ServicesParams): RangeText {
  return { from: s.from || DEFAULT_RANGE.from, to: s.to || DEFAULT_RANGE.to };
}
