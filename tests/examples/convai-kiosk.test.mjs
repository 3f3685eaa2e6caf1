// What a visitor of the kiosk does. The room that Convai's stand-in names does not exist, so nobody speaks.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { calls, control, press, says, until, withExample } from "./example.mjs";

// The calls that the vendor gets: those about the token from the function, and the others from the page.
const VISIT = ["/user/connect 200", "/connect 200"];
const GOODBYE = ["/disconnect 200", "/user/revoke-token 200"];

beforeEach(() => control("reset", {}));

const got = async () => (await calls()).map(({ path, status }) => `${path} ${status}`);

async function assertVendorGot(expected) {
  await until(async () => (await got()).length >= expected.length);
  assert.deepEqual(await got(), expected);
}

async function begin(page) {
  await press(page, "Start");
  await says(page, "I am listening.");
}

async function leave(page) {
  const revoked = page.waitForResponse((answer) => answer.url().endsWith("/revoke") && answer.status() === 204);
  await press(page, "Leave");
  await says(page, "Goodbye.");
  await revoked;
}

test("it mints for a visitor, connects with the token, disconnects and revokes", () => withExample(async (page, minted) => {
  await begin(page);
  await leave(page);
  await assertVendorGot([...VISIT, ...GOODBYE]);
  const [, { headers }] = await calls();
  assert.deepEqual([headers["api-auth-token"], headers["x-api-key"]], [minted[0].apiAuthToken, undefined]);
}));

test("each visitor gets another token, and the kiosk signs in once for both", () => withExample(async (page, minted) => {
  let signIns = 0;
  page.on("request", (request) => request.url().endsWith("/_local/token") && signIns++);
  for (const _ of ["first", "second"]) {
    await begin(page);
    await leave(page);
  }
  assert.equal(new Set(minted.map(({ apiAuthToken }) => apiAuthToken)).size, 2);
  assert.equal(signIns, 1);
}));

test("the kiosk signs in again before its JWT expires", () => withExample(async (page) => {
  await page.clock.install();
  await begin(page);
  await leave(page);
  await page.clock.fastForward(3_590_000);
  await Promise.all([page.waitForRequest("**/_local/token"), begin(page)]);
  await leave(page);
}));

test("a visitor who is quiet for a minute has left, and a touch counts", () => withExample(async (page) => {
  await page.clock.install();
  await begin(page);
  await page.clock.fastForward(35_000);
  await page.getByRole("heading").click();
  await page.clock.fastForward(35_000);
  await says(page, "I am listening.");
  await assertVendorGot(VISIT);
  await page.clock.fastForward(35_000);
  await says(page, "Goodbye. You were quiet for a while.");
  await assertVendorGot([...VISIT, ...GOODBYE]);
}));

test("a page that closes disconnects and revokes", () => withExample(async (page) => {
  await begin(page);
  await page.goto(page.url());
  await until(async () => (await got()).length === 4);
  assert.deepEqual((await got()).sort(), [...VISIT, ...GOODBYE].sort());
}));

test("a token that opened no session is revoked, and the visitor may try again", () => withExample(async (page) => {
  await control("settings", { max_sessions: 0 });
  await press(page, "Start");
  await says(page, "I cannot talk at the moment. Please press start again.");
  await assertVendorGot(["/user/connect 200", "/connect 429", "/user/revoke-token 200"]);
}));

test("it says that the kiosk is signed out", () => withExample(async (page) => {
  await page.route("**/_local/token", (route) => route.fulfill({
    headers: { "Access-Control-Allow-Origin": "*" }, json: { token: `e30.${btoa('{"exp": 1e10}')}.of-nobody` },
  }));
  await press(page, "Start");
  await says(page, "This kiosk is signed out. Please tell the staff.");
}));
