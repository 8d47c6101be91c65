// Generated from internal/api/openapi_schemas.yaml by scripts/types.mjs; do not edit.
// Ids are lower-case hex; instants are Unix nanoseconds as decimal strings; durations are nanoseconds.

export type Error = {
  error: {
    kind: "internal" | "invalid" | "not_found" | "conflict" | "unauthenticated" | "forbidden" | "exhausted" | "unavailable";
    message: string;
    /** Offset in q from 1, in UTF-16 units, where a query is wrong. */
    position?: number;
    /** Internal errors stand in the server's log under it. */
    id?: string;
  };
};

/** Unix nanoseconds. */
export type Nanos = string;

export type Kind = "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";

export type SpanStatus = "unset" | "ok" | "error";

export type Attribute = {
  key: string;
  /** bytes is base64; json is the text of a list, a key-value list or an empty value; nil is a label that spans lack. */
  type: "string" | "int" | "double" | "bool" | "bytes" | "json" | "nil";
  /** An int beyond 2^53 and the doubles NaN, Infinity and -Infinity are strings. */
  value: string | number | boolean | null;
};

export type Stats = {
  /** Rows in the sources that were not pruned. */
  rows: number;
  segments: number;
  /** Of the columns that were read, as stored. */
  bytes: number;
  /** Rows read from memory. */
  fresh: number;
  tookMs: number;
};

export type ServiceCount = {
  service: string;
  spans: number;
  errors: number;
};

export type FoundSpan = {
  spanId: string;
  service: string;
  name: string;
  kind: Kind;
  status: SpanStatus;
  start: Nanos;
  duration: number;
  /** The fields that the query names or selects. */
  attributes: Attribute[];
};

export type TailSpan = FoundSpan & {
  traceId: string;
};

export type FoundTrace = {
  traceId: string;
  rootService: string;
  rootName: string;
  /** The root span is not stored; service and name are those of the earliest span. */
  rootMissing: boolean;
  start: Nanos;
  duration: number;
  spans: number;
  errors: number;
  services: ServiceCount[];
  /** Spans that match. */
  matched: number;
  found: FoundSpan[];
};

export type SearchAnswer = {
  traces: FoundTrace[];
  /** Empty on the last page. */
  cursor: string;
  partial: string;
  stats: Stats;
};

export type TraceSpan = {
  spanId: string;
  /** Empty for a root. */
  parentId: string;
  depth: number;
  service: string;
  name: string;
  kind: Kind;
  status: SpanStatus;
  statusMessage?: string;
  /** Nanoseconds after the trace's start. */
  start: number;
  /** Negative when the sender's end is before its start. */
  duration: number;
  hasEvents: boolean;
  hasLinks: boolean;
  parentMissing: boolean;
};

export type Trace = {
  traceId: string;
  partial: string;
  start: Nanos;
  duration: number;
  spanCount: number;
  rootMissing: boolean;
  /** Spans whose parent is not stored, and one of each circle of parents. */
  missingParents: number;
  services: ServiceCount[];
  spans: TraceSpan[];
};

export type SkeletonHeader = {
  traceId: string;
  start: Nanos;
  duration: number;
  dicts: {
    services: string[];
    names: string[];
  };
  count: number;
  missingParents: number;
  rootMissing: boolean;
  partial: string;
};

export type SpanEvent = {
  name: string;
  /** Nanoseconds after the span's start. */
  time: number;
  attributes: Attribute[];
  droppedAttributes: number;
};

export type SpanLink = {
  traceId: string;
  spanId: string;
  traceState: string;
  flags: number;
  attributes: Attribute[];
  droppedAttributes: number;
};

export type InstrumentationScope = {
  name: string;
  version: string;
  schemaUrl: string;
  attributes: Attribute[];
};

export type SpanDetails = {
  traceId: string;
  spanId: string;
  /** Empty for a root. */
  parentId: string;
  service: string;
  name: string;
  kind: Kind;
  status: SpanStatus;
  statusMessage: string;
  start: Nanos;
  duration: number;
  attributes: Attribute[];
  resource: Attribute[];
  resourceSchemaUrl: string;
  scope: InstrumentationScope;
  events: SpanEvent[];
  links: SpanLink[];
  traceState: string;
  /** W3C trace flags in the low byte. */
  flags: number;
  /** What Clew has to say of the span. */
  marks: ("id_collision" | "truncated" | "clock_off" | "text_mended" | "attributes_overflow")[];
  droppedAttributes: number;
  droppedEvents: number;
  droppedLinks: number;
  receivedAt: Nanos;
  /** Other records of the trace under the same span id. */
  sharedId: number;
};

