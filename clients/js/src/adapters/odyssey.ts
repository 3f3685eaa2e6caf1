import type { GetOptions, MintClient } from '../client.js'
import type { Mints } from '../credentials.js'

/** What `connectWithCredentials` takes: Odyssey's ClientCredentials. */
export interface OdysseyCredentials {
  sessionId: string
  signalingUrl: string
  sessionToken: string
  expiresIn: number
  capabilities?: { image_to_video: boolean }
}

export interface OdysseySession {
  credentials: OdysseyCredentials
  /** Disconnects, and then frees the slot. Never fails, and does it once: a lost release ends by itself. */
  leave(): Promise<void>
}

const ROUTE = 'odyssey/client-credentials'

/**
 * A session for `client`, an `Odyssey` of your own. Call `leave` when the user leaves, in `onDisconnected`, and when
 * `connectWithCredentials` fails. A page that closes leaves by itself.
 */
export async function odysseySession(
  mints: MintClient,
  client: { disconnect(): void },
  wanted: Mints[typeof ROUTE]['request'] = {},
  options?: GetOptions,
): Promise<OdysseySession> {
  const session = await mints.get(ROUTE, wanted, options)
  const leave = once(() => {
    globalThis.removeEventListener?.('pagehide', leave) // React Native has no pages
    client.disconnect() // first: it frees the vendor's own slot
    return mints.release(ROUTE, session).catch(() => {})
  })
  globalThis.addEventListener?.('pagehide', leave)
  const { session_id: sessionId, signaling_url: signalingUrl, session_token: sessionToken } = session
  const { expires_in: expiresIn, capabilities } = session
  return { credentials: { sessionId, signalingUrl, sessionToken, expiresIn, ...(capabilities && { capabilities }) }, leave }
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= act())
}
