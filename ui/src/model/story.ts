/** Traces that links join, as one picture: causes above, what they set off below and indented. */

export interface LinkedTrace {
  traceId: string;
  rootService: string;
  rootName: string;
  rootMissing: boolean;
  /** Unix nanoseconds as a decimal text. */
  start: string;
  duration: number;
  spans: number;
  errors: number;
}

/** Traces by their start, and links from effect to cause, as spans carry them. */
export interface LinkedTraces {
  traces: LinkedTrace[];
  links: { fromTrace: string; fromSpan: string; toTrace: string }[];
}

export interface StoryRow {
  trace: LinkedTrace;
  /** Steps from a trace without a cause in the picture. */
  depth: number;
  /** Nanoseconds after the start of the earliest trace. */
  start: number;
  /** Other causes beside the one it stands under: a batch has many. */
  moreCauses: number;
  /** The span that the first link comes from, to open the trace at. Empty for a first cause. */
  span: string;
}

export interface Story {
  rows: StoryRow[];
  /** Nanoseconds from the earliest start to the latest end; at least 1. */
  length: number;
}

/**
 * Each trace stands under the earliest trace that it links to. Links may form circles,
 * by mistake or by malice: a trace is placed once, and what only a circle reaches
 * stands at the top.
 */
export function story({ traces, links }: LinkedTraces): Story {
  const at = new Map(traces.map((t, i) => [t.traceId, i]));
  const causes = traces.map(() => new Set<number>());
  const span = traces.map(() => "");
  for (const l of links) {
    const effect = at.get(l.fromTrace);
    const cause = at.get(l.toTrace);
    if (effect === undefined || cause === undefined || effect === cause) continue;
    causes[effect].add(cause);
    span[effect] ||= l.fromSpan;
  }
  const effects = traces.map((): number[] => []);
  const tops: number[] = [];
  for (const [i, of] of causes.entries()) {
    if (of.size === 0) tops.push(i);
    else effects[Math.min(...of)].push(i);
  }
  const zero = traces.length === 0 ? 0n : traces.map((t) => BigInt(t.start)).reduce((a, b) => (a < b ? a : b));
  const rows: StoryRow[] = [];
  const placed = new Set<number>();
  const walk = (from: number) => {
    const stack = [{ i: from, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { i, depth } = next;
      if (placed.has(i)) continue;
      placed.add(i);
      rows.push({ trace: traces[i], depth, start: Number(BigInt(traces[i].start) - zero), moreCauses: Math.max(0, causes[i].size - 1), span: span[i] });
      for (const e of effects[i].toReversed()) stack.push({ i: e, depth: depth + 1 });
    }
  };
  for (const i of tops) walk(i);
  for (const i of traces.keys()) walk(i);
  return { rows, length: Math.max(1, ...rows.map((r) => r.start + r.trace.duration)) };
}
