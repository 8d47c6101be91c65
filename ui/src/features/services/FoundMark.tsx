/** What was found of a service. */
import { Link } from "@tanstack/react-router";
import { ErrorMark } from "../../base/parts.tsx";
import type { Tally } from "../../model/findings.ts";
import { groupDigits, plural } from "../../model/format.ts";

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
