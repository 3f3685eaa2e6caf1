// The bundle that test_sdk.py runs, as a signed-in app reaches it.
import assert from 'node:assert/strict'

export const { GATEWAY_URL: gateway, TWIN_URL: twin } = process.env
export const secret = JSON.parse(process.env.VENDOR_SECRET) // what the vendor shares with the bundle, never with an app
export const headers = { Authorization: `Bearer ${process.env.CALLER_TOKEN}`, 'Content-Type': 'application/json' }

export async function mint(route, request = {}) {
  const answer = await fetch(gateway + route, { method: 'POST', headers, body: JSON.stringify(request) })
  assert.equal(answer.status, 201)
  return answer.json()
}

/** What the vendor's twin was asked since the start: method, path, headers, body, status. */
export async function calls() {
  return (await fetch(`${twin}/_twin/calls`)).json()
}
