// npm agora-token: the vendor's own reading, checking and building of tokens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { AccessToken2, ServiceRtc, ServiceRtm } from 'agora-token/src/AccessToken2.js'
import { mint, secret } from './bundle.mjs'

const SECONDS = 900
const ALL = { 1: SECONDS, 2: SECONDS, 3: SECONDS, 4: SECONDS } // join, publish audio, video and data
const LOGIN = { 1: SECONDS }
const answer = await mint('/v1/agora/tokens', { channel: 'lobby', role: 'publisher', rtm: true, ttl_seconds: SECONDS })
const read = new AccessToken2('', '', 0, 0)
const parsed = read.from_string(answer.token)

test('the package reads the App ID, the moment of minting and the lifetime', () => {
  assert.ok(parsed)
  assert.equal(String(read.appId), answer.appId)
  assert.equal((read.issueTs + read.expire) * 1000, Date.parse(answer.mint.expires_at))
  assert.equal(read.expire, SECONDS)
})

test('the package reads RTC for the channel and the uid of the answer, and RTM for the same user', () => {
  const [rtc, rtm] = read.services
  assert.deepEqual(read.services.map((service) => service.service_type()), [1, 2])
  assert.deepEqual([rtc.__channel_name, rtc.__uid].map(String), ['lobby', `${answer.uid}`])
  assert.equal(String(rtm.__user_id), `${answer.uid}`)
  assert.deepEqual([rtc, rtm].map((service) => ({ ...service.__privileges })), [ALL, LOGIN])
})

test('the signature is good for our certificate and for no other', () => {
  assert.equal(read.verifySignature(secret.app_certificate), true)
  assert.equal(read.verifySignature('0'.repeat(32)), false)
})

test('the package builds the same token from the same facts', () => {
  const built = new AccessToken2(secret.app_id, secret.app_certificate, read.issueTs, SECONDS)
  built.salt = read.salt
  built.add_service(granted(new ServiceRtc('lobby', answer.uid), ALL))
  built.add_service(granted(new ServiceRtm(`${answer.uid}`), LOGIN))
  assert.deepEqual(content(answer.token), content(built.build()))
})

function granted(service, privileges) {
  Object.entries(privileges).forEach(([privilege, seconds]) => service.add_privilege(privilege, seconds))
  return service
}

/** The bytes behind `007`, inflated: two builds of zlib may pack them differently. */
function content(token) {
  assert.equal(token.slice(0, 3), '007')
  return inflateSync(Buffer.from(token.slice(3), 'base64'))
}
