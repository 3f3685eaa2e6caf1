// What a user of the example does. Its SDK is the vendor's own.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { call, calls, control, press, says, until, withExample } from "./example.mjs";
import { stream } from "./streamer.mjs";

const ROUTE = "odyssey/client-credentials";

beforeEach(() => control("reset", {}));

const sockets = async () => (await calls()).filter(({ path, status }) => path.startsWith("/client/") && status === 101).length;

async function connect(page) {
  const before = await sockets();
  await press(page, "Start");
  await says(page, "Waiting for the picture… Odyssey is a stand-in here");
  await until(async () => (await sockets()) > before);
}

const released = (page) => page.waitForResponse((answer) => answer.url().endsWith("/release") && answer.status() === 204);

async function leave(page) {
  await Promise.all([released(page), press(page, "Leave")]);
  await says(page, "You have left.");
}

// Takes the user's slots, as soon as they are free, and gives them back.
async function withSlots(count, act) {
  const taken = [];
  await until(async () => {
    const answer = await call("alice", ROUTE, {}, { "Idempotency-Key": `slot ${Math.random()}` });
    if (answer.status === 201) taken.push(await answer.json());
    return taken.length === count;
  });
  await act();
  for (const { session_id } of taken) await call("alice", `${ROUTE}/release`, { session_id });
}

// The vendor's slot is free: it no longer knows the session.
async function assertGone({ session_id, session_token }) {
  const answer = await control(`sessions/${session_id}/connect`, { token: session_token });
  assert.deepEqual(await answer.json(), { status: 404 });
}

test("it mints with an Idempotency-Key, connects, disconnects and releases", () => withExample(async (page, minted) => {
  const asked = page.waitForRequest(`**/${ROUTE}`);
  await connect(page);
  assert.match((await asked).headers()["idempotency-key"], /^[0-9a-f-]{36}$/);
  await leave(page);
  await assertGone(minted[0]);
}));

test("a user has more sessions in a row than slots at once", () => withExample(async (page, minted) => {
  for (const _ of ["first", "second", "third"]) {
    await connect(page);
    await leave(page);
  }
  assert.equal(minted.length, 3);
}));

test("a page that closes disconnects and releases", () => withExample(async (page, minted) => {
  await connect(page);
  await page.goto(page.url()); // Playwright does not see the requests of a page that closes
  await withSlots(2, async () => {});
  await assertGone(minted[0]);
}));

test("it shows the picture, starts the stream and sends a prompt", () => {
  let streamer;
  return withExample(async (page, minted) => {
    await press(page, "Start");
    await says(page, "Odyssey is streaming.");
    await page.waitForFunction(() => document.querySelector("video").videoWidth === 64);
    await page.getByLabel("Prompt").fill("It begins to snow");
    await press(page, "Send");
    await says(page, "Odyssey shows: It begins to snow");
    const over = released(page);
    await streamer.evaluate(() => globalThis.say({ type: "stream_ended" }));
    await says(page, "The stream is over.");
    await over;
    await assertGone(minted[0]);
  }, async (page) => { streamer = await stream(page); });
});

test("it gives up when no picture comes", () => withExample(async (page) => {
  await page.clock.install();
  await connect(page);
  const left = released(page);
  await page.clock.fastForward(30_000);
  await says(page, "Odyssey did not start: no picture came within 30 s.");
  await left;
}));

test("it says when the user may come back", () => withExample(async (page) => {
  await withSlots(2, async () => {
    await press(page, "Start");
    await says(page, /^You have no sessions left. Come back in \d+ minutes\.$/);
  });
}));

test("it says that all places are taken", () => withExample(async (page) => {
  const busy = { status: 429, headers: { "Retry-After": "60" }, body: { detail: { error: "CONCURRENT_LIMIT_REACHED" } } };
  await control("faults", { path: "/sessions/request", ...busy });
  await press(page, "Start");
  await says(page, "All places are taken.");
}));

test("it says that the user is signed out", () => withExample(async (page) => {
  await page.route("**/_local/token", (route) => route.fulfill({
    headers: { "Access-Control-Allow-Origin": "*" }, json: { token: "of-nobody" },
  }));
  await press(page, "Start");
  await says(page, "You are signed out. Sign in again.");
}));
