/** Bars of matches over time by status, from the series of a metrics answer. */

export interface Bar {
  /** Unix ms of its start. */
  at: number;
  error: number;
  other: number;
}
export interface Histogram {
  bars: Bar[];
  stepMs: number;
  total: number;
  errors: number;
  peak: number;
}
interface Answer {
  times: string[];
  series: { labels: { key: string; value: unknown }[]; values: (number | null)[] }[];
}

/** Adds the series up: those labelled status=error, and the rest. */
export function toHistogram(a: Answer, stepMs: number): Histogram {
  const bars: Bar[] = a.times.map((t) => ({ at: Number(BigInt(t) / 1_000_000n), error: 0, other: 0 }));
  for (const s of a.series) {
    const error = s.labels.some((l) => l.key.endsWith("status") && l.value === "error");
    for (const [i, v] of s.values.entries()) {
      if (v === null || i >= bars.length) continue;
      if (error) bars[i].error += v;
      else bars[i].other += v;
    }
  }
  let total = 0;
  let errors = 0;
  let peak = 0;
  for (const b of bars) {
    total += b.error + b.other;
    errors += b.error;
    peak = Math.max(peak, b.error + b.other);
  }
  return { bars, stepMs, total, errors, peak };
}
