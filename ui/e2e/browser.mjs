// Debian's Chromium, driven by playwright-core: nothing is downloaded.
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
