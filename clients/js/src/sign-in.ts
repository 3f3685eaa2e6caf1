import { MintError } from './error.js'

export type GetJwt = (forceRefresh: boolean) => Promise<string> | string

/** The caller's JWT, and the one refresh that all requests share after it was refused. */
export class SignIn {
  #refused: string | undefined
  #replacement: Promise<string> | undefined
  #last: string | undefined

  constructor(private readonly getJwt: GetJwt) {}

  /** Raises MintError `sign_in_failed`. */
  async jwt(): Promise<string> {
    const jwt = await this.#ask(false)
    return jwt === this.#refused && this.#replacement ? this.#replacement : jwt
  }

  /** The JWT of the last request, at once if there is one: a page that closes cannot wait. */
  last(): string | Promise<string> {
    return this.#last ?? this.jwt()
  }

  /** The JWT that replaces `refused`; the same one if the app has no other. */
  replaced(refused: string): Promise<string> {
    if (this.#refused !== refused || !this.#replacement) {
      const replacement = this.#ask(true)
      this.#refused = refused
      this.#replacement = replacement
      const forget = () => {
        if (this.#replacement === replacement) this.#replacement = undefined
      }
      replacement.then((jwt) => jwt === refused && forget(), forget)
    }
    return this.#replacement
  }

  forget(): void {
    this.#refused = this.#replacement = this.#last = undefined
  }

  async #ask(force: boolean): Promise<string> {
    try {
      return (this.#last = await this.getJwt(force))
    } catch (cause) {
      throw new MintError(0, { code: 'sign_in_failed', detail: 'getJwt failed', retryable: true, cause })
    }
  }
}
