/** All services of the range. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { learn, slotOf } from "../../api/colours.ts";
import { charterQuery, findingsQuery, servicesQuery } from "../../api/queries.ts";
import { Banner, Bones, ServiceName, State, useLate } from "../../base/parts.tsx";
import { useNow } from "../../base/now.ts";
import { Owner } from "../../base/Owner.tsx";
import { useZone } from "../../base/zone.ts";
import { answersOf, ownersOf } from "../../model/charter.ts";
import { tallies } from "../../model/findings.ts";
import { plural } from "../../model/format.ts";
import { fieldOf, quote } from "../../model/query.ts";
import { rangeLabel, resolveRange } from "../../model/time.ts";
import { rangeOf, type ServicesParams } from "./params.ts";
import { FoundMark } from "./FoundMark.tsx";
import { SummaryTable } from "./SummaryTable.tsx";
import "./services.css";

const route = getRouteApi("/services");

export function ServicesPage() {
  const params = route.useSearch() as ServicesParams;
  const navigate = useNavigate();
  const zone = useZone();
  const range = rangeOf(params);
  const { data, error, refetch } = useQuery(servicesQuery(range));
  const waiting = useLate(data === undefined && error === null);
  const owners = ownersOf(useQuery(charterQuery).data);
  const found = tallies(useQuery(findingsQuery).data?.findings ?? [], "service");
  const now = useNow();
  const resolved = resolveRange(range, now);
  const seconds = typeof resolved === "string" ? 0 : (resolved.to - resolved.from) / 1000;
  const filter = (params.f ?? "").toLowerCase();
  const rows = (data?.services ?? []).filter((s) => s.name.toLowerCase().includes(filter));
  learn((data?.services ?? []).map((s) => s.name));
  const go = (change: ServicesParams, replace: boolean) => void navigate({ to: "/services", search: { ...params, ...change }, replace });
  const share = { from: params.from ?? "", to: params.to ?? "", tz: params.tz ?? "" };

  return (
    <div className="page">
      <header className="page-head">
        <h1>Services</h1>
        {data && <span className="dim num">{plural(rows.length, "service")}</span>}
        <span className="grow" />
        <input className="input" aria-label="Filter services" placeholder="Filter services" value={params.f ?? ""} onChange={(e) => go({ f: e.target.value }, true)} />
      </header>
      {data?.partial && <Banner>This answer is partial: {data.partial}</Banner>}
      <div className="scroll">
        {error && !data ? (
          <State icon="warning" title="The services did not load">
            <p>{error.message}</p>
            <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
          </State>
        ) : waiting ? (
          <Bones rows={12} />
        ) : data && rows.length === 0 ? (
          <State icon="services" title={filter === "" ? "No service sent spans" : "No service has that name"}>
            <p>Asked: {filter === "" ? "every service" : <code>{params.f}</code>} in <b>{rangeLabel(range, now, zone)}</b>.</p>
            <ul>
              <li><span>Choose a longer time range above</span></li>
              {filter === "" && <li><span>Send spans over OTLP to this server: gRPC on port 4317, HTTP on port 4318</span></li>}
            </ul>
          </State>
        ) : data ? (
          <SummaryTable
            rows={rows}
            seconds={seconds}
            nameTitle="Service"
            sort={params.sort}
            onSort={(sort) => go({ sort }, true)}
            name={(s) => (
              <Link to="/services/$name" params={{ name: s.name }} search={share} className="name-link">
                <ServiceName name={s.name} slot={slotOf(s.name)} />
              </Link>
            )}
            owner={(s) => (
              <span className="owner-cell">
                <Owner service={s.name} team={answersOf(owners.get(s.name))} short />
                <FoundMark service={s.name} tally={found.get(s.name)} />
              </span>
            )}
            traces={(s) => <Link className="link" to="/traces" search={{ ...share, q: `{ ${fieldOf("resource", "service.name")} = ${quote(s.name)} }` }} aria-label={`Traces of ${s.name}`}>Traces</Link>}
          />
        ) : null}
      </div>
    </div>
  );
}
