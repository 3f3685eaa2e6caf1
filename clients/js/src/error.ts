export type Fault = 'caller' | 'operator' | 'vendor'

export interface FieldError {
  field: string
  message: string
}

const RETRYABLE = (status: number) => status === 0 || status === 408 || status === 429 || status >= 500

interface Told {
  code?: string
  detail?: string
  retryable?: boolean
  retryAfter?: number | null
  fault?: Fault | null
  errors?: FieldError[]
  cause?: unknown
}

/** Why there is no credential. It holds no JWT, no credential and no text of the connection, so it may be logged. */
export class MintError extends Error {
  override readonly name = 'MintError'
  /** The HTTP status, or 0 if no answer came. */
  readonly status: number
  /**
   * A code of docs/errors.md. If API Gateway refused: `http_401`, `http_429` and so on. From the client itself:
   * `network_error`, `timeout`, `malformed_answer`, `sign_in_failed`, `cleared` or `closed`.
   */
  readonly code: string
  /** Whether the same call may succeed later. The client has then tried three times already, unless `retryAfter` is long. */
  readonly retryable: boolean
  /** Seconds to wait first, if known. */
  readonly retryAfter: number | null
  /** Who must act, if known. */
  readonly fault: Fault | null
  /** Of `invalid_request` and `not_allowed`: the wrong fields. */
  readonly errors: FieldError[]

  constructor(status: number, told: Told = {}) {
    const code = told.code ?? `http_${status}`
    super(told.detail ? `${code}: ${told.detail}` : code, 'cause' in told ? { cause: told.cause } : undefined)
    this.status = status
    this.code = code
    this.retryable = told.retryable ?? RETRYABLE(status)
    this.retryAfter = told.retryAfter ?? null
    this.fault = told.fault ?? null
    this.errors = told.errors ?? []
  }
}

/** The error of an answer that is not a success. `body`: its JSON, if it has any. `safe`: whether to retry by the status. */
export function refusal({ status, headers }: Response, body: unknown, safe: boolean): MintError {
  const { retry_after, ...told } = (body ?? {}) as Told & { retry_after?: number }
  const header = headers.get('Retry-After')
  const retryAfter = retry_after ?? (header === null ? null : Number(header))
  return new MintError(status, { retryable: safe && RETRYABLE(status), ...told, retryAfter })
}
