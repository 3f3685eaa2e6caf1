import type { GetOptions, MintClient } from '../client.js'
import type { Mints } from '../credentials.js'

export interface TrulienceProps {
  token: string
  avatarId: string
}

/** The properties of one `<TrulienceAvatar>`. Mint when the user has pressed start: the token's life has then begun. */
export async function trulienceProps(
  mints: MintClient,
  wanted: Mints['trulience/tokens']['request'],
  options?: GetOptions,
): Promise<TrulienceProps> {
  const { jwt, avatar_id } = await mints.get('trulience/tokens', wanted, options)
  return { token: jwt, avatarId: avatar_id }
}
