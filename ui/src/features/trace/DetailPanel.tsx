/** Everything about the selected span. What the skeleton knows is there at once, the rest follows. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { slotOf } from "../../api/colours.ts";
import { charterQuery, spanQuery } from "../../api/queries.ts";
import type { SpanDetails, SpanEvent, SpanLink } from "../../api/types.ts";
import { Icon } from "../../base/Icon.tsx";
import { CopyButton, ErrorMark, Reach, ServiceName, State, useLate } from "../../base/parts.tsx";
import { useNow } from "../../base/now.ts";
import { useZone } from "../../base/zone.ts";
import { addressOf, ownersOf } from "../../model/charter.ts";
import { exactNs, formatDuration, formatShare, groupDigits, plural } from "../../model/format.ts";
import { fieldOf, quote } from "../../model/query.ts";
import { endsBeforeStart, kindOf, parentMissing, spanId, statusOf, type Trace } from "../../model/skeleton.ts";
import { formatInstant, rangeAround, type RangeText } from "../../model/time.ts";
import { Attributes, linked, valueText } from "./Attributes.tsx";

interface Props {
  trace: Trace;
  span: number;
  onSelect(span: number): void;
  onClose(): void;
}

export function DetailPanel({ trace, span, onSelect, onClose }: Props) {
  const zone = useZone();
  const range = rangeAround(Number(trace.startNs / 1_000_000n), useNow());
  const id = spanId(trace, span);
  const { data, error, isPlaceholderData } = useQuery({ ...spanQuery(trace.traceId, id, kindOf(trace, span)), placeholderData: keepPreviousData });
  const details = isPlaceholderData ? undefined : data;
  const waiting = useLate(details === undefined && error === null);
  const [filter, setFilter] = useState("");
  const service = trace.services[trace.service[span]];
  const name = trace.names[trace.name[span]];
  const parent = trace.parent[span];
  const status = statusOf(trace, span);
  const started = trace.startNs + BigInt(Math.round(trace.start[span]));

  return (
    <aside className="panel" aria-label="Span details">
      <header className="panel-head">
        <div className="panel-title">
          <ServiceName name={service} slot={slotOf(service)} />
          <button type="button" className="button quiet square" aria-label="Close details" title="Close (Esc)" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        <h2>{name === "" ? <span className="faint">(no name)</span> : name}</h2>
        <dl className="facts small">
          <Fact label="Duration" title={exactNs(trace.duration[span])}>{formatDuration(trace.duration[span])}</Fact>
          <Fact label="Of trace">{formatShare(trace.duration[span], trace.end)}</Fact>
          <Fact label="After start" title={formatInstant(started, zone, 9)}>{formatDuration(trace.start[span])}</Fact>
          <Fact label="Kind">{kindOf(trace, span)}</Fact>
          <Fact label="Status">{status === "error" ? <ErrorMark>error</ErrorMark> : status}</Fact>
        </dl>
        {details?.statusMessage && <p className="status-message">{details.statusMessage}</p>}
        {status === "error" && <ErrorOwner service={service} />}
        {parentMissing(trace, span) && <p className="note">Its parent {details?.parentId ? <code>{details.parentId}</code> : "span"} is not stored.</p>}
        {endsBeforeStart(trace, span) && <p className="note">Its sender says that it ended before it started; it is drawn without length.</p>}
        <div className="panel-tools">
          <input className="input" placeholder="Filter attributes" aria-label="Filter attributes" value={filter} onChange={(e) => setFilter(e.target.value)} />
          <Link className="button" to="/traces" search={{ q: `{ ${fieldOf("resource", "service.name")} = ${quote(service)} && name = ${quote(name)} }`, ...linked(range) }} title="Find traces with this operation">
            <Icon name="filter" />
            Similar
          </Link>
        </div>
      </header>
      {/* It scrolls, so the keyboard must reach it. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="panel-body" tabIndex={0} role="region" aria-label="Attributes, events and links">
        {error && <State icon="warning" title="The details did not load"><p>{error.message}</p></State>}
        {waiting && [0, 1, 2, 3, 4, 5].map((k) => <div key={k} className="bone-row"><span className="bone bone-a" /><span className="bone bone-w1" /></div>)}
        {details && <Details span={details} filter={filter.toLowerCase()} trace={trace} range={range} />}
        <Section title="Identity" count={undefined}>
          <dl className="attributes">
            <Identity label="trace id" value={trace.traceId} />
            <Identity label="span id" value={id} />
            {parent >= 0 && (
              <div className="attribute">
                <dt className="mono">parent</dt>
                <dd>
                  <button type="button" className="inline-button" onClick={() => onSelect(parent)}>
                    {trace.services[trace.service[parent]]} {trace.names[trace.name[parent]]}
                  </button>
                </dd>
              </div>
            )}
            <Identity label="started" value={`${formatInstant(started, zone, 9)}${zone === "utc" ? " UTC" : ""}`} />
            {details?.receivedAt && <Identity label="received" value={`${formatInstant(BigInt(details.receivedAt), zone)}${zone === "utc" ? " UTC" : ""}`} />}
            {details?.traceState && <Identity label="trace state" value={details.traceState} />}
          </dl>
        </Section>
      </div>
    </aside>
  );
}

/** Whom an error is of interest to. */
function ErrorOwner({ service }: { service: string }) {
  const { data } = useQuery(charterQuery);
  if (!data || data.services.length === 0) return null;
  const team = ownersOf(data).get(service);
  return (
    <p className="note error-owner">
      Owner: {team ? <b>{team.name}</b> : "nobody"}
      {team?.contact && <Reach text={team.contact} href={addressOf(team.contact)} />}
      {team?.runbook && <Reach text={addressOf(team.runbook) ? "runbook" : team.runbook} href={addressOf(team.runbook)} />}
    </p>
  );
}

