// A browser for the tests, and what must hold in every test: no error on the console, and no request to a foreign origin.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const URL_OF_PAGE = process.env.PAGE_URL;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
});
after(() => browser.close());

// Runs `act` with the page of `make run`, which has loaded, in a window of `width` pixels.
export function withPage(act, { path = "/", ...options } = {}) {
  return visit(URL_OF_PAGE + path, async (page) => {
    await page.locator("#vendors button[aria-pressed=true]").waitFor();
    await act(page);
  }, options);
}

// Runs `act` with a fresh page at `url`. `origins`: where it may send requests. `prepare`: called before the page loads.
export async function visit(url, act, { width = 1360, colorScheme = "light", origins = [], prepare } = {}) {
  const known = new Set([url, ...origins].map(originOf));
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && !isRefusal(message) && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(error.message));
  const watch = (sent) => known.has(originOf(sent.url())) || wrong.push(sent.url());
  page.on("request", watch);
  page.on("websocket", watch);
  try {
    await prepare?.(page);
    await page.goto(url);
    await act(page);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

// A WebSocket counts as its server's HTTP.
const originOf = (url) => new URL(url.replace(/^ws/, "http")).origin;

// The browser itself reports each answer above 399 as an error.
const isRefusal = (message) => message.text().startsWith("Failed to load resource") && /\/v1\/|\/connect$/.test(message.location().url);

export const named = (page, name) => page.locator(`[data-test="${name}"]`);

export const rows = (page) => named(page, "log").locator("> li");

// Presses a button that changes what the page shows of the vendor.
export async function press(page, name) {
  const answered = page.waitForResponse((response) => response.url().endsWith("/state"));
  await named(page, name).click();
  await answered;
}

export async function mint(page, vendor, values = {}) {
  await named(page, `vendor-${vendor}`).click();
  for (const [field, value] of Object.entries(values)) await page.locator(`#field-${field}`).fill(value);
  const answered = page.waitForResponse((response) => response.url().includes("/v1/") && response.request().method() === "POST");
  await named(page, "mint").click();
  const answer = await answered;
  await page.locator("#outcome:not([data-old]) > :is(.good, .bad)").waitFor();
  return answer;
}

// For the README: SCREENSHOT=../../docs/page.png
export async function photograph(page) {
  if (!process.env.SCREENSHOT) return;
  await page.setViewportSize({ width: 1360, height: 1100 });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: process.env.SCREENSHOT });
}

export async function assertAccessible(page, state) {
  await page.evaluate(AXE);
  // The log has hundreds of rows of the same kinds, and axe takes seconds for them even if they are excluded.
  await named(page, "log").evaluate((log) => [...log.children].slice(0, -10).forEach((row) => row.remove()));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${state}: ${id} ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, []);
}
