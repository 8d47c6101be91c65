/** Who answers for a service, and what was found of it. */
import { Link } from "@tanstack/react-router";
import type { Team } from "../../api/types.ts";
import { ErrorMark, Reach } from "../../base/parts.tsx";
import { addressOf } from "../../model/charter.ts";
import type { Tally } from "../../model/findings.ts";
import { groupDigits, plural } from "../../model/format.ts";

/** The team, and unless there is only room for a word, how it is reached. */
export function Owner({ service, team, short }: { service: string; team: Team | undefined; short?: boolean }) {
  if (!team) return <span className="faint" title={`The charter names no team for ${service}`}>nobody</span>;
  const ways = [team.contact, team.escalation, team.runbook].filter((w) => w !== "");
  if (short) return <span className="cut" title={[team.name, ...ways].join("\n")}>{team.name}</span>;
  return (
    <span className="owner-line">
      <b>{team.name}</b>
      {ways.map((w) => <Reach key={w} text={w === team.runbook && addressOf(w) ? "runbook" : w} href={addressOf(w)} />)}
    </span>
  );
}

/** How many findings there are, as a link to them; the violations are what is counted when there are any. */
export function FoundMark({ service, tally }: { service: string; tally: Tally | undefined }) {
  if (!tally) return null;
  const bad = tally.violations > 0;
  const words = bad ? plural(tally.violations, "violation") : plural(tally.findings, "finding");
  return (
    <Link to="/findings" search={{ service }} className="found-mark" aria-label={`${words} of ${service}`} title={`${words} of the charter`}>
      {bad ? <ErrorMark>{groupDigits(tally.violations)}</ErrorMark> : <span className="faint num">{groupDigits(tally.findings)}</span>}
    </Link>
  );
}
