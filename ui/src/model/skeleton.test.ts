import { describe, expect, test } from "vitest";
import { decodeSkeleton, indexOfSpan, isError, kindOf, parentMissing, rootOf, serviceShares, spanId, statusOf } from "./skeleton.ts";
import { ERROR, PARENT_MISSING, randomSpans, skeletonBytes } from "./testing.ts";

describe("decodeSkeleton", () => {
  test("gives times, tree, names and ids of a small trace", () => {
    const t = decodeSkeleton(
      skeletonBytes([
        { depth: 0, start: 0, duration: 1000, service: "gateway", name: "GET /", flags: 2 },
        { depth: 1, start: 100, duration: 300, service: "users", name: "Verify", flags: 3 | ERROR },
        { depth: 2, start: 150, duration: 50, service: "users", name: "SELECT" },
        { depth: 1, start: 500, duration: 800, service: "gateway", name: "render" },
      ]),
    );
    expect(t.startNs).toBe(1700000000000000001n);
    expect([...t.start]).toEqual([0, 100, 150, 500]);
    expect([...t.parent]).toEqual([-1, 0, 1, 0]);
    expect([...t.size]).toEqual([4, 2, 1, 1]);
    expect([...t.errorsBelow]).toEqual([1, 1, 0, 0]);
    expect(t.length).toBe(1300); // a child that outlives its parent ends the trace
    expect([kindOf(t, 0), statusOf(t, 0), kindOf(t, 1), statusOf(t, 1)]).toEqual(["server", "unset", "client", "error"]);
    expect(spanId(t, 2)).toBe("0303000000000003");
    expect(indexOfSpan(t, "0303000000000003")).toBe(2);
    expect(indexOfSpan(t, "ffffffffffffffff")).toBe(-1);
    expect(indexOfSpan(t, "not an id")).toBe(-1);
  });

  test("a child that starts before its parent keeps its own time", () => {
    const t = decodeSkeleton(skeletonBytes([{ depth: 0, start: 5000, duration: 10 }, { depth: 1, start: 20, duration: 5 }]));
    expect([...t.start]).toEqual([5000, 20]);
  });

  test("durations and starts past 32 bits are exact: ten hours in ns", () => {
    const ten = 36_000_000_000_001;
    const t = decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: ten }, { depth: 1, start: ten - 7, duration: 3 }]));
    expect(t.duration[0]).toBe(ten);
    expect(t.start[1]).toBe(ten - 7);
  });

  test("a span of no length still gives a window", () => {
    const t = decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: 0 }]));
    expect([t.length, t.end]).toEqual([0, 1]);
  });

  test("a start in the year 2262 survives as an exact integer", () => {
    const t = decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: 1 }], { start: "9223372036854775807" }));
    expect(t.startNs).toBe(9223372036854775807n);
  });

  test("an empty trace has no root", () => {
    const t = decodeSkeleton(skeletonBytes([]));
    expect([t.count, rootOf(t)]).toEqual([0, -1]);
  });

  test("the root is the first span whose parent is not missing", () => {
    const t = decodeSkeleton(
      skeletonBytes(
        [
          { depth: 0, start: 0, duration: 5, flags: PARENT_MISSING },
          { depth: 1, start: 1, duration: 1 },
          { depth: 0, start: 3, duration: 9, name: "root" },
        ],
        { missingParents: 1 },
      ),
    );
    expect(rootOf(t)).toBe(2);
    expect([parentMissing(t, 0), parentMissing(t, 2)]).toEqual([true, false]);
    expect(t.missingParents).toBe(1);
  });

  test("a chain of 1,000 spans and 10,000 siblings decode to the right sizes", () => {
    const deep = decodeSkeleton(skeletonBytes(Array.from({ length: 1000 }, (_, i) => ({ depth: i, start: i, duration: 1 }))));
    expect([deep.maxDepth, deep.size[0], deep.size[999]]).toEqual([999, 1000, 1]);
    const wide = decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: 1 }, ...Array.from({ length: 10_000 }, (_, i) => ({ depth: 1, start: i, duration: 1, flags: i === 77 ? ERROR : 0 }))]));
    expect([wide.size[0], wide.errorsBelow[0]]).toEqual([10_001, 1]);
    expect(isError(wide, 78)).toBe(true);
  });

  test("sizes and error counts agree with a slow walk over random trees", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const t = decodeSkeleton(skeletonBytes(randomSpans(200, seed)));
      for (let i = 0; i < t.count; i++) {
        let below = 0;
        let errors = 0;
        for (let j = 0; j < t.count; j++) {
          let a = j;
          while (a >= 0 && a !== i) a = t.parent[a];
          if (a === i) {
            below++;
            if (isError(t, j)) errors++;
          }
        }
        expect([t.size[i], t.errorsBelow[i]]).toEqual([below, errors]);
      }
    }
  });

  test("100,000 spans decode in well under a second", () => {
    const bytes = skeletonBytes(randomSpans(100_000, 3));
    const before = performance.now();
    decodeSkeleton(bytes);
    expect(performance.now() - before).toBeLessThan(500);
  });
});

describe("decodeSkeleton refuses", () => {
  const good = skeletonBytes([{ depth: 0, start: 0, duration: 300 }, { depth: 1, start: 1, duration: 2 }]);
  test("every truncation of a good skeleton", () => {
    for (let n = 0; n < good.length; n++) expect(() => decodeSkeleton(good.subarray(0, n))).toThrow(/read skeleton|JSON/);
  });
  test("a trailing byte", () => {
    expect(() => decodeSkeleton(new Uint8Array([...good, 0]))).toThrow(/bytes are left/);
  });
  test("a depth that skips a level", () => {
    const bytes = good.slice();
    bytes[4 + new DataView(bytes.buffer).getUint32(0, true) + 1] = 2; // the second span's depth
    expect(() => decodeSkeleton(bytes)).toThrow(/span 1 is at depth 2 below a span at depth 0/);
  });
  test("a count that the bytes cannot hold", () => {
    expect(() => decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: 1 }], { count: 4_000_000_000 }))).toThrow(/do not fit/);
  });
  test("an id outside the dictionary", () => {
    expect(() => decodeSkeleton(skeletonBytes([{ depth: 0, start: 0, duration: 1 }], { dicts: { services: [], names: ["a"] } }))).toThrow(/service 0 of 0/);
  });
  test("random bytes without hanging", () => {
    for (let seed = 0; seed < 300; seed++) {
      const bytes = good.slice();
      for (let k = 0; k < 6; k++) bytes[(seed * 31 + k * 17) % bytes.length] ^= 1 << (seed + k) % 8;
      try {
        decodeSkeleton(bytes);
      } catch (err) {
        expect(err).toBeInstanceOf(Error);
      }
    }
  });
});

test("serviceShares counts spans and errors, most first", () => {
  const t = decodeSkeleton(
    skeletonBytes([
      { depth: 0, start: 0, duration: 1, service: "b" },
      { depth: 1, start: 0, duration: 1, service: "a", flags: ERROR },
      { depth: 1, start: 0, duration: 1, service: "a" },
      { depth: 1, start: 0, duration: 1, service: "c" },
    ]),
  );
  expect(serviceShares(t)).toEqual([
    { service: "a", spans: 2, errors: 1 },
    { service: "b", spans: 1, errors: 0 },
    { service: "c", spans: 1, errors: 0 },
  ]);
});
