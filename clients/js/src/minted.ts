import { type Clock, elapsed, type Instant } from './clock.js'
import type { Credential } from './credentials.js'

/** A life this short, in seconds, is not worth keeping. */
const TINY = 10

/** A credential, the JWT that asked for it, and its life: from the start of its request, by the server's `expires_in`. */
export class Minted {
  readonly #seconds: number
  readonly #hard: number
  readonly #soft: number

  constructor(
    readonly credential: Credential,
    readonly jwt: string,
    private readonly since: Instant,
    private readonly clock: Clock,
  ) {
    this.#seconds = credential.mint.expires_in ?? 0
    this.#hard = Math.min(60, this.#seconds / 4)
    this.#soft = this.#hard + Math.min(240, this.#seconds / 4)
  }

  get worthKeeping(): boolean {
    return this.#seconds > TINY
  }

  /** Seconds. */
  get left(): number {
    return this.#seconds - elapsed(this.clock, this.since)
  }

  /** Before the hard margin: good enough to hand out without a request. */
  get usable(): boolean {
    return this.left > this.#hard
  }

  /** Before the soft margin: too early for the next one. */
  get fresh(): boolean {
    return this.left > this.#soft
  }

  /** Seconds until the next try to replace it, after one failed. */
  get patience(): number {
    return Math.min(30, this.#seconds / 10)
  }
}
