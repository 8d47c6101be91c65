/** Search: a query, matches over time, filters, and the traces found. */
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { ApiError } from "../../api/client.ts";
import { learn } from "../../api/colours.ts";
import { histogramQuery, searchQuery } from "../../api/queries.ts";
import { Icon } from "../../base/Icon.tsx";
import { useKeys } from "../../base/keys.ts";
import { Banner, Bones, State, useLate } from "../../base/parts.tsx";
import { Popover } from "../../base/Popover.tsx";
import { useNow } from "../../base/now.ts";
import { useZone } from "../../base/zone.ts";
import { formatShare, groupDigits, plural } from "../../model/format.ts";
import { filterOf, isEmptyQuery } from "../../model/query.ts";
import { barStep } from "../../model/scale.ts";
import { DEFAULT_RANGE, rangeLabel, resolveRange, toRfc3339, type RangeText } from "../../model/time.ts";
import { Facets } from "./Facets.tsx";
import { HistogramView } from "./HistogramView.tsx";
import { LiveList } from "./LiveList.tsx";
import { ORDERS, orderOf, rangeOf, type SearchParams } from "./params.ts";
import { QueryField } from "./QueryField.tsx";
import { TraceList } from "./TraceList.tsx";
import "./search.css";

const route = getRouteApi("/traces");
const BARS = 120;

