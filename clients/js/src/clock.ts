/** One moment by both clocks, in milliseconds. The wall clock may be wrong, and the monotonic one may stop during sleep. */
export interface Instant {
  wall: number
  monotonic: number
}

export interface Clock {
  now(): Instant
  /** Calls `run` once, after `ms` milliseconds. Returns what cancels it. */
  after(ms: number, run: () => void): () => void
}

export const deviceClock: Clock = {
  now: () => ({ wall: Date.now(), monotonic: performance.now() }),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

/** Seconds. The larger difference counts, so that neither sleep nor a clock that was put back prolongs a credential. */
export function elapsed(clock: Clock, since: Instant): number {
  const now = clock.now()
  return Math.max(now.wall - since.wall, now.monotonic - since.monotonic) / 1000
}

export function pause(clock: Clock, seconds: number): Promise<void> {
  return new Promise((resume) => clock.after(seconds * 1000, resume))
}
