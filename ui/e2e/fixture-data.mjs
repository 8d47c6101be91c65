// Deterministic traces for the fixture server: an everyday fleet, and the ugly ones
// that a real fleet gives only on its worst day.

/** mulberry32: small, seeded, good enough for shapes. */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const hex = (r, n) => Array.from({ length: n }, () => Math.floor(r() * 16).toString(16)).join("");
const logNormal = (r, median, spread) => median * Math.exp(spread * Math.sqrt(-2 * Math.log(1 - r())) * Math.cos(2 * Math.PI * r()));
const MS = 1e6;

/** A tree node: kids run one after another, or side by side. */
const FLEET = {
  service: "gateway", kind: "server", ms: 3,
  names: ["GET /", "GET /products/{id}", "POST /cart", "POST /checkout", "GET /orders/{id}"],
  kids: [
    { service: "gateway", kind: "internal", ms: 0.4, names: ["authenticate"], kids: [{ service: "users", kind: "server", ms: 2, names: ["users.Verify"], kids: [{ service: "users", kind: "client", ms: 1.2, names: ["SELECT users"], db: true }] }] },
    { service: "catalog", kind: "server", ms: 4, names: ["catalog.Get", "catalog.Search"], repeat: 2, kids: [{ service: "catalog", kind: "client", ms: 3, names: ["SELECT products", "GET product:{id}"], repeat: 3, db: true }] },
    {
      service: "checkout", kind: "server", ms: 12, names: ["checkout.Place"], kids: [
        { service: "cart", kind: "server", ms: 3, names: ["cart.Load"], kids: [{ service: "cart", kind: "client", ms: 0.6, names: ["HGETALL cart"], db: true }] },
        { service: "payment", kind: "server", ms: 30, names: ["payment.Charge"], fails: 0.3, kids: [{ service: "payment", kind: "client", ms: 60, names: ["POST /v1/charges"], fails: 0.5 }] },
        { service: "orders", kind: "server", ms: 8, names: ["orders.Create"], kids: [{ service: "orders", kind: "client", ms: 4, names: ["INSERT orders"], db: true }, { service: "orders", kind: "producer", ms: 1, names: ["order.created publish"] }] },
        { service: "mailer", kind: "consumer", ms: 14, names: ["order.created process"] },
      ],
    },
    { service: "recommender", kind: "server", ms: 9, names: ["recommend.For"], together: true },
  ],
};

class Builder {
  constructor(traceId, startNs, r) {
    Object.assign(this, { traceId, startNs, r, spans: [], missingParents: 0, partial: "" });
  }
  add(parent, service, name, kind, start, duration, extra = {}) {
    const span = {
      spanId: hex(this.r, 16), parent, depth: parent < 0 ? 0 : this.spans[parent].depth + 1, service, name, kind, status: "unset", statusMessage: "",
      start: Math.round(start), duration: Math.max(0, Math.round(duration)), attributes: [], events: [], links: [], missing: false, ...extra,
    };
    this.spans.push(span);
    return this.spans.length - 1;
  }
  /** Adds a node of the fleet and its children; returns when it ended. */
  grow(parent, node, start, failing) {
    const { r } = this;
    const name = node.names[Math.floor(r() * node.names.length)];
    const self = this.add(parent, node.service, name, node.kind, start, 0);
    const span = this.spans[self];
    let at = start + logNormal(r, node.ms * 0.15, 0.4) * MS;
    let end = at;
    for (const kid of node.kids ?? []) {
      for (let k = 0; k < (kid.repeat ? 1 + Math.floor(r() * kid.repeat) : 1); k++) {
        const kidEnd = this.grow(self, kid, kid.together ? start + 0.1 * MS : at, failing);
        end = Math.max(end, kidEnd);
        if (!kid.together) at = kidEnd + logNormal(r, 0.05, 0.8) * MS;
      }
    }
    span.duration = Math.round(Math.max(end, at) - start + logNormal(r, node.ms * 0.3, 0.7) * MS);
    decorate(span, node, r);
    if (failing && node.fails && r() < node.fails) fail(span);
    return start + span.duration;
  }
}

function decorate(s, node, r) {
  const put = (key, value, type = typeof value === "string" ? "string" : "int") => s.attributes.push({ key, type, value });
  if (s.kind === "server" && s.name.includes("/")) {
    put("http.request.method", s.name.split(" ")[0]);
    put("http.route", s.name.split(" ")[1]);
    put("http.response.status_code", 200);
    put("url.path", `/products/${Math.floor(r() * 9000)}`);
    put("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36");
    put("client.address", "203.0.113.7");
  } else if (node.db) {
    put("db.system.name", s.service === "cart" ? "redis" : "postgresql");
    put("db.query.text", `${s.name.split(" ")[0]} … WHERE id = $1 AND deleted_at IS NULL ORDER BY created_at LIMIT 20`);
    put("db.response.returned_rows", Math.floor(r() * 40));
  } else {
    put("rpc.system.name", "grpc");
    put("rpc.method", s.name);
    put("shop.cart.total", Math.round(r() * 20000) / 100, "double");
    put("shop.customer.new", r() < 0.2, "bool");
  }
  put("thread.id", Math.floor(r() * 16));
  if (r() < 0.2) s.events.push({ name: "cache.miss", time: Math.round(s.duration * 0.1), attributes: [{ key: "cache.key", type: "string", value: "product:4711" }] });
}

