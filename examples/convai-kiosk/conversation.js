// One conversation with a Convai character. The calls are those of Convai's page "Connect API". npm @convai/web-sdk 1.2.0
// makes the same ones, but it takes an API key only.
import { Room, RoomEvent } from "livekit-client";
import { CHARACTER, convai } from "./deployment.js";

const SECONDS_TO_ANSWER = 20;

// `heard` is called when somebody speaks, and `ended` when Convai ends the conversation.
export async function converse(authToken, { heard, ended }) {
  const host = await convai();
  const { session_id, room_url, token } = await open(host, authToken);
  const room = new Room();
  room.on(RoomEvent.TrackSubscribed, (track) => document.body.append(track.attach()));
  room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));
  room.on(RoomEvent.ActiveSpeakersChanged, (speakers) => speakers.length && heard());
  const disconnect = () => {
    room.off(RoomEvent.Disconnected, ended);
    return Promise.allSettled([close(host, session_id), room.disconnect()]);
  };
  try {
    if (!isStandIn(room_url)) await join(room, room_url, token);
  } catch (error) {
    await disconnect();
    throw error;
  }
  room.on(RoomEvent.Disconnected, ended);
  return { disconnect };
}

async function open(host, authToken) {
  const answer = await fetch(`${host}/connect`, {
    method: "POST",
    headers: { "API-AUTH-TOKEN": authToken, "Content-Type": "application/json" },
    body: JSON.stringify({ character_id: CHARACTER, connection_type: "audio" }),
    signal: patience(),
  });
  if (!answer.ok) throw new Error(`Convai answered ${answer.status}`);
  return answer.json();
}

// `keepalive` lets the request outlive a page that closes.
function close(host, session) {
  const request = { method: "POST", keepalive: true, signal: patience() };
  return fetch(`${host}/disconnect?session_id=${encodeURIComponent(session)}`, request);
}

const patience = () => AbortSignal.timeout(SECONDS_TO_ANSWER * 1000);

async function join(room, url, token) {
  await room.connect(url, token);
  await room.localParticipant.setMicrophoneEnabled(true);
}

// The stand-in of `make run` takes the token and opens the session, but it has no rooms.
const isStandIn = (url) => new URL(url).hostname === "rooms.invalid";
