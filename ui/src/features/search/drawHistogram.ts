/** Draws the histogram: stacked bars, errors below, a hair of grid and round times. */
import { canvasColours } from "../../base/theme.ts";
import { fitCanvas } from "../../base/canvas.ts";
import { formatCount } from "../../model/format.ts";
import type { Histogram } from "../../model/histogram.ts";
import { toPixel, wallTicks } from "../../model/scale.ts";
import type { RangeMs, Zone } from "../../model/time.ts";

export const AXIS = 18;
export const SIDE = 16;

export interface Look {
  width: number;
  height: number;
  zone: Zone;
  /** Index of the bar under the pointer or cursor, −1 for none. */
  cursor: number;
  /** Selected bars, both ends included. */
  selection: [number, number] | undefined;
}

export function barSpan(h: Histogram, range: RangeMs, i: number, width: number): [number, number] {
  const w = { from: range.from, to: range.to };
  const inner = width - 2 * SIDE;
  return [SIDE + Math.max(0, toPixel(w, h.bars[i].at, inner)), SIDE + Math.min(inner, toPixel(w, h.bars[i].at + h.stepMs, inner))];
}

export function barAt(h: Histogram, range: RangeMs, x: number, width: number): number {
  const t = range.from + ((x - SIDE) / (width - 2 * SIDE)) * (range.to - range.from);
  const first = h.bars[0]?.at ?? 0;
  return Math.min(h.bars.length - 1, Math.max(0, Math.floor((t - first) / h.stepMs)));
}

export function drawHistogram(canvas: HTMLCanvasElement, h: Histogram, range: RangeMs, look: Look): void {
  const c = canvasColours();
  const ctx = fitCanvas(canvas, look.width, look.height);
  const base = look.height - AXIS;
  const inner = look.width - 2 * SIDE;
  ctx.font = `11px ${c.sans}`;

  if (look.selection) {
    const [a, b] = look.selection;
    const x0 = barSpan(h, range, Math.min(a, b), look.width)[0];
    const x1 = barSpan(h, range, Math.max(a, b), look.width)[1];
    ctx.fillStyle = c.selected;
    ctx.fillRect(x0, 0, x1 - x0, base);
    ctx.fillStyle = c.accent;
    ctx.fillRect(x0, 0, 1, base);
    ctx.fillRect(x1 - 1, 0, 1, base);
  }
  ctx.fillStyle = c.line;
  ctx.fillRect(SIDE, base, inner, 1);
  if (h.peak > 0) {
    ctx.fillRect(SIDE, 6, inner, 1);
    for (let i = 0; i < h.bars.length; i++) {
      const bar = h.bars[i];
      if (bar.error + bar.other === 0) continue;
      const [x0, x1] = barSpan(h, range, i, look.width);
      const w = Math.max(1, x1 - x0 - (x1 - x0 > 3 ? 1 : 0));
      const whole = Math.max(1.5, ((bar.error + bar.other) / h.peak) * (base - 6));
      const bad = bar.error === 0 ? 0 : Math.max(2, (bar.error / h.peak) * (base - 6));
      ctx.fillStyle = i === look.cursor ? c.accent : c.barQuiet;
      ctx.fillRect(x0, base - whole, w, Math.max(0, whole - bad));
      ctx.fillStyle = c.error;
      ctx.fillRect(x0, base - bad, w, bad);
    }
    const peak = formatCount(h.peak);
    const room = ctx.measureText(peak).width;
    ctx.fillStyle = c.bg;
    ctx.fillRect(SIDE, 0, room + 6, 13);
    ctx.fillStyle = c.text3;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.fillText(peak, SIDE, 1);
  }
  ctx.textBaseline = "alphabetic";
  ctx.fillStyle = c.text3;
  for (const t of wallTicks(range.from, range.to, Math.floor(inner / 90), look.zone)) {
    const x = SIDE + toPixel(range, t.at, inner);
    ctx.fillRect(Math.round(x), base, 1, 3);
    ctx.textAlign = x < SIDE + 24 ? "left" : x > SIDE + inner - 24 ? "right" : "center";
    ctx.fillText(t.label, x, look.height - 4);
  }
}
