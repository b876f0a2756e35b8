import { codeOf } from './postgres/failures.ts';
import { unscoped } from './scoped.ts';
import type { Store } from './types.ts';

/** SQLite's primary result code for a full disk, and the SQLSTATE of PostgreSQL. */
const [SQLITE_FULL, DISK_FULL] = [13, '53100'];

/** Returns whether the database refused a write because it cannot grow. */
export function isStorageFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return 'errcode' in error ? (Number(error.errcode) & 0xff) === SQLITE_FULL : codeOf(error) === DISK_FULL;
}

/** Writes a small row, to find out whether the database can grow again. Rejects while it cannot. */
export async function probeStorage(store: Store): Promise<void> {
  const actor = { kind: 'system', id: null, name: 'controller' } as const;
  const context = { tenant: '', actor, action: 'probe storage', sourceIp: null, requestId: null };
  await store.write(context, async (tx) => {
    const value = String(tx.now);
    await unscoped(tx.db, 'whether the disk has room is the same for every tenant')
      .insertInto('meta')
      .values({ key: 'storage probe', value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute();
  });
}
