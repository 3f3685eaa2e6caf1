// A browser for the tests, and what must hold in every test: no error on the console, and no request to another origin.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const URL_OF_PAGE = process.env.PAGE_URL;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
});
after(() => browser.close());

// Runs `act` with a fresh page that has loaded, in a window of `width` pixels.
export async function withPage(act, { width = 1360, colorScheme = "light", path = "/" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && !isRefusal(message) && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("request", (request) => request.url().startsWith(`${URL_OF_PAGE}/`) || wrong.push(request.url()));
  try {
    await page.goto(URL_OF_PAGE + path);
    await page.locator("#vendors button[aria-pressed=true]").waitFor();
    await act(page);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

// The browser itself reports each answer above 399 as an error.
const isRefusal = (message) => message.text().startsWith("Failed to load resource") && message.location().url.includes("/v1/");

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
