// The list of vendors, from GET /v1/vendors.
import { find, h } from "./dom.js";

const lifetime = ({ ttl }) =>
  !ttl ? "the vendor decides the lifetime" : ttl.field ? `${ttl.minimum} to ${ttl.maximum} s` : `${ttl.default} s`;

function traits(offer) {
  const words = { single_use: "single use", extendable: "extendable", revocable: "revocable", takes_slot: "takes a slot" };
  const own = Object.keys(words).filter((name) => offer[name]).map((name) => words[name]);
  return [lifetime(offer), ...own].join(" · ");
}

export function showVendors(offers, choose) {
  const choices = offers.map((offer) => {
    const button = h(
      "button",
      { type: "button", "data-test": `vendor-${offer.vendor}`, "aria-pressed": "false" },
      h("strong", {}, offer.vendor), h("small", {}, traits(offer)),
    );
    button.addEventListener("click", () => press(button, () => choose(offer)));
    return h("li", {}, button);
  });
  find("vendors").replaceChildren(...choices);
}

function press(button, act) {
  for (const other of find("vendors").querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
  act();
}
