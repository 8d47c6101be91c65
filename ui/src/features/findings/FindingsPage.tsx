/** What breaks the charter, the worst first, with who owns it and what mends it. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { learn } from "../../api/colours.ts";
import { findingsQuery, statusQuery } from "../../api/queries.ts";
import { Icon } from "../../base/Icon.tsx";
import { useKeys } from "../../base/keys.ts";
import { Banner, Bones, ErrorMark, State, useLate } from "../../base/parts.tsx";
import { Popover } from "../../base/Popover.tsx";
import { useNow } from "../../base/now.ts";
import { FIELDS, filterFindings, groupFindings, idOf, overflowSentence, traceIdOf, worstFirst, type Field } from "../../model/findings.ts";
import { groupDigits, plural } from "../../model/format.ts";
import { Filters } from "./Filters.tsx";
import { FindingsList } from "./FindingsList.tsx";
import { chosenOf, GROUPINGS, groupingOf, type FindingsParams } from "./params.ts";
import "./findings.css";

const route = getRouteApi("/findings");
const POLL_MS = 5000;

export function FindingsPage() {
  const params = route.useSearch() as FindingsParams;
  const navigate = useNavigate();
  // A page that nobody looks at does not ask.
  const { data, error, dataUpdatedAt, refetch } = useQuery({ ...findingsQuery, refetchInterval: POLL_MS });
  const waiting = useLate(data === undefined && error === null);
  const now = Math.max(useNow(), dataUpdatedAt);
  const chosen = chosenOf(params);
  const by = groupingOf(params);
  const selected = params.sel ?? "";
  const all = useMemo(() => {
    const sorted = worstFirst(data?.findings ?? []);
    learn(sorted.map((f) => f.service));
    return sorted;
  }, [data]);
  const shown = filterFindings(all, chosen);
  const groups = groupFindings(shown, by);
  const rows = groups.flatMap((g) => g.rows);
  const violations = shown.filter((f) => f.severity === "violation").length;
  const filtered = FIELDS.some((f) => chosen[f]);

  const go = (change: FindingsParams, replace = false) => void navigate({ to: "/findings", search: { ...params, ...change }, replace });
  const choose = (field: Field, value: string) => go({ [field]: value, sel: "" });
  const clear = () => go({ ...Object.fromEntries(FIELDS.map((f) => [f, ""])), sel: "" });
  const step = (way: number) => {
    const at = rows.findIndex((f) => idOf(f) === selected);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + way))];
    if (next) go({ sel: idOf(next) }, true);
  };
  const open = () => {
    const f = rows.find((x) => idOf(x) === selected);
    const traceId = traceIdOf(f?.trace ?? "");
    if (f && traceId !== "") void navigate({ to: "/trace/$traceId", params: { traceId }, search: { span: traceIdOf(f.span) } });
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: (e) => (!(e.target as HTMLElement).closest("a, button") ? open() : (e.target as HTMLElement).click()),
    o: open,
    r: () => void refetch(),
    Escape: () => go({ sel: "" }, true),
  });

  const overflow = overflowSentence(data?.overflow ?? []);
  return (
    <div className="page">
      <header className="page-head">
        <h1>Findings</h1>
        {data && <span className="dim num">{filtered ? `${groupDigits(shown.length)} of ${plural(all.length, "finding")}` : plural(all.length, "finding")}</span>}
        {violations > 0 && <ErrorMark>{plural(violations, "violation")}</ErrorMark>}
        {filtered && <button type="button" className="inline-button" onClick={clear}>Clear filters</button>}
        <span className="grow" />
        <span className="narrow-only">
          <Popover label="Filters" align="right" className="button square" button={<Icon name="filter" />}>
            {() => <Filters findings={all} chosen={chosen} onChoose={choose} />}
          </Popover>
        </span>
        <div className="segments" role="group" aria-label="Grouped by">
          {GROUPINGS.map((g) => (
            <button key={g.id} type="button" aria-pressed={by === g.id} onClick={() => go({ by: g.id }, true)}>{g.title}</button>
          ))}
        </div>
        <Link to="/charter" className="button wide-only"><Icon name="charter" />Charter</Link>
      </header>
      {error && data && <Banner bad>These findings are as of the last answer: {error.message}</Banner>}
      {data && data.total > data.findings.length && <Banner>The worst {groupDigits(data.findings.length)} of {groupDigits(data.total)} findings are listed.</Banner>}
      {overflow !== "" && <Banner>{overflow}</Banner>}
      <div className="faceted">
        <aside className="facets" aria-label="Filters">
          <Filters findings={all} chosen={chosen} onChoose={choose} />
        </aside>
        <section className="results" aria-label="Findings">
          <div className="scroll">
            {error && !data ? (
              <State icon="warning" title="The findings did not load">
                <p>{error.message}</p>
                <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
              </State>
            ) : waiting ? (
              <Bones rows={14} />
            ) : data && all.length === 0 ? (
              <Nothing />
            ) : data && rows.length === 0 ? (
              <State icon="findings" title="No finding fits these filters">
                <p>Asked: {FIELDS.filter((f) => chosen[f]).map((f) => `${f} ${chosen[f]}`).join(", ")}. Among {plural(all.length, "finding")} none fits.</p>
                <div className="actions"><button type="button" className="button" onClick={clear}>Clear filters</button></div>
              </State>
            ) : data ? (
              <FindingsList groups={groups} by={by} selected={selected} now={now} onSelect={(sel) => go({ sel }, true)} />
            ) : null}
          </div>
        </section>
      </div>
    </div>
  );
}

/** Nothing found is good news only when something was looked at. */
function Nothing() {
  const { data } = useQuery(statusQuery);
  if (data === undefined) return null;
  if (data.spans_stored + data.fresh_rows === 0) {
    return (
      <State icon="findings" title="Nothing arrived yet">
        <p>No span is stored, so there was nothing to hold against the charter.</p>
        <ul><li><span>Send spans over OTLP to this server: gRPC on port 4317, HTTP on port 4318</span></li></ul>
      </State>
    );
  }
  return (
    <State icon="check" title="Everything that arrived fits the charter">
      <p>Every attribute, name and service was looked at, and no rule has anything to say.</p>
      <ul>
        <li><Link to="/charter" className="link">See what is in force</Link></li>
        <li><Link to="/charter/terms" className="link">Read the glossary</Link></li>
      </ul>
    </State>
  );
}
