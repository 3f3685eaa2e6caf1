// The live log: a group for each request, and what it does when much happens, or when the server has started again.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { mint, named, press, rows, withPage } from "./browser.mjs";

const stepsOf = async (row) => (await row.locator("[data-test=steps] > li").allTextContents()).join("\n");

// Loads the page with a stream of our own: `events` after the clock of another run.
async function streamed(page, events, options = {}) {
  const answer = (route) => route.fulfill({
    contentType: "text/event-stream",
    body: `event: clock\ndata: {"now": 1700000000, "run": "${randomUUID()}"}\nretry: ${options.retry ?? 60_000}\n\n${events}`,
  });
  await page.route("**/events", answer, { times: options.times ?? 1 });
  await page.reload();
}

const absent = (page, times) => page.evaluate(async (count) => {
  for (let sent = 0; sent < count; sent++) await fetch("/v1/absent");
}, times);

test("a request is one group, with its vendor calls in the order of time", () => withPage(async (page) => {
  await mint(page, "convai");
  await press(page, "rotate");
  const { mint: { id } } = await (await mint(page, "convai")).json();
  const row = rows(page).filter({ hasText: id });
  await row.locator("summary").first().click();
  const call = "POST /user/connect";
  const told = await stepsOf(row);
  const wanted = ["^sign-in alice", "limits and secret", `${call} 401`, `${call} 200 again`, "record minted"];
  assert.match(told, new RegExp(wanted.join(".*\\n")));
  const starts = [...told.matchAll(/\+(\d+) ms/g)].map(([, start]) => Number(start));
  assert.deepEqual(starts, starts.toSorted((one, other) => one - other));
  assert.match(await row.locator("summary").first().textContent(), /201 minted.*POST \/v1\/convai\/tokens.*alice · convai · [\d.]+ ms/);
}));

test("a call that met a fault says so inside its request, as does its repeat", () => withPage(async (page) => {
  await named(page, "vendor-trulience").click();
  await press(page, "fault-busy");
  const { mint: { id } } = await (await mint(page, "trulience")).json();
  const row = rows(page).filter({ hasText: id });
  await row.waitFor({ state: "attached" });
  assert.match(await row.locator("summary").first().textContent(), /201 minted.*1 injected/);
  assert.match(await stepsOf(row), /429 injected.*200 again/s);
}));

test("a call that no request here made has a row of its own", () => withPage(async (page) => {
  await mint(page, "convai");
  await named(page, "use").click();
  await rows(page).filter({ hasText: "stand-in of convai · request unknown" }).filter({ hasText: "POST /connect" }).last().waitFor();
}));

test("it follows at the end only, and counts what comes meanwhile", () => withPage(async (page) => {
  await absent(page, 30);
  const log = named(page, "log");
  await page.waitForFunction(() => document.querySelectorAll("#log > li").length >= 30);
  await log.evaluate((list) => (list.scrollTop = 0));
  await absent(page, 12);
  await page.getByRole("button", { name: "12 new" }).click();
  await page.locator("#newest").waitFor({ state: "hidden" });
  assert.ok(await log.evaluate((list) => list.scrollTop + list.clientHeight >= list.scrollHeight - 8));
}));

test("it keeps 500 requests, each once, and has a row for an event that it cannot read", () => withPage(async (page) => {
  const exchange = (number) => ({
    number, id: `request-${number}`, route: `GET /v1/${number}`, caller: "", status: 404, code: "Not Found", ms: 1, at: 1,
    reason: "", record: {}, vendor: "", calls: [],
  });
  const late = { ...exchange(511), id: "request-510", record: { mint_id: "m-1", duration_ms: 3, aws_ms: 1 } };
  const numbers = Array.from({ length: 510 }, (_, place) => place + 1);
  const events = [...numbers, ...numbers].map(exchange).concat(late).map((sent) => `data: ${JSON.stringify(sent)}\n\n`);
  await streamed(page, `${events.join("")}data: no JSON\n\n`);
  await rows(page).filter({ hasText: "An event that this page cannot read" }).waitFor();
  assert.equal(await rows(page).count(), 500);
  const joined = rows(page).filter({ hasText: "GET /v1/510" });
  assert.match(await joined.textContent(), /404 Not Found.*mint_idm-1/);
}));

test("after another start of make run it says so, and loads again when it is asked to", () => withPage(async (page) => {
  await streamed(page, "", { retry: 50, times: 2 });
  await named(page, "restarted").waitFor();
  assert.equal(await page.locator("#stream").textContent(), "Log: of the earlier start");
  await named(page, "reload").click();
  await page.getByText("Log: live").waitFor();
  await named(page, "restarted").waitFor({ state: "hidden" });
}));
