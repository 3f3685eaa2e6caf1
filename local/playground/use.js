// Uses the credential as the vendor's client would, against the vendor's stand-in.
import { announce, find, h } from "./dom.js";
import { control } from "./stage.js";

const WAYS = { use: {}, changed: { changed: true }, later: {} };
let credential;

export function startUse() {
  for (const way of Object.keys(WAYS)) {
    document.querySelector(`#use [data-way=${way}]`).addEventListener("click", () => use(way));
  }
}

// `body` is null if there is no credential to use.
export function offerUse(vendor, body) {
  credential = { vendor, body };
  find("used").replaceChildren();
  for (const button of find("use").querySelectorAll("button")) button.disabled = !body;
}

async function use(way) {
  const { vendor, body } = credential;
  const later = way === "later" ? (body.mint.expires_in ?? 0) + 1 : 0;
  const { status } = await control("use", { vendor, credential: body, later, ...WAYS[way] });
  const good = status < 300;
  const what = { use: "As it is", changed: "One character changed", later: "After its end" }[way];
  const said = `${what}: ${good ? "accepted" : "refused"} (${status})`;
  find("used").append(h("li", { class: good ? "good" : "bad" }, good ? "✓ " : "✗ ", said));
  announce(said);
}
