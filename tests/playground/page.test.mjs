// What a person does in the first minutes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible, mint, named, photograph, press, rows, withPage } from "./browser.mjs";

const VENDORS = ["agora", "convai", "livekit", "odyssey", "spatialgen", "spatius", "trulience"];
const used = (page) => page.locator("#used li");

test("it opens with a person signed in and every vendor to choose", () => withPage(async (page) => {
  assert.equal(await page.locator("#signed button").textContent(), "alice");
  const shown = await page.locator("#vendors strong").allTextContents();
  assert.deepEqual(shown, VENDORS);
}));

for (const vendor of VENDORS) {
  test(`it mints for ${vendor} and counts its life down`, () => withPage(async (page) => {
    const answer = await mint(page, vendor);
    assert.equal(answer.status(), 201);
    assert.match(await named(page, "countdown").textContent(), /left until/);
  }));
}

test("it takes a JWT and a 007 token apart", () => withPage(async (page) => {
  await mint(page, "livekit");
  assert.match(await named(page, "credential").textContent(), /"?alg"?.*HS256.*roomJoin/);
  await mint(page, "agora", { channel: "lobby" });
  const inside = page.locator(".part", { hasText: "join" });
  assert.match(await inside.textContent(), /RTC.*lobby.*publish audio/);
}));

test("a mint that the server does not answer says so, and the next one may succeed", () => withPage(async (page) => {
  await page.route("**/v1/convai/tokens", (route) => route.abort(), { times: 1 });
  await named(page, "mint").click();
  await page.locator("#outcome").getByText("The server does not answer. Start make run again.").waitFor();
  assert.equal((await mint(page, "convai")).status(), 201);
}));

test("an error of the answer is at its field", () => withPage(async (page) => {
  const answer = await mint(page, "agora", { channel: "not-allowed", ttl_seconds: "5" });
  assert.equal(answer.status(), 400);
  const field = page.getByLabel("ttl_seconds", { exact: true });
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  const described = (await field.getAttribute("aria-describedby")).split(" ").at(-1);
  assert.match(await page.locator(`#${described}`).textContent(), />= 60/);
}));

test("several people are signed in side by side, and the log tells them apart", () => withPage(async (page) => {
  await page.locator("#name").fill("bob");
  await named(page, "sign-in").click();
  await page.locator("#signed button", { hasText: "bob" }).waitFor();
  await mint(page, "convai");
  await page.locator("#signed button", { hasText: "alice" }).click();
  await mint(page, "convai");
  const minted = rows(page).filter({ hasText: "201 minted" });
  await minted.filter({ hasText: "alice" }).last().waitFor();
  assert.match(await minted.last().textContent(), /alice/);
  assert.match(await minted.nth(-2).textContent(), /bob/);
}));

test("the log has the record of a mint and not its token", () => withPage(async (page) => {
  const { apiAuthToken, mint: { id } } = await (await mint(page, "convai")).json();
  const row = rows(page).filter({ hasText: id });
  await row.locator("summary").click();
  assert.match(await row.textContent(), /token_sha256[0-9a-f]{64}/);
  const log = await named(page, "log").textContent();
  assert.ok(!log.includes(apiAuthToken));
}));

test("a refusal of API Gateway is in the log with its reason", () => withPage(async (page) => {
  await page.evaluate(() => fetch("/v1/convay/tokens"));
  await rows(page).filter({ hasText: "the nearest is GET /v1/convai/tokens" }).last().waitFor();
}));

test("a credential is shown to expire, by the server's clock", () => withPage(async (page) => {
  await page.clock.install();
  await mint(page, "trulience", { expire_at: "60" });
  assert.match(await named(page, "countdown").textContent(), /^(1 min 0|59|58) s left/);
  await page.clock.fastForward(61_000);
  await page.locator("[data-test=countdown][data-expired]", { hasText: "Expired" }).waitFor();
  assert.equal(await page.getByRole("status").textContent(), "The credential has expired");
}));