export type Series = {
  labels: Attribute[];
  /** One a step; null where there is none, or an infinite one. */
  values: (number | null)[];
  /** Examples of values, when asked for by `with (exemplars = 10)`. */
  exemplars?: Exemplar[];
};

export type Exemplar = {
  traceId: string;
  spanId: string;
  start: Nanos;
  value: number | null;
};

export type MetricsAnswer = {
  /** The start of each step. */
  times: Nanos[];
  /** Nanoseconds. */
  step: number;
  series: Series[];
  partial: string;
  stats: Stats;
};

export type TagNames = {
  scopes: {
    scope: "span" | "resource" | "event" | "link" | "instrumentation" | "intrinsic";
    names: string[];
  }[];
  partial: string;
};

export type TagValues = {
  values: {
    value: string | number | boolean | null;
    type: "string" | "int" | "double" | "bool" | "bytes" | "json" | "nil";
    count: number;
  }[];
  /** The limit cut the list. */
  more: boolean;
  partial: string;
};

export type Summary = {
  name: string;
  kind?: Kind;
  /** Every span. */
  spans: number;
  /** Entry points (server and consumer). */
  requests: number;
  /** Entry points with status error. */
  errors: number;
  p50: number;
  p95: number;
  p99: number;
  lastSeen: Nanos;
  /** Of services: who owns it; absent when nobody does. */
  team?: string;
};

export type Services = {
  services: Summary[];
  partial: string;
};

export type Operations = {
  operations: Summary[];
  partial: string;
};

export type Linked = {
  traces: LinkedTrace[];
  /** As spans carry them, from the effect to its cause. */
  links: {
    fromTrace: string;
    fromSpan: string;
    toTrace: string;
    toSpan: string;
  }[];
  /** Ids that links name and that are not stored. */
  missing: string[];
  /** There are traces or links beyond the bounds. */
  more: boolean;
  partial: string;
};

export type LinkedTrace = {
  traceId: string;
  rootService: string;
  rootName: string;
  rootMissing: boolean;
  start: Nanos;
  duration: number;
  spans: number;
  errors: number;
  services: ServiceCount[];
};

export type KitInstances = {
  /** Where the charter is read from. Empty without the role admin. */
  file: string;
  /** Empty, or why the charter as it stands is not in force. */
  error: string;
  instances: {
    service: string;
    instance: string;
    language: string;
    /** Of the kit. */
    version: string;
    /** Version of the charter that is in force there. */
    applied: string;
    /** That is the one it should have. */
    current: boolean;
    /** By component. */
    levels: Record<string, string>;
    /** Records lost so far by reason. */
    dropped: Record<string, number>;
    lastSeen: Nanos;
  }[];
};

export type Status = {
  version: string;
  uptime_seconds: number;
  ready: boolean;
  /** Which part is not ready. */
  ready_reason: string;
  /** Empty, or why nothing can be stored. */
  read_only: string;
  /** Bytes of the log that are acknowledged and not yet visible. */
  lag_bytes: number;
  log_bytes: number;
  fresh_rows: number;
  fresh_bytes: number;
  flushes_active: number;
  merges_running: number;
  spans_stored: number;
  segments: number;
  disk_bytes: number;
  /** 0: none. */
  disk_budget: number;
  quarantined: number;
  tenants: {
    tenant: string;
    spans: number;
    segments: number;
    bytes: number;
    oldest: Nanos;
  }[];
  counters: Record<string, number>;
};

export type Team = {
  name: string;
  contact: string;
  escalation: string;
  runbook: string;
};

export type CharterService = {
  name: string;
  /** Empty: nobody. */
  team: string;
  language: string;
  tier: string;
};

export type Contract = {
  id: string;
  service: string;
  kind: string;
  /** How its spans are told, such as http.route=/checkout. */
  match: string;
  requires: string[];
  /** Services that it may call; empty: none; absent: not said. */
  mayCall?: string[];
  brief: string;
  /** Spans of it since they are counted. */
  seen: number;
  /** RFC 3339; empty: never. */
  lastSeen: string;
  /** The newest of them; empty: none. */
  trace: string;
};

