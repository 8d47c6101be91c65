/** State of the page of findings that lives in the address bar. */
import { FIELDS, type Chosen, type Field } from "../../model/findings.ts";
import { known } from "../../model/params.ts";

export type FindingsParams = Partial<Record<Field | "by" | "sel" | "from" | "to" | "tz", string>>;

export function validateFindings(search: Record<string, unknown>): FindingsParams {
  return known(search, []);
}

export function chosenOf(p: FindingsParams): Chosen {
  return Object.fromEntries(FIELDS.map((f) => [f, p[f]]));
}

/** How the list is cut, the first when the address names none. */
export const GROUPINGS = [
  { id: "", title: "Worst first" },
  { id: "service", title: "Service" },
  { id: "team", title: "Team" },
  { id: "rule", title: "Rule" },
] as const;

export function groupingOf(p: FindingsParams): (typeof GROUPINGS)[number]["id"] {
  return GROUPINGS.find((g) => g.id === p.by)?.id ?? "";
}
