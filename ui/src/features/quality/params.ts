/** State of the pages of quality that lives in the address bar. */
import { known } from "../../model/params.ts";

export type QualityParams = Partial<Record<"window" | "sort" | "f" | "from" | "to" | "tz", string>>;

export function validateQuality(search: Record<string, unknown>): QualityParams {
  return known(search, []);
}

/** Windows that are offered, the first when the address names none. Another one in the address is asked for as it is. */
export const WINDOWS = [
  { id: "", title: "30 days", asked: "30d" },
  { id: "7d", title: "7 days", asked: "7d" },
  { id: "24h", title: "Day", asked: "24h" },
  { id: "1h", title: "Hour", asked: "1h" },
] as const;

export function windowOf(p: QualityParams): string {
  return p.window || WINDOWS[0].asked;
}
