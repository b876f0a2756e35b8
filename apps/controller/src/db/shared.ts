import { hasRowLocks } from './dialect.ts';
import type { Store } from './types.ts';

/** Whether other processes may write to the database of the store. */
export const isShared = ({ db }: Pick<Store, 'db'>): boolean => hasRowLocks(db);

/**
 * Takes note of a revision that a request read together with its caller. When another replica has committed it, this one
 * may not have heard of it yet: what it remembers of the tenant is then read again, so that a client which wrote through
 * one replica reads its write through every other one.
 */
export function noticeRead(store: Store, tenant: string, revision: number): void {
  if (isShared(store) && revision > store.log.head(tenant)) store.noticed({ tenant, revision });
}
