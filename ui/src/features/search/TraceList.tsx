/** The traces found: one line each, and for the selected one its matching spans below. */
import { Link } from "@tanstack/react-router";
import { Fragment, useEffect, useRef } from "react";
import { slotOf } from "../../api/colours.ts";
import type { FoundSpan, FoundTrace } from "../../api/types.ts";
import { ErrorMark, ServiceName } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { useNow } from "../../base/now.ts";
import { useZone } from "../../base/zone.ts";
import { formatDuration, groupDigits, plural } from "../../model/format.ts";
import { formatDate, formatInstant } from "../../model/time.ts";

interface Props {
  traces: FoundTrace[];
  selected: string;
  onSelect(traceId: string): void;
}

const CHIPS = 3;

export function TraceList({ traces, selected, onSelect }: Props) {
  const longest = Math.max(1, ...traces.map((t) => t.duration));
  return (
    <table className="data traces">
      <thead>
        <tr>
          <th scope="col" className="c-time">Start</th>
          <th scope="col">Root</th>
          <th scope="col" className="wide-only c-services">Services</th>
          <th scope="col" className="num c-duration">Duration</th>
          <th scope="col" className="num c-count c-spans">Spans</th>
          <th scope="col" className="num c-count">Errors</th>
          <th scope="col" className="num wide-only c-count">Matched</th>
        </tr>
      </thead>
      <tbody>
        {traces.map((t) => (
          <Fragment key={t.traceId}>
            <Row trace={t} longest={longest} selected={t.traceId === selected} onSelect={onSelect} />
            {t.traceId === selected && <Matches trace={t} />}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}

function Row({ trace: t, longest, selected, onSelect }: { trace: FoundTrace; longest: number; selected: boolean; onSelect(id: string): void }) {
  const zone = useZone();
  const now = useNow();
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  const start = BigInt(t.start);
  const instant = formatInstant(start, zone);
  const today = instant.startsWith(formatDate(now, zone));
  return (
    // The chevron's button does the same by keyboard; the click anywhere on the line is a bigger target.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <tr ref={row} className={selected ? "selected" : ""} onClick={(e) => !(e.target as HTMLElement).closest("a, button") && onSelect(selected ? "" : t.traceId)}>
      <td className="mono" title={formatInstant(start, "utc", 9) + " UTC"}>
        <span className="cut-cell">
          <button type="button" className="chevron" aria-expanded={selected} aria-label={`Matching spans of ${t.rootName}`} onClick={() => onSelect(selected ? "" : t.traceId)}>
            <Icon name={selected ? "down" : "right"} small />
          </button>
          {today ? instant.slice(11) : instant.slice(5, 19)}
        </span>
      </td>
      <td>
        <Link to="/trace/$traceId" params={{ traceId: t.traceId }} search={{ t: t.start, span: t.found[0]?.spanId ?? "" }} className="root" data-open={t.traceId}>
          <ServiceName name={t.rootService} slot={slotOf(t.rootService)} />
          <span className="root-name cut">{t.rootName}</span>
          {t.rootMissing && <span className="tag">root missing</span>}
        </Link>
      </td>
      <td className="wide-only">
        <span className="chips" title={t.services.map((s) => `${s.service}: ${s.spans}`).join("\n")}>
          {t.services.slice(0, CHIPS).map((s) => (
            <ServiceName key={s.service} name={s.service} slot={slotOf(s.service)} />
          ))}
          {t.services.length > CHIPS && <span className="faint">+{t.services.length - CHIPS}</span>}
        </span>
      </td>
      <td className="num">
        <span className="length">
          <span className="length-bar">
            <span style={{ width: `${Math.max(1, (100 * t.duration) / longest)}%` }} />
          </span>
          {formatDuration(t.duration)}
        </span>
      </td>
      <td className="num c-spans">{groupDigits(t.spans)}</td>
      <td className="num">{t.errors > 0 ? <ErrorMark>{groupDigits(t.errors)}</ErrorMark> : <span className="faint">0</span>}</td>
      <td className="num dim wide-only">{groupDigits(t.matched)}</td>
    </tr>
  );
}

function Matches({ trace: t }: { trace: FoundTrace }) {
  const base = BigInt(t.start);
  return (
    <tr className="matches">
      <td colSpan={7}>
        <ul>
          {t.found.map((s) => (
            <li key={s.spanId}>
              <Link to="/trace/$traceId" params={{ traceId: t.traceId }} search={{ t: t.start, span: s.spanId }} className="match">
                <ServiceName name={s.service} slot={slotOf(s.service)} />
                <span className="cut">{s.name}</span>
                <span className="faint">{s.kind}</span>
                {s.status === "error" ? <ErrorMark /> : <span />}
                <span className="num dim">+{formatDuration(Number(BigInt(s.start) - base))}</span>
                <span className="num">{formatDuration(s.duration)}</span>
                <Attributes span={s} />
              </Link>
            </li>
          ))}
        </ul>
        {t.matched > t.found.length && (
          <p className="faint">
            {plural(t.matched, "span")} match; the first {t.found.length} are shown.
          </p>
        )}
      </td>
    </tr>
  );
}

function Attributes({ span }: { span: FoundSpan }) {
  return (
    <span className="cut faint mono">
      {span.attributes.map((a) => `${a.key}=${typeof a.value === "object" ? JSON.stringify(a.value) : String(a.value)}`).join("  ")}
    </span>
  );
}