export type CharterRule = {
  rule: string;
  mode: "observe" | "mend" | "refuse" | "off";
  brief: string;
};

export type Charter = {
  /** A hash of what is in force. */
  version: string;
  organisation: string;
  /** Without the role admin empty; empty too when the built-in charter is in force. */
  file: string;
  /** RFC 3339. */
  since: string;
  /** Why the file as it stands is not in force; empty when it is. */
  error: string;
  environments: string[];
  /** How many are defined, with those of imports. */
  attributes: number;
  ownAttributes: number;
  detectors: string[];
  teams: Team[];
  services: CharterService[];
  contracts: Contract[];
  rules: CharterRule[];
};

export type Term = {
  name: string;
  type: string;
  brief: string;
  note: string;
  examples: string[];
  members: string[];
  stability: string;
  /** The reason; empty: it is not. */
  deprecated: string;
  renamedTo: string;
  formerly: string[];
  owner: string;
  personal: string;
  onIngest: string;
  source: string;
};

export type Glossary = {
  terms: Term[];
  /** That fit the text. */
  total: number;
};

export type Finding = {
  rule: string;
  severity: "violation" | "improvement" | "information";
  service: string;
  /** Of the service, as the charter says: go, rust, other or empty. */
  language: string;
  team?: Team;
  /** The attribute, span or service that the rule speaks of. */
  subject: string;
  detail: string;
  message: string;
  mend: string;
  /** The name to write instead; empty: none. */
  name: string;
  /** The mend as code; empty: none. */
  go: string;
  rust: string;
  action: "observe" | "mend" | "refuse" | "redact";
  /** Values or spans, since the first. */
  count: number;
  /** RFC 3339. */
  first: string;
  last: string;
  /** The newest example. */
  trace: string;
  span: string;
};

export type Overflow = {
  /** Empty: services that had no room. */
  service: string;
  rule: string;
  count: number;
};

export type FoundIn = {
  service: string;
  /** Who answers for it; empty: nobody. */
  team: string;
  findings: number;
  /** Findings of the severity violation. */
  violations: number;
  /** Values or spans of all of them, since the first. */
  count: number;
};

export type Findings = {
  findings: Finding[];
  total: number;
  /** Of all that fit, beyond the limit too: those with most violations first. */
  services: FoundIn[];
  /** What the bounds of the table kept out. */
  overflow: Overflow[];
  /** Of the charter. */
  version: string;
};

export type ScoreExample = {
  trace: string;
  span: string;
};

export type ScoredRule = {
  /** Of the specification, such as SPA-002. */
  id: string;
  name: string;
  impact: "Critical" | "Important" | "Normal" | "Low";
  weight: number;
  /** Nothing that was checked failed; also when nothing was checked. */
  passed: boolean;
  /** Resources, spans or traces. */
  checked: number;
  failed: number;
  criterion: string;
  mend: string;
  /** Five at the most. */
  examples: ScoreExample[];
};

export type ScorePoint = {
  /** In UTC, such as 2026-03-01. */
  day: string;
  score: number;
};

export type ScoredService = {
  service: string;
  team?: Team;
  /** 0 to 100 in hundredths. */
  score: number;
  band: "excellent" | "good" | "needs_improvement" | "poor";
  rules: ScoredRule[];
  /** The last score of each day, of windows of 30 days. */
  history: ScorePoint[];
};

export type UndecidedRule = {
  id: string;
  reason: string;
};

export type Scores = {
  specification: {
    name: string;
    version: string;
    commit: string;
    commitDate: string;
  };
  rulesDecided: number;
  rulesTotal: number;
  /** Rules that are not decided. */
  missing: UndecidedRule[];
  lookedAt: {
    spans: number;
    traces: number;
    /** Traces that were passed over for having more than 10000 spans. */
    tooLong: number;
    /** Not all traces of the window were judged but the newest of each of its 20 parts, and of services that those hardly show. */
    more: boolean;
    /** RFC 3339. */
    from: string;
    /** RFC 3339; a minute ago, since newer traces may still be arriving. */
    to: string;
  };
  /** Spans of services beyond the bound of 2000. */
  leftOut: number;
  /** Services that have no room in the history. */
  historyOverflow: number;
  /** By name. */
  services: ScoredService[];
};
