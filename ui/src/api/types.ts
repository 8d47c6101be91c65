/** The JSON shapes of /api that the page reads. Ids are lower-case hex; instants are Unix ns as decimal strings; durations are ns. */
export interface Attribute {
  key: string;
  type: string;
  value: unknown;
}
export interface Stats {
  rows: number;
  segments: number;
  fresh: number;
  tookMs: number;
}
export interface ServiceCount {
  service: string;
  spans: number;
  errors: number;
}
export interface FoundSpan {
  spanId: string;
  service: string;
  name: string;
  kind: string;
  status: string;
  start: string;
  duration: number;
  attributes: Attribute[];
}
export interface TailSpan extends FoundSpan {
  traceId: string;
}
export interface FoundTrace {
  traceId: string;
  rootService: string;
  rootName: string;
  rootMissing: boolean;
  start: string;
  duration: number;
  spans: number;
  errors: number;
  services: ServiceCount[];
  matched: number;
  found: FoundSpan[];
}
export interface SearchAnswer {
  traces: FoundTrace[];
  cursor: string;
  partial: string;
  stats: Stats;
}
export interface MetricsAnswer {
  times: string[];
  series: { labels: Attribute[]; values: (number | null)[] }[];
  partial: string;
  stats: Stats;
}
export interface SpanEvent {
  name: string;
  time: number;
  attributes: Attribute[];
}
export interface SpanLink {
  traceId: string;
  spanId: string;
  attributes: Attribute[];
}
export interface SpanDetails {
  spanId: string;
  parentId: string;
  service: string;
  name: string;
  kind: string;
  status: string;
  statusMessage: string;
  start: string;
  duration: number;
  attributes: Attribute[];
  resource: Attribute[];
  scope: { name: string; version: string; attributes: Attribute[] };
  events: SpanEvent[];
  links: SpanLink[];
  traceState: string;
  flags: number;
  marks: string[];
  receivedAt: string;
}
export interface TagNames {
  scopes: { scope: string; names: string[] }[];
}
export interface TagValue {
  value: unknown;
  type: string;
  count: number;
}
export interface TagValues {
  values: TagValue[];
  more: boolean;
  partial: string;
}
export interface Summary {
  name: string;
  kind?: string;
  spans: number;
  requests: number;
  errors: number;
  p50: number;
  p95: number;
  p99: number;
  lastSeen: string;
}
export interface Services {
  services: Summary[];
  partial: string;
}
export interface Operations {
  operations: Summary[];
  partial: string;
}
export interface Status {
  ready: boolean;
  read_only: string;
  lag_bytes: number;
  log_bytes: number;
  fresh_rows: number;
  spans_stored: number;
  segments: number;
  disk_bytes: number;
  merges_running: number;
  quarantined: number;
  version: string;
  uptime_seconds: number;
}
export interface ApiErrorBody {
  error: { kind: string; message: string; position?: number };
}
