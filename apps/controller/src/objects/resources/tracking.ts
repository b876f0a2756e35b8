import { decodeJson } from '../../db/json.ts';
import type { Change, Tx } from '../../db/store.ts';
import { tracked } from '../../db/tracked.ts';
import { bumpResources, findResources, type ResourceParts, withParts } from './store.ts';

/** Runs `work` and records each of the resources that it changed. */
export function trackResources(
  tx: Tx,
  ids: readonly string[],
  work: () => Promise<void>,
  action?: Change['action'],
): Promise<void> {
  return tracked(tx, { kind: 'resource', load: auditedResources, bump: bumpResources }, ids, work, action);
}

/** Returns resources in the form of the audit trail, by id. */
export async function auditedResources(tx: Tx, ids: readonly string[]) {
  const resources = await withParts(tx.scoped, await findResources(tx.scoped, ids));
  return new Map(resources.map((resource) => [resource.row.id, audited(resource)]));
}

const audited = ({ row, addresses, gateways }: ResourceParts) => ({
  id: row.id,
  name: row.name,
  type: row.type,
  description: row.description,
  loadBalancingMode: row.load_balancing_mode,
  labels: decodeJson<string[]>(row.labels),
  addresses: addresses.map(({ id, address, protocols }) => ({ id, address, protocols })),
  gateways,
});
