/** State of the charter's pages that lives in the address bar. */
import { known } from "../../model/params.ts";

export type CharterParams = Partial<Record<"section" | "from" | "to" | "tz", string>>;
export type TermsParams = Partial<Record<"text" | "source" | "term" | "from" | "to" | "tz", string>>;

export function validateCharter(search: Record<string, unknown>): CharterParams {
  return known(search, []);
}
export function validateTerms(search: Record<string, unknown>): TermsParams {
  return known(search, []);
}

/** The sections, the first when the address names none. */
export const SECTIONS = [
  { id: "contracts", title: "Contracts" },
  { id: "services", title: "Services" },
  { id: "teams", title: "Teams" },
  { id: "rules", title: "Rules" },
  { id: "detectors", title: "Detectors" },
] as const;
export type Section = (typeof SECTIONS)[number]["id"];

export function sectionOf(p: CharterParams): Section {
  return SECTIONS.find((s) => s.id === p.section)?.id ?? "contracts";
}
