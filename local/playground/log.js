// The live log: one row for each request, newest last, with the record of its function.
import { sync, time } from "./clock.js";
import { announce, find, h, pairs } from "./dom.js";

const MOST = 500;
let source;
let last = 0;
let waiting = [];
let unseen = 0;

let heard;

// `listener` is called after new rows.
export function startLog(listener) {
  heard = listener;
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : connect()));
  find("filter").addEventListener("input", filterAll);
  find("newest").addEventListener("click", follow);
  find("log").addEventListener("scroll", () => isAtEnd() && seen());
  document.addEventListener("keydown", move);
  connect();
}

function connect() {
  source ??= new EventSource("/_local/page/events");
  source.onopen = () => state("on", "Log: live");
  source.onerror = () => state("off", "Log: disconnected, the rows are old");
  source.onmessage = ({ data }) => take(JSON.parse(data));
  source.addEventListener("clock", ({ data }) => sync(Number(data)));
}

function stop() {
  source?.close();
  source = undefined;
  state("off", "Log: paused");
}

function state(name, text) {
  Object.assign(find("stream"), { textContent: text }).dataset.state = name;
}

// A new stream begins with all that the server has kept, so rows that are here already come again.
function take(exchange) {
  if (exchange.number <= last) return;
  last = exchange.number;
  if (waiting.push(exchange) === 1) requestAnimationFrame(draw);
}

function draw() {
  const log = find("log");
  const following = isAtEnd();
  const rows = waiting.map(row);
  rows.forEach(filter);
  log.append(...rows);
  while (log.children.length > MOST) log.firstChild.remove();
  unseen += following ? 0 : rows.length;
  waiting = [];
  heard();
  if (following) log.scrollTop = log.scrollHeight;
  else Object.assign(find("newest"), { hidden: false, textContent: `${unseen} new` });
}

function row(exchange) {
  const { route, caller, status, code, ms, at, reason, record, id, vendor } = exchange;
  const good = status > 0 && status < 400 && !reason && code !== "injected";
  const who = vendor ? `stand-in of ${vendor}` : `${caller || "nobody"} · ${ms} ms`;
  return h("li", { tabindex: "-1", "data-error": !good },
    h("details", {},
      h("summary", {},
        h("span", { class: good ? "good" : "bad" }, good ? "✓" : "✗", ` ${status || "no answer"} `,
          h("span", { class: code === "injected" && "injected" }, code)), " ",
        h("code", {}, route), " ",
        h("small", {}, `${who} · ${time(at * 1000)}`),
        reason && h("span", { class: "reason" }, reason)),
      pairs(record.mint_id ? record : { id, "answered by": vendor ? "the stand-in" : "API Gateway" })));
}

function filter(item) {
  item.hidden = !item.textContent.toLowerCase().includes(find("filter").value.toLowerCase());
}

function filterAll() {
  for (const item of find("log").children) filter(item);
}

const isAtEnd = () => find("log").scrollTop + find("log").clientHeight >= find("log").scrollHeight - 8;

function follow() {
  find("log").scrollTop = find("log").scrollHeight;
  seen();
}

function seen() {
  unseen = 0;
  find("newest").hidden = true;
}

const KEYS = { j: [1, "li"], k: [-1, "li"], e: [1, "li[data-error]"] };

function move(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea")) return;
  if (event.key === "/") {
    event.preventDefault();
    find("filter").focus();
  }
  if (!(event.key in KEYS)) return;
  const [step, kind] = KEYS[event.key];
  const rows = [...find("log").querySelectorAll(`:scope > ${kind}:not([hidden])`)];
  const here = rows.indexOf(document.activeElement.closest("#log > li"));
  const next = rows[here < 0 ? (step > 0 ? rows.length - 1 : 0) : here + step];
  if (next) next.querySelector("summary").focus();
  else announce(kind === "li" ? "No further request" : "No further error");
}
