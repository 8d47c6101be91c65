import { describe, expect, test } from "vitest";
import { addressOf, byCoverage, contractSearch, coverageWords, errorLines, instantMs, onIngestWords, ownersOf, personalWords, redactions, termSearch } from "./charter.ts";

describe("addressOf", () => {
  test.each([
    ["https://wiki.example.com/payments", "https://wiki.example.com/payments"],
    ["HTTP://wiki/x", "http://wiki/x"],
    [" https://a.example ", "https://a.example/"],
    ["team@example.com", "mailto:team@example.com"],
    ["mailto:team@example.com", "mailto:team@example.com"],
    ["#payments", undefined],
    ["docs/payments.md", undefined],
    ["pagerduty:PAYMENTS", undefined],
    ["javascript:alert(1)", undefined],
    ["javascript:alert(1)//a@b.c", undefined],
    ["data:text/html,x", undefined],
    ["//evil.example", undefined],
    ["https://", undefined],
    ["https://[", undefined],
    ["@payments", undefined],
    ["", undefined],
  ])("%s", (text, want) => expect(addressOf(text)).toBe(want));
});

test("owners are the teams that the charter names, of services that have one", () => {
  const teams = [{ name: "payments", contact: "#p" }];
  const services = [{ name: "pay", team: "payments" }, { name: "cart", team: "" }, { name: "lost", team: "gone" }];
  const owners = ownersOf({ teams, services });
  expect([...owners]).toEqual([["pay", teams[0]]]);
  expect(ownersOf(undefined).size).toBe(0);
});

const contract = (id: string, seen: number, match = "http.route=/a") => ({ id, service: "checkout", kind: "server", match, seen });

test("what was never seen comes first, and the words count it", () => {
  const list = [contract("b", 4), contract("c", 0), contract("a", 1), contract("d", 0)];
  expect(byCoverage(list).map((c) => c.id).join("")).toBe("cdab");
  expect(list.map((c) => c.id).join("")).toBe("bcad");
  expect([coverageWords([]), coverageWords(list), coverageWords([list[0]])]).toEqual(["none", "2 of 4 seen", "all 1 seen"]);
});

test.each([
  ["http.route=/a?b=c", '{ resource.service.name = "checkout" && span.http.route = "/a?b=c" }'],
  ["rpc.method=shop.Payment/Charge", '{ resource.service.name = "checkout" && span.rpc.method = "shop.Payment/Charge" }'],
  ['name=settle "orders"', '{ resource.service.name = "checkout" && name = "settle \\"orders\\"" }'],
  ["", '{ resource.service.name = "checkout" }'],
])("the spans of a contract told by %s", (match, want) => expect(contractSearch(contract("x", 1, match))).toBe(want));

test("the spans that carry a word", () => {
  expect(termSearch("shop.order.id")).toBe("{ .shop.order.id != nil }");
  expect(termSearch("odd name")).toBe('{ ."odd name" != nil }');
});

test("words say what is done and whose data it is; new ones are shown as they come", () => {
  expect([onIngestWords(""), onIngestWords("keep")]).toEqual(["Kept as sent", "Kept as sent"]);
  expect(onIngestWords("truncate_ip")).toMatch(/network/);
  expect(onIngestWords("some_new")).toBe("some new");
  expect([personalWords(""), personalWords("false"), personalWords("other")]).toEqual(["", "Not personal", "other"]);
});

test("an error keeps all its lines, and the indents that point at places", () => {
  expect(errorLines("a.yaml:1:2: x\n  mend it  \n\n")).toEqual(["a.yaml:1:2: x", "  mend it"]);
});

test("instants", () => {
  expect(instantMs("2026-01-31T14:00:00Z")).toBe(Date.UTC(2026, 0, 31, 14));
  expect([instantMs(""), instantMs("0001-01-01T00:00:00Z"), instantMs("soon")]).toEqual([undefined, undefined, undefined]);
});

test("redactions are summed by detector, of personal data alone", () => {
  const f = (rule: string, detail: string, service: string, count: number) => ({ rule, detail, service, count });
  const got = redactions([f("personal_data", "email", "pay", 3), f("personal_data", "email", "cart", 2), f("personal_data", "email", "pay", 1), f("personal_data", "", "pay", 9), f("wrong_type", "email", "pay", 9)]);
  expect([...got]).toEqual([["email", { count: 6, services: ["cart", "pay"] }]]);
});
