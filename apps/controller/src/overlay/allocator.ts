import { formatAddress, type IpRange, parseAddress, parsePrefix } from '@sallyport/ip';
import { lockShared } from '../db/across-tenants.ts';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import { blockSize, takeBlock } from './blocks.ts';
import { overlayColumn } from './range.ts';

/** The two overlay addresses of an object. */
export interface OverlayAddresses {
  readonly overlay_v4: string;
  readonly overlay_v6: string;
}

/**
 * Gives an object of the tenant its two overlay addresses. The tenant's own numbers come first, the one that has rested
 * longest: an address must not reach a new owner while a gateway may still admit the old one. Then come numbers of its
 * blocks that were never used, then those of a new block.
 */
export async function takeOverlay(tx: Tx, kind: 'gateway' | 'device', owner: string): Promise<OverlayAddresses> {
  const values = { owner_kind: kind, owner_id: owner, rests_until: null };
  // A block of which every number rests can be taken away by another tenant.
  await lockShared(tx, 'numbers', 'together');
  const space = await spaceOf(tx);
  const rested = await restedNumber(tx);
  if (rested !== null) {
    await tx.scoped.updateTable('overlay_leases').set(values).where('number', '=', rested).execute();
    return addressesOf(space, rested);
  }
  const numbers = numbersIn(space.v4);
  const fresh = (await freshNumber(tx, numbers)) ?? (await takeBlock(tx, numbers));
  if (fresh === null) throw new ApiError('overlay_exhausted', await whenAgain(tx));
  await tx.scoped.insert('overlay_leases', { number: fresh, ...values });
  return addressesOf(space, fresh);
}

/** Frees the addresses of an object. They rest for twice the tenant's lease. */
export async function freeOverlay(tx: Tx, { overlay_v4 }: Pick<OverlayAddresses, 'overlay_v4'>): Promise<void> {
  const { v4, leaseMs } = await spaceOf(tx);
  await tx.scoped
    .updateTable('overlay_leases')
    .set({ rests_until: tx.now + 2 * leaseMs })
    .where('number', '=', numberOf(v4, overlay_v4))
    .execute();
}

/** Numbers start from 1, and the last address of the range is not assigned either. */
const numbersIn = ({ first, last }: IpRange): number => Number(last - first);

/** Where a tenant's addresses lie, and its lease. Read once for each write. */
interface Space {
  readonly v4: IpRange;
  readonly v6: IpRange;
  readonly leaseMs: number;
}

async function spaceOf(tx: Tx): Promise<Space> {
  const [row] = await tx.scoped.run('overlay space', ['overlay', tx.tenant], () =>
    tx.scoped.selectTenant().select(['overlay_v6', 'lease_ms']).select(overlayColumn).compile(),
  );
  if (row === undefined) throw new Error(`there is no tenant ${tx.tenant}`);
  const [v4, v6] = [parsePrefix(row.overlay), parsePrefix(row.overlay_v6)];
  if (v4 === null) throw new Error(`${row.overlay} is no overlay range`);
  if (v6 === null) throw new Error(`tenant ${tx.tenant} has no valid overlay prefix`);
  return { v4, v6, leaseMs: row.lease_ms };
}

async function restedNumber(tx: Tx): Promise<number | null> {
  const [row] = await tx.scoped.run('rested overlay number', [tx.tenant, tx.now, 1], () =>
    tx.scoped
      .selectFrom('overlay_leases')
      .select('number')
      .where('rests_until', '<=', tx.now)
      .orderBy('rests_until')
      .limit(1)
      .compile(),
  );
  return row?.number ?? null;
}

async function freshNumber(tx: Tx, numbers: number): Promise<number | null> {
  const [row] = await tx.scoped.run('fresh overlay number', [tx.tenant, blockSize, 1], () =>
    tx.scoped.selectFrom('overlay_blocks').select(['block', 'used']).where('used', '<', blockSize).limit(1).compile(),
  );
  if (row === undefined) return null;
  const number = row.block * blockSize + row.used;
  if (number >= numbers) return null;
  const used = row.used + 1;
  await tx.scoped.run('use overlay number', [used, tx.tenant, row.block], () =>
    tx.scoped.updateTable('overlay_blocks').set({ used }).where('block', '=', row.block).compile(),
  );
  return number;
}

async function whenAgain(tx: Tx): Promise<string> {
  const { next } = await tx.scoped
    .selectFrom('overlay_leases')
    .select((eb) => eb.fn.min('rests_until').as('next'))
    .executeTakeFirstOrThrow();
  const free = next === null ? '' : `; the next one that was freed can be used from ${new Date(next).toISOString()}`;
  return `The tenant has its share of the overlay addresses${free}`;
}

function numberOf(range: IpRange, overlayAddress: string): number {
  const address = parseAddress(overlayAddress);
  if (address === null) throw new Error(`${overlayAddress} is no overlay address`);
  return Number(address.value - range.first);
}

const addressesOf = ({ v4, v6 }: Space, number: number): OverlayAddresses => ({
  overlay_v4: formatAddress({ family: 4, value: v4.first + BigInt(number) }),
  overlay_v6: formatAddress({ family: 6, value: v6.first + BigInt(number) }),
});
