import { describe, expect, test } from "vitest";
import { actionWord, facet, filterFindings, groupFindings, idOf, languagesOf, NOBODY, overflowSentence, ruleWords, searchesOf, tallies, traceIdOf, valueOf, worstFirst, type Found } from "./findings.ts";

const make = (over: Partial<Found> = {}): Found => ({ rule: "unknown_attribute", severity: "information", service: "cart", language: "go", subject: "cart.size", detail: "", go: "", rust: "", count: 1, ...over });
const payments = { name: "payments" };
const all: Found[] = [
  make({ subject: "a", count: 9 }),
  make({ subject: "b", service: "pay", team: payments, severity: "violation", rule: "wrong_type", detail: "string", count: 4 }),
  make({ subject: "c", service: "pay", team: payments, severity: "violation", rule: "misspelled_attribute", count: 4000 }),
  make({ subject: "d", service: "pay", team: payments, severity: "improvement", rule: "deprecated_attribute", count: 70 }),
  make({ subject: "e", severity: "violation", rule: "wrong_type", count: 40 }),
];
const subjects = (list: readonly Found[]) => list.map((f) => f.subject).join("");

describe("worstFirst", () => {
  test("severity comes before count, count before name", () => expect(subjects(worstFirst(all))).toBe("cebda"));
  test("a count that grows within its order of magnitude moves no line", () => {
    const before = worstFirst([make({ subject: "x", count: 11 }), make({ subject: "y", count: 12 })]);
    const after = worstFirst([make({ subject: "x", count: 11 }), make({ subject: "y", count: 99 })]);
    expect([subjects(before), subjects(after)]).toEqual(["xy", "xy"]);
    expect(subjects(worstFirst([make({ subject: "x", count: 11 }), make({ subject: "y", count: 100 })]))).toBe("yx");
  });
  test("the order of the answer does not matter, and the answer stays as it is", () => {
    const reversed = all.toReversed();
    expect(worstFirst(reversed)).toEqual(worstFirst(all));
    expect(subjects(reversed)).toBe("edcba");
  });
});

test("filters are joined by and; empty ones ask for all; nobody is a team", () => {
  expect(subjects(filterFindings(all, {}))).toBe("abcde");
  expect(subjects(filterFindings(all, { service: "", rule: undefined }))).toBe("abcde");
  expect(subjects(filterFindings(all, { service: "pay", severity: "violation" }))).toBe("bc");
  expect(subjects(filterFindings(all, { team: NOBODY }))).toBe("ae");
  expect(subjects(filterFindings(all, { team: "nosuch" }))).toBe("");
  expect(valueOf(all[1], "team")).toBe("payments");
});

describe("facet", () => {
  test("counts what each value would leave, the other filters standing", () => {
    expect(facet(all, { severity: "violation" }, "service")).toEqual([
      { value: "pay", findings: 2, violations: 2 },
      { value: "cart", findings: 1, violations: 1 },
    ]);
    // Its own filter does not count: the other severities are there to be chosen.
    expect(facet(all, { severity: "violation" }, "severity").map((t) => `${t.value} ${t.findings}`)).toEqual(["violation 3", "improvement 1", "information 1"]);
  });
  test("a chosen value that nothing fits is listed, to be taken away", () => {
    expect(facet(all, { rule: "no_owner" }, "rule").at(-1)).toEqual({ value: "no_owner", findings: 0, violations: 0 });
    expect(facet([], {}, "team")).toEqual([]);
  });
  test("every count is the length of the list after the click", () => {
    for (const chosen of [{}, { service: "pay" }, { severity: "violation", team: NOBODY }]) {
      for (const field of ["severity", "service", "team", "rule"] as const) {
        for (const t of facet(all, chosen, field)) expect(filterFindings(all, { ...chosen, [field]: t.value })).toHaveLength(t.findings);
      }
    }
  });
});

