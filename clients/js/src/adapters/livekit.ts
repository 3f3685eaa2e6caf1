import type { MintClient } from '../client.js'
import type { Mints } from '../credentials.js'

/** What LiveKit's TokenSource asks for: its TokenSourceFetchOptions. */
export interface LiveKitOptions {
  roomName?: string
  participantName?: string
  participantIdentity?: string
  participantMetadata?: string
  participantAttributes?: Record<string, string>
  agentName?: string
  agentMetadata?: string
  deployment?: string
}

export interface LiveKitConnection {
  serverUrl: string
  participantToken: string
}

/**
 * For `TokenSource.custom`. LiveKit asks only when it wants a new token, because it keeps one until shortly before it
 * expires. So each question mints.
 */
export function liveKitTokens(mints: MintClient): (options: LiveKitOptions) => Promise<LiveKitConnection> {
  return async (options) => {
    const body = await mints.get('livekit/tokens', request(options), { forceRefresh: true })
    return { serverUrl: body.server_url, participantToken: body.participant_token }
  }
}

/** In the names of LiveKit's standard endpoint. JSON leaves out what nobody asked for, and the API refuses the rest. */
function request(options: LiveKitOptions): Mints['livekit/tokens']['request'] {
  const { agentName, agentMetadata, deployment } = options
  const agent = { agent_name: agentName, metadata: agentMetadata, deployment }
  const named = Object.values(agent).some((value) => value !== undefined)
  return {
    room_name: options.roomName,
    participant_name: options.participantName,
    participant_identity: options.participantIdentity,
    participant_metadata: options.participantMetadata,
    participant_attributes: options.participantAttributes,
    room_config: named ? { agents: [agent] } : undefined,
  } as Mints['livekit/tokens']['request']
}
