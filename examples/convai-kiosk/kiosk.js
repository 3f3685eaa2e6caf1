// A kiosk that holds no API key: it signs in with its own account, and mints one token for each visitor.
// Nothing is stored, so the next visitor finds nothing of the last one.
import { convaiToken, createMintClient, MintError } from "avatar-mint-client";
import { converse } from "./conversation.js";
import { API, signIn } from "./deployment.js";

const SECONDS_IDLE = 60; // without a touch, a key or a voice

const mints = createMintClient({ baseUrl: API, getJwt: kioskJwt });
let jwt; // the kiosk's own
let visit; // the token and the conversation of the visitor who is here
let idle; // the timer

const status = document.getElementById("status");
const BUTTONS = { start: "waiting", leave: "talking" }; // enabled in this state
let state = "waiting"; // then connecting, talking, and waiting again

function show(next, text) {
  state = next;
  status.textContent = text;
  for (const [id, when] of Object.entries(BUTTONS)) document.getElementById(id).disabled = when !== state;
}

// With `force`, after the API has refused the JWT.
async function kioskJwt(force) {
  if (force || !jwt || secondsLeft(jwt) < 60) jwt = await signIn();
  return jwt;
}

function secondsLeft(token) {
  const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  return claims.exp - Date.now() / 1000;
}

async function begin() {
  show("connecting", "One moment…");
  visit = { token: convaiToken(mints) };
  try {
    visit.conversation = await converse(await visit.token.authToken(), { heard: stay, ended: () => end("Goodbye.") });
    show("talking", "I am listening. Press leave when you are done.");
    stay();
  } catch (error) {
    await end(inWords(error));
  }
}

// The visitor is here.
function stay() {
  clearTimeout(idle);
  if (state === "talking") idle = setTimeout(() => end("Goodbye. You were quiet for a while."), SECONDS_IDLE * 1000);
}

// Every visit ends here, once.
async function end(text, closing = false) {
  if (state === "waiting") return;
  const { conversation, token } = visit;
  visit = undefined;
  show("waiting", text);
  clearTimeout(idle);
  const disconnected = conversation?.disconnect(); // first, because revoking a token does not end its session
  if (!closing) await disconnected; // a page that closes cannot wait
  await token.revoke().catch(() => {}); // the token then ends within the hour
}

// The codes are those of docs/errors.md.
function inWords(error) {
  const { status: http, code, retryAfter, retryable } = error;
  if (http === 401 || code === "sign_in_failed") return "This kiosk is signed out. Please tell the staff.";
  if (code === "quota_exceeded") return `There were many visitors. Please come back in ${Math.ceil((retryAfter ?? 60) / 60)} min.`;
  if (!(error instanceof MintError) || retryable) return "I cannot talk at the moment. Please press start again.";
  return "I am not available now. Please tell the staff."; // the log record of error.code says why
}

document.getElementById("start").addEventListener("click", begin);
document.getElementById("leave").addEventListener("click", () => end("Goodbye."));
for (const event of ["pointerdown", "keydown"]) addEventListener(event, stay);
addEventListener("pagehide", () => end("Goodbye.", true));