function Fact({ label, title, children }: { label: string; title?: string; children: ReactNode }) {
  return (
    <div title={title}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Identity({ label, value }: { label: string; value: string }) {
  return (
    <div className="attribute">
      <dt className="mono">{label}</dt>
      <dd className="mono">{value}</dd>
      <dd className="attribute-tools">
        <CopyButton text={value} label={`Copy the ${label}`} />
      </dd>
    </div>
  );
}

function Section({ title, count, children }: { title: string; count: number | undefined; children: ReactNode }) {
  return (
    <details className="section" open>
      <summary>
        <Icon name="right" small />
        {title}
        {count !== undefined && <span className="faint num">{groupDigits(count)}</span>}
      </summary>
      {children}
    </details>
  );
}

function Details({ span, filter, trace, range }: { span: SpanDetails; filter: string; trace: Trace; range: RangeText }) {
  return (
    <>
      {span.sharedId > 0 && <p className="note">{plural(span.sharedId, "other record")} in this trace {span.sharedId === 1 ? "has" : "have"} the same span id.</p>}
      {span.marks.length > 0 && <p className="note">Marked on arrival: {span.marks.join(", ")}</p>}
      <Section title="Attributes" count={span.attributes.length}>
        <Attributes attributes={span.attributes} scope="span" range={range} filter={filter} />
      </Section>
      {span.events.length > 0 && (
        <Section title="Events" count={span.events.length}>
          <ol className="events">
            {span.events.map((e, k) => (
              // Events have no id; their order within a span never changes.
              // oxlint-disable-next-line react/no-array-index-key
              <Event key={k} event={e} range={range} filter={filter} />
            ))}
          </ol>
        </Section>
      )}
      {span.links.length > 0 && (
        <Section title="Links" count={span.links.length}>
          <ul className="links">
            {span.links.map((l) => (
              <LinkLine key={`${l.traceId}${l.spanId}`} link={l} range={range} here={l.traceId === trace.traceId} />
            ))}
          </ul>
        </Section>
      )}
      <Section title="Resource" count={span.resource.length}>
        <Attributes attributes={span.resource} scope="resource" range={range} filter={filter} />
      </Section>
      {(span.scope.name !== "" || span.scope.attributes.length > 0) && (
        <Section title="Instrumentation scope" count={undefined}>
          <Attributes
            attributes={[
              { key: "name", type: "string", value: span.scope.name },
              ...(span.scope.version === "" ? [] : [{ key: "version", type: "string" as const, value: span.scope.version }]),
              ...span.scope.attributes,
            ]}
            range={range}
            filter={filter}
          />
        </Section>
      )}
    </>
  );
}

function Event({ event, filter, range }: { event: SpanEvent; filter: string; range: RangeText }) {
  const stack = event.attributes.find((a) => a.key === "exception.stacktrace");
  const rest = event.attributes.filter((a) => a !== stack);
  return (
    <li>
      <div className="event-head">
        {event.name === "exception" ? <ErrorMark>exception</ErrorMark> : <b>{event.name}</b>}
        <span className="faint num" title="After the span's start">+{formatDuration(event.time)}</span>
      </div>
      {rest.length > 0 && <Attributes attributes={rest} scope="event" range={range} filter={filter} />}
      {stack && <pre className="stack mono">{valueText(stack.value)}</pre>}
    </li>
  );
}

function LinkLine({ link, here, range }: { link: SpanLink; here: boolean; range: RangeText }) {
  return (
    <li>
      <Link to="/trace/$traceId" params={{ traceId: link.traceId }} search={{ span: link.spanId }} className="link mono">
        <Icon name="link" />
        {here ? "this trace" : link.traceId.slice(0, 16)} · {link.spanId}
      </Link>
      {link.attributes.length > 0 && <Attributes attributes={link.attributes} scope="link" range={range} />}
    </li>
  );
}