function fail(s) {
  s.status = "error";
  s.statusMessage = "card declined: issuer answered do_not_honor";
  s.events.push({
    name: "exception", time: Math.round(s.duration * 0.9),
    attributes: [
      { key: "exception.type", type: "string", value: "payment.DeclinedError" },
      { key: "exception.message", type: "string", value: "card declined: issuer answered do_not_honor" },
      { key: "exception.stacktrace", type: "string", value: "payment.(*Charger).Charge\n\tcharge.go:118\npayment.(*Server).Charge\n\tserver.go:64\ngoogle.golang.org/grpc.(*Server).processUnaryRPC\n\tserver.go:1405" },
    ],
  });
}

/** Everyday traces, newest first, spread over the hour before `nowNs`. */
export function fleet(nowNs, count) {
  const r = random(7);
  const list = [];
  for (let i = 0; i < count; i++) {
    const age = Math.floor(((i + r() * 0.8) / count) ** 1.1 * 3_590e9) + 4e9;
    const b = new Builder(hex(r, 32), nowNs - BigInt(age), r);
    const slow = r() < 0.06 ? 8 : 1;
    b.grow(-1, { ...FLEET, ms: FLEET.ms * slow * (0.5 + r()), kids: FLEET.kids.filter((k) => k.service !== "checkout" || r() < 0.4) }, 0, r() < 0.35);
    list.push(b);
  }
  for (const [i, b] of list.entries()) if (i % 5 === 0 && i + 1 < list.length) b.spans[0].links.push({ traceId: list[i + 1].traceId, spanId: list[i + 1].spans[0].spanId, attributes: [{ key: "link.kind", type: "string", value: "follows_from" }] });
  return list;
}

const id = (digit) => digit.repeat(32);
/** Ids of the ugly traces. */
export const UGLY = {
  big: id("a"), wide: id("b"), deep: id("c"), orphans: id("d"), zero: id("e"), future: id("f"), long: id("1"), hostile: id("2"), million: id("3"),
};

/** Builds an ugly trace by id; undefined when there is none. Large ones are built on first use. */
export function ugly(traceId, nowNs) {
  const r = random(Number.parseInt(traceId[0], 16) + 100);
  const b = new Builder(traceId, nowNs - 600_000_000_000n, r);
  switch (traceId) {
    case UGLY.big: return crowd(b, 100_000);
    case UGLY.million: return crowd(b, 1_000_000);
    case UGLY.wide: {
      const root = b.add(-1, "loader", "import catalogue", "internal", 0, 12_000 * MS);
      for (let i = 0; i < 10_000; i++) b.add(root, "loader", i === 7351 ? "INSERT price (conflict)" : "INSERT price", "client", i * 1.2 * MS, logNormal(r, 1, 0.4) * MS, i === 7351 ? { status: "error", statusMessage: "duplicate key" } : {});
      return b;
    }
    case UGLY.deep: {
      let p = -1;
      for (let i = 0; i < 1000; i++) p = b.add(p, i % 2 ? "parser" : "resolver", `visit level ${i}`, "internal", i * 1e4, (2000 - i) * 1e4);
      return b;
    }
    case UGLY.orphans:
      for (let i = 0; i < 4; i++) {
        const p = b.add(-1, "billing", `charge batch ${i}`, "server", i * 40 * MS, 35 * MS, { missing: true, parentId: hex(r, 16) });
        b.add(p, "billing", "SELECT invoices", "client", i * 40 * MS + 2 * MS, 20 * MS);
      }
      b.missingParents = 4;
      b.partial = "segment 00000031 is quarantined: a checksum does not fit";
      return b;
    case UGLY.zero:
      b.add(-1, "clockless", "tick", "internal", 0, 0);
      return b;
    case UGLY.future: {
      b.startNs = 4_070_908_800_000_000_000n;
      const root = b.add(-1, "timetraveller", "GET /tomorrow", "server", 0, 20 * MS);
      b.add(root, "timetraveller", "starts before its parent", "internal", -5 * MS + 5 * MS, 8 * MS);
      return b;
    }
    case UGLY.long: {
      const root = b.add(-1, "batch", "nightly report", "internal", 0, 36_000_000 * MS);
      for (let i = 0; i < 60; i++) b.add(root, "batch", `page ${i}`, "internal", i * 600_000 * MS + r() * 1000, 900 + r() * 500);
      return b;
    }
    case UGLY.hostile: {
      const root = b.add(-1, "<img src=x onerror=alert(1)>", "<script>alert('name')</script>", "server", 0, 9 * MS);
      b.add(root, "ünïcødé サービス", `${"a very long name without a space ".replaceAll(" ", "_").repeat(12)}`, "client", MS, 7 * MS, { status: "error", statusMessage: "</textarea><script>alert(2)</script>" });
      b.spans[root].links.push({ traceId: UGLY.zero, spanId: hex(r, 16), attributes: [] });
      b.add(root, "", "", "internal", 2 * MS, MS);
      b.spans[0].attributes.push({ key: "odd key \"quoted\"", type: "string", value: "a\nb\t\"c\"" }, { key: "list", type: "array", value: [1, "two", null] }, { key: "empty", type: "string", value: "" });
      return b;
    }
    default: return undefined;
  }
}

