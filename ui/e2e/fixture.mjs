// A server with the shapes of /api over made-up data, for what a real fleet does not
// give on demand: traces of 100,000 spans, missing parents, hostile names, errors,
// slow answers. It serves the built page with the content policy of the real server.
//
//     node e2e/fixture.mjs [port]      prints the address; port 0 takes a free one
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { fleet, skeleton, UGLY, ugly } from "./fixture-data.mjs";
import { charter, findings, scores, TERMS } from "./fixture-charter.mjs";

const dist = new URL("../dist", import.meta.url).pathname;
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const STATS = { rows: 184_320, segments: 6, fresh: 2_048, tookMs: 11.4 };

class Refusal extends Error {
  constructor(status, kind, message, position) {
    super(message);
    Object.assign(this, { status, body: { error: { kind, message, ...(position === undefined ? {} : { position }) } } });
  }
}

/** Conditions that the fixture understands: comparisons joined by && and ||. */
function matcher(q) {
  const bad = /\bsevice\b/.exec(q);
  if (bad) throw new Refusal(400, "invalid", `query:1:${bad.index + 1}: "sevice.name" needs a scope: write .sevice.name, span.sevice.name or resource.sevice.name`, bad.index + 1);
  const body = /^\s*\{([^}]*)\}/.exec(q)?.[1].trim() ?? "";
  if (body === "" || body === "true") return () => true;
  const clause = (text) => {
    const m = /^\(?\s*([\w.:"]+)\s*(=~|!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|[^\s)]+)\s*\)?$/.exec(text.trim());
    if (!m) throw new Refusal(400, "invalid", `query:1:3: the fixture cannot read "${text.trim()}"`, 3);
    const want = m[3].startsWith('"') ? JSON.parse(m[3]) : m[3];
    return (s) => {
      const got = fieldValue(s, m[1]);
      if (m[2] === "=") return String(got) === want;
      if (m[2] === "!=") return got !== undefined && String(got) !== want;
      if (m[2] === "=~") return got !== undefined && new RegExp(`^(?:${want})$`).test(String(got));
      const limit = Number.parseFloat(want) * ({ ms: 1e6, us: 1e3, s: 1e9 }[/[a-z]+$/.exec(want)?.[0]] ?? 1);
      return m[2][0] === ">" ? got > limit : got < limit;
    };
  };
  const any = body.split("&&").map((part) => part.trim().replace(/^\((.*)\)$/, "$1").split("||").map(clause));
  return (s) => any.every((alternatives) => alternatives.some((test) => test(s)));
}

function fieldValue(s, field) {
  const key = field.replace(/"/g, "");
  if (key === "resource.service.name") return s.service;
  if (key === "duration") return s.duration;
  if (["name", "status", "kind"].includes(key)) return s[key];
  return s.attributes.find((a) => a.key === key.replace(/^(span)?\./, ""))?.value;
}

const found = (b, s) => ({ spanId: s.spanId, service: s.service, name: s.name, kind: s.kind, status: s.status, start: String(b.startNs + BigInt(s.start)), duration: s.duration, attributes: s.attributes.slice(0, 2) });

function traceHit(b, matched, spans) {
  const services = new Map();
  for (const s of b.spans) {
    const c = services.get(s.service) ?? { service: s.service, spans: 0, errors: 0 };
    c.spans++;
    if (s.status === "error") c.errors++;
    services.set(s.service, c);
  }
  const root = b.spans[0];
  return {
    traceId: b.traceId, rootService: root.service, rootName: root.name, rootMissing: root.missing, start: String(b.startNs), duration: b.spans.reduce((m, s) => Math.max(m, s.start + s.duration), 0),
    spans: b.spans.length, errors: b.spans.filter((s) => s.status === "error").length, services: [...services.values()].toSorted((x, y) => (x.service < y.service ? -1 : 1)), matched: matched.length, found: matched.slice(0, spans).map((s) => found(b, s)),
  };
}

/** Starts the fixture. Returns its address and a function that stops it. */
export async function startFixture(port = 0) {
  const now = BigInt(Date.now()) * 1_000_000n;
  const everyday = fleet(now, 240);
  const built = new Map(everyday.map((b) => [b.traceId, b]));
  const oddities = [UGLY.orphans, UGLY.zero, UGLY.hostile].map((t) => ugly(t, now));
  const searchable = [...everyday, ...oddities];
  for (const b of oddities) built.set(b.traceId, b);
  const skeletons = new Map();
  const trace = (traceId) => {
    if (!built.has(traceId)) {
      const b = ugly(traceId, now);
      if (!b) throw new Refusal(404, "not_found", `no span of trace ${traceId} is stored`);
      built.set(traceId, b);
    }
    return built.get(traceId);
  };
  const range = (p) => {
    const at = (text, fallback) => {
      const rel = /^now(?:-(\d+)([smhdw]))?$/.exec(text || fallback);
      if (rel) return Date.now() - (rel[1] ? Number(rel[1]) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 }[rel[2]] : 0);
      return Date.parse(text);
    };
    return [BigInt(Math.floor(at(p.get("from"), "now-1h"))) * 1_000_000n, BigInt(Math.ceil(at(p.get("to"), "now"))) * 1_000_000n];
  };
  const within = (p) => {
    const [from, to] = range(p);
    return searchable.filter((b) => b.startNs >= from && b.startNs < to);
  };
  const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
  const summarise = (spans, key) => {
    const groups = new Map();
    for (const [b, s] of spans) {
      const k = key(s);
      if (!groups.has(k)) groups.set(k, []);
      groups.get(k).push([b, s]);
    }
    return [...groups].map(([k, list]) => {
      const entries = list.filter(([, s]) => s.kind === "server" || s.kind === "consumer");
      const use = entries.length > 0 ? entries : list;
      const sorted = use.map(([, s]) => s.duration).toSorted((x, y) => x - y);
      return {
        name: k.split("\u0000")[0], ...(k.includes("\u0000") ? { kind: k.split("\u0000")[1] } : {}), spans: list.length, requests: use.length, errors: use.filter(([, s]) => s.status === "error").length,
        p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), p99: quantile(sorted, 0.99), lastSeen: String(list.map(([b, s]) => b.startNs + BigInt(s.start)).reduce((x, y) => (x > y ? x : y))),
      };
    }).toSorted((x, y) => (x.name < y.name ? -1 : 1));
  };

  const routes = {
    "/api/search": (p) => {
      const test = matcher(p.get("q"));
      const hits = within(p).map((b) => [b, b.spans.filter(test)]).filter(([, m]) => m.length > 0);
      const rank = { slowest: ([, m]) => -Math.max(...m.map((s) => s.duration)), spans: ([b]) => -b.spans.length }[p.get("order")] ?? (([b]) => -Number(b.startNs / 1000n));
      hits.sort((x, y) => rank(x) - rank(y));
      const from = Number(p.get("cursor") || 0);
      const limit = Number(p.get("limit") || 20);
      return { traces: hits.slice(from, from + limit).map(([b, m]) => traceHit(b, m, Number(p.get("spans") || 3))), cursor: from + limit < hits.length ? String(from + limit) : "", partial: "", stats: STATS };
    },
    "/api/metrics": (p) => {
      const test = matcher(p.get("q"));
      const [from, to] = range(p);
      const step = BigInt(Number.parseInt(p.get("step"), 10)) * 1_000_000n;
      const times = [];
      for (let t = (from / step) * step; t < to; t += step) times.push(t);
      const series = ["error", "ok", "unset"].map((status) => ({ labels: [{ key: "status", type: "status", value: status }], values: times.map(() => 0) }));
      for (const b of within(p)) {
        for (const s of b.spans) {
          const at = Number((b.startNs + BigInt(s.start) - times[0]) / step);
          if (at >= 0 && at < times.length && test(s)) series[["error", "ok", "unset"].indexOf(s.status)].values[at]++;
        }
      }
      return { times: times.map(String), series, partial: "", stats: STATS };
    },
    "/api/tags": () => ({ scopes: [{ scope: "resource", names: ["service.name", "service.version", "host.name"] }, { scope: "span", names: ["http.route", "http.request.method", "http.response.status_code", "db.system.name", "db.query.text", "rpc.method"] }] }),
    "/api/services": (p) => ({ services: summarise(within(p).flatMap((b) => b.spans.map((s) => [b, s])), (s) => s.service), partial: "" }),
    "/api/charter": () => charter(),
    "/api/charter/attributes": (p) => {
      const text = (p.get("text") ?? "").toLowerCase();
      const fit = TERMS.filter((t) => `${t.name} ${t.brief}`.toLowerCase().includes(text) && (!p.get("source") || t.source === p.get("source")));
      return { terms: fit.slice(0, Number(p.get("limit") || 100)), total: fit.length };
    },
    "/api/findings": () => findings(everyday[0]),
    "/api/score": (p) => scores(everyday[0], p.get("window") || "30d"),
    "/api/status": () => ({ ready: true, read_only: "", lag_bytes: 0, merges_running: 0, spans_stored: 1_284_113, disk_bytes: 96_480_112, log_bytes: 1_048_576, fresh_rows: 2048, fresh_bytes: 409_600, segments: 6, quarantined: 0, tenants: [], counters: {}, version: "0.0.0-fixture", uptime_seconds: 321 }),
  };
  const patterns = [
    [/^\/api\/traces\/([0-9a-f]{32})\/skeleton$/, (_, t) => {
      if (!skeletons.has(t)) skeletons.set(t, skeleton(trace(t)));
      return skeletons.get(t);
    }],
    [/^\/api\/traces\/([0-9a-f]{32})\/spans\/([0-9a-f]{16})$/, (_, t, id) => {
      const b = trace(t);
      const s = b.spans.find((x) => x.spanId === id);
      if (!s) throw new Refusal(404, "not_found", `trace ${t} has no span ${id}`);
      return {
        ...found(b, s), traceId: t, parentId: s.parentId ?? b.spans[s.parent]?.spanId ?? "", statusMessage: s.statusMessage, attributes: s.attributes,
        resource: [["service.name", s.service], ["service.version", "1.4.2"], ["host.name", "node-7"], ["telemetry.sdk.language", "go"], ["deployment.environment.name", "production"]].map(([key, value]) => ({ key, type: "string", value })),
        scope: { name: "github.com/clew-dev/shop", version: "0.3.0", attributes: [] }, events: s.events, links: s.links, traceState: "", flags: 1, marks: [], sharedId: 0, receivedAt: String(b.startNs + 2_000_000_000n),
      };
    }],
    // One step in each direction is enough here: the server's own tests walk further.
    [/^\/api\/traces\/([0-9a-f]{32})\/linked$/, (_, t) => {
      const asked = trace(t);
      const links = searchable.flatMap((b) => b.spans.flatMap((s) => s.links.map((l) => ({ fromTrace: b.traceId, fromSpan: s.spanId, toTrace: l.traceId, toSpan: l.spanId })))).filter((l) => l.fromTrace === t || l.toTrace === t);
      const others = links.map((l) => built.get(l.fromTrace === t ? l.toTrace : l.fromTrace)).filter((b) => b !== undefined);
      const traces = [...new Set([asked, ...others])].map((b) => {
        const { traceId, rootService, rootName, rootMissing, start, duration, spans, errors, services } = traceHit(b, [], 0);
        return { traceId, rootService, rootName, rootMissing, start, duration, spans, errors, services };
      });
      return { traces: traces.toSorted((x, y) => Number(BigInt(x.start) - BigInt(y.start))), links, missing: [], more: false, partial: "" };
    }],
    [/^\/api\/traces\/([0-9a-f]{32})\/otlp$/, (_, t) => ({ resourceSpans: trace(t).spans.slice(0, 100).map((s) => ({ scopeSpans: [{ spans: [{ traceId: t, spanId: s.spanId, name: s.name }] }] })) })],
    [/^\/api\/services\/([^/]+)\/operations$/, (p, name) => ({ operations: summarise(within(p).flatMap((b) => b.spans.filter((s) => s.service === decodeURIComponent(name)).map((s) => [b, s])), (s) => `${s.name}\u0000${s.kind}`), partial: "" })],
    [/^\/api\/tags\/([^/]+)\/values$/, (p, field) => {
      const test = matcher(p.get("q") ?? "{}");
      const counts = new Map();
      for (const b of within(p)) {
        for (const s of b.spans) {
          const v = fieldValue(s, decodeURIComponent(field));
          if (v !== undefined && test(s)) counts.set(v, (counts.get(v) ?? 0) + 1);
        }
      }
      const all = [...counts].map(([value, count]) => ({ value, type: typeof value === "number" ? "int" : "string", count })).toSorted((x, y) => y.count - x.count);
      const limit = Number(p.get("limit") || 1000);
      return { values: all.slice(0, limit), more: all.length > limit, partial: "" };
    }],
  ];

  function tail(q, response) {
    const test = matcher(q);
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    let at = 0;
    const timer = setInterval(() => {
      const b = everyday[at++ % everyday.length];
      const spans = b.spans.filter(test).map((s) => ({ ...found(b, s), traceId: b.traceId, start: String(BigInt(Date.now()) * 1_000_000n) }));
      if (spans.length > 0) response.write(`data: ${JSON.stringify(spans)}\n\n`);
      if (at === 3) response.write("event: missed\ndata: 17\n\n");
    }, 150);
    response.on("close", () => clearInterval(timer));
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://fixture");
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    try {
      if (url.pathname === "/api/tail") return tail(url.searchParams.get("q"), response);
      if (url.pathname.startsWith("/api/")) {
        const handler = routes[url.pathname] ?? patterns.map(([re, f]) => [re.exec(url.pathname), f]).filter(([m]) => m).map(([m, f]) => (p) => f(p, ...m.slice(1)))[0];
        if (!handler) throw new Refusal(404, "not_found", `nothing answers at ${url.pathname}`);
        const answer = handler(url.searchParams);
        const binary = Buffer.isBuffer(answer);
        response.writeHead(200, { "Content-Type": binary ? "application/octet-stream" : "application/json" });
        return response.end(binary ? answer : JSON.stringify(answer));
      }
      const wanted = join(dist, normalize(url.pathname));
      const path = extname(wanted) !== "" && wanted.startsWith(dist) && existsSync(wanted) ? wanted : join(dist, "index.html");
      response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
      return createReadStream(path).pipe(response);
    } catch (err) {
      response.writeHead(err.status ?? 500, { "Content-Type": "application/json" });
      return response.end(JSON.stringify(err.body ?? { error: { kind: "internal", message: String(err.stack) } }));
    }
  });
  await new Promise((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    traceId: everyday[0].traceId,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const fixture = await startFixture(Number(process.argv[2] ?? 0));
  console.log(fixture.url);
}
