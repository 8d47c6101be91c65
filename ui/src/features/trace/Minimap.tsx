/** The whole trace as services × time, with the window over it. Drag to choose a window, drag the window to move it. */
import { useEffect, useMemo, useRef } from "react";
import { slotOf } from "../../api/colours.ts";
import { fitCanvas } from "../../base/canvas.ts";
import { useSize } from "../../base/parts.tsx";
import { canvasColours, onLook } from "../../base/theme.ts";
import { density, type Lane } from "../../model/density.ts";
import { formatDuration } from "../../model/format.ts";
import { clampWindow, fromPixel, toPixel, type Window } from "../../model/scale.ts";
import type { Trace } from "../../model/skeleton.ts";

const LANE = 7;
const MAX_LANES = 8;
const EDGE = 6;
const SHORTEST_DRAG = 3;

interface Props {
  trace: Trace;
  window: Window;
  onWindow(w: Window): void;
}

const place = (e: React.PointerEvent) => e.clientX - e.currentTarget.getBoundingClientRect().left;

export function Minimap({ trace, window: w, onWindow }: Props) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useRef<{ kind: "new" | "move" | "from" | "to"; x: number; start: Window }>(undefined);
  const bins = Math.max(1, Math.floor(width / 2));
  const lanes = useMemo(() => (width === 0 ? [] : density(trace, 0, Math.max(1, trace.end), bins, MAX_LANES)), [trace, bins, width]);
  const height = lanes.length * LANE + 10;
  const end = Math.max(1, trace.end);
  const whole = { from: 0, to: end };

  useEffect(() => {
    const draw = () => {
      if (canvas.current && width > 0) drawMinimap(canvas.current, lanes, width, height, w, end);
    };
    draw();
    return onLook(draw);
  }, [lanes, width, height, w, end]);

  const begin = (e: React.PointerEvent) => {
    if (e.button !== 0) return;
    e.currentTarget.setPointerCapture(e.pointerId);
    const x = place(e);
    const a = toPixel(whole, w.from, width);
    const b = toPixel(whole, w.to, width);
    const zoomed = w.to - w.from < end * 0.999;
    const kind = zoomed && Math.abs(x - a) < EDGE ? "from" : zoomed && Math.abs(x - b) < EDGE ? "to" : zoomed && x > a && x < b ? "move" : "new";
    drag.current = { kind, x, start: w };
  };
  const follow = (e: React.PointerEvent) => {
    const d = drag.current;
    if (!d) return;
    const t = fromPixel(whole, Math.min(width, Math.max(0, place(e))), width);
    const t0 = fromPixel(whole, d.x, width);
    if (d.kind === "move") onWindow(clampWindow({ from: d.start.from + t - t0, to: d.start.to + t - t0 }, end));
    else if (Math.abs(place(e) - d.x) >= SHORTEST_DRAG) {
      const fixed = d.kind === "new" ? t0 : d.kind === "from" ? d.start.to : d.start.from;
      onWindow({ from: Math.min(fixed, t), to: Math.max(fixed, t, Math.min(fixed, t) + 10) });
    }
  };
  return (
    // A picture that can be dragged; the keys named in its label do the same.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      ref={box}
      className="minimap"
      style={{ height }}
      role="img"
      aria-label={`Activity of ${lanes.length} services over ${formatDuration(trace.end)}; shown: ${formatDuration(w.from)} to ${formatDuration(w.to)}. Keys w and s zoom, a and d pan, 0 shows all.`}
      onPointerDown={begin}
      onPointerMove={follow}
      onPointerUp={() => {
        drag.current = undefined;
      }}
      onPointerCancel={() => {
        drag.current = undefined;
      }}
      onDoubleClick={() => onWindow(whole)}
    >
      <canvas ref={canvas} aria-hidden="true" />
    </div>
  );
}

function drawMinimap(canvas: HTMLCanvasElement, lanes: Lane[], width: number, height: number, w: Window, end: number): void {
  const c = canvasColours();
  const ctx = fitCanvas(canvas, width, height);
  for (const [k, lane] of lanes.entries()) {
    const y = 5 + k * LANE;
    const bin = width / lane.busy.length;
    ctx.fillStyle = c.line;
    ctx.globalAlpha = 0.5;
    ctx.fillRect(0, y + LANE - 2, width, 1);
    const slot = slotOf(lane.service);
    ctx.fillStyle = lane.service.endsWith(" more") ? c.text3 : c.service[slot % 8];
    for (let b = 0; b < lane.busy.length; b++) {
      if (lane.busy[b] <= 0) continue;
      // The square root keeps a lone short span visible beside a crowd.
      ctx.globalAlpha = 0.25 + 0.75 * Math.sqrt(lane.busy[b] / lane.peak);
      ctx.fillRect(b * bin, y, Math.max(1, bin), LANE - 2);
    }
    ctx.globalAlpha = 1;
    ctx.fillStyle = c.error;
    for (let b = 0; b < lane.errors.length; b++) if (lane.errors[b] === 1) ctx.fillRect(b * bin - 0.5, y - 1, 3, LANE);
  }
  const whole = { from: 0, to: end };
  const a = toPixel(whole, w.from, width);
  const b = toPixel(whole, w.to, width);
  if (a > 0.5 || b < width - 0.5) {
    ctx.fillStyle = c.raised;
    ctx.globalAlpha = 0.72;
    ctx.fillRect(0, 0, a, height);
    ctx.fillRect(b, 0, width - b, height);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = c.accent;
    ctx.lineWidth = 1;
    ctx.strokeRect(a + 0.5, 0.5, Math.max(1, b - a - 1), height - 1);
  }
}