test("groups stand in the order of their worst finding and hold every finding once", () => {
  const groups = groupFindings(worstFirst(all), "service");
  expect(groups.map((g) => [g.value, subjects(g.rows), g.findings, g.violations])).toEqual([["pay", "cbd", 3, 2], ["cart", "ea", 2, 1]]);
  expect(groupFindings(worstFirst(all), "team").map((g) => g.value)).toEqual(["payments", NOBODY]);
  expect(groupFindings(worstFirst(all), "").map((g) => subjects(g.rows))).toEqual(["cebda"]);
  expect(groupFindings([], "")).toEqual([]);
  expect(tallies(all, "service").get("cart")).toEqual({ value: "cart", findings: 2, violations: 1 });
});

test("an id tells findings apart, whatever their texts hold", () => {
  expect(idOf(all[1])).toBe("pay|wrong_type|b|string");
  expect(idOf(make({ subject: "a|b", detail: "" }))).not.toBe(idOf(make({ subject: "a", detail: "b|" })));
  expect(idOf(make({ subject: "a\\", detail: "b" }))).not.toBe(idOf(make({ subject: "a\\|b", detail: "" })));
});

describe("languagesOf", () => {
  const both = { go: "g", rust: "r" };
  test.each([
    ["go", both, ["go", "rust"]], ["rust", both, ["rust", "go"]], ["other", both, ["go", "rust"]], ["", both, ["go", "rust"]],
    ["rust", { go: "g", rust: "" }, ["go"]], ["go", { go: "", rust: "" }, []],
  ])("%s %o", (language, code, want) => expect(languagesOf(make({ language, ...code }))).toEqual(want));
});

describe("searchesOf", () => {
  const q = (over: Partial<Found>) => searchesOf(make(over)).map((s) => s.q);
  test.each<[string, Partial<Found>, string[]]>([
    ["an attribute", {}, ['{ resource.service.name = "cart" && .cart.size != nil }', "{ .cart.size != nil }"]],
    ["an odd name is quoted", { subject: 'my "key' }, ['{ resource.service.name = "cart" && ."my \\"key" != nil }', '{ ."my \\"key" != nil }']],
    ["personal data in a value", { rule: "personal_data", subject: "user.mail" }, ['{ resource.service.name = "cart" && .user.mail != nil }', "{ .user.mail != nil }"]],
    ["personal data in a name", { rule: "personal_data", subject: "(span name)" }, ['{ resource.service.name = "cart" }']],
    ["what is missing", { rule: "missing_required", subject: "shop.order.id", detail: "checkout.place" }, ['{ resource.service.name = "cart" && .shop.order.id = nil }']],
    ["what the resource misses", { rule: "missing_common", subject: "team" }, ['{ resource.service.name = "cart" && resource.team = nil }']],
    ["a kind", { rule: "wrong_kind", subject: "checkout.place", detail: "client" }, ['{ resource.service.name = "cart" && kind = client }']],
    ["no kind that the language knows", { rule: "wrong_kind", subject: "checkout.place", detail: "7" }, ['{ resource.service.name = "cart" }']],
    ["anything else", { rule: "unknown_service", subject: "cart" }, ['{ resource.service.name = "cart" }']],
  ])("%s", (_, over, want) => expect(q(over)).toEqual(want));
});

test("words", () => {
  expect(ruleWords("name_with_id")).toBe("name with id");
  expect(["observe", "mend", "refuse", "redact", "other"].map(actionWord)).toEqual(["observed", "mended", "refused", "redacted", "other"]);
  expect([traceIdOf(""), traceIdOf("0".repeat(32)), traceIdOf("00f0")]).toEqual(["", "", "00f0"]);
});

test("what had no room is said with its number and whose it was", () => {
  expect(overflowSentence([])).toBe("");
  expect(overflowSentence([{ service: "cart", rule: "x", count: 1 }])).toMatch(/^One observation of cart had no room .* is only counted\./);
  expect(overflowSentence([{ service: "", rule: "x", count: 20 }])).toMatch(/^20 observations of services that had no room themselves had/);
  const many = ["d", "b", "a", "c"].map((service) => ({ service, rule: "x", count: 500 }));
  expect(overflowSentence([...many, { service: "", rule: "x", count: 1 }])).toMatch(/^2\u202f001 observations of a, b, c and 1 more and of services that had no room themselves/);
});
