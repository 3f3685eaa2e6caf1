import { type Clock, elapsed, type Instant } from './clock.js'

/** Seconds. The deployment recognizes a key for this long after its session began. */
const LIFETIME = 600

export interface Key {
  value: string
  since: Instant
}

/** The Idempotency-Keys of calls that may have taken a slot without an answer. The next call uses them again. */
export class Keys {
  #pending: Key[] = []

  constructor(private readonly clock: Clock) {}

  take(): Key {
    this.#pending = this.#pending.filter(({ since }) => elapsed(this.clock, since) < LIFETIME)
    return this.#pending.shift() ?? { value: uuid4(), since: this.clock.now() }
  }

  giveBack(key: Key): void {
    this.#pending.push(key)
  }
}

/** A key only has to be new for its caller. React Native has no `crypto.randomUUID`, and so it is not used anywhere. */
function uuid4(): string {
  return 'xxxxxxxx-xxxx-4xxx-Nxxx-xxxxxxxxxxxx'.replace(/[xN]/g, (place) =>
    (place === 'x' ? Math.floor(Math.random() * 16) : 8 + Math.floor(Math.random() * 4)).toString(16),
  )
}
