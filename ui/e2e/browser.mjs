// Debian's Chromium, driven by playwright-core: nothing is downloaded.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Opens the browser at CLEW_CHROMIUM, or where Debian installs it. */
export function openBrowser() {
  return chromium.launch({ executablePath: process.env.CLEW_CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
}

/** A page that records what must never happen: console errors, page errors, policy reports, requests off-host. */
export async function openPage(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: "Europe/Berlin", locale: "en-GB", reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (m) => m.type() === "error" && faults.push(`console: ${m.text()}`));
  page.on("pageerror", (e) => faults.push(`page: ${e.message}`));
  page.on("request", (r) => !r.url().startsWith(base) && !r.url().startsWith("blob:") && faults.push(`off-host: ${r.url()}`));
  page.setDefaultTimeout(10_000);
  return { page, faults, close: () => context.close() };
}

/**
 * CPU milliseconds that the main threads of all renderers have used, in steps of 10.
 * With one page open, a difference is that page's. Linux counts 100 ticks a second.
 */
export async function mainThreadMs(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const ids = processInfo.filter((p) => p.type === "renderer").map((p) => p.id);
  if (ids.length === 0) throw new Error("the browser names no renderer process");
  return ids.reduce((sum, id) => {
    const fields = readFileSync(`/proc/${id}/task/${id}/stat`, "utf8").split(") ")[1].split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}
