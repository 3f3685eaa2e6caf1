// A request in the log: its summary, and inside what happened in the order of time, and the record of its function.
import { time } from "./clock.js";
import { h, pairs } from "./dom.js";
import { explained } from "./errors.js";

const isInjected = ({ code }) => code === "injected";

export function group(exchange) {
  try {
    return row(exchange);
  } catch {
    return h("li", { "data-error": true },
      h("details", {}, h("summary", { class: "bad" }, "✗ An event that this page cannot read"), "Load the page again."));
  }
}

function row(exchange) {
  const { id, route, caller, status, code, ms, at, reason, record, vendor, calls } = exchange;
  const good = status > 0 && status < 400 && !reason && !isInjected(exchange);
  const who = vendor ? `stand-in of ${vendor} · request unknown` : [caller || "nobody", record.vendor].filter(Boolean).join(" · ");
  const injected = calls.filter(isInjected).length;
  const told = `${who} · ${ms} ms · ${time(at * 1000)}`;
  return h("li", { id, "data-test": "request", "data-error": !good },
    h("details", {},
      h("summary", {},
        h("span", { class: good ? "good" : "bad" }, good ? "✓" : "✗", ` ${status || "no answer"} `,
          h("span", { class: isInjected(exchange) && "injected" }, code)), " ",
        h("code", {}, route), " ",
        h("small", {}, told, injected > 0 && h("span", { class: "injected" }, ` · ${injected} injected`)),
        reason && h("span", { class: "reason" }, reason)),
      explained(code),
      !vendor && h("ol", { "data-test": "steps" }, steps(exchange).map((step) => shownStep(step, ms))),
      pairs(record.mint_id ? record : { id, "answered by": vendor ? "the stand-in" : "API Gateway" })));
}

// {what, outcome, from, ms} of each step. The record has sums for AWS, which a mint asks mainly before it calls the vendor.
function steps({ at, ms, caller, status, code, record, calls }) {
  if (!record.mint_id) return [{ what: "API Gateway", outcome: `${status} ${code}`, from: 0, ms }];
  const before = Math.max(0, ms - record.duration_ms);
  const times = {};
  const made = calls.map((call) => {
    times[call.route] = (times[call.route] ?? 0) + 1;
    const outcome = [call.status || "no answer", call.code, times[call.route] > 1 && "again"].filter(Boolean).join(" ");
    return { what: call.route, outcome, from: (call.at - at) * 1000, ms: call.ms, injected: isInjected(call) };
  });
  return [
    { what: "sign-in", outcome: caller || "nobody", from: 0, ms: before },
    { what: "limits and secret", outcome: "at AWS, in all", from: before, ms: record.aws_ms },
    ...made,
    { what: "record", outcome: code, from: ms, ms: 0 },
  ];
}

function shownStep({ what, outcome, from, ms, injected }, whole) {
  const bar = h("i", {});
  const share = (part) => `${Math.min(100, (100 * part) / (whole || 1))}%`;
  bar.style.marginInlineStart = `min(${share(from)}, 100% - 2px)`; // by script, as the policy forbids style attributes
  bar.style.width = `min(${share(ms)}, 100% - ${share(from)})`;
  return h("li", { class: injected && "injected" }, h("code", {}, what), ` ${outcome} `,
    h("small", {}, `+${Math.round(from)} ms · ${ms.toFixed(1)} ms`), bar);
}
