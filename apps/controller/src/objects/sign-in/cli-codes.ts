import { createHash, randomBytes } from 'node:crypto';
import { ApiError } from '../../errors.ts';

const lifeMs = 60_000;
/** Codes that are kept at once. The oldest is forgotten first. */
const atOnce = 10_000;

/** What a person allowed a command line. */
export interface AllowedCli {
  readonly tenant: string;
  readonly user: string;
  /** Session of the person who allowed it. */
  readonly session: string;
  /** Code challenge of PKCE, method S256 (RFC 7636). */
  readonly challenge: string;
  /** Port of the command line on 127.0.0.1. */
  readonly port: number;
  /** Name of its host, as it says. */
  readonly host: string;
}

/**
 * One-time codes with which command lines sign in. They are kept in memory, one for each person, so that a person cannot push
 * out the codes of others.
 */
export class CliCodes {
  readonly #now: () => number;
  readonly #open = new Map<string, { readonly allowed: AllowedCli; readonly endsAt: number }>();
  readonly #ofUser = new Map<string, string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Makes a code. An older one of the same person ends. */
  issue(allowed: AllowedCli): { readonly code: string; readonly expiresAt: number } {
    this.#forget(this.#ofUser.get(allowed.user));
    for (const [code, { endsAt }] of this.#open) {
      if (endsAt > this.#now() && this.#open.size < atOnce) break;
      this.#forget(code);
    }
    const code = randomBytes(32).toString('base64url');
    const expiresAt = this.#now() + lifeMs;
    this.#open.set(code, { allowed, endsAt: expiresAt });
    this.#ofUser.set(allowed.user, code);
    return { code, expiresAt };
  }

  /** Spends a code, also where verifier or port do not fit. Throws `sign_in_failed` unless everything fits. */
  spend(code: string, verifier: string, port: number): AllowedCli {
    const found = this.#open.get(code);
    this.#forget(code);
    if (found === undefined || found.endsAt <= this.#now())
      throw new ApiError('sign_in_failed', 'The code was used already, or is older than 60 seconds: begin again');
    const { allowed } = found;
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (challenge !== allowed.challenge || port !== allowed.port)
      throw new ApiError('sign_in_failed', 'The code was made for another command line: begin again');
    return allowed;
  }

  #forget(code: string | undefined): void {
    const found = code === undefined ? undefined : this.#open.get(code);
    if (code === undefined || found === undefined) return;
    this.#open.delete(code);
    if (this.#ofUser.get(found.allowed.user) === code) this.#ofUser.delete(found.allowed.user);
  }
}
