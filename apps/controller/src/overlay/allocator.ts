import { formatAddress, type IpRange, parseAddress, parsePrefix } from '@sallyport/contract';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import { blockSize, takeBlock } from './blocks.ts';
import { overlayColumn } from './range.ts';

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
  const rested = await restedNumber(tx);
  if (rested !== null) {
    await tx.scoped.updateTable('overlay_leases').set(values).where('number', '=', rested).execute();
    return addressesOf(tx, rested);
  }
  const numbers = numbersIn(await rangeOf(tx));
  const fresh = (await freshNumber(tx, numbers)) ?? (await takeBlock(tx, numbers));
  if (fresh === null) throw new ApiError('overlay_exhausted', await whenAgain(tx));
  await tx.scoped.insert('overlay_leases', { number: fresh, ...values });
  return addressesOf(tx, fresh);
}

/** Takes the addresses of an object back; they rest for twice the tenant's lease. */
export async function freeOverlay(tx: Tx, { overlay_v4 }: Pick<OverlayAddresses, 'overlay_v4'>): Promise<void> {
  const { lease_ms } = await tenantRow(tx);
  await tx.scoped
    .updateTable('overlay_leases')
    .set({ rests_until: tx.now + 2 * lease_ms })
    .where('number', '=', numberOf(await rangeOf(tx), overlay_v4))
    .execute();
}

/** Numbers from 1; the last address of the range is not given either. */
const numbersIn = ({ first, last }: IpRange): number => Number(last - first);

async function rangeOf(tx: Tx): Promise<IpRange> {
  const { overlay } = await tenantRow(tx);
  const range = parsePrefix(overlay);
  if (range === null) throw new Error(`${overlay} is no overlay range`);
  return range;
}

async function restedNumber(tx: Tx): Promise<number | null> {
  const row = await tx.scoped
    .selectFrom('overlay_leases')
    .select('number')
    .where('rests_until', '<=', tx.now)
    .orderBy('rests_until')
    .limit(1)
    .executeTakeFirst();
  return row?.number ?? null;
}

async function freshNumber(tx: Tx, numbers: number): Promise<number | null> {
  const row = await tx.scoped
    .selectFrom('overlay_blocks')
    .select(['block', 'used'])
    .where('used', '<', blockSize)
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return null;
  const number = row.block * blockSize + row.used;
  if (number >= numbers) return null;
  const used = row.used + 1;
  await tx.scoped.updateTable('overlay_blocks').set({ used }).where('block', '=', row.block).execute();
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

async function addressesOf(tx: Tx, number: number): Promise<OverlayAddresses> {
  const prefix = parsePrefix((await tenantRow(tx)).overlay_v6);
  if (prefix === null) throw new Error(`tenant ${tx.tenant} has no valid overlay prefix`);
  return {
    overlay_v4: formatAddress(4, (await rangeOf(tx)).first + BigInt(number)),
    overlay_v6: formatAddress(6, prefix.first + BigInt(number)),
  };
}

const tenantRow = (tx: Tx) =>
  tx.scoped.selectTenant().select(['overlay_v6', 'lease_ms']).select(overlayColumn).executeTakeFirstOrThrow();
