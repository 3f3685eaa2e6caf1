import type { World } from './call.js'
import { type Clock, deviceClock } from './clock.js'
import type { Credential, Mints } from './credentials.js'
import { MintError } from './error.js'
import { Keys } from './keys.js'
import type { Minted } from './minted.js'
import { mint, mintOnce, release, sent } from './mint.js'
import { PerConnection } from './per-connection.js'
import { Reusable } from './reusable.js'
import { EXTENSIONS, type Route, ROUTES, UNKNOWN } from './routes.js'
import { type GetJwt, SignIn } from './sign-in.js'
import { cancelled } from './waiters.js'

export interface MintClientOptions {
  /** The stack's output ApiUrl. */
  baseUrl: string
  /** The signed-in user's current JWT. With `true`: a new one. It must not call this client. */
  getJwt: GetJwt
  /** What this package does not know: the vendors that you have added. */
  routes?: Record<string, Route>
  fetch?: typeof fetch
  now?: Clock['now']
  after?: Clock['after']
  /** 0 to 1, for the pauses between tries. */
  random?: () => number
}

export interface GetOptions {
  /** Ends this caller's wait. The mint itself goes on. */
  signal?: AbortSignal
  /** Mints anew, even if a credential is at hand. */
  forceRefresh?: boolean
}

type Extendable = 'convai/tokens'
type Body<R> = R extends keyof Mints ? Mints[R]['request'] : object
type Answer<R> = (R extends keyof Mints ? Mints[R]['credential'] : Record<string, unknown>) & Credential
type Known = keyof Mints | (string & {})

export interface MintClient {
  /** A credential that is good for a connection now. `route`: without `/v1/`. Raises MintError. */
  get<R extends Known>(route: R, body?: Body<R>, options?: GetOptions): Promise<Answer<R>>
  /** Mints in advance, if that takes no slot. It reports no failure, because `get` tries again. */
  prefetch<R extends Known>(route: R, body?: Body<R>): void
  /** Seconds until a credential of this client expires, by the device's own clocks; 0 if that is unknown or it was forgotten. */
  left(credential: Credential): number
  /** The same credential with a new life. Raises MintError: `not_extendable` if the vendor refuses. */
  extend<R extends Extendable>(route: R, credential: Answer<R>): Promise<Answer<R>>
  /** Forgets a credential that the vendor rejected. */
  invalidate(credential: Credential): void
  /** Says that a connection is over: frees its slot or revokes its token, where the vendor allows it. Raises MintError. */
  release(route: Known, credential: Credential): Promise<void>
  /** Forgets everything: for the moment when another user signs in. Calls that wait get `cleared`. */
  clear(): void
  /** As `clear`, and refuses all later calls with `closed`. */
  close(): void
}

export function createMintClient(options: MintClientOptions): MintClient {
  return new Client(options)
}

class Client implements MintClient {
  readonly #world: World
  readonly #routes: Readonly<Record<string, Route>>
  readonly #sources = new Map<string, Reusable | PerConnection>()
  #lives = new WeakMap<Credential, Minted>()
  #closed = false

  constructor(options: MintClientOptions) {
    const { now = deviceClock.now, after = deviceClock.after, random = Math.random } = options
    this.#routes = { ...ROUTES, ...options.routes }
    this.#world = {
      baseUrl: options.baseUrl.replace(/\/+$/, ''),
      clock: { now, after },
      fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
      random,
      signIn: new SignIn(options.getJwt),
    }
  }

  async get<R extends Known>(route: R, body?: Body<R>, options: GetOptions = {}): Promise<Answer<R>> {
    if (this.#closed) throw ended('closed')
    if (options.signal?.aborted) throw cancelled(options.signal)
    const credential = await this.#source(route, body ?? {}).get(options.signal, options.forceRefresh)
    return credential as Answer<R>
  }

  prefetch<R extends Known>(route: R, body?: Body<R>): void {
    if (!this.#closed) this.#source(route, body ?? {}).prefetch()
  }

  left(credential: Credential): number {
    return Math.max(0, this.#lives.get(credential)?.left ?? 0)
  }

  async extend<R extends Extendable>(route: R, credential: Answer<R>): Promise<Answer<R>> {
    if (this.#closed) throw ended('closed')
    const call = sent(EXTENSIONS[route]!, credential)
    const lives = this.#lives
    const minted = await this.#timed((unwanted) => mint(this.#world, call, unwanted))(() => lives !== this.#lives)
    if (lives !== this.#lives) throw ended(this.#closed ? 'closed' : 'cleared')
    return minted.credential as Answer<R>
  }

  invalidate(credential: Credential): void {
    this.#lives.delete(credential)
    for (const source of this.#sources.values()) source.drop(credential.mint.id)
  }

  async release(route: Known, credential: Credential): Promise<void> {
    this.invalidate(credential)
    const way = this.#routes[route]?.release
    if (way) await release(this.#world, way, credential, { hurried: true })
  }

  clear(): void {
    this.#end(ended('cleared'))
  }

  close(): void {
    this.#closed = true
    this.#end(ended('closed'))
  }

  #end(error: MintError): void {
    this.#world.signIn.forget()
    this.#lives = new WeakMap()
    const sources = [...this.#sources.values()]
    this.#sources.clear()
    for (const source of sources) source.end(error)
  }

  /** Each request, told by its route and its body, has credentials of its own. */
  #source(route: string, body: object): Reusable | PerConnection {
    const name = `${route} ${canonical(body)}`
    const known = this.#sources.get(name)
    if (known) return known
    const source = this.#newSource(route, body)
    this.#sources.set(name, source)
    return source
  }

  #newSource(route: string, body: object): Reusable | PerConnection {
    const world = this.#world
    const { reuse, slot, release: way } = this.#routes[route] ?? UNKNOWN
    const call = { path: route, body, unsafe: slot === 'unkeyed' }
    const plain = this.#timed((unwanted) => mint(world, call, unwanted))
    if (reuse) return new Reusable(world.clock, plain)
    if (!slot) return new PerConnection(plain)
    const keys = new Keys(world.clock)
    const keyed = this.#timed((unwanted) => mintOnce(world, call, keys, unwanted))
    const free = ({ credential, jwt }: Minted) => way && void release(world, way, credential, { jwt }).catch(() => {})
    return new PerConnection(slot === 'keyed' ? keyed : plain, free)
  }

  /** Keeps what is known about a credential's life, until the client forgets it. */
  #timed(act: (unwanted: () => boolean) => Promise<Minted>): (unwanted: () => boolean) => Promise<Minted> {
    return async (unwanted) => {
      const lives = this.#lives
      const minted = await act(unwanted)
      lives.set(minted.credential, minted)
      return minted
    }
  }
}

function ended(code: 'cleared' | 'closed'): MintError {
  return new MintError(0, { code, detail: `the client was ${code}`, retryable: false })
}

/** The same text for equal JSON values, whatever the order of their members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    member && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
