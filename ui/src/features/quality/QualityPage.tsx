/** How well each service is instrumented, the worst first. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { learn, slotOf } from "../../api/colours.ts";
import { scoresQuery } from "../../api/queries.ts";
import type { ScoredService } from "../../api/types.ts";
import { Banner, Bones, ServiceName, State, useLate } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { useKeys } from "../../base/keys.ts";
import { answersOf } from "../../model/charter.ts";
import { plural } from "../../model/format.ts";
import { worstRules } from "../../model/quality.ts";
import { nextSort, parseSort, sortRows } from "../../model/sort.ts";
import { Owner } from "../../base/Owner.tsx";
import { windowOf, type QualityParams } from "./params.ts";
import { Score, Trend, Undecided, Windows } from "./parts.tsx";
import "./quality.css";

const route = getRouteApi("/quality");
const COLUMNS = [
  { id: "name", title: "Service" },
  { id: "owner", title: "Owner" },
  { id: "score", title: "Score" },
  { id: "failed", title: "Rules that fail" },
] as const;
const IDS = COLUMNS.map((c) => c.id);

const failing = (s: ScoredService) => worstRules(s.rules).filter((r) => !r.passed);

function value(s: ScoredService, column: string): number | string {
  switch (column) {
    case "name": return s.service;
    case "owner": return s.team?.name ?? "";
    case "failed": return failing(s).length;
    default: return s.score;
  }
}

export function QualityPage() {
  const params = route.useSearch() as QualityParams;
  const navigate = useNavigate();
  const { data, error, refetch, isPlaceholderData } = useQuery(scoresQuery(windowOf(params)));
  const waiting = useLate(data === undefined && error === null);
  const by = parseSort(params.sort, IDS, { column: "score", down: false });
  const filter = (params.f ?? "").toLowerCase();
  const all = data?.services ?? [];
  const rows = all.filter((s) => `${s.service} ${s.team?.name ?? "nobody"}`.toLowerCase().includes(filter));
  learn(all.map((s) => s.service));
  const go = (change: QualityParams) => void navigate({ to: "/quality", search: { ...params, ...change }, replace: true });
  useKeys({ r: () => void refetch() });

  return (
    <div className="page">
      <header className="page-head">
        <h1>Quality</h1>
        {data && <span className="dim num">{plural(rows.length, "service")}</span>}
        <span className="grow" />
        <input className="input" aria-label="Filter services and teams" placeholder="Filter services and teams" value={params.f ?? ""} onChange={(e) => go({ f: e.target.value })} />
        <Windows params={params} />
      </header>
      {error && data && <Banner bad>These scores are as of the last answer: {error.message}</Banner>}
      <div className="scroll" data-stale={isPlaceholderData ? "" : undefined}>
        {error && !data ? (
          <State icon="warning" title="The scores did not load">
            <p>{error.message}</p>
            <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
          </State>
        ) : waiting ? (
          <Bones rows={12} />
        ) : data && all.length === 0 ? (
          <State icon="quality" title="No service to judge">
            <p>No trace of the last {windowOf(params)} has ended more than a minute ago.</p>
            <ul>
              <li><span>Wait a minute: a trace is judged when its spans had time to arrive</span></li>
              <li><span>Choose a longer time above</span></li>
              <li><span>Send spans over OTLP to this server: gRPC on port 4317, HTTP on port 4318</span></li>
            </ul>
          </State>
        ) : data && rows.length === 0 ? (
          <State icon="quality" title="No service or team has that name">
            <p>Asked: <code>{params.f}</code>, among {plural(all.length, "service")}.</p>
            <div className="actions"><button type="button" className="button" onClick={() => go({ f: "" })}>Clear the filter</button></div>
          </State>
        ) : data ? (
          <>
            <table className="data quality">
              <thead>
                <tr>
                  {COLUMNS.map((c) => (
                    <th key={c.id} scope="col" className={`q-${c.id}`} aria-sort={by.column === c.id ? (by.down ? "descending" : "ascending") : undefined}>
                      <button type="button" onClick={() => go({ sort: nextSort(by, c.id, c.id !== "failed") })}>
                        {c.title}
                        {by.column === c.id && <Icon name={by.down ? "down" : "up"} small />}
                      </button>
                    </th>
                  ))}
                  <th scope="col" className="q-trend">Last 90 days</th>
                </tr>
              </thead>
              <tbody>
                {sortRows(rows, by, value, (s) => s.service).map((s) => (
                  <tr key={s.service}>
                    <td className="q-name">
                      <Link to="/quality/$name" params={{ name: s.service }} search={{ window: params.window ?? "" }} className="name-link"><ServiceName name={s.service} slot={slotOf(s.service)} /></Link>
                    </td>
                    <td className="q-owner"><Owner service={s.service} team={answersOf(s.team)} short /></td>
                    <td className="q-score"><Score score={s.score} band={s.band} /></td>
                    <td className="q-failed"><Fails service={s} /></td>
                    <td className="q-trend"><Trend history={s.history} width={90} height={16} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
            <Undecided scores={data} />
          </>
        ) : null}
      </div>
    </div>
  );
}

function Fails({ service }: { service: ScoredService }) {
  const rules = failing(service);
  if (rules.length === 0) return <span className="faint">none</span>;
  return <span className="cut" title={rules.map((r) => `${r.id} ${r.name}`).join("\n")}>{rules.map((r) => r.name).join(", ")}</span>;
}
