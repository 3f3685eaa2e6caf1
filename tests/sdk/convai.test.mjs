// npm @convai/web-sdk. This version has no `authToken`, though the vendor's pages name it: a token goes in the key's place.
import assert from 'node:assert/strict'
import { register } from 'node:module'
import { mock, test } from 'node:test'
import { calls, gateway, headers, mint, twin } from './bundle.mjs'

register('./bundler-paths.mjs', import.meta.url)
globalThis.window = globalThis // livekit-client asks the browser for its features while it is imported
const { ConvaiClient } = await import('@convai/web-sdk/core')

const client = (apiKey, characterId = 'local-character') => new ConvaiClient({ url: twin, apiKey, characterId })

test("ConvaiClient reaches the vendor's /connect with our token and joins the room it is given", async () => {
  const { apiAuthToken } = await mint('/v1/convai/tokens')
  const admitted = client(apiAuthToken)
  const join = mock.method(admitted.room, 'connect', async () => {}) // LiveKit's part: nobody joins
  await admitted.connect()
  const call = (await calls()).at(-1)
  assert.deepEqual([call.path, call.status, call.headers['x-api-key']], ['/connect', 200, apiAuthToken])
  const [url, token] = join.mock.calls[0].arguments
  assert.deepEqual([new URL(url).protocol, token.split('.').length], ['wss:', 3])
})

test('ConvaiClient is refused with a token that was revoked or made up', async () => {
  const { apiAuthToken } = await mint('/v1/convai/tokens')
  const body = JSON.stringify({ apiAuthToken })
  assert.equal((await fetch(`${gateway}/v1/convai/tokens/revoke`, { method: 'POST', headers, body })).status, 204)
  await assert.rejects(client(apiAuthToken).connect(), /Invalid API key/)
  await assert.rejects(client('made-up').connect(), /Invalid API key/)
})

test('ConvaiClient is told that there is no such character', async () => {
  const { apiAuthToken } = await mint('/v1/convai/tokens')
  await assert.rejects(client(apiAuthToken, 'nobody').connect(), /Character not found/)
})
