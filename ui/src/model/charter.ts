/** The charter as the page reads it: owners, coverage, where a word is used. */
import { fieldOf, quote } from "./query.ts";

/** A text of a charter as an address, when it is one: a page, or a mailbox. Anything else stays text. */
export function addressOf(text: string): string | undefined {
  const t = text.trim();
  if (/^mailto:[^\s@]+@[^\s@]+$/i.test(t)) return t;
  if (/^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/.test(t)) return `mailto:${t}`;
  if (!/^https?:\/\/[^\s/]/i.test(t)) return undefined;
  try {
    return new URL(t).href;
  } catch {
    return undefined;
  }
}

interface Team {
  name: string;
}

/** A team with the ways to reach it, as they are shown. A runbook's address says less than the word. */
export function answersOf(team: { name: string; contact: string; escalation: string; runbook: string } | undefined) {
  if (!team) return undefined;
  const ways = [team.contact, team.escalation, team.runbook].filter((w) => w !== "").map((text) => {
    const href = addressOf(text);
    return { text, shown: href && text === team.runbook ? "runbook" : text, href };
  });
  return { name: team.name, ways };
}

interface Service {
  name: string;
  team: string;
}

/** The team of each service that has one. */
export function ownersOf<T extends Team>(charter: { teams: readonly T[]; services: readonly Service[] } | undefined): Map<string, T> {
  const teams = new Map(charter?.teams.map((t) => [t.name, t]));
  const owners = new Map<string, T>();
  for (const s of charter?.services ?? []) {
    const team = teams.get(s.team);
    if (team) owners.set(s.name, team);
  }
  return owners;
}

interface Contract {
  id: string;
  service: string;
  kind: string;
  match: string;
  seen: number;
}

/** The question that finds a contract's spans. */
export function contractSearch(c: Contract): string {
  const at = c.match.indexOf("=");
  const [field, value] = [c.match.slice(0, at), c.match.slice(at + 1)];
  const conditions = [`${fieldOf("resource", "service.name")} = ${quote(c.service)}`];
  if (at > 0) conditions.push(`${field === "name" ? "name" : fieldOf("span", field)} = ${quote(value)}`);
  return `{ ${conditions.join(" && ")} }`;
}

/** Never seen first: that is what coverage is looked at for. Then by service and id. */
export function byCoverage<C extends Contract>(contracts: readonly C[]): C[] {
  const key = (c: Contract) => `${c.service}\u0000${c.id}`;
  return contracts.toSorted((a, b) => Number(a.seen > 0) - Number(b.seen > 0) || (key(a) < key(b) ? -1 : 1));
}

/** How many contracts were seen, in words. */
export function coverageWords(contracts: readonly Contract[]): string {
  const never = contracts.filter((c) => c.seen === 0).length;
  if (contracts.length === 0) return "none";
  return never === 0 ? `all ${contracts.length} seen` : `${contracts.length - never} of ${contracts.length} seen`;
}

/** The question that finds the spans that carry a word. */
export function termSearch(name: string): string {
  return `{ ${fieldOf("", name)} != nil }`;
}

/** What of a word's values is done on arrival, as a sentence. */
export function onIngestWords(action: string): string {
  const words: Record<string, string> = {
    keep: "Kept as sent",
    drop: "Dropped: it never reaches the disk",
    mask: "Masked",
    truncate: "Truncated",
    truncate_ip: "Address shortened to its network",
    replace: "Replaced by a fixed text",
    hash: "Hashed with the key of the server",
  };
  return words[action] ?? (action === "" ? words["keep"] : action.replaceAll("_", " "));
}

/** What "personal" says of a word, as a sentence; empty when nothing is said. */
export function personalWords(personal: string): string {
  const words: Record<string, string> = {
    false: "Not personal",
    direct: "Personal: names a person by itself",
    indirect: "Personal: leads to a person together with other data",
    subject: "Personal: tells whose data the rest is",
    secret: "Secret: whoever knows it can act for somebody",
  };
  return words[personal] ?? personal;
}

/** The lines of an error that has several. */
export function errorLines(error: string): string[] {
  return error.split("\n").map((l) => l.trimEnd()).filter((l) => l !== "");
}

/** Unix milliseconds of an RFC 3339 instant; undefined for an empty one and for the zero of Go's clock. */
export function instantMs(text: string): number | undefined {
  const ms = Date.parse(text);
  return text === "" || text.startsWith("0001-") || Number.isNaN(ms) ? undefined : ms;
}

/** What each detector took out, and in whose spans: of the findings on personal data. */
export function redactions(findings: readonly { rule: string; detail: string; service: string; count: number }[]): Map<string, { count: number; services: string[] }> {
  const out = new Map<string, { count: number; services: string[] }>();
  for (const f of findings) {
    if (f.rule !== "personal_data" || f.detail === "") continue;
    const r = out.get(f.detail) ?? { count: 0, services: [] };
    r.count += f.count;
    if (!r.services.includes(f.service)) r.services = [...r.services, f.service].toSorted();
    out.set(f.detail, r);
  }
  return out;
}
