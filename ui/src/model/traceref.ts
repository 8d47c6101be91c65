/** Finding a trace in what people paste: an id, a traceparent header, a link, a log line. */

export interface TraceRef {
  traceId: string;
  spanId?: string;
}

/** The trace meant by the text, or undefined. Ids are lower-cased; ids of 64 bits are padded as OpenTelemetry does. */
export function parseTraceRef(text: string): TraceRef | undefined {
  const s = text.trim().toLowerCase();
  const parent = /\b[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\b/.exec(s);
  const ref: TraceRef | undefined = parent
    ? { traceId: parent[1], spanId: parent[2] }
    : { traceId: /(?:^|[^0-9a-f])([0-9a-f]{32})(?:$|[^0-9a-f])/.exec(s)?.[1] ?? (/^[0-9a-f]{16}$/.test(s) ? s.padStart(32, "0") : "") };
  if (ref.traceId === "" || /^0+$/.test(ref.traceId)) return undefined;
  const span = /[?&]span=([0-9a-f]{16})\b/.exec(s)?.[1];
  return span === undefined ? ref : { ...ref, spanId: span };
}
