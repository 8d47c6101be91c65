// The page as people use it, in a real browser: against the server at CLEW_URL, which
// holds the traces of a running fleet, or against the fixture when that is not set.
// Screenshots go to the folder CLEW_SHOTS when it is set.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { openBrowser, openPage } from "./browser.mjs";
import { startFixture } from "./fixture.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.CLEW_SHOTS;
let base = process.env.CLEW_URL?.replace(/\/$/, "");
let fixture;
let browser;

before(async () => {
  if (!base) {
    fixture = await startFixture();
    base = fixture.url;
  }
  if (shots) mkdirSync(shots, { recursive: true });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  fixture?.close();
});

/** Violations of WCAG 2.2 A and AA, as short texts. */
async function axe(page) {
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(axeSource);
  const result = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  assert.ok(result.passes.length > 5, "axe looked at an empty page");
  return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.any[0]?.message ?? ""}`).slice(0, 3).join(" | ")}`);
}
const shot = (page, name) => (shots ? page.screenshot({ path: `${shots}/${name}.png` }) : undefined);

test("search, trace, span details, services, and Back to where it began", async () => {
  const { page, faults, close } = await openPage(browser, base);
  await page.goto(`${base}/`);
  await page.waitForURL(/\/traces/);
  const rows = page.locator("table.traces tbody tr");
  await rows.first().waitFor();
  assert.ok((await rows.count()) >= 2, "a fleet has several traces");

  // A facet narrows the query, and the query is in the address.
  const service = page.locator(".facet-value").first();
  const name = (await service.locator(".facet-name").textContent())?.trim();
  await service.click();
  await page.waitForURL((u) => u.searchParams.get("q") === `{ resource.service.name = ${JSON.stringify(name)} }`);
  const searched = page.url();
  // Until the new answer is there the old one stays, dimmed.
  // The last answer is the oldest, so that all of its spans are there.
  await page.locator(".results .scroll:not([data-stale]) a.root").last().click();
  await page.waitForURL(/\/trace\/[0-9a-f]{32}/);

  // The link from a result opens the span that matched.
  const grid = page.getByRole("treegrid");
  await grid.locator(".wf-row.selected").waitFor();
  const panel = page.getByRole("complementary", { name: "Span details" });
  // A section is drawn after the other, so a look at the first says nothing of the last.
  await panel.locator(".attribute").first().waitFor();
  await panel.getByText("service.name").first().waitFor();
  assert.equal(await panel.locator(".panel-title .service").textContent(), name);
  assert.ok(Number(await grid.getAttribute("aria-rowcount")) >= 1);

  // Walking through rows changes the details, and the address follows.
  const first = new URL(page.url()).searchParams.get("span");
  await grid.focus();
  // The span that matched may be any row, the second too.
  const matched = await grid.locator(".wf-row.selected").getAttribute("aria-rowindex");
  await page.keyboard.press(matched === "1" ? "ArrowDown" : "Home");
  await page.waitForURL((u) => u.searchParams.get("span") !== first && (u.searchParams.get("span") ?? "") !== "");
  await shot(page, "trace");
  const linked = page.url();
  await page.reload();
  await page.locator(".wf-row.selected").waitFor();
  assert.equal(page.url(), linked, "a reload shows the same");

  await page.goBack();
  await page.waitForURL(searched);
  await rows.first().waitFor();

  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.waitForURL(/\/services/);
  await page.locator("table.summaries tbody tr").first().waitFor();
  assert.ok((await page.getByRole("link", { name: name, exact: true }).count()) === 1, `${name} is among the services`);
  await page.getByRole("link", { name: name, exact: true }).click();
  await page.waitForURL((u) => u.pathname === `/services/${encodeURIComponent(name)}`);
  await page.locator("table.summaries tbody tr").first().waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("what a request set off is one picture with it, and each part leads to the others", async () => {
  const { page, faults, close } = await openPage(browser, base);
  // The fixture's everyday traces link to one another; in a fleet, work from a queue links to the request.
  const q = fixture ? "{}" : "{ span:kind = consumer }";
  const { traces } = await (await fetch(`${base}/api/search?q=${encodeURIComponent(q)}&limit=5`)).json();
  await page.goto(`${base}/trace/${traces[0].traceId}`);
  const rows = page.locator(".story-row");
  await rows.nth(1).waitFor();
  assert.equal(await page.locator(".story-row.current").count(), 1, "one of them is this trace");
  assert.ok((await page.locator(".story-step").count()) >= 1, "an effect stands under its cause");
  await shot(page, "story");
  const other = page.locator(".story-row:not(.current)").first();
  const target = await other.getAttribute("href");
  await other.click();
  await page.waitForURL((u) => u.pathname === new URL(target, base).pathname);
  await page.locator(".story-row.current").waitFor();
  assert.ok((await rows.count()) >= 2, "the way back is there");
  assert.deepEqual(faults, []);
  await close();
});

test("a query is written with completion and run by the keyboard alone", async () => {
  const { page, faults, close } = await openPage(browser, base);
  await page.goto(`${base}/traces`);
  await page.locator("table.traces tbody tr").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("{ resource.service.n");
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.match(await page.locator("#query").inputValue(), /^\{ resource\.service\.name$/);
  await page.keyboard.type(" = ");
  await page.getByRole("option").nth(1).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.keyboard.type(" }");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.waitForURL((u) => /^\{ resource\.service\.name = "[^"]+" \}$/.test(u.searchParams.get("q") ?? ""));
  // Until the new answer is there the old one stays, dimmed, and keys choose from it.
  await page.locator(".results .scroll:not([data-stale]) table.traces tbody tr").first().waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.waitForURL((u) => (u.searchParams.get("sel") ?? "").length === 32);
  await page.locator("tr.matches a").first().waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/trace\//);
  await page.locator(".wf-row").first().waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("the order is chosen by the keyboard, stays in the address and holds over pages", async () => {
  const { page, faults, close } = await openPage(browser, base);
  await page.goto(`${base}/traces`);
  const rows = page.locator(".results .scroll:not([data-stale]) table.traces tbody tr");
  await rows.first().waitFor();
  const orders = page.getByRole("group", { name: "Order" });
  await orders.getByRole("button", { name: "Newest", pressed: true }).focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL((u) => u.searchParams.get("order") === "spans");
  await orders.getByRole("button", { name: "Most spans", pressed: true }).waitFor();
  await rows.first().waitFor();
  const more = page.getByRole("button", { name: "Load more" });
  if (fixture) {
    const shown = await rows.count();
    await more.click();
    await page.waitForFunction((n) => document.querySelectorAll("table.traces tbody tr").length > n, shown);
  }
  const counts = (await rows.locator("td.c-spans").allTextContents()).map((text) => Number(text.replace(/\D/g, "")));
  assert.ok(counts.length > 1 && counts.every((n, i) => i === 0 || n <= counts[i - 1]), `most spans first: ${counts}`);
  await page.reload();
  await orders.getByRole("button", { name: "Most spans", pressed: true }).waitFor();
  await rows.first().waitFor();
  assert.equal(Number((await rows.locator("td.c-spans").first().textContent()).replace(/\D/g, "")), counts[0], "a reload shows the same");
  await page.goBack();
  await orders.getByRole("button", { name: "Newest", pressed: true }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get("order"), null);
  assert.deepEqual(faults, []);
  await close();
});

test("a pasted traceparent opens its trace at its span", async () => {
  const { page, faults, close } = await openPage(browser, base);
  const { traces } = await (await fetch(`${base}/api/search?q={}&limit=1&spans=1`)).json();
  const { traceId, found } = traces[0];
  await page.goto(`${base}/services`);
  await page.locator("table.summaries tbody tr").first().waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.insertText(`00-${traceId}-${found[0].spanId}-01`);
  await page.keyboard.press("Enter");
  await page.waitForURL((u) => u.pathname === `/trace/${traceId}` && u.searchParams.get("span") === found[0].spanId);
  await page.getByRole("complementary", { name: "Span details" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a part of the histogram is zoomed into by keys, and Back zooms out", async () => {
  const { page, faults, close } = await openPage(browser, base);
  await page.goto(`${base}/traces`);
  const chart = page.getByRole("group", { name: /Matching spans over time/ });
  await chart.focus();
  await page.keyboard.press("End");
  for (let i = 0; i < 20; i++) await page.keyboard.press("Shift+ArrowLeft");
  await page.keyboard.press("Enter");
  await page.waitForURL((u) => /^\d{4}-/.test(u.searchParams.get("from") ?? ""));
  const { from, to } = Object.fromEntries(new URL(page.url()).searchParams);
  const share = (Date.parse(to) - Date.parse(from)) / 3600e3;
  assert.ok(share > 0.05 && share < 0.5, `zoomed to ${share} of the hour`);
  await page.goBack();
  await page.waitForURL((u) => !u.searchParams.has("from"));
  assert.deepEqual(faults, []);
  await close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`every page meets WCAG 2.2 AA as far as axe sees, ${colorScheme}`, async () => {
    const { page, faults, close } = await openPage(browser, base, { colorScheme });
    const { traces } = await (await fetch(`${base}/api/search?q=${encodeURIComponent("{ status = error }")}&limit=1&spans=1`)).json();
    const { services } = await (await fetch(`${base}/api/services`)).json();
    const trace = traces[0] ?? (await (await fetch(`${base}/api/search?q={}&limit=1&spans=1`)).json()).traces[0];
    const pages = {
      traces: ["/traces", "table.traces tbody tr"],
      trace: [`/trace/${trace.traceId}?span=${trace.found[0].spanId}`, ".panel .attribute"],
      services: ["/services", "table.summaries tbody tr"],
      service: [`/services/${encodeURIComponent(services[0].name)}`, "table.summaries tbody tr"],
      findings: ["/findings", "table.findings tbody tr, .state"],
      charter: ["/charter", ".charter-facts"],
      terms: ["/charter/terms", "h1"],
      quality: ["/quality", "table.quality tbody tr, .state"],
      "service-quality": [`/quality/${encodeURIComponent(services.find((s) => s.name !== "").name)}`, ".rules .rule, .state"],
      missing: ["/no/such/page", ".state"],
    };
    for (const [name, [path, ready]] of Object.entries(pages)) {
      await page.goto(base + path);
      await page.locator(ready).first().waitFor();
      await page.waitForLoadState("networkidle");
      if (name === "traces") {
        await page.keyboard.press("j");
        await page.locator("tr.matches a").first().waitFor();
      }
      await shot(page, `${name}-${colorScheme}`);
      assert.deepEqual(await axe(page), [], `${name}, ${colorScheme}`);
    }
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    assert.deepEqual(await axe(page), [], `shortcuts, ${colorScheme}`);
    assert.deepEqual(faults, []);
    await close();
  });
}

test("the page works at 360 pixels wide without scrolling sideways", async () => {
  const { page, faults, close } = await openPage(browser, base, { viewport: { width: 360, height: 740 } });
  for (const path of ["/traces", "/services", "/quality"]) {
    await page.goto(base + path);
    // Of a fleet that began within the minute no service is judged yet.
    await page.locator(path === "/quality" ? "table.data tbody tr, .state" : "table.data tbody tr").first().waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} scrolls sideways`);
    const name = (await page.locator(".state").count()) > 0 ? undefined : await page.locator("table.data tbody .root, table.data tbody .name-link").first().boundingBox();
    assert.ok(name === undefined || name && name.width >= 90 && name.x + name.width <= 360, `names on ${path} can be read: ${JSON.stringify(name)}`);
    await shot(page, `narrow${path.replaceAll("/", "-")}`);
  }
  assert.deepEqual(faults, []);
  await close();
});
