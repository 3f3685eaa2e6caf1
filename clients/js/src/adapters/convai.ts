import type { MintClient } from '../client.js'
import type { Credential, Mints } from '../credentials.js'
import { MintError } from '../error.js'

type Token = Mints['convai/tokens']['credential'] & Credential

const ROUTE = 'convai/tokens'

/** Seconds. A token with less life than this is extended before it opens a connection. */
const SOON = 300

/** The token of one visitor, for all connections of the visit. Make another one for the next visitor. */
export interface ConvaiToken {
  /** The `authToken` of a ConvaiClient: minted, extended when it nears its end, minted anew when that is refused. Raises MintError. */
  authToken(): Promise<string>
  /** At the end of the visit, after the client has disconnected. Raises MintError. */
  revoke(): Promise<void>
}

export function convaiToken(mints: MintClient): ConvaiToken {
  return new VisitorsToken(mints)
}

class VisitorsToken implements ConvaiToken {
  #held: Token | undefined
  #flight: Promise<Token> | undefined

  constructor(private readonly mints: MintClient) {}

  async authToken(): Promise<string> {
    this.#flight ??= this.#good().finally(() => (this.#flight = undefined))
    return (await this.#flight).apiAuthToken
  }

  async revoke(): Promise<void> {
    await this.#flight?.catch(() => {}) // its token is revoked too
    const held = this.#held
    this.#held = undefined
    if (held) await this.mints.release(ROUTE, held)
  }

  async #good(): Promise<Token> {
    const held = this.#held
    const left = held ? this.mints.left(held) : 0
    if (!held || left === 0) return (this.#held = await this.mints.get(ROUTE))
    return left > SOON ? held : (this.#held = await this.#extended(held))
  }

  /** A vendor that is only busy leaves the old token in use. */
  async #extended(held: Token): Promise<Token> {
    try {
      return await this.mints.extend(ROUTE, held)
    } catch (error) {
      if (!(error instanceof MintError) || error.status === 401 || error.code === 'sign_in_failed') throw error
      return error.retryable && this.mints.left(held) > 0 ? held : this.mints.get(ROUTE)
    }
  }
}
