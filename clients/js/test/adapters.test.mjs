// What the adapters give to the vendors' SDKs, and when. tests/sdk has the SDKs themselves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { convaiToken, createMintClient, liveKitTokens, odysseySession, spatiusTokens, trulienceProps } from '../dist/index.js'

const minted = (fields, id = 'A', expires_in = 3600) => ({ body: { ...fields, mint: { id, expires_in, single_use: false, takes_slot: false } } })
const refused = (status, code) => ({ status, body: { code, detail: code, retryable: false } })

/** A client whose n-th request gets the n-th answer, on a clock that `wait` moves. */
function scripted(...answers) {
  let seconds = 0
  const sent = []
  const fetch = async (url, { body }) => {
    sent.push({ path: url.slice('https://mint.test/v1/'.length), body: JSON.parse(body) })
    const { status = 201, body: answer } = answers[sent.length - 1]
    return status === 204 ? new Response(null, { status }) : Response.json(answer, { status })
  }
  const now = () => ({ wall: seconds * 1000, monotonic: seconds * 1000 })
  const mints = createMintClient({ baseUrl: 'https://mint.test', getJwt: () => 'jwt', fetch, now })
  return { mints, sent, paths: () => sent.map(({ path }) => path), wait: (more) => (seconds += more) }
}

test('LiveKit asks in its own names, and each question mints', async () => {
  const room = minted({ server_url: 'wss://a', participant_token: 't' })
  const { mints, sent } = scripted(room, room)
  const fetch = liveKitTokens(mints)
  assert.deepEqual(await fetch({ roomName: 'lobby', agentName: 'helper', agentMetadata: '{}' }), { serverUrl: 'wss://a', participantToken: 't' })
  await fetch({ roomName: 'lobby', agentName: 'helper', agentMetadata: '{}' })
  assert.deepEqual(sent[0].body, { room_name: 'lobby', room_config: { agents: [{ agent_name: 'helper', metadata: '{}' }] } })
  assert.equal(sent.length, 2)
})

test("Trulience's properties are the token and the avatar", async () => {
  const { mints } = scripted(minted({ jwt: 'j', avatar_id: '7' }))
  assert.deepEqual(await trulienceProps(mints, { avatar_id: '7' }), { token: 'j', avatarId: '7' })
})

test('Spatius is initialized once, and gets a new token for each connection', async () => {
  const told = []
  const sdk = { initialize: async (...given) => told.push(given), setSessionToken: (token) => told.push(token) }
  const token = (sessionToken) => minted({ sessionToken, appId: 'app', region: 'us-west' }, sessionToken)
  const { mints } = scripted(token('t1'), token('t2'))
  const connect = spatiusTokens(mints, sdk, {}, { drivingServiceMode: 'direct' })
  await connect()
  await connect()
  assert.deepEqual(told, [['app', { drivingServiceMode: 'direct', region: 'us-west' }], 't1', 't2'])
})

const SESSION = { session_id: 's', signaling_url: 'wss://o', session_token: 'j', expires_in: 600, capabilities: null }

test('Odyssey gets its credentials in its own names, and none that the vendor left out', async () => {
  const { mints } = scripted(minted(SESSION))
  const { credentials } = await odysseySession(mints, { disconnect() {} })
  assert.deepEqual(credentials, { sessionId: 's', signalingUrl: 'wss://o', sessionToken: 'j', expiresIn: 600 })
})

test('leaving Odyssey disconnects first, then releases, once, and never fails', async () => {
  const { mints, paths } = scripted(minted(SESSION), refused(403, 'not_allowed'))
  let before
  const { leave } = await odysseySession(mints, { disconnect: () => (before = paths()) })
  await Promise.all([leave(), leave()])
  assert.deepEqual(before, ['odyssey/client-credentials'])
  assert.deepEqual(paths(), ['odyssey/client-credentials', 'odyssey/client-credentials/release'])
})

test("a visitor's connections share one Convai token, which is extended when it nears its end", async () => {
  const token = (id) => minted({ apiAuthToken: 't' }, id)
  const { mints, paths, sent, wait } = scripted(token('A'), token('B'))
  const visit = convaiToken(mints)
  assert.deepEqual(await Promise.all([visit.authToken(), visit.authToken()]), ['t', 't'])
  wait(3200)
  await visit.authToken()
  assert.equal(sent.length, 1)
  wait(200)
  assert.equal(await visit.authToken(), 't')
  await visit.authToken()
  assert.deepEqual([paths(), sent[1].body], [['convai/tokens', 'convai/tokens/extend'], { apiAuthToken: 't' }])
})

test('a Convai token that cannot be extended, has expired or has no known end is minted anew', async () => {
  const token = (name, expires_in) => minted({ apiAuthToken: name }, name, expires_in)
  const { mints, paths, wait } = scripted(token('t1'), refused(409, 'not_extendable'), token('t2'), token('t3', null), token('t4'))
  const visit = convaiToken(mints)
  await visit.authToken()
  wait(3500)
  assert.equal(await visit.authToken(), 't2')
  wait(3601)
  assert.deepEqual([await visit.authToken(), await visit.authToken()], ['t3', 't4'])
  assert.deepEqual(paths().map((path) => path.slice('convai/'.length)), ['tokens', 'tokens/extend', 'tokens', 'tokens', 'tokens'])
})

test('a Convai token stays in use while the vendor is too busy to extend it', async () => {
  const busy = { status: 503, body: { code: 'vendor_busy', detail: 'Busy.', retryable: true, retry_after: 60 } }
  const { mints, wait } = scripted(minted({ apiAuthToken: 't' }), busy)
  const visit = convaiToken(mints)
  await visit.authToken()
  wait(3500)
  assert.equal(await visit.authToken(), 't')
})

test('the end of a visit revokes its token, and the next one is new', async () => {
  const token = (name) => minted({ apiAuthToken: name }, name)
  const { mints, sent } = scripted(token('t1'), { status: 204 }, token('t2'))
  const visit = convaiToken(mints)
  await visit.authToken()
  await visit.revoke()
  assert.deepEqual(sent[1], { path: 'convai/tokens/revoke', body: { apiAuthToken: 't1' } })
  assert.equal(await visit.authToken(), 't2')
})

test("after another user signs in, nobody extends the last user's token", async () => {
  const { mints, paths } = scripted(minted({ apiAuthToken: 't1' }), minted({ apiAuthToken: 't2' }, 'B'))
  const visit = convaiToken(mints)
  await visit.authToken()
  mints.clear()
  assert.equal(await visit.authToken(), 't2')
  assert.deepEqual(paths(), ['convai/tokens', 'convai/tokens'])
})
