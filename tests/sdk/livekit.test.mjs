// npm livekit-client asks our route as its standard token endpoint; npm livekit-server-sdk judges what it gets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenVerifier } from 'livekit-server-sdk'
import { gateway, headers, secret } from './bundle.mjs'

globalThis.window = globalThis // livekit-client asks the browser for its features while it is imported
const { TokenSource } = await import('livekit-client')

const endpoint = (given) => TokenSource.endpoint(`${gateway}/v1/livekit/tokens`, { headers: given })
const agent = { agentName: 'local-agent', agentMetadata: '{"topic":"weather"}' }
const participant = { participantName: 'Alice', participantMetadata: '{"age":42}', participantAttributes: { language: 'en' } }
const wanted = { roomName: 'lobby', ...participant, ...agent }

test('TokenSource.endpoint gets a token that the verifier accepts, with what the client asked for in it', async () => {
  const { serverUrl, participantToken } = await endpoint(headers).fetch(wanted)
  const claims = await new TokenVerifier(secret.api_key, secret.api_secret).verify(participantToken)
  assert.equal(serverUrl, 'wss://livekit.local')
  assert.deepEqual([claims.video.roomJoin, claims.video.room], [true, 'lobby'])
  assert.deepEqual([claims.name, claims.metadata, claims.attributes], Object.values(participant))
  const [dispatched] = claims.roomConfig.agents
  assert.deepEqual({ agentName: dispatched.agentName, agentMetadata: dispatched.metadata }, agent)
})

test('the verifier refuses the token with another secret', async () => {
  const { participantToken } = await endpoint(headers).fetch(wanted)
  const other = new TokenVerifier(secret.api_key, `${secret.api_secret}-of-another-project`)
  await assert.rejects(other.verify(participantToken), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
})

const REFUSED = [
  [{ roomName: 'somewhere-else' }, /403.*not_allowed/s],
  [{ participantIdentity: 'bob' }, /403.*not_allowed/s],
  [{ participantAttributes: { 'lk.publish_on_behalf': 'bob' } }, /403.*not_allowed/s],
  [{ agentName: 'another-agent' }, /403.*not_allowed/s],
  [{ deployment: 'staging' }, /400.*invalid_request/s],
]

for (const [change, reason] of REFUSED) {
  test(`TokenSource.endpoint fails where the client asks for ${JSON.stringify(change)}`, async () => {
    await assert.rejects(endpoint(headers).fetch({ ...wanted, ...change }), reason)
  })
}

test('TokenSource.endpoint fails for a caller who has not signed in', async () => {
  await assert.rejects(endpoint({}).fetch(wanted), /401/)
})
