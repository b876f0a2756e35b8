import { randomInt } from 'node:crypto';
import type pg from 'pg';
import { codeOf, DatabaseUnavailable } from './failures.ts';

/** First half of the name of the lock by which a transaction through a pooler finds the session of its controller. */
const fenceSpace = 0x5a16;

/** Takes a lock that no other session has. Returns the second half of its name. */
export async function takeFence(session: pg.Client): Promise<number> {
  for (;;) {
    const key = randomInt(2 ** 31);
    const { rows } = await session.query('SELECT pg_try_advisory_lock($1, $2) AS taken', [fenceSpace, key]);
    if (rows[0].taken === 1) return key;
  }
}

/** Time after which the server ends a transaction whose process stands still. */
export const idleTime = '10s';

/**
 * Returns a statement that fails unless the session lives, on the same server and in the same database. With it in front, a
 * transaction commits nothing elsewhere. A lock that the session holds alone cannot be shared. The failure is a division by
 * zero: it ends the transaction before statements that are on their way already.
 */
export const fenceText = (key: number): string =>
  `SELECT 1 / (NOT pg_try_advisory_xact_lock_shared(${fenceSpace}, ${key}))::int,
    set_config('idle_in_transaction_session_timeout', '${idleTime}', true)`;

/** Whether a statement of `fenceText` has not found the session. */
export const isAstray = (error: unknown): boolean => codeOf(error) === '22012';

/** What is wrong with such a pooler. */
export const astrayText = 'The pooler leads to another server or database than the direct URL';

/** Returns the failure of what was sent there. */
export const strayed = (cause: unknown): DatabaseUnavailable =>
  new DatabaseUnavailable(`${astrayText}: try again in a moment`, cause);
