/** The left column: values of a few fields with counts. A click narrows the query by one, another click widens it again. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { slotOf } from "../../api/colours.ts";
import { tagValuesQuery } from "../../api/queries.ts";
import { ErrorMark, ServiceName, useLate } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { formatCount, groupDigits } from "../../model/format.ts";
import { addCondition, facetValues, filterOf, literal, toggleFacet, withoutFacet } from "../../model/query.ts";
import type { RangeText } from "../../model/time.ts";

const FIELDS = [
  { field: "resource.service.name", title: "Service" },
  { field: "status", title: "Status" },
  { field: "kind", title: "Kind" },
  { field: "span.http.route", title: "Route" },
  { field: "name", title: "Span name" },
];
const SHORT = 7;
const LONG = 50;

interface Props {
  query: string;
  range: RangeText;
  onQuery(query: string): void;
}

/** The lists alone, for the column and, where there is no room for it, for a floating layer. */
export function Facets(props: Props) {
  return FIELDS.map((f) => <Facet key={f.field} {...f} {...props} />);
}

function Facet({ field, title, query, range, onQuery }: Props & { field: string; title: string }) {
  const [long, setLong] = useState(false);
  const others = withoutFacet(filterOf(query), field);
  const { data, error } = useQuery(tagValuesQuery(field, others, range, long ? LONG : SHORT + 1));
  const waiting = useLate(data === undefined);
  const chosen = new Set(facetValues(query, field));
  const shown = (data?.values ?? []).slice(0, long ? LONG : SHORT);
  const most = Math.max(1, ...shown.map((v) => v.count));
  const more = data !== undefined && (data.more || data.values.length > shown.length);
  // A chosen value that no longer occurs must still be there to be taken away.
  const known = new Set(shown.map((v) => literal(field, String(v.value), v.type)));
  const lost = [...chosen].filter((v) => !known.has(v));
  // What is wrong with the query is said once, beside the results.
  if (error || (data !== undefined && shown.length === 0 && lost.length === 0)) return null;

  const line = (value: string, text: string, count: number | undefined) => (
    <li key={value} className={chosen.has(value) ? "facet-line chosen" : "facet-line"}>
      <button type="button" className="facet-value" aria-pressed={chosen.has(value)} title={count === undefined ? text : `${text}: ${groupDigits(count)} spans`} onClick={() => onQuery(toggleFacet(query, field, value))}>
        <span className="facet-bar" style={{ width: `${(100 * (count ?? 0)) / most}%` }} />
        <span className="facet-name">
          {field === "resource.service.name" ? <ServiceName name={text} slot={slotOf(text)} /> : <span className="cut">{text === "" ? "(empty)" : text}</span>}
          {text === "error" && field === "status" && <ErrorMark />}
        </span>
        <span className="num faint">{count === undefined ? "0" : formatCount(count)}</span>
      </button>
      <button type="button" className="facet-not" aria-label={`Exclude ${text}`} title={`Exclude ${text}`} onClick={() => onQuery(addCondition(query, `${field} != ${value}`))}>
        <Icon name="not" small />
      </button>
    </li>
  );
  return (
    <section className="facet">
      <h2>{title}</h2>
      <ul>
        {lost.map((v) => line(v, v.replace(/^"|"$/g, ""), undefined))}
        {shown.map((v) => line(literal(field, String(v.value), v.type), String(v.value), v.count))}
        {waiting && [60, 44, 52].map((w) => <li key={w} className="facet-line"><span className="bone" style={{ width: w * 2 }} /></li>)}
      </ul>
      {(more || long) && (
        <button type="button" className="inline-button facet-more" onClick={() => setLong(!long)}>
          {long ? "Fewer" : "More"}
        </button>
      )}
    </section>
  );
}
