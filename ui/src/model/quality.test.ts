import { expect, test } from "vitest";
import { bandWord, change, formatScore, historyPath, limitsSentence, worstRules } from "./quality.ts";

test("rules that fail come first, the heaviest of them before the others", () => {
  const rule = (id: string, passed: boolean, weight: number, checked = 1) => ({ id, passed, weight, checked, failed: passed ? 0 : 1 });
  const rules = [rule("SPA-001", true, 20), rule("RES-003", true, 30, 0), rule("SPA-002", false, 20), rule("RES-005", false, 40), rule("RES-001", false, 20)];
  expect(worstRules(rules).map((r) => r.id)).toEqual(["RES-005", "RES-001", "SPA-002", "SPA-001", "RES-003"]);
});

test("a history is a line that breaks where a day has no score", () => {
  expect(historyPath([], 100, 50)).toBe("");
  expect(historyPath([{ day: "2026-03-01", score: 100 }], 100, 50)).toBe("M100 0h-2h2");
  const history = [{ day: "2026-02-27", score: 0 }, { day: "2026-02-28", score: 50 }, { day: "2026-03-02", score: 100 }];
  // 2026 has no 29 February: the 28th and the 2nd are two days apart.
  expect(historyPath(history, 90, 50)).toBe("M0 50h-2h2L30 25M90 0h-2h2");
  expect(historyPath(history, 90, 50, 3)).toBe("M0 25h-2h2M90 0h-2h2");
});

test("the change is that of a week, or since the first score", () => {
  expect(change([])).toBeUndefined();
  expect(change([{ day: "2026-03-01", score: 1 }])).toBeUndefined();
  const days = [{ day: "2026-02-20", score: 10 }, { day: "2026-02-22", score: 70 }, { day: "2026-02-23", score: 75 }, { day: "2026-03-01", score: 80.5 }];
  expect(change(days)).toEqual({ by: 10.5, since: "2026-02-22" });
  expect(change(days.slice(2))).toEqual({ by: 5.5, since: "2026-02-23" });
});

test("scores and bands in words", () => {
  expect([92, 88.4, 76.28, 0].map(formatScore)).toEqual(["92", "88.4", "76.28", "0"]);
  expect(bandWord("needs_improvement")).toBe("needs work");
  expect(bandWord("superb")).toBe("superb");
});

test("what is left out is said, and nothing when nothing is", () => {
  const looked = { spans: 9, traces: 3, tooLong: 0, more: false };
  expect(limitsSentence({ lookedAt: looked, leftOut: 0, historyOverflow: 0 })).toBe("");
  expect(limitsSentence({ lookedAt: { ...looked, more: true, tooLong: 1 }, leftOut: 2, historyOverflow: 1 })).toBe(
    "Scores are of 3 traces from all over the window, not of all its traces. 1 trace of more than 10,000 spans was passed over. 2 spans of services beyond the first 2,000 are left out. 1 service had no room in the history.",
  );
});
