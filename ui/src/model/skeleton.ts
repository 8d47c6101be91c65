/**
 * The skeleton of a trace: what the waterfall needs of every span, as columns.
 *
 * Bytes, all integers little endian:
 *
 *     uint32 header length │ header (JSON, UTF-8) │ columns │ span ids
 *
 * The header is {traceId, start (Unix ns, decimal string), dicts: {services, names},
 * count, missingParents, partial}. The columns follow one another, each `count`
 * LEB128 varints, spans in depth-first order: depth; start minus the parent's start
 * (zigzag; a span at depth 0 counts from the trace's start); duration in ns; service
 * id; name id; flags. Span ids are 8 raw bytes each. Parent and subtree size are not
 * sent: they follow from order and depth.
 *
 * Flags: bits 0–2 kind, 3–4 status, 5 has events, 6 has links, 7 parent missing, 8 the
 * sender's end is before its start (the duration is then 0).
 */

/** Columns of one trace; index i is the i-th span in depth-first order. Times are ns from the trace's start. */
export interface Trace {
  traceId: string;
  /** Unix nanoseconds of the earliest span. */
  startNs: bigint;
  partial: string;
  missingParents: number;
  services: string[];
  names: string[];
  count: number;
  depth: Uint32Array;
  /** Index of the parent, or −1 at depth 0. */
  parent: Int32Array;
  /** Spans in the subtree, the span itself included. */
  size: Uint32Array;
  start: Float64Array;
  duration: Float64Array;
  service: Uint32Array;
  name: Uint32Array;
  flags: Uint16Array;
  ids: Uint8Array;
  /** Spans with status error in the subtree, the span itself included. */
  errorsBelow: Uint32Array;
  /** Latest end of any span. */
  length: number;
  /** The same, but at least 1 ns: the far end of every window over the trace. */
  end: number;
  maxDepth: number;
}

export const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
export const STATUSES = ["unset", "ok", "error"] as const;
const STATUS_ERROR = 2;

export class SkeletonError extends Error {}

interface Header {
  traceId: string;
  start: string;
  dicts: { services: string[]; names: string[] };
  count: number;
  missingParents?: number;
  partial?: string;
}

/** The fewest bytes a span can take: six one-byte varints and its id. */
const MIN_SPAN_BYTES = 6 + 8;

class Reader {
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
  ) {}

  /** One unsigned varint; exact to 2^53, which is 104 days in nanoseconds. */
  varint(): number {
    const bytes = this.bytes;
    let value = 0;
    let scale = 1;
    for (let n = 0; n < 10; n++) {
      if (this.at >= bytes.length) throw new SkeletonError("read skeleton: it ends inside a column; the answer was cut short, load the trace again");
      const b = bytes[this.at++];
      value += (b & 0x7f) * scale;
      if (b < 0x80) return value;
      scale *= 128;
    }
    throw new SkeletonError(`read skeleton: the number at byte ${this.at} is longer than 10 bytes`);
  }

  zigzag(): number {
    const v = this.varint();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }

  rest(length: number): Uint8Array {
    if (this.at + length !== this.bytes.length) {
      throw new SkeletonError(`read skeleton: ${this.bytes.length - this.at} bytes are left for ${length} bytes of span ids`);
    }
    return this.bytes.slice(this.at, this.at + length);
  }
}

function readHeader(bytes: Uint8Array): { header: Header; body: number } {
  if (bytes.length < 4) throw new SkeletonError("read skeleton: shorter than its header");
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (4 + length > bytes.length) throw new SkeletonError(`read skeleton: the header says ${length} bytes, ${bytes.length - 4} are there`);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as Header;
  const body = 4 + length;
  if (!Number.isSafeInteger(header.count) || header.count < 0 || header.count * MIN_SPAN_BYTES > bytes.length - body) {
    throw new SkeletonError(`read skeleton: ${header.count} spans do not fit into ${bytes.length - body} bytes`);
  }
  return { header, body };
}

