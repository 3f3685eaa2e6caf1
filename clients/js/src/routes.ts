/** What tells the deployment that a credential is no longer needed: `POST path` with this field of the credential. */
export interface Release {
  path: string
  field: string
}

export interface Route {
  /** Whether one credential may serve several connections until shortly before it expires. */
  reuse: boolean
  /** Whether a mint takes a paid slot, and whether it accepts an Idempotency-Key. */
  slot?: 'keyed' | 'unkeyed'
  release?: Release
}

/** Convai and Spatius want a credential for each connection, although theirs are not declared as single use. */
export const ROUTES: Readonly<Record<string, Route>> = {
  'agora/tokens': { reuse: true },
  'convai/tokens': { reuse: false, release: { path: 'convai/tokens/revoke', field: 'apiAuthToken' } },
  'livekit/tokens': { reuse: true },
  'odyssey/client-credentials': {
    reuse: false,
    slot: 'keyed',
    release: { path: 'odyssey/client-credentials/release', field: 'session_id' },
  },
  'spatialgen/keys': { reuse: true },
  'spatius/session-tokens': { reuse: false },
  'trulience/tokens': { reuse: false },
}

/** Where a credential gets a new life, and the field of it that is sent. It stays the same credential. */
export const EXTENSIONS: Readonly<Record<string, Release>> = {
  'convai/tokens': { path: 'convai/tokens/extend', field: 'apiAuthToken' },
}

/** The safe assumption about a vendor that this package does not know. */
export const UNKNOWN: Route = { reuse: false }
