import { type Clock, elapsed, type Instant } from './clock.js'
import type { Credential } from './credentials.js'
import { MintError } from './error.js'
import type { Minted } from './minted.js'
import { Waiters } from './waiters.js'

/** Less than this, in seconds, is too little to connect with. */
const LAST_MOMENTS = 5

/** One credential that many connections share, and the one request that renews it. */
export class Reusable {
  #held: Minted | undefined
  #flight: { forced: boolean } | undefined
  #failed: Instant | undefined
  readonly #waiters = new Waiters<Credential>()

  constructor(
    private readonly clock: Clock,
    private readonly mint: (unwanted: () => boolean) => Promise<Minted>,
  ) {}

  async get(signal?: AbortSignal, forced = false): Promise<Credential> {
    const held = this.#held
    if (!held?.usable || forced) return this.#next(signal, forced)
    if (!held.fresh && !this.#flight && !this.#coolingDown(held)) this.#start(false)
    return held.credential
  }

  prefetch(): void {
    this.get().catch(() => {})
  }

  /** Forgets the credential of this mint, unless a newer one has replaced it. */
  drop(mint: string): void {
    if (this.#held?.credential.mint.id === mint) this.#held = undefined
  }

  /** Refuses those who wait. What is on its way is discarded. */
  end(error: MintError): void {
    this.#held = this.#flight = undefined
    this.#waiters.reject(error)
  }

  #next(signal: AbortSignal | undefined, forced: boolean): Promise<Credential> {
    const next = this.#waiters.join(signal, forced)
    if (!this.#flight || (forced && !this.#flight.forced)) this.#start(forced)
    return next
  }

  /** A second flight replaces the first: its waiters wait on, and its result is discarded. */
  async #start(forced: boolean): Promise<void> {
    const flight = (this.#flight = { forced })
    const replaced = () => this.#flight !== flight
    try {
      const minted = await this.mint(replaced)
      if (!replaced()) this.#arrived(minted)
    } catch (error) {
      if (!replaced()) this.#refused(error as MintError)
    }
  }

  #arrived(minted: Minted): void {
    const { mint } = minted.credential
    this.#flight = undefined
    this.#held = minted.worthKeeping && !mint.single_use && !mint.takes_slot ? minted : undefined
    this.#waiters.resolve(minted.credential)
  }

  #refused(error: MintError): void {
    this.#flight = undefined
    this.#failed = this.clock.now()
    if (error.status === 401 || error.status === 403) this.#held = undefined
    const old = error.retryable && this.#held && this.#held.left > LAST_MOMENTS ? this.#held.credential : undefined
    this.#waiters.reject(error, old)
  }

  #coolingDown(held: Minted): boolean {
    return this.#failed !== undefined && elapsed(this.clock, this.#failed) < held.patience
  }
}
