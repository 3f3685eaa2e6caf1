// Calls of the bundle's own API. The bearers stay in memory: a cookie or a storage would outlive the page.

export const people = new Map(); // name -> JWT
export let person = "";

// Signs `name` in, unless that is done, and makes the calls from now on.
export async function become(name) {
  if (!people.has(name)) {
    const response = await fetch("/_local/token", { method: "POST", body: JSON.stringify({ sub: name }) });
    people.set(name, (await response.json()).token);
  }
  person = name;
}

// {status, body, ms}. A body that is no JSON is null. The status is 0 if the server does not answer.
export async function call(route, sent) {
  const [method, path] = route.split(" ");
  const headers = { Authorization: `Bearer ${people.get(person)}` };
  const body = method === "GET" ? undefined : JSON.stringify(sent);
  if (body) headers["Content-Type"] = "application/json";
  const started = performance.now();
  const response = await fetch(path, { method, headers, body }).catch(() => Response.error());
  const answer = await response.json().catch(() => null);
  return { status: response.status, body: answer, ms: Math.round(performance.now() - started) };
}
