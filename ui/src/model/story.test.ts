import { expect, test } from "vitest";
import { story, type LinkedTraces } from "./story.ts";

/** A picture of one-letter traces, each a microsecond after the one before; "ba" is a link from b to its cause a. */
function picture(ids: string, ...links: string[]): LinkedTraces {
  return {
    traces: [...ids].map((id, i) => ({ traceId: id, rootService: id, rootName: id, rootMissing: false, start: String(1_772_365_800_000_000_000n + BigInt(i) * 1000n), duration: 500, spans: 1, errors: 0 })),
    links: links.map((l) => ({ fromTrace: l[0], fromSpan: `${l[0]}1`, toTrace: l[1] })),
  };
}
const drawn = (p: LinkedTraces) => story(p).rows.map((r) => " ".repeat(r.depth) + r.trace.traceId + (r.moreCauses > 0 ? `+${r.moreCauses}` : ""));

test("a chain over a bus is a staircase", () => expect(drawn(picture("abc", "ba", "cb"))).toEqual(["a", " b", "  c"]));
test("a fan-out keeps the order of starts", () => expect(drawn(picture("abcd", "ba", "ca", "db"))).toEqual(["a", " b", "  d", " c"]));
test("a batch stands under its earliest cause and says that it has more", () => expect(drawn(picture("abc", "ca", "cb"))).toEqual(["a", " c+1", "b"]));
test("circles and links to itself end", () => expect(drawn(picture("abc", "ab", "ba", "aa", "ca"))).toEqual(["a", " b", " c"]));
test("links to what is not in the picture are left out", () => expect(drawn(picture("a", "ax", "xa"))).toEqual(["a"]));
test("nothing is nothing", () => expect(story(picture(""))).toEqual({ rows: [], length: 1 }));
test("places are exact beyond 2^53 nanoseconds", () => {
  const s = story(picture("ab", "ba"));
  expect([s.rows[0].start, s.rows[1].start, s.length, s.rows[1].span]).toEqual([0, 1000, 1500, "b1"]);
});