/** Many spans in the shape of a real large trace: 40 services, 600 names, bursts, one parent with a tenth of all. */
function crowd(b, count) {
  const { r } = b;
  const services = Array.from({ length: 40 }, (_, i) => ["gateway", "checkout", "payment", "catalog", "cart", "users", "orders", "mailer"][i % 8] + (i < 8 ? "" : `-${Math.floor(i / 8)}`));
  const names = Array.from({ length: 600 }, (_, i) => `${["GET", "SELECT", "call", "publish", "render", "Lock"][i % 6]} ${["item", "price", "user", "stock", "order"][i % 5]}.${i}`);
  const root = b.add(-1, "gateway", "POST /import", "server", 0, 60_000 * MS);
  const stack = [root];
  const wideAt = Math.floor(count / 3);
  for (let i = 1; i < count; i++) {
    if (i === wideAt) {
      const p = b.add(root, "orders", "reprice all", "internal", 21_000 * MS, 9000 * MS);
      const n = Math.floor(count / 10);
      for (let k = 0; k < n; k++, i++) b.add(p, "orders", "SELECT stock", "client", 21_000 * MS + (k / n) * 8900 * MS, logNormal(r, 0.4, 0.9) * MS);
      stack.length = 1;
      continue;
    }
    if (i % 150 === 0) stack.length = 1;
    while (stack.length > 1 && (stack.length > 60 || r() < 0.42)) stack.pop();
    const parent = b.spans[stack.at(-1)];
    const start = stack.length === 1 ? (i / count) * 59_000 * MS : parent.start + r() * parent.duration * 0.8;
    const duration = Math.min(logNormal(r, 0.094, 2.2) * MS, 58_000 * MS);
    const bad = r() < 0.002;
    stack.push(b.add(stack.at(-1), services[Math.floor(r() * 40)], names[Math.floor(r() * 600)], ["internal", "server", "client"][i % 3], start, duration, bad ? { status: "error", statusMessage: "deadline exceeded" } : {}));
  }
  return b;
}

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUSES = ["unset", "ok", "error"];

/** The binary skeleton as the server sends it; spans must be in depth-first order. */
export function skeleton(b) {
  const services = [...new Set(b.spans.map((s) => s.service))];
  const names = [...new Set(b.spans.map((s) => s.name))];
  const serviceId = new Map(services.map((s, i) => [s, i]));
  const nameId = new Map(names.map((s, i) => [s, i]));
  const header = Buffer.from(JSON.stringify({ traceId: b.traceId, start: String(b.startNs), dicts: { services, names }, count: b.spans.length, missingParents: b.missingParents, partial: b.partial }));
  const out = Buffer.alloc(4 + header.length + b.spans.length * (6 * 8 + 8));
  out.writeUInt32LE(header.length, 0);
  header.copy(out, 4);
  let at = 4 + header.length;
  const varint = (v) => {
    let n = v;
    while (n >= 128) {
      out[at++] = (n % 128) | 128;
      n = Math.floor(n / 128);
    }
    out[at++] = n;
  };
  for (const s of b.spans) varint(s.depth);
  for (const s of b.spans) {
    const rel = s.start - (s.parent < 0 ? 0 : b.spans[s.parent].start);
    varint(rel >= 0 ? rel * 2 : -rel * 2 - 1);
  }
  for (const s of b.spans) varint(s.duration);
  for (const s of b.spans) varint(serviceId.get(s.service));
  for (const s of b.spans) varint(nameId.get(s.name));
  for (const s of b.spans) varint(KINDS.indexOf(s.kind) | (STATUSES.indexOf(s.status) << 3) | (s.events.length > 0 ? 32 : 0) | (s.links.length > 0 ? 64 : 0) | (s.missing ? 128 : 0));
  for (const s of b.spans) at += out.write(s.spanId, at, "hex");
  return out.subarray(0, at);
}
