import type { Credential, Mints } from '../credentials.js'
import type { MintClient } from '../client.js'

export type SpatiusToken = Mints['spatius/session-tokens']['credential'] & Credential

/** The part of AvatarKit's `AvatarSDK` that takes credentials. */
export interface SpatiusSdk {
  initialize(appId: string, configuration: { region: string }): unknown
  setSessionToken(token: string): void
}

/**
 * A function to call before each `start()` of a controller: it gives `AvatarSDK` a new Session Token, because each is
 * for one connection. The first call also initializes the SDK, with `configuration` and the token's App ID and region.
 */
export function spatiusTokens(
  mints: MintClient,
  sdk: SpatiusSdk,
  wanted: Mints['spatius/session-tokens']['request'] = {},
  configuration: object = {},
): () => Promise<SpatiusToken> {
  let initialized: Promise<unknown> | undefined
  const initialize = async ({ appId, region }: SpatiusToken) => sdk.initialize(appId, { ...configuration, region })
  return async () => {
    const token = await mints.get('spatius/session-tokens', wanted)
    await (initialized ??= initialize(token).catch((error) => {
      initialized = undefined
      throw error
    }))
    sdk.setSessionToken(token.sessionToken)
    return token
  }
}