test("the copied call is the one that was sent, without a token", () => withPage(async (page) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await mint(page, "agora", { channel: "lobby" });
  for (const name of ["curl", "fetch", "Swift", "Kotlin"]) {
    await page.getByRole("button", { name: `Copy as ${name}` }).click();
    await page.getByText(`Copied as ${name}`).waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(text, /\/v1\/agora\/tokens/);
    assert.match(text, /lobby/);
    assert.doesNotMatch(text, /eyJ/);
  }
}));

test("a single-use credential is accepted once", () => withPage(async (page) => {
  await mint(page, "trulience");
  for (const [place, name] of ["use-changed", "use", "use"].entries()) {
    await named(page, name).click();
    await used(page).nth(place).waitFor();
  }
  assert.deepEqual(await used(page).allTextContents(), [
    "✗ One character changed: refused (401)", "✓ As it is: accepted (200)", "✗ As it is: refused (401)",
  ]);
  await photograph(page);
}));

test("a credential is refused after its end", () => withPage(async (page) => {
  await mint(page, "convai");
  await named(page, "use").click();
  await used(page).first().waitFor();
  await named(page, "use-later").click();
  await used(page).nth(1).waitFor();
  assert.deepEqual(await used(page).allTextContents(), ["✓ As it is: accepted (200)", "✗ After its end: refused (401)"]);
}));

test("a fault makes a mint fail honestly", () => withPage(async (page) => {
  await named(page, "vendor-trulience").click();
  await page.getByLabel("Fail", { exact: true }).selectOption("until cleared");
  await press(page, "fault-malformed");
  await page.getByText("Armed: malformed (until cleared)").first().waitFor();
  assert.equal((await mint(page, "trulience")).status(), 502);
  const told = await page.locator("#outcome").textContent();
  assert.match(told, /vendor_malformed.*faultvendor/);
  assert.doesNotMatch(told, /false|null|undefined/);
  await press(page, "clear");
  assert.equal((await mint(page, "trulience")).status(), 201);
}));

test("the number of faults that are on is always shown, and one button clears those of all vendors", () => withPage(async (page) => {
  const on = named(page, "faults-on");
  await named(page, "vendor-trulience").click();
  await press(page, "fault-slow");
  await named(page, "vendor-convai").click();
  await on.filter({ hasText: "Faults on: 1" }).waitFor();
  await press(page, "fault-dead-key");
  await on.filter({ hasText: "Faults on: 2" }).waitFor();
  await press(page, "clear");
  await on.filter({ hasText: "No faults on" }).waitFor();
  await page.getByText("and the vendor takes it.").waitFor();
}));

test("a code of a problem is explained, at the answer and in the log", () => withPage(async (page) => {
  await mint(page, "agora", { channel: "not-allowed" });
  for (const place of [page.locator("#outcome"), rows(page).filter({ hasText: "not_allowed" }).last()]) {
    await place.locator("summary").first().click();
    const explained = place.locator("[data-test=explained]");
    if (!(await explained.locator("p").isVisible())) await explained.locator("summary").click();
    assert.match(await explained.locator("p").textContent(), /^403. Either the requested value is not on this deployment's allow-list/);
    assert.match(await explained.textContent(), /not_allowed in docs\/errors.md.*blocked this caller/s);
  }
}));

test("a rotated key fails no mint", () => withPage(async (page) => {
  await named(page, "vendor-convai").click();
  const before = await page.locator("#keys").textContent();
  await press(page, "rotate");
  await page.locator("#keys", { hasNotText: before }).waitFor();
  assert.equal((await mint(page, "convai")).status(), 201);
}));

test("the gauges fill, and twenty taps take one slot", () => withPage(async (page) => {
  await page.locator("#name").fill("tapper");
  await named(page, "sign-in").click();
  await named(page, "vendor-odyssey").click();
  await named(page, "mint-20").click();
  await page.getByRole("status").filter({ hasText: "minted" }).waitFor();
  await named(page, "gauge-slots_per_caller").filter({ hasText: "1 of 2" }).waitFor();
  assert.match(await named(page, "gauge-caller_per_hour").textContent(), /of 10$/);
}));

test("a vendor is stopped and resumed", () => withPage(async (page) => {
  await named(page, "vendor-livekit").click();
  await press(page, "stop-livekit");
  await page.getByRole("button", { name: "Resume livekit" }).waitFor();
  await press(page, "stop-livekit");
  await page.getByRole("button", { name: "Stop livekit" }).waitFor();
}));

test("a blocked person is refused, and another is not", () => withPage(async (page) => {
  await page.locator("#name").fill("mallory");
  await named(page, "sign-in").click();
  await page.getByRole("button", { name: "Block mallory" }).click();
  await page.getByRole("button", { name: "Unblock mallory" }).waitFor();
  assert.equal((await mint(page, "convai")).status(), 403);
  await page.locator("#signed button", { hasText: "alice" }).click();
  assert.equal((await mint(page, "convai")).status(), 201);
}));

test("no key is in what the page got", () => withPage(async (page) => {
  for (const vendor of VENDORS) await mint(page, vendor);
  await named(page, "leaks").filter({ hasText: /^0 of \d+ keys found in [\d,]+ bytes/ }).waitFor();
}));

test("it works with the keyboard alone", () => withPage(async (page) => {
  await named(page, "vendor-convai").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+Enter");
  await page.locator("#outcome > .good").waitFor();
  await rows(page).last().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.dataset.test), "vendor-convai");
  await page.keyboard.press("j");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  await page.keyboard.type("jke/");
  assert.equal(await page.locator("#filter").inputValue(), "jke/");
}));

