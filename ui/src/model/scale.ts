/** Windows over time and the round numbers written along them. */
import { formatDuration } from "./format.ts";
import { clock, formatDate, type Zone } from "./time.ts";

/** A window [from, to) shown over `width` pixels. */
export interface Window {
  from: number;
  to: number;
}

/** The shortest window that zooming reaches, in ns: below it, float64 offsets of long traces lose digits. */
export const MIN_WINDOW_NS = 10;

export function toPixel(w: Window, t: number, width: number): number {
  return ((t - w.from) / (w.to - w.from)) * width;
}
export function fromPixel(w: Window, x: number, width: number): number {
  return w.from + (x / width) * (w.to - w.from);
}

/** Zooms by a factor around `at`, staying inside [0, end] and above the shortest window. */
export function zoom(w: Window, at: number, factor: number, end: number): Window {
  const length = Math.min(Math.max((w.to - w.from) * factor, Math.min(MIN_WINDOW_NS, end)), end);
  const share = (at - w.from) / (w.to - w.from);
  return clampWindow({ from: at - share * length, to: at + (1 - share) * length }, end);
}
/** Moves by a share of its own length, staying inside [0, end]. */
export function pan(w: Window, share: number, end: number): Window {
  const by = (w.to - w.from) * share;
  return clampWindow({ from: w.from + by, to: w.to + by }, end);
}
export function clampWindow(w: Window, end: number): Window {
  const length = Math.min(w.to - w.from, end);
  const from = Math.min(Math.max(0, w.from), Math.max(0, end - length));
  return { from, to: from + length };
}

/** The round step (1, 2 or 5 times a power of ten) that gives at most `most` steps over `length`. */
export function roundStep(length: number, most: number): number {
  const raw = length / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

export interface Tick {
  at: number;
  label: string;
}

/** Ticks of a trace's ruler: offsets from the trace's start in ns. */
export function offsetTicks(w: Window, most: number): Tick[] {
  const length = w.to - w.from;
  if (!(length > 0)) return [{ at: w.from, label: formatDuration(w.from) }];
  const step = roundStep(length, most);
  const ticks: Tick[] = [];
  for (let k = Math.ceil(w.from / step); k * step <= w.to && ticks.length <= most + 1; k++) ticks.push({ at: k * step, label: offsetLabel(k * step, step) });
  return ticks;
}

/** Label of an offset with as many digits as its neighbours at `step` need to differ. */
function offsetLabel(ns: number, step: number): string {
  if (ns === 0) return "0";
  const [unit, size] = ns < 1e3 ? ["ns", 1] : ns < 1e6 ? ["µs", 1e3] : ns < 1e9 ? ["ms", 1e6] : ["s", 1e9];
  const digits = Math.min(9, Math.max(0, Math.ceil(Math.log10((size as number) / step) - 1e-9)));
  return `${(ns / (size as number)).toFixed(digits)} ${unit}`;
}

const WALL_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map((s) => s * 1000);

/** Ticks of a histogram: Unix ms, at round times of the shown zone. Days are labelled by date. */
export function wallTicks(from: number, to: number, most: number, zone: Zone): Tick[] {
  if (!(to > from)) return [];
  const step = WALL_STEPS.find((s) => (to - from) / s <= most) ?? roundStep((to - from) / 86400e3, most) * 86400e3;
  const shift = zone === "utc" ? 0 : new Date(from).getTimezoneOffset() * 60e3;
  const ticks: Tick[] = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t <= to && ticks.length <= most + 1; t += step) {
    const midnight = clock(t, zone) === "00:00:00";
    ticks.push({ at: t, label: step >= 86400e3 || midnight ? formatDate(t, zone).slice(5) : clock(t, zone, step < 60e3) });
  }
  return ticks;
}

/** The step in ms for about `bars` bars over a range, from a list that divides days. */
export function barStep(from: number, to: number, bars: number): number {
  const raw = (to - from) / bars;
  const fine = [50, 100, 200, 500];
  return [...fine, ...WALL_STEPS].find((s) => s >= raw) ?? Math.ceil(raw / 604800e3) * 604800e3;
}
