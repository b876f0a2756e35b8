import { formatAddress, type IpRange, parseAddress, parsePrefix } from '@sallyport/ip';
import type { CompiledQuery } from 'kysely';
import { lockShared } from '../db/across-tenants.ts';
import type { Row } from '../db/schema.ts';
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
  const { space, rested, block } = await numbersOf(tx);
  if (rested !== null) {
    await tx.scoped.updateTable('overlay_leases').set(values).where('number', '=', rested).execute();
    return addressesOf(space, rested);
  }
  const fresh = freshNumber(tx, space, block) ?? (await numberOfNewBlock(tx, space));
  if (fresh === null) throw new ApiError('overlay_exhausted', await whenAgain(tx));
  await tx.scoped.insert('overlay_leases', { number: fresh, ...values });
  return addressesOf(space, fresh);
}

/** Where the next number of a tenant comes from. */
interface Numbers {
  readonly space: Space;
  /** Own number that has rested longest; null when none has rested long enough. */
  readonly rested: number | null;
  /** Block with numbers that were never used; null when the tenant has none. */
  readonly block: { readonly block: number; readonly used: number } | null;
}

/** Name of the numbers of a tenant in a transaction. */
const knownAs = ({ tenant }: Tx): string => `overlay numbers ${tenant}`;

/** Reads where the next number comes from, once for all writes of a transaction that only take never used ones. */
async function numbersOf(tx: Tx): Promise<Numbers> {
  const known = tx.known<Numbers>(knownAs(tx));
  if (known !== undefined && known.block !== null && known.block.used < blockSize) return known;
  // A block of which every number rests can be taken away by another tenant. What is read must be read under the lock.
  // Both statements are sent at once; the server runs the second one with the lock, on what was committed by then.
  const locked = lockShared(tx, 'numbers', 'together');
  const parameters = ['overlay', blockSize, 1, blockSize, 1, tx.now, 1, tx.tenant];
  const read = tx.scoped.run('overlay numbers', parameters, () =>
    tx.scoped
      .selectTenant()
      .select(['overlay_v6', 'lease_ms'])
      .select(overlayColumn)
      .select((eb) => {
        const open = eb
          .selectFrom('overlay_blocks')
          .whereRef('overlay_blocks.tenant_id', '=', 'tenants.id')
          .where('used', '<', blockSize)
          .orderBy('block', 'desc')
          .limit(1);
        return [open.select('block').as('block'), open.select('used').as('used')];
      })
      .select((eb) =>
        eb
          .selectFrom('overlay_leases')
          .select('number')
          .whereRef('overlay_leases.tenant_id', '=', 'tenants.id')
          .where('rests_until', '<=', tx.now)
          .orderBy('rests_until')
          .limit(1)
          .as('rested'),
      )
      .compile(),
  );
  const [[row]] = await Promise.all([read, locked]);
  if (row === undefined) throw new Error(`there is no tenant ${tx.tenant}`);
  const { rested, block, used } = row;
  return { space: spaceIn(tx, row), rested, block: block === null || used === null ? null : { block, used } };
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
  return spaceIn(tx, row);
}

function spaceIn(tx: Tx, row: Pick<Row<'tenants'>, 'overlay_v6' | 'lease_ms'> & { readonly overlay: string }): Space {
  const [v4, v6] = [parsePrefix(row.overlay), parsePrefix(row.overlay_v6)];
  if (v4 === null) throw new Error(`${row.overlay} is no overlay range`);
  if (v6 === null) throw new Error(`tenant ${tx.tenant} has no valid overlay prefix`);
  return { v4, v6, leaseMs: row.lease_ms };
}

/** Takes a number of the block that was never used; null when there is none. */
function freshNumber(tx: Tx, space: Space, open: Numbers['block']): number | null {
  if (open === null || open.used >= blockSize) return null;
  const { block, used } = open;
  const number = block * blockSize + used;
  if (number >= numbersIn(space.v4)) return null;
  const stored = tx.scoped.compiled('use overlay number', [used + 1, tx.tenant, block], () =>
    tx.scoped
      .updateTable('overlay_blocks')
      .set({ used: used + 1 })
      .where('block', '=', block)
      .compile(),
  );
  knowNumbers(tx, space, number, stored);
  return number;
}

/** Gives the tenant another block and returns a number of it; null when the tenant gets none. */
async function numberOfNewBlock(tx: Tx, space: Space): Promise<number | null> {
  const number = await takeBlock(tx, numbersIn(space.v4));
  if (number !== null) knowNumbers(tx, space, number);
  return number;
}

/** Keeps where the next number comes from, after one that was never used before. */
function knowNumbers(tx: Tx, space: Space, number: number, stored?: CompiledQuery): void {
  const block = { block: Math.floor(number / blockSize), used: (number % blockSize) + 1 };
  tx.know(knownAs(tx), { space, rested: null, block }, stored);
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
