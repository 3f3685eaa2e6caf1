interface Waiter<T> {
  resolve(value: T): void
  reject(error: unknown): void
  forced: boolean
}

/** Callers that wait for one result. Each can leave at any time without ending the work. */
export class Waiters<T> {
  readonly #waiting = new Set<Waiter<T>>()

  get none(): boolean {
    return this.#waiting.size === 0
  }

  /** `left`: called if the caller stops waiting. */
  join(signal: AbortSignal | undefined, forced = false, left = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        if (!this.#waiting.delete(waiter)) return
        reject(cancelled(signal))
        left()
      }
      const waiter = { resolve, reject, forced }
      this.#waiting.add(waiter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  resolve(value: T): void {
    for (const waiter of this.#taken()) waiter.resolve(value)
  }

  /** `instead`: what callers get that did not insist on a new result. */
  reject(error: unknown, instead?: T): void {
    for (const waiter of this.#taken()) {
      if (instead === undefined || waiter.forced) waiter.reject(error)
      else waiter.resolve(instead)
    }
  }

  #taken(): Waiter<T>[] {
    const taken = [...this.#waiting]
    this.#waiting.clear()
    return taken
  }
}

/** What a caller gets who stopped waiting. React Native's AbortSignal has no reason. */
export function cancelled(signal: AbortSignal | undefined): unknown {
  return signal?.reason ?? Object.assign(new Error('The call was cancelled'), { name: 'AbortError' })
}
