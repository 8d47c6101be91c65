import { describe, expect, test } from "vitest";
import { formatBytes, formatCount, formatDuration, formatRate, formatShare, groupDigits } from "./format.ts";
import { parseSearch, stringifySearch } from "./params.ts";
import { assign, COLOURS, MAX_ASSIGNED } from "./palette.ts";
import { nextSort, parseSort, sortRows } from "./sort.ts";
import { MAX_EVENT_CHARS, sseParser } from "./sse.ts";
import { parseTraceRef } from "./traceref.ts";

describe("formatDuration", () => {
  test.each([
    [0, "0 ns"], [1, "1 ns"], [999, "999 ns"], [1000, "1.00 µs"], [94_100, "94.1 µs"], [999_400, "999 µs"], [999_600, "1.00 ms"],
    [412e6, "412 ms"], [1.2e9, "1.20 s"], [59.99e9, "60.0 s"], [60e9, "1 min 00 s"], [125.4e9, "2 min 05 s"], [3599.9e9, "1 h 00 min"],
    [36_000e9, "10 h 00 min"], [86_400e9, "1 d 00 h"], [183_600e9, "2 d 03 h"], [-5e6, "−5.00 ms"], [Number.NaN, "–"],
  ])("%d", (ns, want) => expect(formatDuration(ns)).toBe(want));
});

test("counts, shares, rates and bytes keep three digits and never turn something into nothing", () => {
  expect([0, 999, 1000, 9940, 35_200, 999_400, 999_600, 4.1e6, 2e9].map(formatCount)).toEqual(["0", "999", "1.0k", "9.9k", "35k", "999k", "1.0M", "4.1M", "2.0G"]);
  expect([formatShare(0, 10), formatShare(1, 1e6), formatShare(1, 300), formatShare(1, 3), formatShare(9999, 10_000), formatShare(3, 3), formatShare(1, 0)]).toEqual(["0 %", "<0.01 %", "0.33 %", "33.3 %", "100 %", "100 %", "–"]);
  expect([formatRate(0, 60), formatRate(1, 3600), formatRate(90, 60), formatRate(6e6, 60), formatRate(1, 0)]).toEqual(["0 /s", "1.00 /h", "1.50 /s", "100k /s", "–"]);
  expect([0, 512, 1024, 96_480_112].map(formatBytes)).toEqual(["0 B", "512 B", "1.00 KiB", "92.0 MiB"]);
  expect(groupDigits(1234567).replaceAll("\u202f", " ")).toBe("1 234 567");
});

describe("parseTraceRef", () => {
  const id = "4bf92f3577b34da6a3ce929d0e0e4736";
  test.each([
    [id, { traceId: id }],
    [`  ${id.toUpperCase()} `, { traceId: id }],
    [`00-${id}-00f067aa0ba902b7-01`, { traceId: id, spanId: "00f067aa0ba902b7" }],
    [`traceparent: 00-${id}-00f067aa0ba902b7-01`, { traceId: id, spanId: "00f067aa0ba902b7" }],
    [`https://clew.example/trace/${id}?t=1&span=00f067aa0ba902b7`, { traceId: id, spanId: "00f067aa0ba902b7" }],
    [`level=error trace_id=${id} msg="x"`, { traceId: id }],
    ["00f067aa0ba902b7", { traceId: `${"0".repeat(16)}00f067aa0ba902b7` }],
    ["0".repeat(32), undefined],
    [`${id}0`, undefined],
    ["GET /orders", undefined],
    ["", undefined],
  ])("%s", (text, want) => expect(parseTraceRef(text)).toEqual(want));
});

test("search parameters survive a round trip as plain text, unknown ones too", () => {
  const search = { q: '{ span.http.route = "/a/{id}" && status = error }', from: "now-1h", x: "1", empty: "", sel: "007" };
  const text = stringifySearch(search);
  expect(text).not.toContain("empty");
  expect(text).toContain("from=now-1h");
  expect(parseSearch(text)).toEqual({ q: search.q, from: "now-1h", x: "1", sel: "007" });
  expect(stringifySearch({})).toBe("");
});

describe("assign", () => {
  const names = Array.from({ length: 20 }, (_, i) => `service-${i}`);
  test("the first eight services have eight colours, the next eight the same with a hatch", () => {
    const slots = [...assign(new Map(), names.slice(0, 8)).values()].toSorted((a, b) => a - b);
    expect(slots).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(assign(new Map(), names).values()).size).toBe(20);
    expect(Math.max(...assign(new Map(), names.slice(0, 16)).values())).toBe(2 * COLOURS - 1);
  });
  test("order of arrival within a list does not matter, and what has a colour keeps it", () => {
    const a = assign(new Map(), names);
    expect(assign(new Map(), names.toReversed())).toEqual(a);
    const grown = assign(a, ["new", ...names]);
    for (const n of names) expect(grown.get(n)).toBe(a.get(n));
    expect(assign(a, names)).toBe(a);
  });
  test("the list is bounded", () => {
    expect(assign(new Map(), Array.from({ length: 2000 }, (_, i) => `s${i}`)).size).toBe(MAX_ASSIGNED);
  });
});

describe("sseParser", () => {
  test("events arrive whole however the stream is cut", () => {
    const stream = ': hello\n\ndata: [1]\n\nevent: missed\r\ndata: 17\r\n\r\ndata: a\ndata: b\n\nevent: ignored\n\n';
    const want = [{ type: "message", data: "[1]" }, { type: "missed", data: "17" }, { type: "message", data: "a\nb" }];
    expect(sseParser()(stream)).toEqual(want);
    for (let cut = 1; cut < stream.length; cut++) {
      const parse = sseParser();
      expect([...parse(stream.slice(0, cut)), ...parse(stream.slice(cut))]).toEqual(want);
    }
  });
  test("an event without end does not grow without end", () => {
    const parse = sseParser();
    const line = `data: ${"x".repeat(1_000_000)}\n`;
    for (let i = 0; i < 6; i++) parse(line);
    expect(parse("\n")).toEqual([]);
    expect(parse("data: fine\n\n")).toEqual([{ type: "message", data: "fine" }]);
    expect(parse("x".repeat(MAX_EVENT_CHARS + 1))).toEqual([]);
    expect(parse("\ndata: again\n\n")).toEqual([{ type: "message", data: "again" }]);
  });
});

test("tables sort by number or text, ties by name, and a click turns the order round", () => {
  const rows = [{ n: "b", v: 2 }, { n: "a", v: 2 }, { n: "c", v: 9 }];
  const sorted = (s: string) => sortRows(rows, parseSort(s, ["n", "v"], { column: "n", down: false }), (r, c) => (c === "n" ? r.n : r.v), (r) => r.n).map((r) => r.n).join("");
  expect([sorted("v"), sorted("-v"), sorted("-n"), sorted("nonsense")]).toEqual(["abc", "cab", "cba", "abc"]);
  expect(nextSort({ column: "v", down: true }, "v", false)).toBe("v");
  expect(nextSort({ column: "n", down: false }, "v", false)).toBe("-v");
});
