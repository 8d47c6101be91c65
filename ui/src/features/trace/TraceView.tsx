/** The loaded trace: header, minimap, waterfall, details. React frames the waterfall and stays out of its scroll path. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { download } from "../../api/client.ts";
import { learn, slotOf } from "../../api/colours.ts";
import { spanQuery } from "../../api/queries.ts";
import { Icon } from "../../base/Icon.tsx";
import { useKeys } from "../../base/keys.ts";
import { Banner, CopyButton, useSize } from "../../base/parts.tsx";
import { onLook, store, stored } from "../../base/theme.ts";
import { findSpans, nextHit } from "../../model/find.ts";
import { groupDigits, plural } from "../../model/format.ts";
import type { Window } from "../../model/scale.ts";
import { indexOfSpan, kindOf, rootOf, spanId, type Trace } from "../../model/skeleton.ts";
import { foldsFromParam, foldsToParam, nextError } from "../../model/tree.ts";
import { DetailPanel } from "./DetailPanel.tsx";
import { drawRuler } from "./drawBars.ts";
import { Minimap } from "./Minimap.tsx";
import { windowFromParam, windowToParam, type TraceParams } from "./params.ts";
import { Story } from "./Story.tsx";
import { TraceHead } from "./TraceHead.tsx";
import { TIME_WIDTH, Waterfall } from "./waterfall.ts";

const NAME_KEY = "clew.nameWidth";
const NAME_MIN = 140;
/** How long the address bar and the details wait while someone walks through rows. */
const SETTLE_MS = 120;

interface Props {
  trace: Trace;
  params: TraceParams;
  /** Writes state into the address bar, replacing the entry. */
  onParams(change: TraceParams): void;
}

