import { sql } from 'kysely';
import { runCompiled } from './compiled.ts';
import { hasRowLocks } from './dialect.ts';
import type { Tx } from './types.ts';

/** What tenants share: overlay numbers, blocks of them, WireGuard keys, short names. */
const shared = { numbers: 1, blocks: 2, keys: 3, slugs: 4 } as const;

/** First half of the names of these locks. */
const space = 0x5a12;

/**
 * Keeps what tenants share as it is until the transaction ends. The lock on a tenant's head does not keep other tenants
 * away. `together`: any number of transactions can have the lock like this, as long as none has it alone. SQLite has one
 * writer at a time, so there it does nothing.
 */
export async function lockShared(
  { db }: Pick<Tx, 'db'>,
  what: keyof typeof shared,
  how: 'alone' | 'together' = 'alone',
): Promise<void> {
  if (!hasRowLocks(db)) return;
  const lock = sql.raw(how === 'alone' ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared');
  await runCompiled(db, `lock ${what} ${how}`, [], () =>
    db.selectNoFrom(sql`${lock}(${sql.lit(space)}, ${sql.lit(shared[what])})`.as('locked')).compile(),
  );
}
