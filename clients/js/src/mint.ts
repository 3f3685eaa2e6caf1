import { type Call, once, patiently, type World } from './call.js'
import type { Credential } from './credentials.js'
import { MintError } from './error.js'
import type { Keys } from './keys.js'
import { Minted } from './minted.js'
import type { Release } from './routes.js'

const SECONDS_PER_RELEASE = 5

/** Raises MintError. */
export async function mint(world: World, call: Call, unwanted: () => boolean): Promise<Minted> {
  const { status, body, since, jwt } = await patiently(world, call, unwanted)
  if (isCredential(body)) return new Minted(body, jwt, since, world.clock)
  throw new MintError(status, { code: 'malformed_answer', detail: 'the answer has no mint', retryable: false })
}

/** A mint that takes a slot: all tries for one session carry one key. Raises MintError. */
export async function mintOnce(world: World, call: Call, keys: Keys, unwanted: () => boolean): Promise<Minted> {
  const key = keys.take()
  try {
    return await mint(world, { ...call, key: key.value }, unwanted)
  } catch (error) {
    if ((error as MintError).retryable) keys.giveBack(key)
    throw error
  }
}

/** One request, not repeated. A credential that is unknown or cannot be revoked is no error. Raises MintError. */
export async function release(
  world: World,
  way: Release,
  credential: Credential,
  how: Pick<Call, 'jwt' | 'hurried'>,
): Promise<void> {
  try {
    await once(world, { ...sent(way, credential), ...how }, SECONDS_PER_RELEASE)
  } catch (error) {
    const { status, code } = error as MintError
    if (status !== 404 && code !== 'not_revocable') throw error
  }
}

/** The call about a credential that is there. */
export function sent({ path, field }: Release, credential: Credential): Call {
  return { path, body: { [field]: (credential as unknown as Record<string, unknown>)[field] } }
}

function isCredential(body: unknown): body is Credential {
  const { mint } = (body ?? {}) as Partial<Credential>
  return typeof mint === 'object' && mint !== null && typeof mint.id === 'string'
}