export function TraceView({ trace, params, onParams }: Props) {
  const client = useQueryClient();
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<Waterfall>(undefined);
  const finder = useRef<HTMLInputElement>(null);
  const [selected, setSelected] = useState(() => indexOfSpan(trace, params.span ?? ""));
  const [detailed, setDetailed] = useState(selected);
  const [panelOpen, setPanelOpen] = useState(selected >= 0);
  const [window, setWindow] = useState<Window>(() => windowFromParam(params.z, trace.end));
  const [foldCount, setFoldCount] = useState(0);
  const [find, setFind] = useState(params.f ?? "");
  const [area, size] = useSize<HTMLDivElement>();
  const [wanted, setNameWidth] = useState(() => Number.parseInt(stored(NAME_KEY), 10) || 420);
  const nameWidth = Math.round(Math.max(NAME_MIN, Math.min(wanted, (size.width || 1200) * 0.5)));
  const hits = useMemo(() => (find.trim() === "" ? undefined : findSpans(trace, find)), [trace, find]);

  useEffect(() => {
    if (!host.current) return undefined;
    learn(trace.services);
    const w = new Waterfall(host.current, trace, foldsFromParam(trace, params.fold ?? ""), trace.services.map(slotOf), nameWidth, window, {
      select: setSelected,
      open: (i) => i >= 0 && setPanelOpen(true),
      hover: (i) => prefetch(i),
      window: setWindow,
      folds: () => setFoldCount((n) => n + 1),
    });
    view.current = w;
    // Without a span in the link the root is selected, so that the keys have a place to start from.
    w.select(selected >= 0 ? selected : rootOf(trace));
    w.focus();
    return () => {
      clearTimeout(hoverTimer.current);
      w.destroy();
    };
    // The waterfall lives as long as the trace; what changes later reaches it through its methods.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [trace]);
  useEffect(() => view.current?.setNameWidth(nameWidth), [nameWidth]);
  useEffect(() => view.current?.setHits(hits), [hits]);

  const hoverTimer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const prefetch = (i: number) => {
    clearTimeout(hoverTimer.current);
    if (i >= 0) hoverTimer.current = setTimeout(() => void client.prefetchQuery(spanQuery(trace.traceId, spanId(trace, i), kindOf(trace, i))), SETTLE_MS);
  };

  // The address bar follows after the last change, so that a held key does not flood the history.
  const written = useRef<TraceParams>(params);
  useEffect(() => {
    const timer = setTimeout(() => {
      setDetailed(selected);
      const next: TraceParams = {
        span: selected >= 0 && panelOpen ? spanId(trace, selected) : "",
        z: windowToParam(window, trace.end),
        fold: view.current ? foldsToParam(trace, view.current.folds) : (params.fold ?? ""),
        f: find,
      };
      const old = written.current;
      if ((["span", "z", "fold", "f"] as const).every((k) => (old[k] ?? "") === (next[k] ?? ""))) return;
      written.current = next;
      onParams(next);
    }, SETTLE_MS);
    return () => clearTimeout(timer);
    // oxlint-disable-next-line react/exhaustive-deps
  }, [selected, panelOpen, window, foldCount, find, trace]);
  // A link into the same trace changes the address from outside.
  useEffect(() => {
    const i = indexOfSpan(trace, params.span ?? "");
    if (i < 0 || params.span === written.current.span) return;
    written.current = { ...written.current, span: params.span ?? "" };
    view.current?.select(i);
    setPanelOpen(true);
  }, [params.span, trace]);

  const go = (i: number) => i >= 0 && view.current?.select(i);
  const goHit = (way: 1 | -1) => {
    const k = nextHit(hits ?? new Uint32Array(0), selected, way);
    if (k >= 0 && hits) go(hits[k]);
  };
  const goError = (way: 1 | -1) => go(nextError(trace, Math.max(selected, way === 1 && selected < 0 ? -1 : 0), way));
  const openFind = () => {
    finder.current?.focus();
    finder.current?.select();
  };
  const close = () => {
    setPanelOpen(false);
    view.current?.focus();
  };
  useKeys({
    j: () => view.current?.move(1),
    k: () => view.current?.move(-1),
    ArrowDown: () => view.current?.move(1),
    ArrowUp: () => view.current?.move(-1),
    ArrowLeft: () => view.current?.left(),
    ArrowRight: () => view.current?.right(),
    Enter: (e) => ((e.target as HTMLElement).closest("a, button, summary") ? (e.target as HTMLElement).click() : selected >= 0 && setPanelOpen(true)),
    Escape: () => (panelOpen ? close() : setFind("")),
    f: () => view.current?.focusSpan(),
    "0": () => view.current?.setWindow({ from: 0, to: trace.end }),
    w: () => view.current?.zoomBy(1 / 1.5),
    s: () => view.current?.zoomBy(1.5),
    a: () => view.current?.panBy(-0.2),
    d: () => view.current?.panBy(0.2),
    n: () => goHit(1),
    N: () => goHit(-1),
    e: () => goError(1),
    E: () => goError(-1),
    "/": openFind,
    "Ctrl+f": openFind,
  });

  const at = hits === undefined ? -1 : hits.indexOf(selected);
  const foldAll = (folded: boolean) => {
    const w = view.current;
    if (!w) return;
    const root = rootOf(trace);
    for (let i = 0; i < trace.count; i++) w.folds[i] = folded && trace.size[i] > 1 && i !== root && trace.depth[i] >= 1 ? 1 : 0;
    w.folded();
  };
  return (
    <div className="page trace">
      <TraceHead
        trace={trace}
        tools={
          <>
            <CopyButton text={`${location.origin}${location.pathname}${location.search}`} label="Copy a link to exactly this">
              <span className="wide-only">Link</span>
            </CopyButton>
            <button type="button" className="button" title="Download the whole trace as OTLP JSON" onClick={() => void download(`/api/traces/${trace.traceId}/otlp`, `trace-${trace.traceId}.json`)}>
              <Icon name="download" />
              <span className="wide-only">JSON</span>
            </button>
          </>
        }
      />
      {trace.partial !== "" && <Banner>This trace is partial: {trace.partial}</Banner>}
      {trace.missingParents > 0 && (
        <Banner>
          {plural(trace.missingParents, "span")} {trace.missingParents === 1 ? "names a parent that is" : "name parents that are"} not stored. They are shown at the top level; everything received is here.
        </Banner>
      )}
      <Story traceId={trace.traceId} />
      <Minimap trace={trace} window={window} onWindow={(w) => view.current?.setWindow(w)} />
      <div className="trace-body">
        <div ref={area} className="waterfall">
          <div className="wf-head">
            <div className="wf-head-name" style={{ width: nameWidth }}>
              <div className="find">
                <Icon name="search" />
                <input
                  ref={finder}
                  className="find-input"
                  aria-label="Find in this trace"
                  placeholder="Find in this trace"
                  value={find}
                  onChange={(e) => setFind(e.target.value)}
                  onKeyDown={(e) => {
                    if (e.key === "Enter") goHit(e.shiftKey ? -1 : 1);
                    else if (e.key === "Escape") view.current?.focus();
                    else return;
                    e.preventDefault();
                  }}
                />
                {hits !== undefined && (
                  <span className="faint num" role="status">
                    {at >= 0 ? `${groupDigits(at + 1)} of ` : ""}
                    {groupDigits(hits.length)}
                  </span>
                )}
                <button type="button" className="button quiet square" aria-label="Previous match" title="Previous match (N)" disabled={!hits?.length} onClick={() => goHit(-1)}><Icon name="up" /></button>
                <button type="button" className="button quiet square" aria-label="Next match" title="Next match (n)" disabled={!hits?.length} onClick={() => goHit(1)}><Icon name="down" /></button>
              </div>
              <button type="button" className="button quiet square" aria-label="Fold all" title="Fold all below the root's children" onClick={() => foldAll(true)}><Icon name="foldAll" /></button>
              <button type="button" className="button quiet square" aria-label="Unfold all" title="Unfold all" onClick={() => foldAll(false)}><Icon name="unfoldAll" /></button>
            </div>
            <div className="wf-head-time num" style={{ width: TIME_WIDTH }}>Duration</div>
            <Ruler window={window} width={Math.max(0, size.width - nameWidth - TIME_WIDTH)} />
          </div>
          <div
            ref={host}
            className="wf"
            role="treegrid"
            aria-label={`Spans of the trace, ${plural(trace.count, "span")}`}
            aria-colcount={2}
            // The tree is one stop; rows are named by aria-activedescendant.
            // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            tabIndex={0}
          />
          <Splitter
            at={nameWidth}
            onMove={(px) => {
              const next = Math.round(Math.max(NAME_MIN, px));
              setNameWidth(next);
              store(NAME_KEY, String(next));
            }}
          />
        </div>
        {panelOpen && detailed >= 0 && detailed < trace.count && <DetailPanel trace={trace} span={detailed} onSelect={go} onClose={close} />}
      </div>
    </div>
  );
}

const RULER_HEIGHT = 32;

function Ruler({ window, width }: { window: Window; width: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = () => {
      if (canvas.current && width > 0) drawRuler(canvas.current, window, width, RULER_HEIGHT);
    };
    draw();
    return onLook(draw);
  }, [window, width]);
  return <canvas ref={canvas} className="wf-ruler" aria-hidden="true" />;
}

/** The border between names and bars: drag, or arrow keys. */
function Splitter({ at, onMove }: { at: number; onMove(px: number): void }) {
  return (
    <div
      className="splitter"
      style={{ left: at - 3 }}
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the names"
      aria-valuenow={at}
      aria-valuemin={NAME_MIN}
      aria-valuemax={1600}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onKeyDown={(e) => {
        const by = { ArrowLeft: -16, ArrowRight: 16 }[e.key];
        if (by === undefined) return;
        e.preventDefault();
        onMove(at + by);
      }}
      onPointerDown={(e) => e.currentTarget.setPointerCapture(e.pointerId)}
      onPointerMove={(e) => {
        if (e.currentTarget.hasPointerCapture(e.pointerId)) onMove(e.clientX - (e.currentTarget.parentElement?.getBoundingClientRect().left ?? 0));
      }}
    />
  );
}
