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
    const named = { type: "button", "data-test": `vendor-${offer.vendor}`, onclick: () => choose(offer) };
    return h("li", {}, h("button", named, h("strong", {}, offer.vendor), h("small", {}, traits(offer))));
  });
  find("vendors").replaceChildren(...choices);
}

export function mark(vendor) {
  for (const button of find("vendors").querySelectorAll("button")) button.ariaPressed = String(button.dataset.test === `vendor-${vendor}`);
}
