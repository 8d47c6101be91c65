/** A trace by its id: loading, what is wrong, or the view. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ApiError } from "../../api/client.ts";
import { traceQuery } from "../../api/queries.ts";
import { Bones, State, useLate } from "../../base/parts.tsx";
import type { TraceParams } from "./params.ts";
import { TraceView } from "./TraceView.tsx";
import "./trace.css";

const route = getRouteApi("/trace/$traceId");

export function TracePage() {
  const { traceId } = route.useParams();
  const params = route.useSearch() as TraceParams;
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery(traceQuery(traceId));
  const waiting = useLate(data === undefined && error === null);

  if (data) {
    const write = (change: TraceParams) => void navigate({ to: "/trace/$traceId", params: { traceId }, search: (old) => ({ ...old, ...change }), replace: true });
    return <TraceView key={traceId} trace={data} params={params} onParams={write} />;
  }
  if (error) {
    const missing = error instanceof ApiError && error.kind === "not_found";
    return (
      <State icon="warning" title={missing ? "This trace is not stored" : "The trace did not load"}>
        <p>
          Asked: trace <code>{traceId}</code>. {error.message}
        </p>
        {missing ? (
          <ul>
            <li><span>It may be past the retention, not sampled by the sender, or not arrived yet</span></li>
            <li><Link to="/traces" className="link">Search for traces instead</Link></li>
          </ul>
        ) : null}
        <div className="actions">
          <button type="button" className="button" onClick={() => void refetch()}>Try again</button>
        </div>
      </State>
    );
  }
  return waiting ? (
    <div className="page trace">
      <div className="trace-head"><span className="bone bone-w2" /></div>
      <Bones rows={22} />
    </div>
  ) : null;
}
