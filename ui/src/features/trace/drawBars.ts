/** Draws the visible part of the waterfall's time side: grid, bars, error marks, arrows to what is outside the window. */
import { errorMark, fitCanvas, hatch } from "../../base/canvas.ts";
import { canvasColours } from "../../base/theme.ts";
import { offsetTicks, toPixel, type Window } from "../../model/scale.ts";
import { isError, type Trace } from "../../model/skeleton.ts";

export interface BarsLook {
  width: number;
  height: number;
  rowHeight: number;
  window: Window;
  /** First row drawn and the pixel of its top edge. */
  first: number;
  top: number;
  selected: number;
  /** 1 for each span that the search in the trace found; undefined without a search. */
  hit: Uint8Array | undefined;
  /** Colour slot of each of the trace's services. */
  slots: number[];
  folds: Uint8Array;
}

/** Narrowest bar, in pixels: most spans of a large trace are shorter than that at first. */
const MIN_BAR = 2;

/** Free pixels right of the window's end, so that a mark after the last bar is whole. */
const RIGHT = 16;

/** Pixels that the window takes of a canvas this wide. */
export function barsRoom(width: number): number {
  return Math.max(1, width - RIGHT);
}

export function tickCount(width: number): number {
  return Math.max(2, Math.floor(width / 110));
}

export function drawBars(canvas: HTMLCanvasElement, t: Trace, rows: Uint32Array, look: BarsLook): void {
  const c = canvasColours();
  const ctx = fitCanvas(canvas, look.width, look.height);
  const { window: w, rowHeight } = look;
  const width = barsRoom(look.width);

  ctx.fillStyle = c.line;
  ctx.globalAlpha = 0.7;
  for (const tick of offsetTicks(w, tickCount(width))) {
    const x = Math.round(toPixel(w, tick.at, width));
    ctx.fillRect(x, 0, 1, look.height);
  }
  ctx.globalAlpha = 1;

  const barHeight = Math.round(rowHeight * 0.42);
  const end = Math.min(rows.length, look.first + Math.ceil((look.height - look.top) / rowHeight) + 1);
  for (let r = look.first; r < end; r++) {
    const i = rows[r];
    const mid = look.top + (r - look.first) * rowHeight + rowHeight / 2;
    const x0 = toPixel(w, t.start[i], width);
    const x1 = toPixel(w, t.start[i] + t.duration[i], width);
    const slot = look.slots[t.service[i]];
    const quiet = look.hit !== undefined && look.hit[i] === 0;
    if (x1 < 0 || x0 > width) {
      arrow(ctx, x1 < 0 ? 8 : width - 8, mid, x1 < 0 ? -1 : 1, c.text3);
      continue;
    }
    const left = Math.max(-4, x0);
    const right = Math.min(width + RIGHT, Math.max(x1, x0 + MIN_BAR));
    const y = Math.round(mid - barHeight / 2);
    ctx.globalAlpha = quiet ? 0.3 : 1;
    ctx.fillStyle = c.service[slot % 8];
    ctx.beginPath();
    ctx.roundRect(left, y, right - left, barHeight, Math.min(2, (right - left) / 2));
    ctx.fill();
    if (slot >= 8 && right - left > 6) hatch(ctx, left, y, right - left, barHeight, c.bg, slot >= 16 ? 9 : 5);
    if (look.folds[i] === 1) {
      ctx.fillStyle = c.text3;
      ctx.fillRect(left, y + barHeight + 1, right - left, 1);
    }
    if (isError(t, i)) errorMark(ctx, Math.min(look.width - 7, Math.max(7, right + 8)), mid, 5, c.error, c.bg);
    else if (look.folds[i] === 1 && t.errorsBelow[i] > 0) errorMark(ctx, Math.min(look.width - 7, Math.max(7, right + 8)), mid, 4, c.bg, c.error);
    ctx.globalAlpha = 1;
    if (i === look.selected) {
      ctx.strokeStyle = c.text;
      ctx.lineWidth = 1;
      ctx.strokeRect(Math.round(left) - 1.5, y - 1.5, Math.round(right - left) + 3, barHeight + 3);
    }
  }
}

function arrow(ctx: CanvasRenderingContext2D, x: number, y: number, way: 1 | -1, colour: string): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.moveTo(x - 2 * way, y - 4);
  ctx.lineTo(x + 2 * way, y);
  ctx.lineTo(x - 2 * way, y + 4);
  ctx.stroke();
}

/** Draws the ruler: round offsets from the trace's start. */
export function drawRuler(canvas: HTMLCanvasElement, w: Window, full: number, height: number): void {
  const c = canvasColours();
  const ctx = fitCanvas(canvas, full, height);
  const width = barsRoom(full);
  ctx.font = `11px ${c.sans}`;
  ctx.textBaseline = "middle";
  for (const tick of offsetTicks(w, tickCount(width))) {
    const x = Math.round(toPixel(w, tick.at, width));
    ctx.fillStyle = c.line;
    ctx.fillRect(x, height - 6, 1, 6);
    ctx.fillStyle = c.text2;
    const room = ctx.measureText(tick.label).width;
    ctx.textAlign = x + room + 4 > full ? "right" : "left";
    ctx.fillText(tick.label, ctx.textAlign === "right" ? x - 4 : x + 4, height / 2);
  }
}
