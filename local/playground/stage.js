// Behind the scenes of the chosen vendor: limits and slots, the operator's switches, faults, keys and the leak check.
import { person } from "./api.js";
import { announce, find, h } from "./dom.js";

const KINDS = ["down", "slow", "busy", "malformed", "cut"];
let vendor;
let state;
let asked = false;

export async function control(name, sent = {}) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`/_local/page/${name}`, { method: "POST", headers, body: JSON.stringify(sent) });
  return response.json();
}

export function startStage() {
  find("stop").addEventListener("click", () => act("stop", { vendor, on: !state.stopped }, state.stopped ? "Resuming" : "Stopping"));
  find("block").addEventListener("click", () => act("block", { person, on: !state.blocked }, "Changed the block"));
  for (const kind of KINDS) {
    const times = () => Number(find("times").value) || null;
    const arm = () => act("fault", { vendor, kind, times: times() }, `Armed: ${kind}`);
    find("kinds").append(h("button", { type: "button", "data-test": `fault-${kind}`, onclick: arm }, kind));
  }
  for (const name of ["kill-key", "rotate", "clear"]) {
    find(name).addEventListener("click", () => act(name, { vendor }, find(name).textContent));
  }
}

async function act(name, sent, said) {
  await control(name, sent);
  await refresh();
  announce(said);
}

export async function showStage(chosen) {
  vendor = chosen;
  find("stop").dataset.test = `stop-${vendor}`;
  await refresh();
}

// Many requests may end at once: one question answers for all of them.
export async function refresh() {
  if (asked || !vendor || !person) return;
  asked = true;
  await new Promise((resolve) => setTimeout(resolve, 50));
  asked = false;
  const told = await control("state", { vendor, person }).catch(() => null);
  if (!told) return; // the log says that the server does not answer
  state = told;
  find("gauges").replaceChildren(...state.gauges.map(gauge));
  find("stop").textContent = state.stopped ? `Resume ${vendor}` : `Stop ${vendor}`;
  find("block").textContent = state.blocked ? `Unblock ${person}` : `Block ${person}`;
  find("stopped").textContent = state.stopped ? "Stopped: in force within 5 s." : "";
  const { bytes, keys, found } = state.leaks;
  find("leaks").textContent = `${found} of ${keys} keys found in ${bytes.toLocaleString()} bytes that this page got.`;
  find("use").hidden = !state.usable;
  const everywhere = state.armed ? `⚠ Faults on: ${state.armed}` : "No faults on";
  Object.assign(find("everywhere"), { textContent: everywhere, className: state.armed ? "injected" : "quiet" });
  showFaults(state.faults);
}

function showFaults(faults) {
  find("faults").hidden = !faults;
  find("no-faults").hidden = Boolean(faults);
  if (!faults) return;
  const armed = faults.armed.map(({ kind, times }) => `${kind} (${times ? `next ${times}` : "until cleared"})`);
  find("armed").textContent = armed.length ? `⚠ Armed: ${armed.join(", ")}` : "None is armed.";
  const { secret, vendor: taken } = faults.keys;
  find("keys").textContent = secret === taken ? `The secret has key #${secret}, and the vendor takes it.`
    : `✗ The secret has key #${secret}, but the vendor takes #${taken}.`;
}

function gauge({ name, used, limit }) {
  const id = `gauge-${name}`;
  return h("p", { "data-test": id },
    h("label", { for: id }, name), h("span", {}, ` ${used} of ${limit}`),
    h("meter", { id, min: 0, max: limit, high: limit * 0.9, value: used }));
}
