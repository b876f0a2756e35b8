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
