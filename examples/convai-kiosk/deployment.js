// Replace this file's contents on AWS. Nothing here is secret, and no key belongs here.

export const API = "http://127.0.0.1:3000"; // the stack's output ApiUrl
export const CHARACTER = "local-character"; // the id of your character

// The host that the kiosk talks to: on AWS always the second one. `make run` has no stand-in if you give it your own key.
export async function convai() {
  const standIns = await (await fetch(`${API}/_local/stand-ins`)).json();
  return standIns.convai ?? "https://live.convai.com";
}

// A new JWT of the kiosk's own account at your issuer. This one works with `make run` only.
export async function signIn() {
  const answer = await fetch(`${API}/_local/token`, { method: "POST", body: '{"sub": "kiosk-lobby"}' });
  return (await answer.json()).token;
}