test("it shows its keys, and a single key is text in a field", () => withPage(async (page) => {
  const help = named(page, "help-dialog");
  await page.locator("#filter").press("?");
  assert.equal(await help.isVisible(), false);
  await named(page, "vendor-convai").press("?");
  await help.getByText("filter the log").waitFor();
  await page.keyboard.press("Control+Enter");
  await assertAccessible(page, "help");
  await page.keyboard.press("Escape");
  assert.equal(await help.isVisible(), false);
  assert.equal(await page.locator("#outcome > .good").count(), 0);
  await page.locator("#name").press("Control+Enter");
  await page.locator("#outcome > .good").waitFor();
}));

test("its address holds vendor, person and body, and opening it mints nothing", () => withPage(async (page) => {
  await page.locator("#name").fill("zoe");
  await named(page, "sign-in").click();
  await page.locator("#signed button", { hasText: "zoe" }).waitFor();
  assert.equal((await mint(page, "agora", { channel: "lobby", ttl_seconds: "" })).status(), 201);
  const address = page.url();
  assert.doesNotMatch(address, /eyJ|007/);
  await page.goto("about:blank");
  const sent = [];
  page.on("request", (request) => request.method() === "POST" && request.url().includes("/v1/") && sent.push(request.url()));
  await page.goto(address);
  await named(page, "vendor-agora").and(page.locator("[aria-pressed=true]")).waitFor();
  assert.equal(await page.locator("#signed [aria-pressed=true]").textContent(), "zoe");
  assert.equal(await page.locator("#field-channel").inputValue(), "lobby");
  assert.equal(await page.locator("#field-ttl_seconds").inputValue(), "");
  await page.evaluate(() => (location.hash = "vendor=livekit&person=ann&body=[1]"));
  await page.locator("#signed [aria-pressed=true]", { hasText: "ann" }).waitFor();
  await named(page, "vendor-livekit").and(page.locator("[aria-pressed=true]")).waitFor();
  assert.deepEqual(sent, []);
}));

for (const width of [320, 360, 800, 1360]) {
  test(`it needs no scrolling sideways at ${width} px`, () => withPage(async (page) => {
    await mint(page, "agora");
    await rows(page).last().waitFor();
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width);
  }, { width }));
}

for (const colorScheme of ["light", "dark"]) {
  test(`it has no accessibility violation in the ${colorScheme} theme`, () => withPage(async (page) => {
    await assertAccessible(page, "opened");
    await mint(page, "agora");
    await rows(page).last().locator("summary").click();
    await assertAccessible(page, "minted");
    await mint(page, "agora", { channel: "nowhere" });
    await assertAccessible(page, "refused");
  }, { colorScheme }));
}
