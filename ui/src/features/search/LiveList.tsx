/** Spans as they arrive. The list is bounded and drawn a few times a second, however many come. */
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { ApiError } from "../../api/client.ts";
import { slotOf } from "../../api/colours.ts";
import { openTail } from "../../api/tail.ts";
import type { TailSpan } from "../../api/types.ts";
import { Banner, ErrorMark, ServiceName, State } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { useZone } from "../../base/zone.ts";
import { formatDuration, groupDigits } from "../../model/format.ts";
import { formatInstant } from "../../model/time.ts";

const KEPT = 200;
const DRAW_MS = 250;

export function LiveList({ query }: { query: string }) {
  const zone = useZone();
  const [spans, setSpans] = useState<TailSpan[]>([]);
  const [seen, setSeen] = useState(0);
  const [missed, setMissed] = useState(0);
  const [state, setState] = useState<"open" | "waiting" | ApiError>("waiting");
  const [paused, setPaused] = useState(false);
  const hold = useRef(false);

  useEffect(() => {
    hold.current = paused;
  }, [paused]);
  useEffect(() => {
    let kept: TailSpan[] = [];
    let count = 0;
    let drawn = 0;
    setSpans([]);
    const close = openTail(query, {
      spans: (found) => {
        count += found.length;
        kept = [...found.toReversed(), ...kept].slice(0, KEPT);
      },
      missed: (n) => setMissed((m) => m + n),
      state: setState,
    });
    const timer = setInterval(() => {
      if (hold.current || count === drawn) return;
      drawn = count;
      setSeen(count);
      setSpans(kept);
    }, DRAW_MS);
    return () => {
      clearInterval(timer);
      close();
    };
  }, [query]);

  if (state instanceof ApiError) {
    return (
      <State icon="warning" title="This query cannot be followed live">
        <p>{state.message}</p>
        <p>Only one spanset filter can be followed, such as <code>{"{ status = error }"}</code>.</p>
      </State>
    );
  }
  return (
    <>
      <div className="list-head">
        <h2>
          <span className={state === "open" && !paused ? "pulse" : "pulse off"} /> {paused ? "Paused" : state === "open" ? "Live" : "Connecting"}
        </h2>
        <span className="dim num">{groupDigits(seen)} spans seen, the last {KEPT} kept</span>
        <span className="grow" />
        <button type="button" className="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          <Icon name={paused ? "live" : "pause"} />
          {paused ? "Resume" : "Pause"}
        </button>
      </div>
      {missed > 0 && <Banner>{groupDigits(missed)} spans arrived faster than this page reads and are not shown. Narrow the query to see all.</Banner>}
      <div className="scroll">
        <table className="data traces">
          <thead>
            <tr>
              <th scope="col" className="c-time">Start</th>
              <th scope="col">Span</th>
              <th scope="col" className="wide-only c-services">Kind</th>
              <th scope="col" className="num c-duration">Duration</th>
              <th scope="col" className="num c-count">Status</th>
            </tr>
          </thead>
          <tbody>
            {spans.map((s) => (
              <tr key={`${s.traceId}${s.spanId}`}>
                <td className="mono">{formatInstant(BigInt(s.start), zone).slice(11)}</td>
                <td>
                  <Link to="/trace/$traceId" params={{ traceId: s.traceId }} search={{ t: s.start, span: s.spanId }} className="root">
                    <ServiceName name={s.service} slot={slotOf(s.service)} />
                    <span className="root-name cut">{s.name}</span>
                  </Link>
                </td>
                <td className="wide-only dim">{s.kind}</td>
                <td className="num">{formatDuration(s.duration)}</td>
                <td className="num">{s.status === "error" ? <ErrorMark /> : <span className="faint">{s.status}</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
