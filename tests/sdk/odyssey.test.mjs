// npm @odysseyml/odyssey in both roles: the client that takes our body, and the server that asks the vendor itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Odyssey, credentialsFromDict, credentialsToDict, extractSessionId } from '@odysseyml/odyssey'
import WebSocket from 'ws'
import { calls, mint, secret, twin } from './bundle.mjs'

process.env.API_URL = twin // where the SDK finds the vendor, outside browsers
const FOUR = ['POST /auth/token 200', 'GET /regions 200', 'POST /sessions/request 200', 'POST /sessions/token 200']
const body = await mint('/v1/odyssey/client-credentials')

test('the client role loads our body and finds in it what we said', () => {
  const { sessionId, signalingUrl, sessionToken, expiresIn, capabilities } = credentialsFromDict(body)
  assert.deepEqual([sessionId, extractSessionId(body.session_token)], [body.session_id, body.session_id])
  assert.deepEqual([signalingUrl, sessionToken, expiresIn], [body.signaling_url, body.session_token, body.expires_in])
  assert.deepEqual(capabilities, body.capabilities)
})

for (const field of ['signaling_url', 'session_token', 'expires_in']) {
  test(`the client role refuses a body without ${field}`, () => {
    const { [field]: _, ...rest } = body
    assert.throws(() => credentialsFromDict(rest), new RegExp(field))
  })
}

test('the client role refuses a session token that is no JWT', () => {
  assert.throws(() => credentialsFromDict({ ...body, session_token: 'opaque' }), /not a valid JWT/)
})

test('the client role connects with our body as far as the signalling socket, and only once at a time', async () => {
  const first = await connecting(body)
  await once(first.socket, 'open')
  const second = await connecting(body)
  const [refusal] = await once(second.socket, 'error')
  assert.match(refusal.message, /409/)
  for (const { client } of [first, second]) client.disconnect()
})

test("the server role gets what our body holds from the twin's four calls", async () => {
  const before = (await calls()).length
  const credentials = credentialsToDict(await new Odyssey({ apiKey: secret.api_key }).createClientCredentials())
  const made = (await calls()).slice(before).filter(({ path }) => !path.startsWith('/ping/'))
  assert.deepEqual(made.map(({ method, path, status }) => `${method} ${path} ${status}`), FOUR)
  assert.deepEqual(new Set(['mint', ...Object.keys(credentials)]), new Set(Object.keys(body)))
  assert.notEqual(credentials.session_id, body.session_id)
})

test('the server role is refused with a key that the vendor does not know', async () => {
  await assert.rejects(new Odyssey({ apiKey: 'ody_nobody' }).createClientCredentials(), /Invalid API key/)
})

/**
 * A client on its way in, and its socket: Node 20 has none of its own, and this one can be watched.
 * WebRTC would come next; Node has none, so nothing here shows that a picture would.
 */
async function connecting(credentials) {
  const client = new Odyssey({})
  const socket = await new Promise((resolve) => {
    globalThis.WebSocket = class extends WebSocket {
      constructor(url) {
        super(url)
        resolve(this)
      }
    }
    client.connectWithCredentials(credentialsFromDict(credentials)).catch(() => {})
  })
  return { client, socket }
}