export function SearchPage() {
  const params = route.useSearch() as SearchParams;
  const navigate = useNavigate();
  const client = useQueryClient();
  const q = params.q ?? "";
  const range = rangeOf(params);
  const order = orderOf(params);
  const live = params.live === "1";
  const selected = params.sel ?? "";

  /** What is asked makes a step in the history; what is selected replaces it. */
  const go = (change: SearchParams, replace = false) => void navigate({ to: "/traces", search: { ...params, ...change }, replace });
  const asked = (query: string) => {
    if (query === q) refresh();
    else go({ q: query, sel: "" });
  };
  const refresh = () => {
    for (const key of ["search", "histogram", "values"]) void client.invalidateQueries({ queryKey: [key] });
  };

  const found = useInfiniteQuery({ ...searchQuery({ q, range }, order), enabled: !live });
  const histogram = useQuery({
    ...histogramQuery(q, range, (now) => {
      const r = resolveRange(range, now);
      if (typeof r === "string") throw new ApiError("invalid", r);
      return { range: r, stepMs: barStep(r.from, r.to, BARS) };
    }),
    refetchInterval: live ? 5000 : false,
  });
  const traces = useMemo(() => {
    const all = found.data?.pages.flatMap((p) => p.traces) ?? [];
    learn(all.flatMap((t) => [t.rootService, ...t.services.map((s) => s.service)]));
    return all;
  }, [found.data]);
  const waiting = useLate(found.isPending && !live);
  const error = found.error instanceof ApiError ? found.error : undefined;

  const step = (by: number) => {
    const at = traces.findIndex((t) => t.traceId === selected);
    const next = traces[Math.min(traces.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
    if (next) go({ sel: next.traceId }, true);
  };
  // A new answer may come between the choice and the key, and be without the trace that was chosen.
  const open = () => {
    const t = traces.find((x) => x.traceId === selected);
    if (selected !== "") void navigate({ to: "/trace/$traceId", params: { traceId: selected }, search: { t: t?.start ?? "", span: t?.found[0]?.spanId ?? "", tz: params.tz ?? "" } });
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: (e) => !(e.target as HTMLElement).closest("a, button") ? open() : (e.target as HTMLElement).click(),
    o: open,
    r: refresh,
    Escape: () => go({ sel: "" }, true),
    "/": () => document.getElementById("query")?.focus(),
  });

  return (
    <div className="page search">
      <h1 className="hidden-text">Traces</h1>
      <div className="search-bar">
        <QueryField value={q} range={range} errorAt={error?.position} onRun={asked} />
        <button type="button" className="button square" aria-label="Run again" title="Run again (r)" onClick={refresh}>
          <Icon name="refresh" />
        </button>
        <button type="button" className="button" aria-pressed={live} title="Follow matching spans as they arrive" onClick={() => go({ live: live ? "" : "1", sel: "" })}>
          <Icon name={live ? "pause" : "live"} />
          Live
        </button>
      </div>
      {histogram.data ? (
        <HistogramView data={histogram.data} onZoom={(r) => go({ from: toRfc3339(r.from), to: toRfc3339(r.to), live: "", sel: "" })} />
      ) : (
        <div className="histogram empty">{histogram.error && !error ? <span className="faint">{histogram.error.message}</span> : null}</div>
      )}
      <div className="faceted">
        <aside className="facets" aria-label="Filters">
          <Facets query={q} range={range} onQuery={asked} />
        </aside>
        <section className="results" aria-label="Traces found">
          {live ? (
            <LiveList query={filterOf(q)} />
          ) : (
            <>
              <Partial text={found.data?.pages.find((p) => p.partial !== "")?.partial ?? ""} />
              <div className="list-head">
                <h2 className="num">{found.data ? `${plural(traces.length, "trace")}${found.hasNextPage ? " so far" : ""}` : "Traces"}</h2>
                {histogram.data && (
                  <span className="dim">
                    {plural(histogram.data.total, "matching span")}
                    {histogram.data.errors > 0 && `, ${formatShare(histogram.data.errors, histogram.data.total)} with errors`}
                  </span>
                )}
                {found.data && found.data.pages.length > 0 && <Took ms={found.data.pages[0].stats.tookMs} rows={found.data.pages[0].stats.rows} />}
                <span className="grow" />
                <span className="narrow-only">
                  <Popover label="Filters" align="right" className="button square" button={<Icon name="filter" />}>
                    {() => <Facets query={q} range={range} onQuery={asked} />}
                  </Popover>
                </span>
                <div className="segments" role="group" aria-label="Order">
                  {ORDERS.map((o) => (
                    <button key={o.id} type="button" title={o.hint} aria-pressed={order === o.id} onClick={() => go({ order: o === ORDERS[0] ? "" : o.id, sel: "" })}>
                      {o.title}
                    </button>
                  ))}
                </div>
              </div>
              <div className="scroll" data-stale={found.isPlaceholderData ? "" : undefined}>
                {found.error && !found.data ? (
                  <Failed error={found.error} query={q} retry={refresh} />
                ) : waiting ? (
                  <Bones rows={14} />
                ) : found.data && traces.length === 0 ? (
                  <Nothing query={q} range={range} go={go} />
                ) : found.data ? (
                  <>
                    <TraceList traces={traces} selected={selected} onSelect={(id) => go({ sel: id }, true)} />
                    {found.hasNextPage && (
                      <div className="more">
                        <button type="button" className="button" disabled={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
                          {found.isFetchingNextPage ? "Loading" : "Load more"}
                        </button>
                      </div>
                    )}
                    {found.isFetchNextPageError && <p className="more is-error">{found.error?.message}</p>}
                  </>
                ) : null}
              </div>
            </>
          )}
        </section>
      </div>
    </div>
  );
}

function Partial({ text }: { text: string }) {
  return text === "" ? null : <Banner>This answer is partial: {text}</Banner>;
}

function Took({ ms, rows }: { ms: number; rows: number }) {
  return <span className="faint num wide-only">{`${groupDigits(rows)} rows in ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`}</span>;
}

function Failed({ error, query, retry }: { error: Error; query: string; retry(): void }) {
  const position = error instanceof ApiError ? error.position : undefined;
  return (
    <State icon="warning" title={position === undefined ? "The search did not run" : "The query cannot be read"}>
      <p>{error.message}</p>
      {position !== undefined && (
        <pre>
          <code>
            {query}
            {"\n"}
            <span className="is-error">{`${" ".repeat(Math.max(0, position - 1))}▲`}</span>
          </code>
        </pre>
      )}
      <div className="actions">
        <button type="button" className="button" onClick={retry}>Try again</button>
      </div>
    </State>
  );
}

const WIDER: RangeText[] = [{ from: "now-6h", to: "now" }, { from: "now-1d", to: "now" }, { from: "now-7d", to: "now" }];

function Nothing({ query, range, go }: { query: string; range: RangeText; go(change: SearchParams): void }) {
  const zone = useZone();
  const now = useNow();
  const r = resolveRange(range, now);
  const length = typeof r === "string" ? 0 : r.to - r.from;
  const wider = WIDER.filter((w) => {
    const x = resolveRange(w, now);
    return typeof x !== "string" && x.to - x.from > length;
  });
  return (
    <State icon="search" title="No trace matches">
      <p>
        Asked: {isEmptyQuery(query) ? "every span" : <code>{query}</code>} in <b>{rangeLabel(range, now, zone)}</b>. The range was searched whole, and nothing matched.
      </p>
      <ul>
        {wider.map((w) => (
          <li key={w.from}>
            <button type="button" className="inline-button" onClick={() => go(w.from === DEFAULT_RANGE.from ? { from: "", to: "" } : w)}>
              Look at the {rangeLabel(w, now, zone).toLowerCase()}
            </button>
          </li>
        ))}
        {!isEmptyQuery(query) && (
          <li>
            <button type="button" className="inline-button" onClick={() => go({ q: "" })}>Drop the query and see all traces</button>
          </li>
        )}
        {isEmptyQuery(query) && (
          <li>
            <span>Send spans over OTLP to this server: gRPC on port 4317, HTTP on port 4318</span>
          </li>
        )}
      </ul>
    </State>
  );
}
