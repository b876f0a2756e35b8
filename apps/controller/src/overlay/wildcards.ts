import { wildcardsOver } from '@sallyport/ip';
import { selectIn } from '../db/chunks.ts';
import type { Tx } from '../db/store.ts';

/** Tells agents that names under wildcards of resources came or went. The resources themselves are as they were. */
export async function followNames(tx: Tx, names: readonly string[]): Promise<void> {
  if (names.length === 0 || !(await hasWildcards(tx))) return;
  follow(tx, await resourcesOver(tx, names));
}

/** Selects from these addresses of private resources. */
export const privateAddresses = (tx: Tx, addresses: readonly string[]) =>
  tx.scoped
    .selectFrom('addresses')
    .innerJoin('resources', 'resources.id', 'addresses.resource_id')
    .where('resources.type', '=', 'PRIVATE')
    .where('addresses.address', 'in', addresses);

/** Returns the ids of private resources with a wildcard that covers one of these names. */
export async function resourcesOver(tx: Tx, names: readonly string[]): Promise<string[]> {
  const rows = await selectIn([...new Set(names.flatMap(wildcardsOver))], (part) =>
    privateAddresses(tx, part).select('resources.id').distinct().execute(),
  );
  return [...new Set(rows.map(({ id }) => id))];
}

/** Tells agents that addresses came or went in some network. A resource without gateways has those of all networks. */
export async function followUnattached(tx: Tx, names: readonly string[]): Promise<void> {
  const rows = await selectIn([...new Set(names)], (part) =>
    tx.scoped
      .selectFrom('addresses')
      .leftJoin('resource_gateways', 'resource_gateways.resource_id', 'addresses.resource_id')
      .where('resource_gateways.gateway_id', 'is', null)
      .where('addresses.address', 'in', part)
      .select('addresses.resource_id')
      .distinct()
      .execute(),
  );
  follow(tx, [...new Set(rows.map(({ resource_id }) => resource_id))]);
}

async function hasWildcards(tx: Tx): Promise<boolean> {
  const row = await tx.scoped
    .selectFrom('virtual_addresses')
    .select('name')
    .where('name', '>=', '*')
    .where('name', '<', '+')
    .where('rests_until', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Tells agents that the names of resources changed. */
export function follow(tx: Tx, resources: readonly string[]): void {
  for (const id of resources) tx.changed({ kind: 'resource', id, op: 'update', feedOnly: true });
}
