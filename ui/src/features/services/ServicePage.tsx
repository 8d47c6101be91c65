/** One service: its operations. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { slotOf } from "../../api/colours.ts";
import { charterQuery, findingsQuery, operationsQuery } from "../../api/queries.ts";
import type { Summary } from "../../api/types.ts";
import { Banner, Bones, ErrorMark, ServiceName, State, useLate } from "../../base/parts.tsx";
import { Owner } from "../../base/Owner.tsx";
import { useNow } from "../../base/now.ts";
import { Icon } from "../../base/Icon.tsx";
import { answersOf, ownersOf } from "../../model/charter.ts";
import { tallies } from "../../model/findings.ts";
import { groupDigits, plural } from "../../model/format.ts";
import { fieldOf, quote } from "../../model/query.ts";
import { resolveRange } from "../../model/time.ts";
import { rangeOf, type ServicesParams } from "./params.ts";
import { SummaryTable } from "./SummaryTable.tsx";
import "./services.css";

const route = getRouteApi("/services/$name");

export function ServicePage() {
  const { name } = route.useParams();
  const params = route.useSearch() as ServicesParams;
  const navigate = useNavigate();
  const range = rangeOf(params);
  const { data, error, refetch } = useQuery(operationsQuery(name, range));
  const charter = useQuery(charterQuery).data;
  const found = tallies(useQuery(findingsQuery).data?.findings ?? [], "service").get(name);
  const waiting = useLate(data === undefined && error === null);
  const resolved = resolveRange(range, useNow());
  const seconds = typeof resolved === "string" ? 0 : (resolved.to - resolved.from) / 1000;
  const service = `${fieldOf("resource", "service.name")} = ${quote(name)}`;
  const share = { from: params.from ?? "", to: params.to ?? "", tz: params.tz ?? "" };
  const query = (o: Summary) => `{ ${service} && name = ${quote(o.name)}${o.kind ? ` && kind = ${o.kind}` : ""} }`;

  return (
    <div className="page">
      <header className="page-head">
        <Link to="/services" search={share} className="button quiet square" aria-label="All services" title="All services"><Icon name="left" /></Link>
        <h1><ServiceName name={name} slot={slotOf(name)} /></h1>
        {data && <span className="dim num">{plural(data.operations.length, "operation")}</span>}
        {charter && <Owner service={name} team={answersOf(ownersOf(charter).get(name))} />}
        <span className="grow" />
        <Link className="button" to="/findings" search={{ service: name }}>
          <Icon name="findings" />Findings
          {found && (found.violations > 0 ? <ErrorMark>{groupDigits(found.violations)}<span className="hidden-text"> violations</span></ErrorMark> : <span className="num dim">{groupDigits(found.findings)}</span>)}
        </Link>
        <Link className="button" to="/quality/$name" params={{ name }}><Icon name="quality" />Quality</Link>
        <Link className="button" to="/traces" search={{ ...share, q: `{ ${service} }` }}><Icon name="traces" />Traces</Link>
        <Link className="button" to="/traces" search={{ ...share, q: `{ ${service} && status = error }` }}><Icon name="diamond" small />Errors</Link>
      </header>
      {data?.partial && <Banner>This answer is partial: {data.partial}</Banner>}
      <div className="scroll">
        {error ? (
          <State icon="warning" title="The operations did not load">
            <p>{error.message}</p>
            <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
          </State>
        ) : waiting ? (
          <Bones rows={12} />
        ) : data && data.operations.length === 0 ? (
          <State icon="services" title="No operation in this range">
            <p>Asked: the span names of <b>{name}</b>. Choose a longer time range above.</p>
          </State>
        ) : data ? (
          <SummaryTable
            rows={data.operations}
            seconds={seconds}
            nameTitle="Operation"
            sort={params.sort}
            onSort={(sort) => void navigate({ to: "/services/$name", params: { name }, search: { ...params, sort }, replace: true })}
            name={(o) => (
              <Link to="/traces" search={{ ...share, q: query(o) }} className="name-link">
                <span className="cut">{o.name}</span>
                {o.kind && <span className="tag">{o.kind}</span>}
              </Link>
            )}
            traces={(o) => <Link className="link" to="/traces" search={{ ...share, q: query(o), order: "slowest" }} aria-label={`Slowest traces of ${o.name}`}>Slowest</Link>}
          />
        ) : null}
      </div>
    </div>
  );
}
