import { describe, expect, test } from "vitest";
import { density } from "./density.ts";
import { findSpans, nextHit } from "./find.ts";
import { decodeSkeleton, spanId } from "./skeleton.ts";
import { ERROR, randomSpans, seeded, skeletonBytes } from "./testing.ts";
import { childCount, foldsFromParam, foldsToParam, MAX_LINKED_FOLDS, nextError, reveal, rowOf, siblingPlace, visibleRows } from "./tree.ts";

const family = decodeSkeleton(
  skeletonBytes([
    { depth: 0, start: 0, duration: 100, service: "web", name: "GET /orders" },
    { depth: 1, start: 5, duration: 30, service: "web", name: "authenticate" },
    { depth: 2, start: 10, duration: 20, service: "users", name: "Verify", flags: 2 },
    { depth: 1, start: 40, duration: 50, service: "orders", name: "List orders", flags: 2 },
    { depth: 2, start: 45, duration: 5, service: "db", name: "SELECT orders", flags: 3 | ERROR },
    { depth: 2, start: 55, duration: 5, service: "db", name: "SELECT items", flags: 3 },
    { depth: 0, start: 90, duration: 5, service: "mail", name: "send" },
  ]),
);

describe("folds", () => {
  test("a fold hides its subtree and nothing else", () => {
    const folds = new Uint8Array(family.count);
    folds[3] = 1;
    expect([...visibleRows(family, folds)]).toEqual([0, 1, 2, 3, 6]);
    folds[0] = 1;
    expect([...visibleRows(family, folds)]).toEqual([0, 6]);
  });

  test("rows agree with a slow walk over random trees and folds", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const t = decodeSkeleton(skeletonBytes(randomSpans(300, seed)));
      const r = seeded(seed);
      const folds = Uint8Array.from({ length: t.count }, () => (r() < 0.2 ? 1 : 0));
      const slow: number[] = [];
      for (let i = 0; i < t.count; i++) {
        let hidden = false;
        for (let p = t.parent[i]; p >= 0; p = t.parent[p]) hidden ||= folds[p] === 1;
        if (!hidden) slow.push(i);
      }
      expect([...visibleRows(t, folds)]).toEqual(slow);
    }
  });

  test("a hidden span's row is that of the fold that hides it", () => {
    const folds = new Uint8Array(family.count);
    folds[3] = 1;
    const rows = visibleRows(family, folds);
    expect(rows[rowOf(rows, 5)]).toBe(3);
    expect(rows[rowOf(rows, 6)]).toBe(6);
    expect(rows[rowOf(rows, 0)]).toBe(0);
  });

  test("reveal opens what is above a span and leaves the rest folded", () => {
    const folds = new Uint8Array(family.count);
    folds[0] = folds[1] = folds[3] = 1;
    expect(reveal(family, folds, 4)).toBe(true);
    expect([...folds]).toEqual([0, 1, 0, 0, 0, 0, 0]);
    expect(reveal(family, folds, 4)).toBe(false);
  });

  test("folds travel in a link by span id, and ids that are gone are ignored", () => {
    const folds = new Uint8Array(family.count);
    folds[1] = folds[3] = 1;
    const param = foldsToParam(family, folds);
    expect(param).toBe(`${spanId(family, 1)}.${spanId(family, 3)}`);
    expect([...foldsFromParam(family, `${param}.00000000000000aa`)]).toEqual([...folds]);
    expect([...foldsFromParam(family, "")]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  test("a link carries a bounded number of folds", () => {
    const pairs = Array.from({ length: 200 }, (_, i) => [{ depth: 0, start: i, duration: 1 }, { depth: 1, start: i, duration: 1 }]).flat();
    const t = decodeSkeleton(skeletonBytes(pairs));
    const folds = Uint8Array.from({ length: t.count }, (_, i) => (i % 2 === 0 ? 1 : 0));
    expect(foldsToParam(t, folds).split(".")).toHaveLength(MAX_LINKED_FOLDS);
  });
});

test("children and siblings are counted, at the top level too", () => {
  expect([childCount(family, 0), childCount(family, 3), childCount(family, 2)]).toEqual([2, 2, 0]);
  expect(siblingPlace(family, 5)).toEqual({ place: 2, of: 2 });
  expect(siblingPlace(family, 6)).toEqual({ place: 2, of: 2 });
});

test("errors are walked round and round", () => {
  expect(nextError(family, -1, 1)).toBe(4);
  expect(nextError(family, 4, 1)).toBe(4);
  expect(nextError(family, 6, 1)).toBe(4);
  expect(nextError(family, 0, -1)).toBe(4);
  expect(nextError(decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: 1 }])), 0, 1)).toBe(-1);
});

describe("findSpans", () => {
  const found = (text: string) => [...findSpans(family, text)];
  test.each([
    ["select", [4, 5]],
    ["SELECT items", [5]],
    ["db error", [4]],
    ["client", [4, 5]],
    ["web get", [0]],
    [spanId(family, 6).slice(0, 6), [6]],
    ["nothing like it", []],
    ["   ", []],
  ])("%s", (text, want) => expect(found(text)).toEqual(want));

  test("next and previous go round", () => {
    const hits = new Uint32Array([2, 5, 9]);
    expect([nextHit(hits, 2, 1), nextHit(hits, 9, 1), nextHit(hits, 4, -1), nextHit(hits, 2, -1), nextHit(new Uint32Array(0), 0, 1)]).toEqual([1, 0, 0, 2, -1]);
  });
});

describe("density", () => {
  test("busy time of every lane adds up to the durations inside the window", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const t = decodeSkeleton(skeletonBytes(randomSpans(400, seed)));
      const bins = 97;
      const lanes = density(t, 0, t.end, bins, 8);
      const busy = lanes.reduce((sum, l) => sum + l.busy.reduce((a, b) => a + b, 0), 0) * (t.end / bins);
      const truth = t.duration.reduce((a, b) => a + b, 0);
      expect(Math.abs(busy - truth) / truth).toBeLessThan(1e-4);
    }
  });
  test("services past the last lane share it", () => {
    const lanes = density(family, 0, family.end, 10, 3);
    expect(lanes.map((l) => l.service)).toEqual(["db", "web", "3 more"]);
    expect(lanes[0].errors[4]).toBe(1);
  });
  test("a window outside every span is empty, and a span on its edge stays inside", () => {
    expect(density(family, 1000, 2000, 10, 8).every((l) => l.peak === 0)).toBe(true);
    expect(density(family, 0, 0, 10, 8).every((l) => l.peak === 0)).toBe(true);
  });
});
