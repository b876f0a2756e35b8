import type { Scoped } from '../../db/scoped.ts';
import { findGateway, findGateways } from './store.ts';

/** What other features ask of gateways. */

/** Whether a gateway relays; undefined when there is no such gateway. */
export async function isRelay(db: Scoped, id: string): Promise<boolean | undefined> {
  const row = await findGateway(db, id);
  return row === undefined ? undefined : row.relay_enabled === 1;
}

/** Names of gateways by id. Ids of nobody are left out. */
export async function gatewayNames(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await findGateways(db, [...new Set(ids)]);
  return new Map(rows.map(({ id, name }) => [id, name]));
}
