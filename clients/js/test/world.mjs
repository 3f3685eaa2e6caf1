// The two edges of a client, made of a behaviour's script: a clock that moves only when told, and a deployment.
import assert from 'node:assert/strict'
import { createMintClient } from '../dist/index.js'

const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Lets everything run that waits for no timer. */
const settle = () => new Promise((done) => setImmediate(done))

class Clock {
  monotonic = 0
  timers = new Set()

  constructor(wall) {
    this.wall = wall
  }

  now = () => ({ wall: this.wall * 1000, monotonic: this.monotonic * 1000 })

  after = (ms, run) => {
    const timer = { at: this.monotonic + ms / 1000, run }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }

  async advance(seconds) {
    const end = this.monotonic + seconds
    for (;;) {
      const [next] = [...this.timers].sort((a, b) => a.at - b.at)
      if (!next || next.at > end) break
      this.#move(next.at)
      this.timers.delete(next)
      next.run()
      await settle()
    }
    this.#move(end)
  }

  #move(to) {
    this.wall += to - this.monotonic
    this.monotonic = to
  }
}

class Deployment {
  sent = []
  keys = []

  constructor(answers, clock) {
    this.answers = [...answers]
    this.clock = clock
  }

  fetch = (url, { method, headers, body, signal }) => {
    const key = headers['Idempotency-Key'] ?? null
    if (key !== null) assert.match(key, UUID4)
    if (key !== null && !this.keys.includes(key)) this.keys.push(key)
    const name = key && `k${this.keys.indexOf(key) + 1}`
    const jwt = headers.Authorization.replace(/^Bearer /, '')
    this.sent.push({ method, path: url.replace('https://mint.test', ''), jwt, key: name, body: JSON.parse(body) })
    const answer = this.answers.shift() ?? { lost: 'the script has no answer for this request' }
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason))
      if (answer.never) return
      const arrive = () => (answer.lost ? reject(new TypeError(answer.lost)) : resolve(response(answer)))
      answer.after ? this.clock.after(answer.after * 1000, arrive) : arrive()
    })
  }
}

function response({ mint, status = 201, problem, text, headers, expires_in = 3600, single_use = false, takes_slot = false }) {
  if (!mint) return new Response(text ?? (problem ? JSON.stringify(problem) : null), { status, headers })
  const times = { issued_at: '2026-11-21T22:00:00Z', expires_at: '2026-11-21T23:00:00Z', expires_in }
  const traits = { id: mint, vendor: 'v', ...times, single_use, extendable: false, revocable: false, takes_slot }
  return Response.json({ apiAuthToken: `secret-${mint}`, session_id: `secret-${mint}`, mint: traits }, { status: 201 })
}

/** Follows one behaviour of behaviours.json. */
export class Scenario {
  results = {}
  credentials = {}
  cancels = {}
  asked = { jwts: 0, refreshes: 0 }

  constructor({ answers, wall = 4102444800, random = 1, routes = {}, jwts = ['secret-jwt-1', 'secret-jwt-2'], refreshTakes = 0 }) {
    this.clock = new Clock(wall)
    this.deployment = new Deployment(answers, this.clock)
    this.jwts = jwts
    this.refreshTakes = refreshTakes
    const { now, after } = this.clock
    const { fetch } = this.deployment
    const getJwt = (force) => this.#jwt(force)
    this.client = createMintClient({ baseUrl: 'https://mint.test/', getJwt, routes, fetch, now, after, random: () => random })
  }

  async follow(steps) {
    for (const [place, step] of steps.entries()) {
      const [name] = Object.keys(step)
      await this[name](step[name], step, place)
      await settle()
    }
  }

  get(route, { as, body, force = false }) {
    const controller = new AbortController()
    this.cancels[as] = controller
    const options = { signal: controller.signal, ...(force && { forceRefresh: true }) }
    this.#watch(as, this.client.get(route, body, options).then((got) => ((this.credentials[as] = got), got.mint.id)))
  }

  advance(seconds) {
    return this.clock.advance(seconds)
  }

  shiftWall(seconds) {
    this.clock.wall += seconds
  }

  cancel(name) {
    this.cancels[name].abort()
  }

  prefetch(route) {
    this.client.prefetch(route)
  }

  invalidate(credential) {
    this.client.invalidate(this.credentials[credential])
  }

  release(route, { credential, as }) {
    this.#watch(as, this.client.release(route, this.credentials[credential]).then(() => 'done'))
  }

  clear() {
    this.client.clear()
  }

  close() {
    this.client.close()
  }

  signIn(jwt) {
    this.jwts = [jwt]
  }

  expect({ results = {}, sent, last, ...asked }, _, place) {
    const at = `step ${place}`
    for (const [name, wanted] of Object.entries(results)) assert.deepEqual(part(this.results[name], wanted), wanted, `${at}: ${name}`)
    if (sent !== undefined) assert.equal(this.deployment.sent.length, sent, `${at}: requests sent`)
    if (last) assert.deepEqual(part(this.deployment.sent.at(-1), last), last, `${at}: the last request`)
    assert.deepEqual(part(this.asked, asked), asked, at)
  }

  async #jwt(force) {
    this.asked.jwts++
    if (force) {
      this.asked.refreshes++
      if (this.refreshTakes) await new Promise((done) => this.clock.after(this.refreshTakes * 1000, done))
      if (this.jwts.length > 1) this.jwts = this.jwts.slice(1)
    }
    if (this.jwts[0] === null) throw new Error('nobody has signed in')
    return this.jwts[0]
  }

  #watch(name, promise) {
    this.results[name] = null
    promise.then(
      (value) => (this.results[name] = value),
      (error) => (this.results[name] = error.name === 'AbortError' ? 'cancelled' : shown(error)),
    )
  }
}

/** A failure's facts, after a look for secrets in every text that it could leave in a log. */
function shown(error) {
  const { status, code, retryable, retryAfter, fault } = error
  const texts = [String(error), error.stack, error.message, JSON.stringify(error)].join()
  assert.doesNotMatch(texts, /secret/)
  return { status, code, retryable, retryAfter, fault }
}

/** Those members of `value` that `wanted` names. */
function part(value, wanted) {
  if (!value || !wanted || typeof value !== 'object' || typeof wanted !== 'object') return value
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, value[name]]))
}
