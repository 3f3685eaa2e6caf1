// Uses the credential as the vendor's client would, against the vendor's stand-in.
import { announce, find, h } from "./dom.js";
import { control } from "./stage.js";

const WAYS = {
  use: ["As it is", () => ({})],
  changed: ["One character changed", () => ({ changed: true })],
  later: ["After its end", ({ mint }) => ({ later: (mint.expires_in ?? 0) + 1 })],
};
const buttons = find("use").querySelectorAll("button");
let offered;

export function startUse() {
  for (const button of buttons) button.addEventListener("click", () => use(...WAYS[button.dataset.way]));
}

// `credential` is null if there is none to use.
export function offerUse(vendor, credential) {
  offered = { vendor, credential };
  find("used").replaceChildren();
  for (const button of buttons) button.disabled = !credential;
}

async function use(what, options) {
  const { status } = await control("use", { ...offered, ...options(offered.credential) });
  const good = status < 300;
  const said = `${what}: ${good ? "accepted" : "refused"} (${status})`;
  find("used").append(h("li", { class: good ? "good" : "bad" }, good ? "✓ " : "✗ ", said));
  announce(said);
}
