/** What matters about a trace in one look: what it was, how long it took, what took part, what went wrong. */
import { useMemo, type ReactNode } from "react";
import { slotOf } from "../../api/colours.ts";
import { CopyButton, ErrorMark, ServiceName } from "../../base/parts.tsx";
import { useZone } from "../../base/zone.ts";
import { exactNs, formatDuration, groupDigits } from "../../model/format.ts";
import { parentMissing, rootOf, serviceShares, type Trace } from "../../model/skeleton.ts";
import { formatInstant, zoneName } from "../../model/time.ts";

const LEGEND = 8;

export function TraceHead({ trace, tools }: { trace: Trace; tools: ReactNode }) {
  const zone = useZone();
  const shares = useMemo(() => serviceShares(trace), [trace]);
  const root = rootOf(trace);
  const errors = shares.reduce((n, s) => n + s.errors, 0);
  return (
    <header className="trace-head">
      <div className="trace-title">
        <h1 className="cut">
          {root >= 0 && <ServiceName name={trace.services[trace.service[root]]} slot={slotOf(trace.services[trace.service[root]])} />}
          <span className="cut">{root >= 0 ? trace.names[trace.name[root]] : "Empty trace"}</span>
          {root >= 0 && parentMissing(trace, root) && <span className="tag">root missing</span>}
        </h1>
        <span className="trace-id mono dim wide-only">
          {trace.traceId}
          <CopyButton text={trace.traceId} label="Copy the trace id" />
        </span>
        <span className="grow" />
        {tools}
      </div>
      <dl className="facts">
        <div title={exactNs(trace.length)}>
          <dt>Duration</dt>
          <dd>{formatDuration(trace.length)}</dd>
        </div>
        <div>
          <dt>Spans</dt>
          <dd>{groupDigits(trace.count)}</dd>
        </div>
        <div>
          <dt>Errors</dt>
          <dd>{errors > 0 ? <ErrorMark>{groupDigits(errors)}</ErrorMark> : "0"}</dd>
        </div>
        <div>
          <dt>Depth</dt>
          <dd>{trace.maxDepth + 1}</dd>
        </div>
        <div title={`${formatInstant(trace.startNs, "utc", 9)} UTC`}>
          <dt>Started</dt>
          <dd>
            {formatInstant(trace.startNs, zone)} <span className="faint">{zoneName(zone, Number(trace.startNs / 1_000_000n))}</span>
          </dd>
        </div>
        <div className="wide-only legend-fact">
          <dt>{shares.length === 1 ? "Service" : `${shares.length} services`}</dt>
          <dd className="legend">
            {shares.slice(0, LEGEND).map((s) => (
              <ServiceName key={s.service} name={s.service} slot={slotOf(s.service)} count={groupDigits(s.spans)} />
            ))}
            {shares.length > LEGEND && <span className="faint">+{shares.length - LEGEND}</span>}
          </dd>
        </div>
      </dl>
    </header>
  );
}
