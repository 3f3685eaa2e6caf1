// Written by `make generate` from docs/openapi.json. Do not edit.

/** The traits of a credential, the same for every vendor. */
export interface Mint {
  id: string
  vendor: string
  issued_at: string
  expires_at: string | null
  expires_in: number | null
  single_use: boolean
  extendable: boolean
  revocable: boolean
  takes_slot: boolean
}

/** What every answer of a mint has. */
export interface Credential {
  mint: Mint
}

/** Each route that mints: what it takes, and the vendor's own fields that it gives. */
export interface Mints {
  'agora/tokens': {
    request: {
      channel: string
      role: 'publisher' | 'subscriber'
      uid?: number | null
      account?: string | null
      ttl_seconds?: number
      rtm?: boolean
    }
    credential: { appId: string; channel: string; uid: number | string; token: string }
  }
  'convai/tokens': {
    request: Record<string, never>
    credential: { apiAuthToken: string; expirationTime?: string | null }
  }
  'livekit/tokens': {
    request: {
      room_name?: string | null
      participant_identity?: string | null
      participant_name?: string | null
      participant_metadata?: string | null
      participant_attributes?: Record<string, string> | null
      room_config?: { agents?: Array<{ agent_name: string; metadata?: string }> } | null
    }
    credential: { server_url: string; participant_token: string; room_name: string }
  }
  'odyssey/client-credentials': {
    request: { region_latencies?: Record<string, number> | null }
    credential: {
      session_id: string
      signaling_url: string
      session_token: string
      expires_in: number
      capabilities?: { image_to_video: boolean } | null
    }
  }
  'spatialgen/keys': {
    request: Record<string, never>
    credential: { key: string; role: 'readonly'; expires_at: string }
  }
  'spatius/session-tokens': {
    request: { ttl_seconds?: number; region?: 'ap-northeast' | 'cn-beijing' | 'us-west' | null; avatarId?: string | null }
    credential: { sessionToken: string; appId: string; avatarId?: string | null; region: string }
  }
  'trulience/tokens': {
    request: { avatar_id: string; expire_at?: number }
    credential: { jwt: string; expires_in: number; avatar_id: string }
  }
}
