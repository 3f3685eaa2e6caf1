// The JavaScript client against the bundle that test_javascript.py runs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMintClient, MintError } from '../../../clients/js/dist/index.js'

const { GATEWAY_URL: gateway, CONVAI_URL: convai } = process.env

/** A client of its own caller. `sent`: the paths of its requests. */
async function signedIn(jwts) {
  const sent = []
  const counting = (url, request) => {
    sent.push(new URL(url).pathname)
    return fetch(url, request)
  }
  const getJwt = (force) => (force ? jwtOf('alice') : (jwts ?? jwtOf('alice')))
  return { client: createMintClient({ baseUrl: gateway, getJwt, fetch: counting }), sent }
}

async function jwtOf(sub) {
  const answer = await fetch(`${gateway}/_local/token`, { method: 'POST', body: JSON.stringify({ sub }) })
  return (await answer.json()).token
}

const twenty = (get) => Promise.all(Array.from({ length: 20 }, get))

test('twenty parallel calls for a reusable credential send one request', async () => {
  const { client, sent } = await signedIn()
  const got = await twenty(() => client.get('livekit/tokens'))
  assert.deepEqual([new Set(got.map(({ participant_token }) => participant_token)).size, sent.length], [1, 1])
})

test('twenty parallel calls for a single-use credential mint twenty, and none is handed out twice', async () => {
  const { client, sent } = await signedIn()
  const got = await twenty(() => client.get('spatius/session-tokens', { avatarId: 'local-avatar' }))
  assert.deepEqual([new Set(got.map(({ sessionToken }) => sessionToken)).size, sent.length], [20, 20])
})

test('a vendor accepts the credential until it is released', async () => {
  const { client } = await signedIn()
  const token = await client.get('convai/tokens')
  const connect = () =>
    fetch(`${convai}/connect`, {
      method: 'POST',
      headers: { 'API-AUTH-TOKEN': token.apiAuthToken, 'Content-Type': 'application/json' },
      body: '{"character_id": "local-character"}',
    })
  assert.equal((await connect()).status, 200)
  await client.release('convai/tokens', token)
  assert.notEqual((await connect()).status, 200)
})

test('a released slot is free for the next session', async () => {
  const { client } = await signedIn()
  for (let session = 0; session < 4; session++) {
    const got = await client.get('odyssey/client-credentials')
    await client.release('odyssey/client-credentials', got)
  }
})

test('a JWT that API Gateway refuses is replaced once', async () => {
  const { client, sent } = await signedIn('of-nobody')
  assert.ok((await client.get('agora/tokens', { channel: '{caller}', role: 'publisher' })).token)
  assert.equal(sent.length, 2)
})

test('an error names the code, whose turn it is, and the wrong fields', async () => {
  const { client, sent } = await signedIn()
  await assert.rejects(client.get('trulience/tokens', { avatar_id: 'of-nobody' }), (error) => {
    const { status, code, fault, retryable, errors } = error
    assert.ok(error instanceof MintError)
    assert.deepEqual([status, code, fault, retryable, errors[0].field], [403, 'not_allowed', 'caller', false, 'avatar_id'])
    return true
  })
  assert.equal(sent.length, 1)
})
