import { type Clock, elapsed, type Instant, pause } from './clock.js'
import { MintError, refusal } from './error.js'
import type { SignIn } from './sign-in.js'

const ATTEMPTS = 3
const SECONDS_PER_ATTEMPT = 30
const SECONDS_PER_CALL = 60
const LONGEST_WAIT = 10

/** What every call needs. */
export interface World {
  baseUrl: string
  clock: Clock
  fetch: typeof fetch
  random: () => number
  signIn: SignIn
}

export interface Call {
  path: string
  body: unknown
  /** The Idempotency-Key. */
  key?: string
  /** A lost answer may have taken a slot, which a second try would take again. */
  unsafe?: boolean
  /** The page may be closing: the last JWT goes with it at once, and the request outlives the page. */
  hurried?: boolean
  /** A JWT that nothing replaces. */
  jwt?: string
}

/** An answer's status and JSON (null if it is none), when its request started, and the JWT that it was sent with. */
export interface Answer {
  status: number
  body: unknown
  since: Instant
  jwt: string
}

/** Tries up to three times. `unwanted`: whether nobody needs the answer any more. Raises MintError. */
export async function patiently(world: World, call: Call, unwanted: () => boolean): Promise<Answer> {
  const start = world.clock.now()
  const left = () => SECONDS_PER_CALL - elapsed(world.clock, start)
  for (let tried = 1; ; tried++) {
    try {
      return await once(world, call, Math.min(SECONDS_PER_ATTEMPT, left()))
    } catch (error) {
      const wait = waitAfter(error as MintError, tried, world.random)
      if (wait === null || wait >= left()) throw error
      await pause(world.clock, wait)
      if (unwanted()) throw error
    }
  }
}

/** Seconds until the next try, or null if the error is final. */
function waitAfter({ code, retryable, retryAfter }: MintError, tried: number, random: () => number): number | null {
  if (!retryable || code === 'sign_in_failed' || tried >= ATTEMPTS) return null
  if (retryAfter !== null) return retryAfter <= LONGEST_WAIT ? retryAfter : null
  return Math.min(8, 0.5 * 2 ** (tried - 1)) * (0.75 + 0.25 * random())
}

/** One try within `seconds`, the sign-in included. Raises MintError. */
export async function once(world: World, call: Call, seconds: number): Promise<Answer> {
  const abort = new AbortController()
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = world.clock.after(seconds * 1000, () => {
      reject(noAnswer(call, 'timeout', `no answer within ${Math.ceil(seconds)} s`))
      abort.abort()
    })
  })
  try {
    return await Promise.race([signedIn(world, call, abort.signal), late])
  } finally {
    cancel()
  }
}

/** Sends the request, and once more with a new JWT if the first one is refused. */
async function signedIn(world: World, call: Call, signal: AbortSignal): Promise<Answer> {
  const given = call.jwt ?? (call.hurried ? world.signIn.last() : world.signIn.jwt())
  const jwt = typeof given === 'string' ? given : await given // without a pause, if it is at hand
  try {
    return await exchange(world, call, jwt, signal)
  } catch (error) {
    if ((error as MintError).status !== 401 || call.jwt) throw error
    const replacement = await world.signIn.replaced(jwt)
    if (replacement === jwt || signal.aborted) throw error
    return exchange(world, call, replacement, signal)
  }
}

async function exchange(world: World, call: Call, jwt: string, signal: AbortSignal): Promise<Answer> {
  const since = world.clock.now()
  const { answer, text } = await send(world, call, jwt, signal)
  const body = parsed(text)
  if (!answer.ok) throw refusal(answer, body, !call.unsafe)
  return { body, since, jwt, status: answer.status }
}

/** The connection's own error is not passed on: its text may repeat the header, and with it the JWT. */
async function send({ baseUrl, fetch }: World, call: Call, jwt: string, signal: AbortSignal) {
  const headers: Record<string, string> = { Authorization: `Bearer ${jwt}`, 'Content-Type': 'application/json' }
  if (call.key) headers['Idempotency-Key'] = call.key
  const body = JSON.stringify(call.body)
  try {
    const request = { method: 'POST', headers, body, keepalive: call.hurried ?? false, signal }
    const answer = await fetch(`${baseUrl}/v1/${call.path}`, request)
    return { answer, text: await answer.text() }
  } catch {
    throw noAnswer(call, 'network_error', 'no answer')
  }
}

function noAnswer(call: Call, code: string, detail: string): MintError {
  return new MintError(0, { code, detail, retryable: !call.unsafe })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
