import type { Scoped } from '../../db/scoped.ts';
import { findGateway } from './store.ts';

/** Whether a gateway relays; undefined when there is no such gateway. */
export async function isRelay(db: Scoped, id: string): Promise<boolean | undefined> {
  const row = await findGateway(db, id);
  return row === undefined ? undefined : row.relay_enabled === 1;
}
