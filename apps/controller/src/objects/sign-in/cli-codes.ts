import { createHash, randomBytes } from 'node:crypto';
import { scoped, unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';

const lifeMs = 60_000;

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
 * One-time codes with which command lines sign in. They are in the database as hashes, one for each person, so that a
 * person cannot push out the codes of others, and a code of one replica is good at every other one.
 */
export class CliCodes {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Makes a code. An older one of the same person ends. */
  async issue({ tenant, user, session, challenge, port, host }: AllowedCli): Promise<IssuedCode> {
    const code = randomBytes(32).toString('base64url');
    const expiresAt = this.#store.now() + lifeMs;
    const values = { code_hash: hashOf(code), ends_at: expiresAt, session_id: session, challenge, port, host };
    await scoped(this.#store.db, tenant)
      .insertInto('cli_codes', { user_id: user, ...values })
      .onConflict((conflict) => conflict.column('user_id').doUpdateSet(values))
      .execute();
    return { code, expiresAt };
  }

  /** Spends a code, also where verifier or port do not fit. Throws `sign_in_failed` unless everything fits. */
  async spend(code: string, verifier: string, port: number): Promise<AllowedCli> {
    const row = await unscoped(this.#store.db, 'the code tells whose it is')
      .deleteFrom('cli_codes')
      .where('code_hash', '=', hashOf(code))
      .returningAll()
      .executeTakeFirst();
    if (row === undefined || row.ends_at <= this.#store.now())
      throw new ApiError('sign_in_failed', 'The code was used already, or is older than 60 seconds: begin again');
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (challenge !== row.challenge || port !== row.port)
      throw new ApiError('sign_in_failed', 'The code was made for another command line: begin again');
    return { tenant: row.tenant_id, user: row.user_id, session: row.session_id, challenge, port, host: row.host };
  }
}

/** A code and when it ends, epoch milliseconds. */
export interface IssuedCode {
  readonly code: string;
  readonly expiresAt: number;
}

const hashOf = (code: string): string => createHash('sha256').update(code).digest('hex');
