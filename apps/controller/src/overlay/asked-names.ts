import type { Named } from '@sallyport/contract/channel';
import { chunks } from '../db/chunks.ts';
import { bySystem } from '../db/contexts.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store, Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import { freeNumbers, restMs } from './virtual.ts';
import { follow, followNames, resourcesOver } from './wildcards.ts';

/** Longest time between a use of a name and the moment that is stored for it. */
export const lateMs = 24 * 3600 * 1000;

/**
 * Gives virtual addresses in a network to a name that a wildcard covers. Agents learn it by the change log. `most`: names
 * of wildcards in the tenant. `mayGive` is asked once, before a name that is new.
 */
export async function nameFor(
  tx: Tx,
  { network, name }: { readonly network: string; readonly name: string },
  most: number,
  mayGive: () => boolean,
): Promise<Named['outcome']> {
  const resources = await resourcesOver(tx, [name]);
  if (resources.length === 0) return 'none';
  const known = await tx.scoped
    .selectFrom('virtual_addresses')
    .select(['rests_until', 'used_at'])
    .where('network', '=', network)
    .where('name', '=', name)
    .executeTakeFirst();
  if (known !== undefined && (known.used_at !== null || known.rests_until === null)) return 'given';
  if (!mayGive()) return 'later';
  if ((await usedNames(tx)) >= most) return 'full';
  if (known === undefined) {
    const number = await freeNumber(tx);
    if (number === null) return 'full';
    const row = { network, name, number, used_at: tx.now, rests_until: tx.now };
    await tx.scoped.insert('virtual_addresses', row);
  } else
    await tx.scoped
      .updateTable('virtual_addresses')
      .set({ used_at: tx.now })
      .where('network', '=', network)
      .where('name', '=', name)
      .execute();
  follow(tx, resources);
  return 'given';
}

/** Notes that devices use names in a network now. Names that no wildcard gave are left alone. */
export async function noteUsedNames(tx: Tx, network: string, names: readonly string[]): Promise<void> {
  for (const part of chunks(names))
    await tx.scoped
      .updateTable('virtual_addresses')
      .set({ used_at: tx.now })
      .where('network', '=', network)
      .where('name', 'in', part)
      .where('used_at', 'is not', null)
      .execute();
}

/** Forgets names of wildcards that no device has used for long. Their addresses may then go to other names. */
export async function forgetUnusedNames(store: Store): Promise<void> {
  const before = store.now() - restMs - lateMs;
  const rows = await unscoped(store.db, 'names age alike in every tenant')
    .selectFrom('virtual_addresses')
    .select(['tenant_id', 'name'])
    .where('used_at', '<=', before)
    .limit(namesPerSweep)
    .execute();
  for (const [tenant, unused] of Map.groupBy(rows, ({ tenant_id }) => tenant_id))
    await store.write(bySystem(tenant, 'forget names'), async (tx) => {
      const names = unused.map(({ name }) => name);
      await tx.scoped
        .updateTable('virtual_addresses')
        .set({ used_at: null })
        .where('name', 'in', names)
        // Meanwhile a device may have used it.
        .where('used_at', '<=', before)
        .execute();
      await followNames(tx, names);
    });
}

/** Names that one sweep forgets. The others wait for the next. */
const namesPerSweep = 500;

async function usedNames(tx: Tx): Promise<number> {
  const { count } = await tx.scoped
    .selectFrom('virtual_addresses')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('used_at', 'is not', null)
    .executeTakeFirstOrThrow();
  return count;
}

async function freeNumber(tx: Tx): Promise<number | null> {
  try {
    return (await freeNumbers(tx, 1))[0] ?? null;
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}
