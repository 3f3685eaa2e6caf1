// Replace this file's contents on AWS. Nothing here is secret, and no key belongs here.

export const API = "http://127.0.0.1:3000"; // the stack's output ApiUrl

// Your app's sign-in: the user's current JWT, and a new one if `force` is true. This one works with `make run` only.
export async function userJwt(force) {
  const answer = await fetch(`${API}/_local/token`, { method: "POST", body: '{"sub": "alice"}' });
  return (await answer.json()).token;
}
