// The live log: one row for each request, newest last.
import { sync } from "./clock.js";
import { announce, find } from "./dom.js";
import { group } from "./group.js";

const MOST = 500;
const exchanges = new WeakMap(); // by row
let source;
let run;
let last = 0;
let waiting = [];
let unseen = 0;
let heard;

// `listener` is called after new rows.
export function startLog(listener) {
  heard = listener;
  document.addEventListener("visibilitychange", () => (document.hidden ? stop("Log: paused") : connect()));
  find("filter").addEventListener("input", () => [...find("log").children].forEach(filter));
  find("newest").addEventListener("click", follow);
  find("log").addEventListener("scroll", () => isAtEnd() && seen());
  find("reload").addEventListener("click", () => location.reload());
  connect();
}

function connect() {
  if (!find("restarted").hidden) return;
  source ??= new EventSource("/_local/page/events");
  source.onopen = () => state("on", "Log: live");
  source.onerror = () => state("off", "Log: disconnected, the rows are old");
  source.onmessage = ({ data }) => take(read(data));
  source.addEventListener("clock", ({ data }) => tell(JSON.parse(data)));
}

// After another start of `make run`, nobody is signed in and the rows are numbered anew. The page keeps what it shows
// until the person loads it again.
function tell({ now, run: told }) {
  sync(now);
  run ??= told;
  if (run === told) return;
  stop("Log: of the earlier start");
  find("restarted").hidden = false;
  announce("make run has started again. Load the page again.");
}

function stop(text) {
  source?.close();
  source = undefined;
  state("off", text);
}

function state(name, text) {
  Object.assign(find("stream"), { textContent: text }).dataset.state = name;
}

function read(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}

// A new stream begins with all that the server has kept, so rows that are here already come again.
function take(exchange) {
  if (exchange.number <= last) return;
  last = exchange.number ?? last;
  if (waiting.push(exchange) === 1) requestAnimationFrame(draw);
}

function draw() {
  const log = find("log");
  const following = isAtEnd();
  waiting.forEach(place);
  while (log.children.length > MOST) log.firstChild.remove();
  unseen += following ? 0 : waiting.length;
  waiting = [];
  heard();
  if (following) log.scrollTop = log.scrollHeight;
  else Object.assign(find("newest"), { hidden: false, textContent: `${unseen} new` });
}

// A request has one row. A record that comes after the answer joins it.
function place(exchange) {
  const old = find(exchange.id);
  const whole = old ? { ...exchanges.get(old), record: exchange.record, reason: exchange.reason } : exchange;
  const row = group(whole);
  exchanges.set(row, whole);
  filter(row);
  if (old) old.replaceWith(row);
  else find("log").append(row);
}

function filter(item) {
  item.hidden = !item.textContent.toLowerCase().includes(find("filter").value.toLowerCase());
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
