/** The minimap's data: where in time each service was busy, and where errors are. */
import { isError, serviceShares, type Trace } from "./skeleton.ts";

export interface Lane {
  service: string;
  /** Spans running in each bin, on average over the bin. */
  busy: Float32Array;
  /** 1 where a span with an error starts. */
  errors: Uint8Array;
  /** Highest value of `busy`. */
  peak: number;
}

/**
 * Busy time by service over `bins` equal parts of [from, to). The services with most
 * spans get a lane each, the rest share the last one, named "n more".
 */
export function density(t: Trace, from: number, to: number, bins: number, maxLanes: number): Lane[] {
  const shares = serviceShares(t);
  const named = shares.length <= maxLanes ? shares.length : maxLanes - 1;
  const lanes: Lane[] = shares.slice(0, named).map((s) => lane(s.service, bins));
  if (named < shares.length) lanes.push(lane(`${shares.length - named} more`, bins));
  const laneOf = t.services.map((s) => {
    const at = shares.findIndex((x) => x.service === s);
    return at < 0 ? 0 : Math.min(at, lanes.length - 1);
  });
  const width = (to - from) / bins;
  if (!(width > 0)) return lanes;

  // A span adds a constant over its whole bins and fractions at its ends. Whole bins
  // go into a difference array, so a long span costs the same as a short one.
  const slopes = lanes.map(() => new Float64Array(bins + 1));
  for (let i = 0; i < t.count; i++) {
    const k = laneOf[t.service[i]];
    const a = Math.max(0, (t.start[i] - from) / width);
    const b = Math.min(bins, (t.start[i] + t.duration[i] - from) / width);
    const first = Math.floor(a);
    if (first >= bins || b < 0) continue;
    if (isError(t, i)) lanes[k].errors[first] = 1;
    const last = Math.floor(b);
    if (last === first) {
      lanes[k].busy[first] += b - a;
      continue;
    }
    lanes[k].busy[first] += first + 1 - a;
    if (last < bins) lanes[k].busy[last] += b - last;
    slopes[k][first + 1] += 1;
    slopes[k][last] -= 1;
  }
  for (const [k, l] of lanes.entries()) {
    let level = 0;
    for (let b = 0; b < bins; b++) {
      level += slopes[k][b];
      l.busy[b] += level;
      if (l.busy[b] > l.peak) l.peak = l.busy[b];
    }
  }
  return lanes;
}

function lane(service: string, bins: number): Lane {
  return { service, busy: new Float32Array(bins), errors: new Uint8Array(bins), peak: 0 };
}
