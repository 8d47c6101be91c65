import { describe, expect, test } from "vitest";
import { barStep, clampWindow, fromPixel, offsetTicks, pan, toPixel, wallTicks, zoom } from "./scale.ts";
import { ago, DEFAULT_RANGE, formatInstant, isRelative, parseInstant, rangeAround, rangeLabel, resolveRange, toRfc3339 } from "./time.ts";

const now = Date.UTC(2026, 0, 31, 14, 5, 9, 123);

describe("parseInstant", () => {
  test.each([
    ["now", now],
    ["now-1h", now - 3600e3],
    [" now - 90m ", now - 5400e3],
    ["2026-01-31T14:00:00Z", Date.UTC(2026, 0, 31, 14)],
    ["2026-01-31T14:00:00+02:00", Date.UTC(2026, 0, 31, 12)],
    ["1769868309", 1769868309000],
    ["1769868309123", 1769868309123],
    ["1769868309123456789", 1769868309123.4568],
    ["yesterday", undefined],
    ["now-1y", undefined],
    ["2026-13-01", undefined],
    ["", undefined],
  ])("%s", (text, want) => {
    const got = parseInstant(text, now);
    if (want === undefined) expect(got).toBeUndefined();
    else expect(got).toBeCloseTo(want, 2);
  });
});

test("resolveRange says what is wrong and how to mend it", () => {
  expect(resolveRange({ from: "now-1h", to: "now" }, now)).toEqual({ from: now - 3600e3, to: now });
  expect(resolveRange({ from: "soon", to: "now" }, now)).toMatch(/"soon" is not a time; write/);
  expect(resolveRange({ from: "now", to: "now-1h" }, now)).toMatch(/ends before it begins/);
});

test("labels name the range in words, or by both ends in the shown zone", () => {
  expect(rangeLabel({ from: "now-15m", to: "now" }, now, "utc")).toBe("Last 15 minutes");
  expect(rangeLabel({ from: "now-1d", to: "now" }, now, "utc")).toBe("Last day");
  expect(rangeLabel({ from: "2026-01-31T14:00:00Z", to: "2026-01-31T15:30:00Z" }, now, "utc")).toBe("2026-01-31 14:00 – 15:30");
  expect(rangeLabel({ from: "2026-01-30T14:00:00Z", to: "2026-01-31T15:30:00Z" }, now, "utc")).toBe("2026-01-30 14:00 – 2026-01-31 15:30");
  expect(rangeLabel({ from: "?", to: "now" }, now, "utc")).toBe("Invalid range");
  expect([isRelative({ from: "now-1h", to: "now" }), isRelative({ from: "2026-01-30", to: "now" })]).toEqual([true, false]);
});

test("instants keep their nanoseconds, also far in the future", () => {
  expect(formatInstant(1769868309123456789n, "utc", 9)).toBe("2026-01-31 14:05:09.123456789");
  expect(formatInstant(4070908800000000001n, "utc", 9)).toBe("2099-01-01 00:00:00.000000001");
  expect(toRfc3339(now)).toBe("2026-01-31T14:05:09.123Z");
  expect([ago(now - 3000, now), ago(now - 125e3, now), ago(now - 7300e3, now), ago(now - 9e7, now), ago(now + 1e6, now)]).toEqual(["3 s ago", "2 min ago", "2 h ago", "1 d ago", "in the future"]);
});

test("like traces are looked for where the trace is: old, recent or ahead of the clock", () => {
  expect(rangeAround(now - 50 * 60e3, now)).toEqual(DEFAULT_RANGE);
  expect(rangeAround(now - 90 * 60e3, now)).toEqual({ from: "2026-01-31T12:05:09.123Z", to: "2026-01-31T13:05:09.123Z" });
  expect(rangeAround(now + 86400e3, now)).toEqual({ from: "2026-02-01T13:35:09.123Z", to: "2026-02-01T14:35:09.123Z" });
});

describe("windows", () => {
  test("pixels and times are each other's inverse", () => {
    const w = { from: 100, to: 700 };
    expect(fromPixel(w, toPixel(w, 333, 900), 900)).toBeCloseTo(333);
  });
  test("zoom keeps what is under the pointer there", () => {
    const w = zoom({ from: 0, to: 1e9 }, 2.5e8, 0.5, 1e9);
    expect(toPixel(w, 2.5e8, 1000)).toBeCloseTo(250);
  });
  test("zoom and pan never leave the trace or shrink to nothing", () => {
    let w = { from: 0, to: 1e9 };
    for (let i = 0; i < 200; i++) w = zoom(w, w.to, 0.5, 1e9);
    expect(w.to - w.from).toBeGreaterThan(1);
    for (let i = 0; i < 200; i++) w = zoom(w, w.to, 2, 1e9);
    expect(w).toEqual({ from: 0, to: 1e9 });
    expect(pan({ from: 0, to: 10 }, -3, 100)).toEqual({ from: 0, to: 10 });
    expect(pan({ from: 80, to: 100 }, 5, 100)).toEqual({ from: 80, to: 100 });
    expect(clampWindow({ from: -50, to: 400 }, 100)).toEqual({ from: 0, to: 100 });
    expect(zoom({ from: 0, to: 1 }, 0, 0.5, 1)).toEqual({ from: 0, to: 1 });
  });
});

describe("ticks", () => {
  test("a trace's ruler has few, round, distinct labels at every scale", () => {
    for (const length of [1, 37, 999, 1e4, 3.3e6, 1e9, 6.1e10, 3.6e13]) {
      for (const from of [0, length * 7.3]) {
        const ticks = offsetTicks({ from, to: from + length }, 8);
        expect(ticks.length).toBeGreaterThanOrEqual(length < 5 ? 1 : 2);
        expect(ticks.length).toBeLessThanOrEqual(10);
        expect(new Set(ticks.map((t) => t.label)).size).toBe(ticks.length);
      }
    }
  });
  test("labels read as offsets", () => {
    expect(offsetTicks({ from: 0, to: 10e6 }, 6).map((t) => t.label)).toEqual(["0", "2 ms", "4 ms", "6 ms", "8 ms", "10 ms"]);
    expect(offsetTicks({ from: 1e9, to: 1e9 + 4e5 }, 5).map((t) => t.label)).toEqual(["1.0000 s", "1.0001 s", "1.0002 s", "1.0003 s", "1.0004 s"]);
  });
  test("wall ticks stand at round times", () => {
    const ticks = wallTicks(Date.UTC(2026, 0, 31, 13, 7), Date.UTC(2026, 0, 31, 14, 7), 8, "utc");
    expect(ticks.map((t) => t.label)).toEqual(["13:10", "13:20", "13:30", "13:40", "13:50", "14:00"]);
    expect(wallTicks(Date.UTC(2026, 0, 30, 20), Date.UTC(2026, 0, 31, 4), 5, "utc").map((t) => t.label)).toEqual(["20:00", "22:00", "01-31", "02:00", "04:00"]);
    expect(wallTicks(5, 5, 5, "utc")).toEqual([]);
  });
  test("about 120 bars for any range", () => {
    for (const hours of [1 / 60, 1, 6, 24, 24 * 7, 24 * 90]) {
      const length = hours * 3600e3;
      const bars = length / barStep(0, length, 120);
      expect(bars).toBeLessThanOrEqual(120);
      expect(bars).toBeGreaterThan(40);
    }
  });
});
