/** The traces that links join to this one, in one picture: what set it off, what it set off. Absent when it stands alone. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { slotOf } from "../../api/colours.ts";
import { linkedQuery } from "../../api/queries.ts";
import { Icon } from "../../base/Icon.tsx";
import { ErrorMark, ServiceName } from "../../base/parts.tsx";
import { exactNs, formatDuration, plural } from "../../model/format.ts";
import { story, type StoryRow } from "../../model/story.ts";

export function Story({ traceId }: { traceId: string }) {
  const { data, error } = useQuery(linkedQuery(traceId));
  const { rows, length } = useMemo(() => (data ? story(data) : { rows: [], length: 1 }), [data]);
  if (error) return <p className="story note">Linked traces did not load: {error.message}</p>;
  if (!data || (rows.length < 2 && data.missing.length === 0)) return null;
  return (
    <details className="story" open>
      <summary>
        <Icon name="right" small />
        {plural(rows.length, "linked trace")}
        <span className="faint">
          over {formatDuration(length)}
          {data.missing.length > 0 && ` · ${plural(data.missing.length, "trace")} that links name ${data.missing.length === 1 ? "is" : "are"} not stored`}
          {data.more && " · more exist than are shown"}
          {data.partial !== "" && ` · partial: ${data.partial}`}
        </span>
      </summary>
      <div className="story-rows">
        {rows.map((r) => (
          <Row key={r.trace.traceId} row={r} length={length} current={r.trace.traceId === traceId} />
        ))}
      </div>
    </details>
  );
}

function Row({ row, length, current }: { row: StoryRow; length: number; current: boolean }) {
  const t = row.trace;
  return (
    <Link
      to="/trace/$traceId"
      params={{ traceId: t.traceId }}
      search={row.span === "" ? {} : { span: row.span }}
      className={`story-row${t.errors > 0 ? " error" : ""}${current ? " current" : ""}`}
      aria-current={current ? "true" : undefined}
      title={`${t.rootService}: ${t.rootName}, ${plural(t.spans, "span")}, starts ${formatDuration(row.start)} after the first`}
    >
      <span className="story-name" style={{ paddingLeft: row.depth * 14 }}>
        {row.depth > 0 && <span className="story-step" aria-hidden="true" />}
        <ServiceName name={t.rootService} slot={slotOf(t.rootService)} />
        <span className="cut">{t.rootName || "(no name)"}</span>
        {t.rootMissing && <span className="tag">root missing</span>}
        {t.errors > 0 && <ErrorMark />}
        {row.moreCauses > 0 && <span className="faint">+{plural(row.moreCauses, "cause")}</span>}
      </span>
      <span className="story-lane" aria-hidden="true">
        <span className="story-bar" style={{ left: `${(row.start / length) * 100}%`, width: `${(t.duration / length) * 100}%` }} />
      </span>
      <span className="story-time num" title={exactNs(t.duration)}>{formatDuration(t.duration)}</span>
    </Link>
  );
}
