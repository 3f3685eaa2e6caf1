// Starts the page, and does what its buttons say.
import { become, call, people, person } from "./api.js";
import { showCredential, showProblem } from "./credential.js";
import { announce, find, h } from "./dom.js";
import { loadErrors } from "./errors.js";
import { startKeys } from "./keys.js";
import { linked, remember } from "./link.js";
import { startLog } from "./log.js";
import { body, loadContract, showErrors, showRequest } from "./request.js";
import { SNIPPETS } from "./snippets.js";
import { refresh, showStage, startStage } from "./stage.js";
import { offerUse, startUse } from "./use.js";
import { mark, showVendors } from "./vendors.js";

const mintButton = document.querySelector("[data-test=mint]");
let offers = [];
let offer;

function choose(chosen, given) {
  offer = chosen;
  mark(offer.vendor);
  for (const button of [mintButton, find("many")]) button.disabled = false;
  showRequest(offer, given);
  showStage(offer.vendor);
  keep();
}

const keep = () => offer && remember(offer.vendor, person, body());

async function enter(name) {
  await become(name);
  const buttons = [...people.keys()].map((known) =>
    h("button", { type: "button", "aria-pressed": String(known === person), onclick: () => enter(known) }, known));
  find("signed").replaceChildren(...buttons);
  refresh();
  keep();
}

// Shows what the address says. It does not mint.
async function open() {
  const given = linked();
  await enter(given.person || person || find("name").value);
  if (!offers.length) offers = (await call("GET /v1/vendors")).body.vendors;
  showVendors(offers, choose);
  const named = (vendor) => offers.find((found) => found.vendor === vendor);
  choose(named(given.vendor) ?? named("convai") ?? offers[0], named(given.vendor) && given.body);
}

async function mint() {
  const started = performance.now();
  const clock = setInterval(() => (mintButton.textContent = `Minting ${Math.round((performance.now() - started) / 1000)} s`), 250);
  mintButton.setAttribute("aria-busy", "true");
  find("outcome").toggleAttribute("data-old", true);
  try {
    const sent = body();
    const answer = await call(offer.mint[0], sent);
    await show(answer);
    showCopy(offer.mint[0].split(" "), sent);
  } finally {
    clearInterval(clock);
    mintButton.textContent = "Mint";
    mintButton.removeAttribute("aria-busy");
    find("outcome").removeAttribute("data-old");
  }
}

async function show(answer) {
  const unplaced = showErrors(answer.body?.errors ?? []);
  const minted = answer.status === 201;
  if (minted) await showCredential(answer.body, answer.ms);
  else showProblem(answer, unplaced);
  offerUse(offer.vendor, minted ? answer.body : null);
  announce(minted ? `Minted for ${offer.vendor}` : `Refused: ${answer.body?.code || answer.status || "no answer"}`);
}

async function mintMany() {
  const sent = body();
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(offer.mint[0], sent)));
  const counts = Object.groupBy(answers, ({ status, body: told }) => (status === 201 ? "minted" : told?.code ?? status));
  announce(Object.entries(counts).map(([code, all]) => `${all.length} ${code}`).join(", "));
}

function showCopy([method, path], sent) {
  const buttons = Object.entries(SNIPPETS).map(([name, snippet]) => {
    const text = snippet(method, location.origin + path, JSON.stringify(sent));
    return h("button", { type: "button", onclick: () => copy(name, text) }, `Copy as ${name}`);
  });
  find("copy").replaceChildren(...buttons);
  find("copy").hidden = false;
}

async function copy(name, text) {
  await navigator.clipboard.writeText(text);
  announce(`Copied as ${name}`);
}

find("people").addEventListener("submit", (event) => {
  event.preventDefault();
  if (find("name").value) enter(find("name").value);
});
find("request").addEventListener("submit", (event) => {
  event.preventDefault();
  mint();
});
find("request").addEventListener("input", keep);
find("many").addEventListener("click", mintMany);
addEventListener("hashchange", open);

startKeys(() => mintButton.click());
startStage();
startUse();
startLog(refresh);
await Promise.all([loadContract(), loadErrors()]);
await open();
