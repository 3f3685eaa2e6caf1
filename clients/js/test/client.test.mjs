// What is JavaScript's own: promises, pages that close, React Native, and what a log shows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { createMintClient, MintError } from '../dist/index.js'

const credential = (id) => ({ apiAuthToken: `secret-${id}`, mint: { id, expires_in: 3600, single_use: false, takes_slot: false } })

/** A client whose n-th request gets the n-th answer, and the requests that it sent. */
function scripted(...answers) {
  const sent = []
  const fetch = async (url, request) => {
    sent.push({ url, ...request })
    return answers[sent.length - 1]
  }
  return { client: createMintClient({ baseUrl: 'https://mint.test', getJwt: () => 'secret-jwt', fetch }), sent }
}

test('a release leaves with the page: in the same turn, and with keepalive', async () => {
  const { client, sent } = scripted(Response.json(credential('A'), { status: 201 }), new Response(null, { status: 204 }))
  const got = await client.get('convai/tokens')
  const released = client.release('convai/tokens', got)
  assert.deepEqual([sent.length, sent[1].keepalive, sent[0].keepalive], [2, true, false])
  await released
})

test('a cancelled call fails with the reason of its signal', async () => {
  const { client, sent } = scripted()
  const reason = new Error('the user left')
  await assert.rejects(client.get('livekit/tokens', {}, { signal: AbortSignal.abort(reason) }), reason)
  assert.equal(sent.length, 0)
})

test('a signal without a reason, as in React Native, cancels with an AbortError', async () => {
  const { client } = scripted()
  await assert.rejects(client.get('livekit/tokens', {}, { signal: { aborted: true } }), { name: 'AbortError' })
})

test('a log of the client or of an error shows no JWT and no credential', async () => {
  const { client } = scripted(Response.json(credential('A'), { status: 201 }), new Response(null, { status: 403 }))
  await client.get('convai/tokens')
  client.prefetch('livekit/tokens')
  const error = await client.get('livekit/tokens').catch((error) => error)
  assert.ok(error instanceof MintError)
  for (const shown of [client, error]) assert.doesNotMatch(inspect(shown, { depth: 9, showHidden: true }) + JSON.stringify(shown), /secret/)
})

test('a sign-in that fails is the cause of the error', async () => {
  const cause = new Error('offline')
  const getJwt = () => Promise.reject(cause)
  await assert.rejects(createMintClient({ baseUrl: 'https://mint.test', getJwt }).get('convai/tokens'), { code: 'sign_in_failed', cause })
})

test('an error lists the wrong fields', async () => {
  const errors = [{ field: 'avatar_id', message: 'is not allowed' }]
  const problem = { code: 'not_allowed', detail: 'Not on the list.', retryable: false, fault: 'caller', errors }
  const { client } = scripted(Response.json(problem, { status: 403 }))
  const wanted = { message: 'not_allowed: Not on the list.', errors, fault: 'caller' }
  await assert.rejects(client.get('trulience/tokens', { avatar_id: '1' }), wanted)
})
