/** One service: every rule that is decided, what fails it and what mends it. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { slotOf } from "../../api/colours.ts";
import { scoresQuery } from "../../api/queries.ts";
import type { ScoredRule, ScorePoint } from "../../api/types.ts";
import { Banner, Bones, ErrorMark, ServiceName, State, useLate } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { useKeys } from "../../base/keys.ts";
import { answersOf } from "../../model/charter.ts";
import { groupDigits } from "../../model/format.ts";
import { formatScore, historyPath, worstRules } from "../../model/quality.ts";
import { fieldOf, quote } from "../../model/query.ts";
import { Owner } from "../../base/Owner.tsx";
import { windowOf, type QualityParams } from "./params.ts";
import { Score, Undecided, Windows } from "./parts.tsx";
import "./quality.css";

const route = getRouteApi("/quality/$name");

export function ServiceQualityPage() {
  const { name } = route.useParams();
  const params = route.useSearch() as QualityParams;
  const { data, error, refetch } = useQuery(scoresQuery(windowOf(params)));
  const waiting = useLate(data === undefined && error === null);
  const service = data?.services.find((s) => s.service === name);
  useKeys({ r: () => void refetch() });
  return (
    <div className="page">
      <header className="page-head">
        <Link to="/quality" search={{ window: params.window ?? "" }} className="button quiet square" aria-label="All services" title="All services"><Icon name="left" /></Link>
        <h1><ServiceName name={name} slot={slotOf(name)} /></h1>
        {service && <Score score={service.score} band={service.band} />}
        {service && <Owner service={name} team={answersOf(service.team)} />}
        <span className="grow" />
        <Windows params={params} name={name} />
        <Link className="button" to="/services/$name" params={{ name }}><Icon name="services" />Operations</Link>
        <Link className="button" to="/findings" search={{ service: name }}><Icon name="findings" />Findings</Link>
        <Link className="button" to="/traces" search={{ q: `{ ${fieldOf("resource", "service.name")} = ${quote(name)} }` }}><Icon name="traces" />Traces</Link>
      </header>
      {error && data && <Banner bad>This score is as of the last answer: {error.message}</Banner>}
      <div className="scroll">
        {error && !data ? (
          <State icon="warning" title="The score did not load">
            <p>{error.message}</p>
            <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
          </State>
        ) : waiting ? (
          <Bones rows={12} />
        ) : data && !service ? (
          <State icon="quality" title={`Nothing of ${name} to judge`}>
            <p>No span of <b>{name}</b> is among the traces of the last {windowOf(params)} that have ended more than a minute ago. Choose a longer time above.</p>
          </State>
        ) : data && service ? (
          <div className="quality-body">
            <History points={service.history} />
            <ul className="rules">
              {worstRules(service.rules).map((r) => <Rule key={r.id} rule={r} />)}
            </ul>
            <Undecided scores={data} />
          </div>
        ) : null}
      </div>
    </div>
  );
}

function Rule({ rule: r }: { rule: ScoredRule }) {
  const empty = r.passed && r.checked === 0;
  return (
    <li className={r.passed ? "rule" : "rule fails"}>
      <div className="rule-head">
        <span className="rule-mark">{r.passed ? <Icon name={empty ? "not" : "check"} /> : <ErrorMark />}</span>
        <h2>{r.name}</h2>
        <code className="faint">{r.id}</code>
        <span className="tag">{r.impact}, {r.weight}</span>
        <span className="grow" />
        <span className="num dim">{empty ? "nothing to check" : r.passed ? `holds for ${groupDigits(r.checked)}` : `${groupDigits(r.failed)} of ${groupDigits(r.checked)} fail`}</span>
      </div>
      <p className="dim">{r.criterion}</p>
      {!r.passed && <p><b>Mend.</b> {r.mend}</p>}
      {r.examples.length > 0 && (
        <p className="rule-examples">
          <span className="dim">Newest that fail</span>
          {r.examples.map((e) => (
            <Link key={`${e.trace} ${e.span}`} className="link mono" to="/trace/$traceId" params={{ traceId: e.trace }} search={{ span: e.span }}>{e.trace.slice(0, 8)} {e.span.slice(0, 8)}</Link>
          ))}
        </p>
      )}
    </li>
  );
}

const WIDTH = 720;
const HEIGHT = 64;

/** The line, and the same as a table for those who do not see it. */
function History({ points }: { points: ScorePoint[] }) {
  if (points.length < 2) return <p className="dim">{points.length === 0 ? "This score has no history: each day's last score of 30 days is kept." : `The history begins on ${points[0]!.day}: each day's last score is kept.`}</p>;
  const first = points[0]!;
  const last = points[points.length - 1]!;
  return (
    <figure className="history">
      <svg viewBox={`0 -4 ${WIDTH} ${HEIGHT + 8}`} preserveAspectRatio="none" aria-hidden="true">
        <path className="edge" d={`M0 0H${WIDTH}M0 ${HEIGHT}H${WIDTH}`} />
        <path d={historyPath(points, WIDTH, HEIGHT)} />
      </svg>
      <figcaption className="dim">
        <span>{first.day}: {formatScore(first.score)}</span>
        <span>{last.day}: {formatScore(last.score)}</span>
      </figcaption>
      <table className="hidden-text">
        <caption>Score by day</caption>
        <tbody>{points.map((p) => <tr key={p.day}><th scope="row">{p.day}</th><td>{formatScore(p.score)}</td></tr>)}</tbody>
      </table>
    </figure>
  );
}