/** Decodes a skeleton, checks every reference in it and derives the tree. Throws SkeletonError on bytes that are not one. */
export function decodeSkeleton(bytes: Uint8Array): Trace {
  const { header, body } = readHeader(bytes);
  const n = header.count;
  const { services, names } = header.dicts;
  const r = new Reader(bytes, body);

  const depth = new Uint32Array(n);
  const parent = new Int32Array(n);
  const open: number[] = []; // the last span seen at each depth
  let maxDepth = 0;
  for (let i = 0; i < n; i++) {
    const d = r.varint();
    if (d > open.length) throw new SkeletonError(`read skeleton: span ${i} is at depth ${d} below a span at depth ${open.length - 1}`);
    depth[i] = d;
    parent[i] = d === 0 ? -1 : open[d - 1];
    open.length = d;
    open.push(i);
    if (d > maxDepth) maxDepth = d;
  }
  const start = new Float64Array(n);
  for (let i = 0; i < n; i++) start[i] = r.zigzag() + (parent[i] < 0 ? 0 : start[parent[i]]);
  const duration = new Float64Array(n);
  let length = 0;
  for (let i = 0; i < n; i++) {
    duration[i] = r.varint();
    if (start[i] + duration[i] > length) length = start[i] + duration[i];
  }
  const service = readIds(r, n, services.length, "service");
  const name = readIds(r, n, names.length, "name");
  const flags = new Uint16Array(n);
  for (let i = 0; i < n; i++) flags[i] = r.varint();
  const ids = r.rest(n * 8);

  const size = new Uint32Array(n).fill(1);
  const errorsBelow = new Uint32Array(n);
  for (let i = n - 1; i >= 0; i--) {
    if (((flags[i] >> 3) & 3) === STATUS_ERROR) errorsBelow[i]++;
    const p = parent[i];
    if (p >= 0) {
      size[p] += size[i];
      errorsBelow[p] += errorsBelow[i];
    }
  }
  return {
    traceId: header.traceId,
    startNs: BigInt(header.start),
    partial: header.partial ?? "",
    missingParents: header.missingParents ?? 0,
    services, names, count: n, depth, parent, size, start, duration, service, name, flags, ids, errorsBelow, length, end: Math.max(1, length), maxDepth,
  };
}

function readIds(r: Reader, n: number, limit: number, what: string): Uint32Array {
  const out = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const id = r.varint();
    if (id >= limit) throw new SkeletonError(`read skeleton: span ${i} names ${what} ${id} of ${limit}`);
    out[i] = id;
  }
  return out;
}

export function kindOf(t: Trace, i: number): string {
  return KINDS[t.flags[i] & 7] ?? "unspecified";
}
export function statusOf(t: Trace, i: number): string {
  return STATUSES[(t.flags[i] >> 3) & 3] ?? "unset";
}
export function isError(t: Trace, i: number): boolean {
  return ((t.flags[i] >> 3) & 3) === STATUS_ERROR;
}
export function hasEvents(t: Trace, i: number): boolean {
  return (t.flags[i] & 32) !== 0;
}
export function hasLinks(t: Trace, i: number): boolean {
  return (t.flags[i] & 64) !== 0;
}
export function parentMissing(t: Trace, i: number): boolean {
  return (t.flags[i] & 128) !== 0;
}

export function endsBeforeStart(t: Trace, i: number): boolean {
  return (t.flags[i] & 256) !== 0;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** The span's id as 16 hex digits. */
export function spanId(t: Trace, i: number): string {
  let s = "";
  for (let k = i * 8; k < i * 8 + 8; k++) s += HEX[t.ids[k]];
  return s;
}

/** Index of a span id, or −1. A scan: 100,000 spans take well under a millisecond. */
export function indexOfSpan(t: Trace, id: string): number {
  if (!/^[0-9a-f]{16}$/.test(id)) return -1;
  const want = Array.from({ length: 8 }, (_, k) => Number.parseInt(id.slice(2 * k, 2 * k + 2), 16));
  outer: for (let i = 0; i < t.count; i++) {
    for (let k = 0; k < 8; k++) if (t.ids[i * 8 + k] !== want[k]) continue outer;
    return i;
  }
  return -1;
}

/** The root that stands for the trace: the first span whose parent is not missing, else the first. −1 when empty. */
export function rootOf(t: Trace): number {
  for (let i = 0; i < t.count; i += t.size[i]) if (!parentMissing(t, i)) return i;
  return t.count > 0 ? 0 : -1;
}

export interface ServiceShare {
  service: string;
  spans: number;
  errors: number;
}

/** Spans and errors by service, most spans first, ties by name. */
export function serviceShares(t: Trace): ServiceShare[] {
  const shares = t.services.map((service) => ({ service, spans: 0, errors: 0 }));
  for (let i = 0; i < t.count; i++) {
    shares[t.service[i]].spans++;
    if (isError(t, i)) shares[t.service[i]].errors++;
  }
  return shares.filter((s) => s.spans > 0).toSorted((a, b) => b.spans - a.spans || (a.service < b.service ? -1 : 1));
}
