// How long a credential still lives, by the server's clock.
import { now, time } from "./clock.js";
import { announce, h } from "./dom.js";

const SPOKEN = new Set([60, 10, 0]);

// An element that counts down to `expires` (RFC 3339). Ends by itself when it leaves the page.
export function countdown(expires) {
  const ends = Date.parse(expires);
  const left = h("strong", {});
  const shown = h("p", { "data-test": "countdown", class: "countdown" }, left, ` until ${time(ends)} · ${expires}`);
  let last;
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((ends - now()) / 1000));
    if (seconds !== last) {
      left.textContent = seconds ? `${words(seconds)} left` : "Expired";
      shown.toggleAttribute("data-expired", !seconds);
      if (last !== undefined && SPOKEN.has(seconds)) announce(seconds ? `The credential has ${seconds} s left` : "The credential has expired");
    }
    last = seconds;
    if (seconds && (shown.isConnected || !shown.dataset.seen)) setTimeout(tick, 200);
    if (shown.isConnected) shown.dataset.seen = "yes";
  };
  tick();
  return shown;
}

function words(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return [hours && `${hours} h`, (hours || minutes) && `${minutes} min`, `${seconds % 60} s`].filter(Boolean).join(" ");
}
