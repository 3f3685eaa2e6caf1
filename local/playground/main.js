// Starts the page, and does what its buttons say.
import { become, call, people, person, signIn } from "./api.js";
import { showCredential, showProblem } from "./credential.js";
import { announce, find, h } from "./dom.js";
import { startLog } from "./log.js";
import { body, loadContract, showErrors, showRequest } from "./request.js";
import { SNIPPETS } from "./snippets.js";
import { refresh, showStage, startStage } from "./stage.js";
import { offerUse, startUse } from "./use.js";
import { showVendors } from "./vendors.js";

const mintButton = document.querySelector("[data-test=mint]");
let offer;

function choose(chosen, changed) {
  offer = chosen;
  showRequest(offer, changed);
  location.hash = `vendor=${offer.vendor}`;
  showStage(offer.vendor);
}

async function enter(name) {
  await signIn(name);
  showPeople();
}

function showPeople() {
  const buttons = [...people.keys()].map((name) =>
    h("button", { type: "button", "aria-pressed": String(name === person), onclick: () => (become(name), showPeople()) }, name));
  find("signed").replaceChildren(...buttons);
  refresh();
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
    showCopy(offer.mint[0], sent);
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
  if (minted) {
    await showCredential(answer.body, answer.ms);
  } else showProblem(answer, unplaced);
  offerUse(offer.vendor, minted ? answer.body : null);
  announce(minted ? `Minted for ${offer.vendor}` : `Refused: ${answer.body?.code ?? answer.status}`);
}

async function mintMany() {
  const sent = body();
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(offer.mint[0], sent)));
  const counts = Object.groupBy(answers, ({ status, body: told }) => (status === 201 ? "minted" : told?.code ?? status));
  announce(Object.entries(counts).map(([code, all]) => `${all.length} ${code}`).join(", "));
}

function showCopy(route, sent) {
  const buttons = Object.entries(SNIPPETS).map(([name, snippet]) =>
    h("button", { type: "button", onclick: () => copy(name, snippet(location.origin, route, sent)) }, `Copy as ${name}`));
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
find("many").addEventListener("click", mintMany);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) mint();
});

startStage();
startUse();
startLog(refresh);
await Promise.all([loadContract(), enter(find("name").value)]);
const { body: catalogue } = await call("GET /v1/vendors");
const wanted = new URLSearchParams(location.hash.slice(1)).get("vendor") ?? "convai";
showVendors(catalogue.vendors, choose);
document.querySelector(`[data-test="vendor-${CSS.escape(wanted)}"]`)?.click();
