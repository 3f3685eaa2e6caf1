import type { Credential } from './credentials.js'
import type { MintError } from './error.js'
import type { Minted } from './minted.js'
import { Waiters } from './waiters.js'

class Flight {
  readonly waiters = new Waiters<Credential>()
  landed: Minted | undefined
}

/** Credentials that are handed out once. At most one is kept for a caller who has not come yet. */
export class PerConnection {
  #unclaimed: Flight | undefined
  readonly #flights = new Set<Flight>()

  /** `free`: gives back the slot of a credential that nobody wants. None may then wait for a caller. */
  constructor(
    private readonly mint: (unwanted: () => boolean) => Promise<Minted>,
    private readonly free?: (minted: Minted) => void,
  ) {}

  async get(signal?: AbortSignal, forced = false): Promise<Credential> {
    const waiting = this.#unclaimed
    this.#unclaimed = undefined
    if (waiting?.landed?.usable && !forced) return waiting.landed.credential
    const flight = waiting && !waiting.landed && !forced ? waiting : this.#start()
    return flight.waiters.join(signal, forced, () => (this.#unclaimed ??= flight))
  }

  prefetch(): void {
    const waiting = this.#unclaimed
    if (!this.free && (!waiting || (waiting.landed && !waiting.landed.usable))) this.#unclaimed = this.#start()
  }

  drop(mint: string): void {
    if (this.#unclaimed?.landed?.credential.mint.id === mint) this.#unclaimed = undefined
  }

  end(error: MintError): void {
    this.#unclaimed = undefined
    const flights = [...this.#flights]
    this.#flights.clear()
    for (const flight of flights) flight.waiters.reject(error)
  }

  #start(): Flight {
    const flight = new Flight()
    this.#flights.add(flight)
    this.mint(() => !this.#flights.has(flight)).then(
      (minted) => this.#landed(flight, minted),
      (error) => this.#failed(flight, error),
    )
    return flight
  }

  #landed(flight: Flight, minted: Minted): void {
    this.#flights.delete(flight)
    if (!flight.waiters.none) return flight.waiters.resolve(minted.credential)
    if (minted.worthKeeping && !this.free) flight.landed = minted
    else if (this.#unclaimed === flight) this.#unclaimed = undefined
    this.free?.(minted)
  }

  #failed(flight: Flight, error: MintError): void {
    this.#flights.delete(flight)
    if (this.#unclaimed === flight) this.#unclaimed = undefined
    flight.waiters.reject(error)
  }
}
