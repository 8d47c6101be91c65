/** Rate, errors and durations of services or operations, one line each, sorted by any column. */
import type { ReactNode } from "react";
import type { Summary } from "../../api/types.ts";
import { ErrorMark } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { formatCount, formatDuration, formatRate, formatShare, groupDigits } from "../../model/format.ts";
import { nextSort, parseSort, sortRows, type Sort } from "../../model/sort.ts";
import { useNow } from "../../base/now.ts";
import { ago } from "../../model/time.ts";

const COLUMNS = [
  { id: "name", title: "Name" },
  { id: "owner", title: "Owner" },
  { id: "rate", title: "Requests" },
  { id: "errors", title: "Errors" },
  { id: "p50", title: "p50" },
  { id: "p95", title: "p95" },
  { id: "p99", title: "p99" },
  { id: "spans", title: "Spans" },
  { id: "seen", title: "Last seen" },
] as const;
const IDS = COLUMNS.map((c) => c.id);
/** Columns of words: they begin at the left and with the first. */
const TEXTS = new Set<string>(["name", "owner"]);

interface Props {
  rows: Summary[];
  /** Length of the range in seconds. */
  seconds: number;
  nameTitle: string;
  sort: string | undefined;
  onSort(sort: string): void;
  name(row: Summary): ReactNode;
  /** Who answers for a row, and what is found there. Without it there is no such column. */
  owner?(row: Summary): ReactNode;
  /** Link to the traces of a row. */
  traces(row: Summary): ReactNode;
}

function value(r: Summary, column: string): number | string {
  switch (column) {
    case "name": return r.name;
    case "owner": return r.team ?? "";
    case "rate": return r.requests;
    case "errors": return r.requests > 0 ? r.errors / r.requests : r.errors;
    case "p50": return r.p50;
    case "p95": return r.p95;
    case "p99": return r.p99;
    case "spans": return r.spans;
    default: return Number(r.lastSeen);
  }
}

/** Operations of one name differ by kind. */
const key = (r: Summary) => `${r.name}\u0000${r.kind ?? ""}`;

export function SummaryTable({ rows, seconds, nameTitle, sort, onSort, name, owner, traces }: Props) {
  const columns = COLUMNS.filter((c) => c.id !== "owner" || owner !== undefined);
  const by: Sort = parseSort(sort, IDS, { column: "rate", down: true });
  const now = useNow();
  const slowest = Math.max(1, ...rows.map((r) => r.p99));
  const busiest = Math.max(1, ...rows.map((r) => r.requests));
  return (
    <table className="data summaries">
      <thead>
        <tr>
          {columns.map((c) => (
            <th key={c.id} scope="col" className={`s-${c.id}${TEXTS.has(c.id) ? "" : " num"}`} aria-sort={by.column === c.id ? (by.down ? "descending" : "ascending") : undefined}>
              <button type="button" onClick={() => onSort(nextSort(by, c.id, TEXTS.has(c.id)))}>
                {c.id === "name" ? nameTitle : c.title}
                {by.column === c.id && <Icon name={by.down ? "down" : "up"} small />}
              </button>
            </th>
          ))}
          <th scope="col" className="s-traces"><span className="hidden-text">Traces</span></th>
        </tr>
      </thead>
      <tbody>
        {sortRows(rows, by, value, key).map((r) => (
          <tr key={key(r)}>
            <td className="s-name">{name(r)}</td>
            {owner && <td className="s-owner">{owner(r)}</td>}
            <td className="num s-rate">
              <Meter share={r.requests / busiest} />
              {formatRate(r.requests, seconds)}
            </td>
            <td className="num s-errors">{r.errors > 0 ? <ErrorMark>{formatShare(r.errors, r.requests)}</ErrorMark> : <span className="faint">{formatShare(0, r.requests)}</span>}</td>
            <td className="num s-p50">{formatDuration(r.p50)}</td>
            <td className="num s-p95">{formatDuration(r.p95)}</td>
            <td className="num s-p99">
              <Meter share={r.p99 / slowest} />
              {formatDuration(r.p99)}
            </td>
            <td className="num dim s-spans" title={groupDigits(r.spans)}>{formatCount(r.spans)}</td>
            <td className="num dim s-seen">{ago(Number(BigInt(r.lastSeen) / 1_000_000n), now)}</td>
            <td className="s-traces">{traces(r)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A share as a hair of a bar, beside the number that says it. */
function Meter({ share }: { share: number }) {
  return (
    <span className="meter" aria-hidden="true">
      <span style={{ width: `${Math.max(share > 0 ? 2 : 0, 100 * share)}%` }} />
    </span>
  );
}
