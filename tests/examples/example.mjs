// An example's page, and the bundle that test_examples.py runs.
import assert from "node:assert/strict";
import { visit } from "../playground/browser.mjs";

const { PAGE_URL: url, GATEWAY_URL: gateway, TWIN_URL: twin, VENDOR_KEY: key } = process.env;

// Runs `act` with the page and with what the API answered. The page must show nothing secret, and store nothing.
export function withExample(act, prepare) {
  const minted = [];
  return visit(url, async (page) => {
    page.on("response", async (answer) => answer.status() === 201 && minted.push(await answer.json()));
    await act(page, minted);
    await assertNoSecret(page, minted);
  }, { origins: [gateway, twin], prepare });
}

async function assertNoSecret(page, minted) {
  const [shown, ...stored] = await page.evaluate(async () => [
    document.documentElement.outerHTML, localStorage.length, sessionStorage.length, document.cookie, await indexedDB.databases(),
  ]);
  assert.deepEqual(stored, [0, 0, "", []]);
  const secrets = [key, ...minted.map(({ session_token, apiAuthToken }) => session_token ?? apiAuthToken)];
  assert.deepEqual(secrets.filter((secret) => shown.includes(secret)), []);
}

// The page's only line of words about its state.
export const says = (page, words) => page.getByRole("status").filter({ hasText: words }).waitFor();
export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

export const control = (path, body) => post(`${twin}/_twin/${path}`, body);
export const calls = async () => (await fetch(`${twin}/_twin/calls`)).json();

// Asks again and again, because nothing tells.
export async function until(condition) {
  const end = Date.now() + 10_000;
  while (!(await condition())) assert.ok(Date.now() < end, "it did not happen within 10 s");
}

// What the API answers to this person.
export async function call(sub, route, body, headers = {}) {
  const { token } = await (await post(`${gateway}/_local/token`, { sub })).json();
  return post(`${gateway}/v1/${route}`, body, { Authorization: `Bearer ${token}`, ...headers });
}

function post(to, body, headers = {}) {
  return fetch(to, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
}
