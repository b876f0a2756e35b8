import { formatAddress, parseAddress, parsePrefix } from '@sallyport/contract';
import { unscoped } from '../db/scoped.ts';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';

/** IPv4 overlay of the controller, unique across tenants (RFC 6598 shared address space). */
export const overlayV4 = '100.64.0.0/10';

export interface OverlayAddresses {
  readonly overlay_v4: string;
  readonly overlay_v6: string;
}

/**
 * Gives an object of the tenant its two overlay addresses. Numbers never used come first, then the one that has rested
 * longest: an address must not reach a new owner while a gateway may still admit the old one.
 */
export async function takeOverlay(tx: Tx, kind: 'gateway' | 'device', owner: string): Promise<OverlayAddresses> {
  const leases = unscoped(tx.db, 'overlay numbers are unique across tenants');
  const { highest } = await leases
    .selectFrom('overlay_leases')
    .select((eb) => eb.fn.max('number').as('highest'))
    .executeTakeFirstOrThrow();
  const values = { owner_kind: kind, owner_id: owner, rests_until: null };
  const fresh = Number(highest ?? 0) + 1;
  if (fresh < numbers) {
    await tx.scoped.insert('overlay_leases', { number: fresh, ...values });
    return addressesOf(tx, fresh);
  }
  const rested = await leases
    .selectFrom('overlay_leases')
    .select('number')
    .where('rests_until', '<=', tx.now)
    .orderBy('rests_until')
    .limit(1)
    .executeTakeFirst();
  if (rested === undefined) throw new ApiError('overlay_exhausted');
  await leases
    .updateTable('overlay_leases')
    .set({ tenant_id: tx.tenant, ...values })
    .where('number', '=', rested.number)
    .execute();
  return addressesOf(tx, rested.number);
}

/** Takes the addresses of an object back; they rest for twice the tenant's lease. */
export async function freeOverlay(tx: Tx, { overlay_v4 }: Pick<OverlayAddresses, 'overlay_v4'>): Promise<void> {
  const { lease_ms } = await tenantRow(tx);
  await tx.scoped
    .updateTable('overlay_leases')
    .set({ rests_until: tx.now + 2 * lease_ms })
    .where('number', '=', numberOf(overlay_v4))
    .execute();
}

const v4 = parsePrefix(overlayV4) ?? { first: 0n, last: 0n };
/** Numbers from 1; the last address of the range is not given either. */
const numbers = Number(v4.last - v4.first);

function numberOf(overlayAddress: string): number {
  const address = parseAddress(overlayAddress);
  if (address === null) throw new Error(`${overlayAddress} is no overlay address`);
  return Number(address.value - v4.first);
}

async function addressesOf(tx: Tx, number: number): Promise<OverlayAddresses> {
  const prefix = parsePrefix((await tenantRow(tx)).overlay_v6);
  if (prefix === null) throw new Error(`tenant ${tx.tenant} has no valid overlay prefix`);
  return {
    overlay_v4: formatAddress(4, v4.first + BigInt(number)),
    overlay_v6: formatAddress(6, prefix.first + BigInt(number)),
  };
}

const tenantRow = (tx: Tx) => tx.scoped.selectTenant().select(['overlay_v6', 'lease_ms']).executeTakeFirstOrThrow();
