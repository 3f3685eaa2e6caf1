// Odyssey in a page that holds no API key: mint, connect, prompt, leave.
import { createMintClient, MintError, odysseySession } from "avatar-mint-client";
import { Odyssey } from "@odysseyml/odyssey";
import { API, userJwt } from "./deployment.js";

const SECONDS_UNTIL_PICTURE = 30; // the SDK itself waits without a limit

const mints = createMintClient({ baseUrl: API, getJwt: userJwt }); // sends the Idempotency-Key: a retry takes no second slot
const odyssey = new Odyssey({});
let session; // between start and end

const [video, status, prompt] = ["video", "status", "prompt"].map((id) => document.getElementById(id));
const BUTTONS = { start: ["idle"], leave: ["connecting", "streaming"], send: ["streaming"] }; // enabled in these states
let state = "idle"; // then minting, connecting, streaming, and idle again

function show(next, text) {
  state = next;
  status.textContent = text;
  for (const [id, states] of Object.entries(BUTTONS)) document.getElementById(id).disabled = !states.includes(state);
}

async function start() {
  show("minting", "Asking for a session…");
  try {
    session = await odysseySession(mints, odyssey);
    show("connecting", waiting(session.credentials));
    video.srcObject = await inTime(connect(session.credentials));
    await odyssey.startStream({ prompt: prompt.value });
    show("streaming", "Odyssey is streaming. Change the prompt and send it.");
  } catch (error) {
    await end(inWords(error));
  }
}

// The SDK can have the picture a moment before it takes prompts.
async function connect(credentials) {
  let ready;
  const takesPrompts = new Promise((resolve) => (ready = resolve));
  const handlers = { ...HANDLERS, onStatusChange: (now) => now === "connected" && ready() };
  const [picture] = await Promise.all([odyssey.connectWithCredentials(credentials, handlers), takesPrompts]);
  return picture;
}

// Every session ends here, once: `leave` disconnects, and then releases the slot.
async function end(text) {
  if (state === "idle") return;
  const { leave } = session ?? {};
  session = video.srcObject = null;
  show("idle", text);
  await leave?.();
}

const HANDLERS = {
  onError: (error, fatal) => fatal && end(inWords(error)),
  onStreamError: (reason, message) => end(`Odyssey stopped the stream: ${message}`),
  onStreamEnded: () => end("The stream is over. Press start for another one."),
  onDisconnected: () => end("Odyssey ended the session. Press start for another one."),
};

async function send() {
  status.textContent = "Sending your prompt…";
  try {
    status.textContent = `Odyssey shows: ${await odyssey.interact({ prompt: prompt.value })}`;
  } catch (error) {
    if (state === "streaming") status.textContent = `Odyssey did not take the prompt: ${error.message}`;
  }
}

function inTime(connecting) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no picture came within ${SECONDS_UNTIL_PICTURE} s`)), SECONDS_UNTIL_PICTURE * 1000);
  });
  return Promise.race([connecting, late]).finally(() => clearTimeout(timer));
}

function waiting({ signalingUrl }) {
  const standIn = signalingUrl.startsWith("ws://"); // Odyssey's own is wss://
  return `Waiting for the picture…${standIn ? " Odyssey is a stand-in here: it takes the session, and sends no picture." : ""}`;
}

// The codes are those of docs/errors.md.
function inWords(error) {
  if (!(error instanceof MintError)) return `Odyssey did not start: ${error.message}. Press start to try again.`;
  if (error.status === 401 || error.code === "sign_in_failed") return "You are signed out. Sign in again.";
  if (error.code === "quota_exceeded") return `You have no sessions left. Come back in ${minutes(error.retryAfter)}.`;
  if (error.code === "no_capacity" && error.retryable) return "All places are taken. Press start again in a minute.";
  if (error.retryable) return "Odyssey does not answer. Press start to try again.";
  return "Odyssey is not available now."; // the team must act: the log record of error.code says why
}

function minutes(seconds) {
  const count = Math.ceil((seconds ?? 60) / 60);
  return count === 1 ? "a minute" : `${count} minutes`;
}

document.getElementById("start").addEventListener("click", start);
document.getElementById("leave").addEventListener("click", () => end("You have left."));
document.getElementById("prompts").addEventListener("submit", (event) => {
  event.preventDefault();
  if (state === "streaming") send();
});
addEventListener("pagehide", () => end("You have left.")); // the page closes, or comes back from the browser's cache later
