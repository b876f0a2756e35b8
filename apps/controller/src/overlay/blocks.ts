import { lockShared } from '../db/across-tenants.ts';
import { unscoped } from '../db/scoped.ts';
import type { Tx } from '../db/store.ts';

/** Numbers per block. A tenant takes numbers from its own blocks only, so tenants do not compete for each number. */
export const blockSize = 256;

/**
 * Gives the tenant another block and returns its first number; null when the tenant gets none. The first block is
 * given while one is free. A further block is given while the tenant has fewer than a quarter of the free ones, so
 * that a large tenant leaves most of the rest to others. `numbers`: count of the whole overlay, the last one excluded.
 */
export async function takeBlock(tx: Tx, numbers: number): Promise<number | null> {
  await lockShared(tx, 'blocks');
  if (!(await mayTake(tx, numbers)) && !((await releaseRested(tx)) && (await mayTake(tx, numbers)))) return null;
  const block = await firstFree(tx);
  // Number 0 is the address of the network itself.
  const first = block === 0 ? 1 : 0;
  await tx.scoped.insert('overlay_blocks', { block, used: first + 1 });
  return block * blockSize + first;
}

async function mayTake(tx: Tx, numbers: number): Promise<boolean> {
  const { own, taken } = await unscoped(tx.db, 'blocks of overlay numbers are unique across tenants')
    .selectFrom('overlay_blocks')
    .select((eb) => [
      eb.fn.countAll<number>().as('taken'),
      eb.fn.countAll<number>().filterWhere('tenant_id', '=', tx.tenant).as('own'),
    ])
    .executeTakeFirstOrThrow();
  const free = Math.floor(numbers / blockSize) - taken;
  return free >= 1 && (own === 0 || own < free / 4);
}

/**
 * Gives back blocks of which every number that was given has rested, whoever had them, so that no gateway admits its last
 * owner any more. Only when blocks run short: until then a number comes back to the tenant that had it. False: there are none.
 */
async function releaseRested(tx: Tx): Promise<boolean> {
  await lockShared(tx, 'numbers');
  const all = unscoped(tx.db, 'blocks of overlay numbers are unique across tenants');
  const rows = await all
    .selectFrom('overlay_blocks as blocks')
    .select('block')
    .where(({ and, eb, exists, not, selectFrom }) => {
      const leases = selectFrom('overlay_leases')
        .select('number')
        .whereRef('number', '>=', eb('blocks.block', '*', blockSize))
        .whereRef('number', '<', eb(eb('blocks.block', '*', blockSize), '+', blockSize));
      const held = leases.where(({ eb, or }) => or([eb('rests_until', 'is', null), eb('rests_until', '>', tx.now)]));
      return and([exists(leases), not(exists(held))]);
    })
    .execute();
  for (const { block } of rows) {
    const first = block * blockSize;
    await all
      .deleteFrom('overlay_leases')
      .where('number', '>=', first)
      .where('number', '<', first + blockSize)
      .execute();
    await all.deleteFrom('overlay_blocks').where('block', '=', block).execute();
  }
  return rows.length > 0;
}

async function firstFree(tx: Tx): Promise<number> {
  const blocks = unscoped(tx.db, 'blocks of overlay numbers are unique across tenants');
  const zero = await blocks.selectFrom('overlay_blocks').select('block').where('block', '=', 0).executeTakeFirst();
  if (zero === undefined) return 0;
  const { block } = await blocks
    .selectFrom('overlay_blocks as taken')
    .leftJoin('overlay_blocks as next', (join) => join.on((eb) => eb('next.block', '=', eb('taken.block', '+', 1))))
    .where('next.block', 'is', null)
    .select('taken.block')
    .orderBy('taken.block')
    .limit(1)
    .executeTakeFirstOrThrow();
  return block + 1;
}
