/** Builds skeletons for tests, byte by byte as the format's comment says. */

export interface TestSpan {
  depth: number;
  /** ns from the trace's start */
  start: number;
  duration: number;
  service?: string;
  name?: string;
  flags?: number;
}

export const ERROR = 2 << 3;
export const PARENT_MISSING = 128;

export function skeletonBytes(spans: readonly TestSpan[], header: Record<string, unknown> = {}): Uint8Array {
  const services = [...new Set(spans.map((s) => s.service ?? "svc"))];
  const names = [...new Set(spans.map((s) => s.name ?? "op"))];
  const out: number[] = [];
  const varint = (v: number) => {
    let n = BigInt(v);
    while (n >= 128n) {
      out.push(Number(n % 128n) | 128);
      n /= 128n;
    }
    out.push(Number(n));
  };
  const parentStart: number[] = [];
  const open: number[] = [];
  for (const s of spans) {
    parentStart.push(s.depth === 0 ? 0 : open[s.depth - 1]);
    open.length = s.depth;
    open.push(s.start);
  }
  for (const s of spans) varint(s.depth);
  for (const [i, s] of spans.entries()) {
    const rel = s.start - parentStart[i];
    varint(rel >= 0 ? 2 * rel : -2 * rel - 1);
  }
  for (const s of spans) varint(s.duration);
  for (const s of spans) varint(services.indexOf(s.service ?? "svc"));
  for (const s of spans) varint(names.indexOf(s.name ?? "op"));
  for (const s of spans) varint(s.flags ?? 0);
  for (let i = 0; i < spans.length; i++) {
    const id = (BigInt(i) + 1n) * 0x0101_0000_0000_0001n;
    for (let k = 7n; k >= 0n; k--) out.push(Number((id >> (8n * k)) & 255n));
  }
  const head = new TextEncoder().encode(
    JSON.stringify({ traceId: "0".repeat(31) + "1", start: "1700000000000000001", dicts: { services, names }, count: spans.length, missingParents: 0, partial: "", ...header }),
  );
  const bytes = new Uint8Array(4 + head.length + out.length);
  new DataView(bytes.buffer).setUint32(0, head.length, true);
  bytes.set(head, 4);
  bytes.set(out, 4 + head.length);
  return bytes;
}

/** A seeded random number generator (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A random tree of n spans in depth-first order. */
export function randomSpans(n: number, seed: number): TestSpan[] {
  const r = seeded(seed);
  const spans: TestSpan[] = [];
  let depth = 0;
  for (let i = 0; i < n; i++) {
    if (i > 0) depth = Math.min(depth + 1, Math.floor(r() * (depth + 2)));
    spans.push({
      depth,
      start: Math.floor(r() * 1e6),
      duration: Math.floor(r() * 1e5),
      service: `s${Math.floor(r() * 5)}`,
      name: `op ${Math.floor(r() * 9)}`,
      flags: r() < 0.1 ? ERROR : Math.floor(r() * 6),
    });
  }
  return spans;
}
