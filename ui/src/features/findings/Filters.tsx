/** The left column: values of each field with how many findings they would leave. A click asks for one, another click for all again. */
import { slotOf } from "../../api/colours.ts";
import type { Finding } from "../../api/types.ts";
import { ServiceName } from "../../base/parts.tsx";
import { useState } from "react";
import { groupDigits } from "../../model/format.ts";
import { facet, FIELDS, NOBODY, ruleWords, type Chosen, type Field, type Severity } from "../../model/findings.ts";
import { SeverityMark } from "./SeverityMark.tsx";

const TITLES: Record<Field, string> = { severity: "Severity", service: "Service", team: "Team", rule: "Rule" };
const SHORT = 14;

interface Props {
  findings: Finding[];
  chosen: Chosen;
  onChoose(field: Field, value: string): void;
}

export function Filters(props: Props) {
  return FIELDS.map((field) => <Filter key={field} field={field} {...props} />);
}

function Filter({ field, findings, chosen, onChoose }: Props & { field: Field }) {
  const [long, setLong] = useState(false);
  const values = facet(findings, chosen, field);
  if (values.length === 0) return null;
  const most = Math.max(1, ...values.map((v) => v.findings));
  const shown = long ? values : values.filter((v, i) => i < SHORT || v.value === chosen[field]);
  return (
    <section className="facet">
      <h2>{TITLES[field]}</h2>
      <ul>
        {shown.map((v) => {
          const on = chosen[field] === v.value;
          return (
            <li key={v.value} className={on ? "facet-line chosen" : "facet-line"}>
              <button type="button" className="facet-value" aria-pressed={on} title={`${v.value}: ${groupDigits(v.findings)}`} onClick={() => onChoose(field, on ? "" : v.value)}>
                <span className="facet-bar" style={{ width: `${(100 * v.findings) / most}%` }} />
                <span className="facet-name"><Value field={field} value={v.value} /></span>
                <span className="num faint">{groupDigits(v.findings)}</span>
              </button>
            </li>
          );
        })}
      </ul>
      {values.length > SHORT && (
        <button type="button" className="inline-button facet-more" onClick={() => setLong(!long)}>
          {long ? "Fewer" : `${groupDigits(values.length - SHORT)} more`}
        </button>
      )}
    </section>
  );
}

/** A value of a field as it is shown everywhere on this page. */
export function Value({ field, value }: { field: Field; value: string }) {
  switch (field) {
    case "severity": return <SeverityMark severity={value as Severity} words />;
    case "service": return <ServiceName name={value} slot={slotOf(value)} />;
    case "rule": return <span className="cut">{ruleWords(value)}</span>;
    case "team": return <span className={value === NOBODY ? "cut faint" : "cut"}>{value === NOBODY ? "nobody" : value}</span>;
  }
}
