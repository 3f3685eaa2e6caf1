// The keyboard. In a field a single key is text.
import { announce, find } from "./dom.js";

const KEYS = {
  "/": () => find("filter").focus(),
  "?": () => find("help").showModal(),
  j: () => move(1, "li"),
  k: () => move(-1, "li"),
  e: () => move(1, "li[data-error]"),
};

export function startKeys(mint) {
  find("ask").addEventListener("click", KEYS["?"]);
  find("close").addEventListener("click", () => find("help").close());
  document.addEventListener("keydown", (event) => {
    if (find("help").open) return;
    const held = event.ctrlKey || event.metaKey;
    if (held && event.key === "Enter") mint();
    if (held || event.altKey || event.target.matches("input, textarea, select") || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
}

function move(step, kind) {
  const rows = [...find("log").querySelectorAll(`:scope > ${kind}:not([hidden])`)];
  const here = rows.indexOf(document.activeElement.closest("#log > li"));
  const next = rows[here < 0 ? (step > 0 ? rows.length - 1 : 0) : here + step];
  if (next) next.querySelector("summary").focus();
  else announce(kind === "li" ? "No further request" : "No further error");
}
