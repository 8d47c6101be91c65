/** What both pages of quality show alike. */
import { useNavigate } from "@tanstack/react-router";
import type { Scores, ScorePoint } from "../../api/types.ts";
import { Icon } from "../../base/Icon.tsx";
import { bandWord, change, formatScore, historyPath, limitsSentence } from "../../model/quality.ts";
import { plural } from "../../model/format.ts";
import { WINDOWS, type QualityParams } from "./params.ts";

/** The score with its bar; the band is told by word and, besides, by colour. */
export function Score({ score, band }: { score: number; band: string }) {
  return (
    <span className={`score ${band}`}>
      <span className="num score-number">{formatScore(score)}</span>
      <span className="score-bar" aria-hidden="true"><span style={{ width: `${Math.max(1, score)}%` }} /></span>
      <span className="score-band">{bandWord(band)}</span>
    </span>
  );
}

/** How the score changed, as a line and a number. */
export function Trend({ history, width, height }: { history: ScorePoint[]; width: number; height: number }) {
  const changed = change(history);
  const sign = changed && changed.by > 0 ? "+" : "";
  return (
    <span className="trend">
      <svg width={width} height={height + 4} viewBox={`0 -2 ${width} ${height + 4}`} aria-hidden="true"><path d={historyPath(history, width, height)} /></svg>
      {changed && changed.by !== 0 && <span className={changed.by < 0 ? "num is-error" : "num dim"} title={`since ${changed.since}`}>{sign}{formatScore(changed.by)}<span className="hidden-text"> since {changed.since}</span></span>}
    </span>
  );
}

/** Which traces are judged; `name` is that of the service whose page this is. */
export function Windows({ params, name }: { params: QualityParams; name?: string }) {
  const navigate = useNavigate();
  return (
    <div className="segments" role="group" aria-label="Traces of the last">
      {WINDOWS.map((w) => (
        <button
          key={w.id}
          type="button"
          aria-pressed={(params.window ?? "") === w.id}
          onClick={() => {
            const search = { ...params, window: w.id };
            void (name === undefined ? navigate({ to: "/quality", search, replace: true }) : navigate({ to: "/quality/$name", params: { name }, search, replace: true }));
          }}
        >
          {w.title}
        </button>
      ))}
    </div>
  );
}

/** Which rules there are no verdicts of, and why: a score of some rules must not pass for one of all. */
export function Undecided({ scores }: { scores: Scores }) {
  const limits = limitsSentence(scores);
  const reasons = new Map<string, string[]>();
  for (const m of scores.missing) reasons.set(m.reason, [...(reasons.get(m.reason) ?? []), m.id]);
  return (
    <section className="undecided" aria-label="About the score">
      <h2><Icon name="info" />What the score is of</h2>
      <p>
        {scores.specification.name} {scores.specification.version} has {scores.rulesTotal} rules; spans decide {scores.rulesDecided} of them. A score is the weight of the rules that hold in hundredths of the weight of all that are decided.
        Traces are judged a minute after they ended: {plural(scores.lookedAt.traces, "trace")} with {plural(scores.lookedAt.spans, "span")} here. Each day's last score of 30 days stays in the history.
      </p>
      {limits !== "" && <p><b>{limits}</b></p>}
      <p>Not decided:</p>
      <ul>
        {[...reasons].map(([reason, rules]) => (
          <li key={reason}><span><code>{rules.join(" ")}</code> {reason}</span></li>
        ))}
      </ul>
    </section>
  );
}
