import type { Scoped } from '../../db/scoped.ts';
import { findGateway, findGateways } from './store.ts';

/** Returns whether a gateway relays; undefined for an unknown gateway. */
export async function isRelay(db: Scoped, id: string): Promise<boolean | undefined> {
  const row = await findGateway(db, id);
  return row === undefined ? undefined : row.relay_enabled === 1;
}

/** Returns the names of gateways by id. Unknown ids are left out. */
export async function gatewayNames(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await findGateways(db, [...new Set(ids)]);
  return new Map(rows.map(({ id, name }) => [id, name]));
}
