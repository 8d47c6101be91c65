import { describe, expect, test } from "vitest";
import { completionAt, rank } from "./complete.ts";
import { toHistogram } from "./histogram.ts";
import { addCondition, facetValues, fieldOf, filterOf, isEmptyQuery, literal, quote, toggleFacet, tokens, withoutFacet } from "./query.ts";

describe("tokens", () => {
  test.each([
    '{ span.http.route = "/a/{id}" && duration > 1.5s } | count() > 2',
    '{ span."odd key" =~ `a|b` || !(.k != nil) } >> { resource.service.name = "x" }',
    '{ name = "unclosed',
    "{ trace:rootName = 1 && 日本 = ☃ }",
    "",
  ])("cover every character of %s", (text) => {
    expect(tokens(text).map((t) => t.text).join("")).toBe(text);
  });
  test("a brace or an operator inside a string is part of the string", () => {
    expect(tokens('"a } && {"')).toEqual([{ type: "string", text: '"a } && {"', at: 0 }]);
  });
});

describe("facets", () => {
  const service = "resource.service.name";
  test.each([
    ["", "a", '{ resource.service.name = "a" }'],
    ["{}", "a", '{ resource.service.name = "a" }'],
    ["{ status = error }", "a", '{ status = error && resource.service.name = "a" }'],
    ['{ resource.service.name = "a" && status = error }', "b", '{ (resource.service.name = "a" || resource.service.name = "b") && status = error }'],
    ['{ (resource.service.name = "a" || resource.service.name = "b") && status = error }', "a", '{ resource.service.name = "b" && status = error }'],
    ['{ resource.service.name = "a" }', "a", "{}"],
    ['{ name = "x" || status = error }', "a", '{ (name = "x" || status = error) && resource.service.name = "a" }'],
    ['{ name = "a && b" } | count() > 2', "a", '{ name = "a && b" && resource.service.name = "a" } | count() > 2'],
    ['{ name = "x" } >> { kind = client }', "a", '{ name = "x" } >> { kind = client && resource.service.name = "a" }'],
    ['{ resource.service.name != "a" }', "a", '{ resource.service.name != "a" && resource.service.name = "a" }'],
    ['{ resource.service.name = "a" && (kind = client && name = "y") }', "a", '{ (kind = client && name = "y") }'],
    ["{ broken", "a", "{ broken"],
  ])("toggle on %s", (query, value, want) => {
    expect(toggleFacet(query, service, quote(value))).toBe(want);
  });

  test("what a facet added it takes away, whatever the value holds", () => {
    for (const value of ['say "hi"', "back\\slash", "a } | {", "line\nbreak", ""]) {
      const on = toggleFacet("{ kind = server }", service, quote(value));
      expect(facetValues(on, service)).toEqual([quote(value)]);
      expect(toggleFacet(on, service, quote(value))).toBe("{ kind = server }");
    }
  });

  test("withoutFacet leaves other conditions, addCondition adds once", () => {
    expect(withoutFacet('{ (status = error || status = ok) && kind = server }', "status")).toBe("{ kind = server }");
    const once = addCondition("{ kind = server }", 'name != "x"');
    expect(once).toBe('{ kind = server && name != "x" }');
    expect(addCondition(once, 'name != "x"')).toBe(once);
  });
});

test("fields and literals are quoted when they must be", () => {
  expect([fieldOf("span", "http.route"), fieldOf("span", "odd key"), fieldOf("resource", 'q"x')]).toEqual(["span.http.route", 'span."odd key"', 'resource."q\\"x"']);
  expect([literal("status", "error"), literal("span.n", "5", "int"), literal("span.b", "true", "bool"), literal("name", "GET")]).toEqual(["error", "5", "true", '"GET"']);
});

test("the histogram's filter is the query without its pipeline", () => {
  expect(filterOf('{ name = "a | b" } | count() > 2')).toBe('{ name = "a | b" }');
  expect(filterOf("{ a = 1 || b = 2 }")).toBe("{ a = 1 || b = 2 }");
  expect(filterOf("")).toBe("{}");
  expect(["", "{}", " { } ", "{ true }", "{ status = error }"].map(isEmptyQuery)).toEqual([true, true, true, true, false]);
});

describe("completionAt", () => {
  const at = (marked: string) => completionAt(marked.replace("|", ""), marked.indexOf("|"));
  test.each([
    ["|", { kind: "words" }],
    ["{ |", { kind: "field", prefix: "" }],
    ["{ resource.ser|", { kind: "field", prefix: "resource.ser", from: 2, to: 14 }],
    ["{ resource.service.name |", { kind: "words" }],
    ["{ resource.service.name = |", { kind: "value", field: "resource.service.name", prefix: "" }],
    ['{ resource.service.name = "che|"', { kind: "value", field: "resource.service.name", prefix: "che" }],
    ["{ status = e|", { kind: "words", words: ["error", "ok", "unset"] }],
    ["{ status = error |", { kind: "words", words: ["&& ", "|| ", "}"] }],
    ["{ status = error && k|", { kind: "field", prefix: "k" }],
    ["{ status = error } |", { kind: "words" }],
  ])("%s", (marked, want) => expect(at(marked)).toMatchObject(want));

  test("after a pipe come stages", () => {
    expect(completionAt("{} | ", 5)).toMatchObject({ kind: "words", words: expect.arrayContaining(["count() > "]) });
  });
  test("every cursor position of a query is harmless", () => {
    const text = '{ span."a b" = "x" && (duration > 1ms || status != ok) } | count() > 3';
    for (let i = 0; i <= text.length; i++) {
      const c = completionAt(text, i);
      if (c) expect(c.from <= i && i <= c.to).toBe(true);
    }
  });
  test("rank puts beginnings before middles and stops at the limit", () => {
    expect(rank(["xab", "abc", "ab", "zzz"], "AB", 10)).toEqual(["abc", "ab", "xab"]);
    expect(rank(["a1", "a2", "a3"], "a", 2)).toEqual(["a1", "a2"]);
  });
});

test("toHistogram splits errors from the rest and counts both", () => {
  const h = toHistogram(
    {
      times: ["1700000000000000000", "1700000030000000000"],
      series: [
        { labels: [{ key: "status", value: "error" }], values: [1, null] },
        { labels: [{ key: "status", value: "ok" }], values: [2, 3] },
        { labels: [{ key: "status", value: "unset" }], values: [4, 0, 99] },
      ],
    },
    30_000,
  );
  expect(h).toEqual({ bars: [{ at: 1700000000000, error: 1, other: 6 }, { at: 1700000030000, error: 0, other: 3 }], stepMs: 30_000, total: 10, errors: 1, peak: 7 });
});
